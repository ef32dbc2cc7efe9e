/** Rows of runs in the log's reference: what happens to one, and what it is asked. */
import { closesScope, type EventRow, type EventType } from "../kernel/events.ts";
import { namedQueue } from "../kernel/pool.ts";
import { isTerminalStatus, type RunStatus } from "../kernel/state.ts";
import { type Claim, POISONED } from "./port-claims.ts";
import { type InboxRow, WAKES_PAUSED } from "./port-inbox.ts";
import { furthest, type RunFilter, type RunWindow, type WindowBy, waysThrough } from "./port-lists.ts";
import { TELLING } from "./port-outlook.ts";
import type { RunRow } from "./port-runs.ts";
import type { ProgramId } from "./port-workers.ts";
import type { RunAppend, RunStart, UncleanChange } from "./port-write.ts";

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function newRow(start: RunStart): Mutable<RunRow> {
  const { runId, delivery: _, limits, ...columns } = start;
  return {
    ...columns,
    id: runId,
    epoch: start.owner === null ? 0 : 1,
    status: start.owner === null ? "pending" : "running",
    availableAt: null,
    head: 0,
    unclean: start.owner === null ? 0 : 1,
    result: null,
    stuck: null,
    startedAt: start.owner === null ? null : start.createdAt,
    endedAt: null,
    limits: limits?.places ?? null,
    queue: namedQueue(limits?.places ?? null),
    lineAt: limits?.lineAt ?? null,
    singleton: limits?.singleton ?? null,
    passedAt: null,
  };
}

export function changedUnclean(unclean: number, change: UncleanChange): number {
  if (change === "reset") return 0;
  return change === "undo" ? Math.max(unclean - 1, 0) : unclean;
}

export function take(run: Mutable<RunRow>, worker: string, hasMail: boolean): Claim {
  const uncleanBefore = run.unclean;
  run.status = "running";
  run.owner = worker;
  run.epoch++;
  run.unclean++;
  run.availableAt = null;
  const { id: runId, workflow, version, epoch, head, stuck } = run;
  return { runId, workflow, version, epoch, head, uncleanBefore, wasStuck: stuck !== null, hasMail };
}

export function parkPoisoned(run: Mutable<RunRow>, now: number): void {
  run.status = "stuck";
  run.owner = null;
  run.epoch++;
  run.availableAt = null;
  run.lineAt = run.limits === null ? null : now;
  run.stuck = JSON.stringify({ code: POISONED, message: `its claims ended ${run.unclean} times without a result` });
}

export function isKnown(run: RunRow, programs: readonly ProgramId[]): boolean {
  return programs.some(({ workflow, version }) => workflow === run.workflow && version === run.version);
}

export function matches(run: RunRow, filter: RunFilter): boolean {
  return (
    (filter.workflow === undefined || run.workflow === filter.workflow) &&
    (filter.status === undefined || filter.status.includes(run.status)) &&
    (filter.idempotencyKey === undefined || run.idempotencyKey === filter.idempotencyKey) &&
    (filter.parentId === undefined || run.parentId === filter.parentId) &&
    (filter.createdFrom === undefined || run.createdAt >= filter.createdFrom) &&
    (filter.createdBefore === undefined || run.createdAt < filter.createdBefore) &&
    Object.entries(filter.tags ?? {}).every(([name, value]) => run.tags[name] === value)
  );
}

/** As the port's `runWindow`. */
export function windowOver(
  runs: readonly RunRow[],
  filter: RunFilter,
  { before, rows }: { readonly before: string | null; readonly rows: number },
): RunWindow {
  const { parentId, workflow, status = [] } = filter;
  const lastOf = (part: RunFilter, count: number) => {
    const fitting = runs.filter((run) => matches(run, part) && (before === null || run.id < before));
    const ids = fitting.map(({ id }) => id).sort();
    return ids.at(-count) ?? null;
  };
  const share = Math.ceil(rows / Math.max(1, status.length));
  const ends: Readonly<Record<WindowBy, () => string | null>> = {
    parent: () => lastOf({ parentId: parentId as string }, rows),
    status: () => greatest(status.map((each) => lastOf({ status: [each] }, share))),
    workflow: () => lastOf({ workflow: workflow as string }, rows),
    all: () => lastOf({}, rows),
  };
  const ways = waysThrough(filter);
  return furthest(ways.map((by) => ({ by, from: ends[by]() })));
}

function greatest(ids: readonly (string | null)[]): string | null {
  return ids.reduce((best, id) => (best === null || (id !== null && id > best) ? id : best), null);
}

/** What a run's next owner needs: a completed scope is one outcome, and its own events are not read. */
export function withoutCompletedScopes(history: readonly EventRow[]): EventRow[] {
  const last = history.at(-1);
  const concluded = closedScopes(history);
  const skipped = new Set<string>();
  return history.filter((event) => {
    const hidden = event.scope !== null && (concluded.has(event.scope) || skipped.has(event.scope));
    // What opens within a hidden scope is hidden with it.
    if (hidden && event.type === "scope.started") skipped.add(event.key as string);
    return !hidden || event === last;
  });
}

function closedScopes(history: readonly EventRow[]): Set<string> {
  const closed = new Set<string>();
  for (const event of history) {
    // A run that was reopened may begin a scope once more.
    if (event.type === "scope.started") closed.delete(event.key as string);
    else if (closesScope(event)) closed.add(event.key as string);
  }
  return closed;
}

/** It goes on now: one with limits gets in line. */
export function goesOn(run: Mutable<RunRow>, now: number): void {
  run.status = "pending";
  run.availableAt = run.limits === null ? now : null;
  run.lineAt = run.limits === null ? null : now;
}

/** It goes on at the latest now, as mail has come. One with limits that is due has been admitted. */
export function wake(run: Mutable<RunRow>, now: number): void {
  run.status = "pending";
  if (run.limits === null || run.availableAt !== null) run.availableAt = Math.min(run.availableAt ?? now, now);
  else run.lineAt = Math.min(run.lineAt ?? now, now);
}

/** Whether the run is over with this. */
export function isEnd({ row }: RunAppend): boolean {
  return row.kind === "move" && isTerminalStatus(row.status);
}

/** Whether all ends with this that the run may share with others. */
export function endsSharing(run: RunAppend): boolean {
  return isEnd(run) && run.beyond?.shares === true;
}

/** Whether a parked run of this status goes on because of its mail. */
export function isWoken(status: RunStatus, mail: readonly InboxRow[]): boolean {
  if (status === "paused") return mail.some(({ kind }) => WAKES_PAUSED.includes(kind));
  return ["waiting", "pending", "stuck"].includes(status) && mail.length > 0;
}

/** The events of a history after a seq, as an outlook has them. */
export function lastEvents(history: readonly EventRow[], afterSeq: number): EventRow[] {
  return history
    .filter(({ seq }) => seq > afterSeq)
    .map((row) => {
      if (row.type === "run.created") {
        const { availableAt = null } = JSON.parse(row.data ?? "{}") as { readonly availableAt?: number };
        return { ...row, data: JSON.stringify({ availableAt }) };
      }
      return TELLING.has(row.type as EventType) ? row : { ...row, data: null };
    });
}
