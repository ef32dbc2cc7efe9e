/** Rows of runs in the log's reference: what happens to one, and what it is asked. */
import { namedQueue } from "../kernel/pool.ts";
import { isTerminalStatus, type RunStatus } from "../kernel/state.ts";
import { type Claim, POISONED, UNCLEAN_ALONE_FROM } from "./port-claims.ts";
import { type InboxRow, WAKES_PAUSED } from "./port-inbox.ts";
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

/** What a write makes of a run's row. `mail`: what the run has then. */
export function moveRow(row: Mutable<RunRow>, append: RunAppend, mail: readonly InboxRow[], now: number): void {
  const { firstSeq, events, row: patch, beyond } = append;
  row.head = firstSeq + events.length - 1;
  row.unclean = changedUnclean(row.unclean, patch.unclean);
  row.startedAt = patch.startedAt ?? row.startedAt;
  if (patch.kind === "advance") return;
  const parks = patch.status === "waiting" || patch.status === "paused";
  const wakes = parks && isWoken(patch.status, mail);
  const dueAt = wakes ? now : patch.availableAt;
  const isLimited = parks && beyond?.places === "yield";
  row.status = wakes ? "pending" : patch.status;
  row.availableAt = isLimited ? null : dueAt;
  if (isLimited) row.lineAt = dueAt;
  if (patch.release) row.owner = null;
  row.result = patch.result;
  row.endedAt = patch.endedAt;
  row.stuck = patch.stuck;
}

function changedUnclean(unclean: number, change: UncleanChange): number {
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

/** It goes on now: one with limits gets in line. */
export function goesOn(run: Mutable<RunRow>, now: number): void {
  run.status = "pending";
  run.availableAt = run.limits === null ? now : null;
  run.lineAt = run.limits === null ? null : now;
}

/** One that was parked as poison is a suspect again, with all of its tries. */
export function tryAgain(run: Mutable<RunRow>): void {
  run.unclean = Math.min(run.unclean, UNCLEAN_ALONE_FROM);
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
