/** `varve schedules backfill` */
import type { Command } from "commander";
import type { BackfillOptions, BackfillResult } from "../engine/api-schedules.ts";
import { instantArgument } from "./arguments.ts";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
Has the instants from --from to before --until fire, also if they did before: one after the other, or all at once with
--overlap allow. Asked for again, it fires those that it did not. At most 1,000 instants. --json prints { instants, known }.

Example:
  varve schedules backfill nightly --from 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z`;

interface Options {
  readonly from: number;
  readonly until: number;
  readonly overlap?: NonNullable<BackfillOptions["overlap"]>;
}

export function schedulesBackfillVerb(): Command {
  return scheduleVerb<Options, BackfillResult>({
    verb: "backfill",
    summary: "Has instants of a range fire",
    help: HELP,
    options: (command) =>
      command
        .requiredOption("--from <instant>", "the first instant, or how long ago", instantArgument(Date.now))
        .option("--until <instant>", "instants before this one (now)", instantArgument(Date.now), Date.now())
        .option("--overlap <policy>", "queue-all, one after the other, or allow, all at once (queue-all)"),
    act: (schedules, id, { from, until, overlap }) =>
      schedules.backfill(id, { from, until, ...(overlap === undefined ? {} : { overlap }) }),
    told: (_, { instants, known }) =>
      `${instants} instants${known === 0 ? "" : `, ${known} of them were asked for before`}`,
  });
}
