import { decodePayload, type Payload } from "../kernel/codec.ts";
import type { Settlement } from "../worker/recorder.ts";

/** A call that succeeded, as the code sees it: the recorded form. */
export function resolved(payload: Payload): Settlement {
  return { kind: "resolve", value: decodePayload(payload) };
}

export function rejected(error: unknown): Settlement {
  return { kind: "reject", error };
}

export const STILL_OPEN: Settlement = { kind: "open" };
