/**
 * What the tables should hold of one run, told from its events alone. Shares `evolve` with the live path and nothing
 * else (rule R1).
 */
import { type EventRow, isOutcome, isRunWide, isTerminal, parseEvent, type RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { withoutValues } from "../kernel/invariants.ts";
import { ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import { namedQueue } from "../kernel/pool.ts";
import { isTerminalStatus, type RunResult, type RunState, wakeAt } from "../kernel/state.ts";
import type { RunRow } from "../log/port-runs.ts";

/** One thing that the database holds otherwise than the events say. */
export interface Difference {
  /** Null: it is about no run. */
  readonly runId: string | null;
  /** The column, or what else is wrong. */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

/** One run, rebuilt event by event. */
export class Projection {
  readonly runId: string;
  /** Null before the first event, and if that cannot be one. */
  state: RunState | null = null;
  /** Every event without its values: what the invariants need, in bounded memory. */
  readonly history: RunEvent[] = [];
  /** Events whose scope is not what their key says, and events that cannot be read. */
  readonly differences: Difference[] = [];
  /** False once an event could not be folded: then nothing more is known of the run. */
  isReadable = true;
  /** The run that started it, as its first event says. */
  #parentId: string | null = null;
  /** The epoch of the last outcome or end: what was unclean before it does not count. */
  #settledEpoch = 0;

  constructor(runId: string) {
    this.runId = runId;
  }

  get lastSeq(): number {
    return this.history.at(-1)?.seq ?? 0;
  }

  /** Folds the next event. False: it cannot be folded. */
  add(row: EventRow): boolean {
    let event: RunEvent;
    try {
      event = parseEvent(row);
      this.#checkScope(event);
      this.state = evolve(this.state, event);
    } catch (error) {
      this.unreadable(`seq ${row.seq}: ${(error as Error).message}`);
      return false;
    }
    if (event.type === "run.created") this.#parentId = event.data.parent?.runId ?? null;
    if (isOutcome(event.type) || isTerminal(event.type)) this.#settledEpoch = event.epoch;
    this.history.push(withoutValues(event));
    return true;
  }

  /** Its events cannot be folded any further. */
  unreadable(found: string): void {
    this.isReadable = false;
    this.#differs("event", "an event that can follow", found);
  }

  /** The index that lets a reader leave out completed scopes: an event's scope is that of its key, or the whole run. */
  #checkScope(event: RunEvent): void {
    const isIndexed = this.state?.scoped === true || event.type === "scope.started";
    const isTop = event.key === null || isRunWide(event.type);
    const expected = isIndexed ? (isTop ? ROOT_SCOPE : scopeOfKey(event.key as string)) : null;
    if (event.scope !== expected) {
      this.#differs("scope", `${show(expected)} at seq ${event.seq} (${event.type})`, show(event.scope));
    }
  }

  #differs(what: string, expected: string, found: string): void {
    this.differences.push({ runId: this.runId, what, expected, found });
  }

  /** In what `row` differs from what the events say. */
  compare(row: RunRow | null): Difference[] {
    const { state } = this;
    if (state === null) return [this.#difference("history", "a run.created event", "no event")];
    if (row === null) return [this.#difference("row", `a row for a run with ${state.head} events`, "none")];
    return [
      ...this.#facts(row, state),
      ...this.#place(row, state),
      ...this.#check("epoch", row.epoch >= state.epoch, `at least ${state.epoch}, that of the last event`, row.epoch),
      ...this.#unclean(row),
      ...this.#owner(row, state),
    ];
  }

  /** Columns that are what an event says. */
  #facts(row: RunRow, state: RunState): Difference[] {
    const result = row.result === null ? null : parsed(row.result);
    return [
      ...this.#same("workflow", state.workflow, row.workflow),
      ...this.#same("version", state.version, row.version),
      ...this.#same("idempotencyKey", state.idempotencyKey, row.idempotencyKey),
      ...this.#same("tags", state.tags, row.tags),
      ...this.#same("limits", state.limits, row.limits),
      ...this.#same("queue", namedQueue(state.limits), row.queue),
      ...this.#same("parentId", this.#parentId, row.parentId),
      ...this.#same("createdAt", state.createdAt, row.createdAt),
      ...this.#same("deadlineAt", state.deadlineAt, row.deadlineAt),
      ...this.#same("head", state.head, row.head),
      ...this.#same("startedAt", state.startedAt, row.startedAt),
      ...this.#same("endedAt", state.endedAt, row.endedAt),
      ...this.#same("result", resultOf(state.result), result),
    ];
  }

  /** Status and due time: where the run stands in the work queue. */
  #place(row: RunRow, state: RunState): Difference[] {
    const { status, availableAt, lineAt } = row;
    if (state.result !== null || isTerminalStatus(status)) {
      const expected = state.result?.status ?? "a status of a run that has not ended";
      return [
        ...this.#same("status", expected, status),
        ...this.#same("availableAt", null, availableAt),
        ...this.#same("lineAt", null, lineAt),
      ];
    }
    const untouched = row.epoch === 0 && state.head === 1;
    switch (status) {
      case "waiting":
        // One with limits gets in line first.
        return state.limits === null
          ? this.#same("availableAt", wakes(state, availableAt), availableAt)
          : [...this.#same("lineAt", wakes(state, lineAt), lineAt), ...this.#same("availableAt", null, availableAt)];
      case "pending":
        if (state.limits !== null)
          return this.#check("lineAt", availableAt === null || lineAt === null, "null", lineAt);
        if (availableAt === null) return this.#check("availableAt", false, "an instant, of a pending run", null);
        // Mail may have called it earlier.
        return untouched && availableAt > state.availableAt
          ? this.#check("availableAt", false, `at most ${state.availableAt}`, availableAt)
          : [];
      case "paused":
        return [...this.#same("paused", state.paused, true), ...this.#same("availableAt", null, availableAt)];
      default:
        return this.#same("availableAt", null, availableAt);
    }
  }

  /** A claim counts as unclean until an outcome is recorded under it or after it. */
  #unclean({ unclean, epoch, status }: RunRow): Difference[] {
    const max = isTerminalStatus(status) ? 0 : epoch - this.#settledEpoch;
    return this.#check("unclean", unclean >= 0 && unclean <= max, `from 0 to ${max}`, unclean);
  }

  #owner({ status, owner, epoch }: RunRow, state: RunState): Difference[] {
    if (status !== "running") return this.#same("owner", null, owner);
    if (owner === null) return this.#check("owner", false, "a worker, of a running run", null);
    return epoch === state.epoch ? this.#same("owner", state.worker, owner) : [];
  }

  #same(what: string, expected: unknown, found: unknown): Difference[] {
    const [a, b] = [canonical(expected), canonical(found)];
    return a === b ? [] : [this.#difference(what, a, b)];
  }

  #check(what: string, holds: boolean, expected: string, found: unknown): Difference[] {
    return holds ? [] : [this.#difference(what, expected, show(found))];
  }

  #difference(what: string, expected: string, found: string): Difference {
    return { runId: this.runId, what, expected: shorten(expected), found: shorten(found) };
  }
}

/** A result as `docs/FORMAT.md` says that the row holds it. */
function resultOf(result: RunResult | null): object | null {
  if (result === null) return null;
  if (result.status === "completed") return { value: result.output.value, meta: result.output.meta };
  return result.status === "failed" ? result.error : { reason: result.reason };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return `no JSON: ${text}`;
  }
}

/** The JSON text of `value`, the same whatever the order of its keys. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, item: unknown) =>
      typeof item === "object" && item !== null && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ) ?? "undefined"
  );
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

const SHOWN_MAX = 500;

function shorten(text: string): string {
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}... (${text.length} characters)`;
}

/**
 * When a parked run wakes, as its events have it. A step whose next attempt is due may stand in line for its queue instead, of
 * which no event says anything: then it is `found`, if that is possible.
 */
function wakes(state: RunState, found: number | null): number | null {
  const others = wakeAt(state, ({ kind }) => kind !== "step");
  if (found === others) return others;
  const isRetry = [...state.calls.values()].some(({ kind, dueAt }) => kind === "step" && dueAt === found);
  return found !== null && isRetry && (others === null || found < others) ? found : wakeAt(state);
}
