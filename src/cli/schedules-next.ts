/** `varve schedules next` */
import type { Command } from "commander";
import type { ScheduleSpec } from "../scheduler/spec.ts";
import { scheduleTimes } from "../scheduler/times.ts";
import { openForReading } from "./access.ts";
import { instantArgument, integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { wallText } from "./schedule-text.ts";
import { instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
A pattern needs no database: it is what has a space in it, or begins with @. Anything else is a schedule's id.
--json prints { description, instants: [{ at, text }] }.

Examples:
  varve schedules next "0 3 * * *" --tz Europe/Berlin
  varve schedules next "30 2 * * *" --tz Europe/Berlin --after 2026-03-27 --dst both
  varve schedules next "@every 90m" -n 3
  varve schedules next nightly`;

interface Options {
  readonly count: number;
  readonly tz?: string;
  readonly dst?: ScheduleSpec["dst"];
  readonly after?: number;
}

export function schedulesNextVerb(): Command {
  return withServer(verb("next", "Shows the next instants of a schedule, or of a pattern"))
    .argument("<schedule>", "its id, or a pattern")
    .option("-n, --count <count>", "so many", integerArgument(1, 1_000), 10)
    .option("--tz <zone>", "the time zone of a pattern (UTC)")
    .option("--dst <policy>", "what becomes of wall times that do not exist, or come twice: shift, skip, once, both")
    .option("--after <instant>", "instants after this one (now)", instantArgument(Date.now))
    .addHelpText("after", HELP)
    .action(action(nextInstants));
}

async function nextInstants(call: Call<Options>, text: string): Promise<number> {
  const { output } = call;
  const { description, timezone, instants } = /\s|^@/.test(text) ? previewed(call, text) : await asked(call, text);
  const shown = instants.map((at) => ({ at, text: wallText(at, timezone) }));
  if (output.json) output.document({ description, instants: shown });
  else {
    output.note(description);
    for (const each of shown) output.line(output.isTty ? each.text : `${instantText(each.at)}\t${each.text}`);
    if (shown.length === 0) output.note("there is no further instant");
  }
  return EXIT.ok;
}

interface Found {
  readonly description: string;
  readonly timezone: string;
  readonly instants: readonly number[];
}

function previewed({ options: { tz, dst, count, after = Date.now() } }: Call<Options>, cron: string): Found {
  const spec = { cron, ...(tz === undefined ? {} : { timezone: tz }), ...(dst === undefined ? {} : { dst }) };
  const schedule = scheduleTimes.parse(spec);
  const instants = scheduleTimes.within(schedule, after + 1, Number.POSITIVE_INFINITY, count);
  return { description: scheduleTimes.describe(schedule), timezone: schedule.timezone, instants };
}

async function asked({ target, options: { count, after } }: Call<Options>, id: string): Promise<Found> {
  const { engine, close } = await openForReading(target);
  try {
    const instants = await engine.schedules.next(id, { count, ...(after === undefined ? {} : { after }) });
    const info = await engine.schedules.get(id);
    return { description: info?.description ?? "", timezone: info?.spec.timezone ?? "UTC", instants };
  } finally {
    await close();
  }
}
