/** What a run's row becomes with a write. Pure. */
import { assert, assertNever } from "../kernel/assert.ts";
import type { VarveError } from "../kernel/errors.ts";
import type { RunResult, RunState } from "../kernel/state.ts";
import type { RunRowMove, RunRowPatch } from "../log/port-write.ts";

/** How a run leaves its worker's hands. */
export type Leave =
  /** It waits for time or mail. */
  | { readonly kind: "park"; readonly availableAt: number | null }
  /** It waits for somebody to resume it. */
  | { readonly kind: "pause" }
  /** Its worker stops: another can go on at once. */
  | { readonly kind: "hand-back"; readonly availableAt: number }
  | { readonly kind: "stuck"; readonly error: VarveError }
  | { readonly kind: "end" };

/** What a run's row takes from its state. */
type Ending = Pick<RunState, "startedAt" | "endedAt" | "result">;

/** What the row of a run does not say yet: when it was started, or that it is not stuck any more. */
export type RowLag = "start" | "release" | null;

const ADVANCE: RunRowPatch = { kind: "advance", unclean: "keep", startedAt: null };
const ADVANCE_AND_RESET: RunRowPatch = { kind: "advance", unclean: "reset", startedAt: null };

/** The row after a write of a run that stays. */
export function stayingRow(state: RunState, hasOutcome: boolean, lag: RowLag): RunRowPatch {
  if (lag === null) return hasOutcome ? ADVANCE_AND_RESET : ADVANCE;
  const unclean = hasOutcome ? "reset" : "keep";
  if (lag === "start") return { kind: "advance", unclean, startedAt: state.startedAt };
  return {
    kind: "move",
    unclean,
    status: "running",
    availableAt: null,
    release: false,
    result: null,
    startedAt: state.startedAt,
    endedAt: state.endedAt,
    stuck: null,
  };
}

/** The row after the write with which a run leaves. */
export function leavingRow(state: Ending, leave: Leave, hasOutcome: boolean): RunRowPatch {
  const unclean = hasOutcome ? "reset" : "undo";
  switch (leave.kind) {
    case "park":
      return move(state, unclean, "waiting", leave.availableAt);
    case "pause":
      return move(state, unclean, "paused", null);
    case "hand-back":
      return move(state, unclean, "pending", leave.availableAt);
    case "stuck":
      return move(state, unclean, "stuck", null, { stuck: stuckText(leave.error) });
    case "end":
      assert(state.result !== null, "a run that ends has a result");
      return move(state, "reset", state.result.status, null, { result: resultText(state.result) });
    default:
      return assertNever(leave, "way to leave");
  }
}

function move(
  { startedAt, endedAt }: Ending,
  unclean: RunRowMove["unclean"],
  status: RunRowMove["status"],
  availableAt: number | null,
  text: { readonly result?: string; readonly stuck?: string } = {},
): RunRowMove {
  const { result = null, stuck = null } = text;
  return { kind: "move", unclean, status, availableAt, release: true, result, startedAt, endedAt, stuck };
}

/** Why a run is stuck, as its row holds it. */
function stuckText({ code, message, facts }: VarveError): string {
  return JSON.stringify({ code, message, facts }, (_, value) =>
    typeof value === "string" ? value.toWellFormed() : value,
  );
}

/** How a run ended, as its row holds it: the output's payload, the failure, or the reason of a cancel. */
export function resultText(result: RunResult): string {
  switch (result.status) {
    case "completed":
      return JSON.stringify({ value: result.output.value, meta: result.output.meta });
    case "failed":
      return JSON.stringify(result.error);
    case "cancelled":
      return JSON.stringify({ reason: result.reason });
    default:
      return assertNever(result, "result");
  }
}
