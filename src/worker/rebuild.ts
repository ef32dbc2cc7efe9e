/** A claimed run's state from its rows. Pure. */
import { isVarveError, StoreError, type VarveError } from "../kernel/errors.ts";
import { type EventRow, parseEvent, type RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import { isHiddenScope, type RunState } from "../kernel/state.ts";
import type { Claim } from "../log/port-claims.ts";

/**
 * The fold of a run's rows, and the events that its code is replayed with.
 *
 * @throws StoreError `EVENT_UNREADABLE`, `HISTORY_INVALID`
 */
export function replayedState(
  { runId, head }: Pick<Claim, "runId" | "head">,
  rows: readonly EventRow[],
): { state: RunState; events: RunEvent[] } {
  const events = rows.map(parseEvent);
  const last = events.at(-1);
  // Events after another than its head could not be appended, and it would be nobody's for as long as this worker lives.
  if (last?.seq !== head) {
    const found = last === undefined ? "it has none" : `the last one is event ${last.seq}`;
    throw new StoreError("HISTORY_INVALID", `expected run ${runId} to have ${head} events, but ${found}`, { runId });
  }
  const before = events.slice(0, -1).reduce<RunState | null>(evolve, null);
  if (before === null || !isHiddenScope(before, last.scope ?? ROOT_SCOPE))
    return { state: evolve(before, last), events };
  // It only says where the history ends: whoever runs the code does not come there any more.
  Object.assign(before, { head: last.seq, epoch: last.epoch, at: last.at });
  return { state: before, events: events.slice(0, -1) };
}

/** Why a run cannot be gone on with, as an error with a code. */
export function unreadable(runId: string, error: unknown): VarveError {
  if (isVarveError(error)) return error;
  const found = error instanceof Error ? error.message : String(error);
  return new StoreError(
    "HISTORY_INVALID",
    `expected run ${runId} to go on from its history, but: ${found}`,
    { runId },
    { cause: error },
  );
}

/** Why the code cannot be given an event of the log. */
export function damagedEvent(
  { runId, seq, type }: Pick<RunEvent, "runId" | "seq" | "type">,
  cause: unknown,
): StoreError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new StoreError(
    "EVENT_UNREADABLE",
    `expected event ${seq} of run ${runId} to be a ${type} that can be given to its code, but: ${found}`,
    { runId, seq, type },
    { cause },
  );
}
