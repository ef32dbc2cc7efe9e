/** `varve schedules create` */
import type { Command } from "commander";
import type { NewScheduleOptions, ScheduleInfo } from "../engine/api-schedules.ts";
import { inputFieldArgument, tagArgument } from "./arguments.ts";
import { readInput } from "./input.ts";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
Its instants begin after now. Made again with the same definition, it is the same one. --json prints the schedule.
Without a server the modules that define the workflow are needed: --workflows.

Examples:
  varve schedules create nightly -w report --cron "0 3 * * *" --tz Europe/Berlin -i customer=acme
  varve schedules create tidy -w tidy --every 15m --overlap queue-one --catch-up none`;

interface Options {
  readonly workflow: string;
  readonly cron?: string;
  readonly every?: string;
  readonly at?: string;
  readonly tz?: string;
  readonly overlap?: string;
  readonly catchUp?: string;
  readonly input?: string;
  readonly field?: Readonly<Record<string, unknown>>;
  readonly tag?: Readonly<Record<string, string>>;
}

export function schedulesCreateVerb(): Command {
  return scheduleVerb<Options, ScheduleInfo>({
    verb: "create",
    summary: "Makes a schedule",
    help: HELP,
    options: (command) =>
      command
        .requiredOption("-w, --workflow <name>", "what it starts")
        .option("--cron <pattern>", "five to seven fields, or @daily and its like")
        .option("--every <duration>", "evenly, such as 15m")
        .option("--at <instant>", "once, at this instant")
        .option("--tz <zone>", "the time zone (UTC)")
        .option("--overlap <policy>", "skip, queue-one, queue-all, cancel-running, allow (skip)")
        .option("--catch-up <policy>", "none, last, all (last)")
        .option("--input <json>", "JSON, @file, or - for stdin")
        .option(
          "-i, --field <name=value>",
          "a field of the input: JSON, else text; may be repeated",
          inputFieldArgument,
        )
        .option("-t, --tag <name=value>", "a label of its runs; may be repeated", tagArgument),
    act: async (schedules, id, { tz, tag, input: json, field, workflow, cron, every, at, overlap, catchUp }) => {
      const input = await readInput("the input", { input: json, field });
      const given = { cron, every, at, timezone: tz, overlap, catchUp, tags: tag, input };
      const defined = Object.entries(given).filter(([, value]) => value !== undefined);
      // What is wrong with a policy is the engine's to say.
      return await schedules.create({ id, workflow, ...Object.fromEntries(defined) } as NewScheduleOptions);
    },
    told: (id, { description }) => `schedule ${id}: ${description}`,
  });
}
