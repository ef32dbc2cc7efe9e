/** `varve schedules run` */
import type { Command } from "commander";
import type { TriggerResult } from "../engine/api-schedules.ts";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
Starts a run now, whatever else runs, also of a schedule that is paused. --json prints { runId, at }.

Example:
  varve runs watch "$(varve schedules run nightly)"`;

export function schedulesRunVerb(): Command {
  return scheduleVerb<object, TriggerResult>({
    verb: "run",
    summary: "Starts a run of a schedule now",
    help: HELP,
    act: (schedules, id) => schedules.trigger(id),
    told: (_, { runId }) => runId,
  });
}
