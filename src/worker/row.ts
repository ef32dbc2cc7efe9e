/** What a run's row becomes with a write. Pure. */
import { assert, assertNever } from "../kernel/assert.ts";
import type { VarveError } from "../kernel/errors.ts";
import type { RunResult, RunState } from "../kernel/state.ts";
import type { RunRowPatch } from "../log/port.ts";

/** How a run leaves its worker's hands. */
export type Leave =
  /** It waits for time or mail. */
  | { readonly kind: "park"; readonly availableAt: number | null }
  /** Its worker stops: another can go on at once. */
  | { readonly kind: "hand-back"; readonly availableAt: number }
  | { readonly kind: "stuck"; readonly error: VarveError }
  | { readonly kind: "end" };

/** What a run's row takes from its state. */
type Ending = Pick<RunState, "startedAt" | "endedAt" | "result">;

/** The row after a write of a run that stays. `begun`: whether its row knows already when it was started. */
export function stayingRow(state: RunState, hasOutcome: boolean, begun: boolean): RunRowPatch {
  const unclean = hasOutcome ? "reset" : "keep";
  if (begun) return { kind: "advance", unclean };
  return {
    kind: "move",
    unclean,
    status: "running",
    availableAt: null,
    release: false,
    ...times(state),
    result: null,
    stuck: null,
  };
}

/** The row after the write with which a run leaves. */
export function leavingRow(state: Ending, leave: Leave, hasOutcome: boolean): RunRowPatch {
  const unclean = hasOutcome ? "reset" : "undo";
  const row = { kind: "move", unclean, release: true, ...times(state), result: null, stuck: null } as const;
  switch (leave.kind) {
    case "park":
      return { ...row, status: "waiting", availableAt: leave.availableAt };
    case "hand-back":
      return { ...row, status: "pending", availableAt: leave.availableAt };
    case "stuck":
      return { ...row, status: "stuck", availableAt: null, stuck: stuckText(leave.error) };
    case "end": {
      assert(state.result !== null, "a run that ends has a result");
      const { status } = state.result;
      return { ...row, unclean: "reset", status, availableAt: null, result: resultText(state.result) };
    }
    default:
      return assertNever(leave, "way to leave");
  }
}

function times(state: Ending): { startedAt: number | null; endedAt: number | null } {
  return { startedAt: state.startedAt, endedAt: state.endedAt };
}

/** Why a run is stuck, as its row holds it. */
export function stuckText({ code, message, facts }: VarveError): string {
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
