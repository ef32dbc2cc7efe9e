/** A claimed run's state from its rows. Pure. */
import { isVarveError, StoreError, type VarveError } from "../kernel/errors.ts";
import { type EventRow, parseEvent, type RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import type { RunState } from "../kernel/state.ts";

/**
 * The fold of a run's rows.
 *
 * @throws StoreError `EVENT_UNREADABLE`, `HISTORY_INVALID`
 */
export function replayedState(runId: string, rows: readonly EventRow[]): { state: RunState; events: RunEvent[] } {
  const events = rows.map(parseEvent);
  const state = events.reduce<RunState | null>(evolve, null);
  if (state === null)
    throw new StoreError("HISTORY_INVALID", `expected run ${runId} to have events, but it has none`, { runId });
  return { state, events };
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
