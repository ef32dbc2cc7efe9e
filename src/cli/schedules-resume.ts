/** `varve schedules resume` */
import type { Command } from "commander";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
What was due meanwhile is skipped. --json prints the schedule.

Example:
  varve schedules resume nightly`;

export function schedulesResumeVerb(): Command {
  return scheduleVerb({
    verb: "resume",
    summary: "Lets a schedule go on",
    help: HELP,
    act: (schedules, id) => schedules.resume(id),
    told: (id) => `schedule ${id} goes on`,
  });
}
