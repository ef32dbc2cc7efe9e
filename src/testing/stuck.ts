import type { VarveError } from "../kernel/errors.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";
import { UNREPLAYABLE } from "./judgement.ts";

/** Why a run is stuck, as the error that it was. `text`: what its row says. */
export function stuckError(text: string | null): VarveError {
  const {
    code,
    message,
    facts = {},
  } = JSON.parse(text ?? "{}") as {
    readonly code: string;
    readonly message: string;
    /** A row that its log parked has none. */
    readonly facts?: NonNullable<Failure["fields"]>;
  };
  return fromFailure({ name: nameOf(code), code, message, fields: { facts } }) as VarveError;
}

function nameOf(code: string): string {
  if (code === "REPLAY_DIVERGED") return "ReplayDivergedError";
  if (UNREPLAYABLE.has(code)) return "ForeignAwaitError";
  return code === "EVENT_UNREADABLE" || code === "HISTORY_INVALID" ? "StoreError" : "VarveError";
}
