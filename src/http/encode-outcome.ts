/** What was decided about a delivery, for the wire. Pure. */
import type { DecidedOutcome } from "../engine/api-deliveries.ts";
import type { WireDelivery } from "./wire-deliveries.ts";

export function encodeOutcome(outcome: DecidedOutcome): WireDelivery {
  const { deliveryId, replay, reason } = outcome;
  const run = outcome.kind === "accepted" ? outcome.run : null;
  const decision = outcome.kind === "accepted" ? outcome.decision : "invalid";
  return { deliveryId, replay, decision, runId: run?.id ?? null, created: run?.created ?? false, reason };
}
