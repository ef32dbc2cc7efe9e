/** `varve schedules show` */
import type { Command } from "commander";
import type { FiringInfo, InstantInfo, ScheduleInfo } from "../engine/api-schedules.ts";
import { formatDuration } from "../kernel/duration.ts";
import { openForReading } from "./access.ts";
import { instantArgument, integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { type Column, type Output, plain } from "./output.ts";
import { firingRemark, scheduleState, wallText } from "./schedule-text.ts";
import { instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
Shows the definition, the last firings, and why an instant did not fire.
--json prints { schedule: Schedule, firings: [Firing] }, with --at { schedule, instant: ScheduleInstant }.

Examples:
  varve schedules show nightly
  varve schedules show nightly --skipped
  varve schedules show nightly --at 2026-11-22T02:00:00Z`;

interface Options {
  readonly limit: number;
  readonly skipped: boolean;
  readonly at?: number;
}

export function schedulesShowVerb(): Command {
  return withServer(verb("show", "Shows a schedule, and what became of its instants"))
    .argument("<schedule>", "its id")
    .option("-n, --limit <count>", "so many firings, latest first", integerArgument(1, 500), 20)
    .option("--skipped", "only instants that did not fire", false)
    .option("--at <instant>", "why this instant did fire, or did not", instantArgument(Date.now))
    .addHelpText("after", HELP)
    .action(action(showSchedule));
}

async function showSchedule({ output, target, options }: Call<Options>, id: string): Promise<number> {
  const { engine, close } = await openForReading(target);
  const filter = { limit: options.limit, ...(options.skipped ? { decision: "skipped" as const } : {}) };
  try {
    // Asked first, because they refuse what is not there.
    const { firings } = await engine.schedules.firings(id, filter);
    const instant = options.at === undefined ? null : await engine.schedules.why(id, options.at);
    const schedule = (await engine.schedules.get(id)) as ScheduleInfo;
    if (instant === null) showFirings(output, schedule, firings);
    else showInstant(output, schedule, instant);
    return EXIT.ok;
  } finally {
    await close();
  }
}

function showFirings(output: Output, schedule: ScheduleInfo, firings: readonly FiringInfo[]): void {
  if (output.json) {
    output.document({ schedule, firings });
    return;
  }
  printHead(output, schedule);
  if (firings.length === 0) output.note("no instant was decided so far");
  else output.table(columns(schedule), firings);
}

function showInstant(output: Output, schedule: ScheduleInfo, instant: InstantInfo): void {
  if (output.json) {
    output.document({ schedule, instant });
    return;
  }
  const { at, decision, reason, runId } = instant;
  const why = [decision, ...(reason === null ? [] : [reason]), ...(runId === null ? [] : [`run ${runId}`])];
  output.line(`${wallText(at, schedule.spec.timezone)}  ${plain(why.join(": "))}`);
}

function printHead(output: Output, schedule: ScheduleInfo): void {
  const { colors } = output;
  const { id, workflow, version, description, overlap, catchUp, paused, nextAt, spec, tags, source } = schedule;
  const late = `${catchUp.policy}, up to ${formatDuration(catchUp.windowMs)} late${catchUp.policy === "all" ? `, at most ${catchUp.max}` : ""}`;
  const facts: [string, string][] = [
    ["schedule", id],
    ["workflow", version === null ? workflow : `${workflow} ${version}`],
    ["state", scheduleState(schedule)],
    ["paused", paused === null ? "" : `${instantText(paused.at)}${paused.note === null ? "" : `: ${paused.note}`}`],
    ["when", description],
    ["next", nextAt === null ? "" : wallText(nextAt, spec.timezone)],
    ["overlap", overlap],
    ["catch-up", late],
    ["input", JSON.stringify(schedule.input) ?? ""],
    [
      "tags",
      Object.entries(tags)
        .map(([name, value]) => `${name}=${value}`)
        .join(" "),
    ],
    ["from", source],
  ];
  for (const [name, text] of facts) if (text !== "") output.line(`${colors.dim(name.padEnd(10))}${plain(text)}`);
  output.line();
}

function columns({ spec }: ScheduleInfo): Column<FiringInfo>[] {
  return [
    { title: "INSTANT", value: ({ at }) => wallText(at, spec.timezone) },
    { title: "LANE", value: ({ lane }) => lane },
    { title: "DECISION", value: ({ decision }) => decision },
    { title: "RUN", value: ({ runId }) => runId ?? "" },
    { title: "REMARK", value: firingRemark },
  ];
}
