/** What was decided about a delivery, on one line. */
import type { DecidedOutcome } from "../engine/api-deliveries.ts";
import { plain } from "./output.ts";

export function outcomeText(outcome: DecidedOutcome): string {
  if (outcome.kind === "invalid") return `invalid: ${outcome.reason.code}: ${plain(outcome.reason.message)}`;
  if (outcome.run === null) return `ignored: ${outcome.reason.code}: ${plain(outcome.reason.message)}`;
  return `${outcome.decision} ${outcome.run.id}`;
}
