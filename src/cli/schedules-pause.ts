/** `varve schedules pause` */
import type { Command } from "commander";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
Its instants are skipped with the reason "paused" until \`varve schedules resume\`. The next instant does not move.
--json prints the schedule.

Example:
  varve schedules pause nightly --note "holidays"`;

interface Options {
  readonly note?: string;
}

export function schedulesPauseVerb(): Command {
  return scheduleVerb<Options>({
    verb: "pause",
    summary: "Holds a schedule",
    help: HELP,
    options: (command) => command.option("--note <text>", "why; kept until it is resumed"),
    act: (schedules, id, { note }) => schedules.pause(id, note === undefined ? {} : { note }),
    told: (id) => `schedule ${id} holds`,
  });
}
