/** `varve schedules list` */
import type { Command } from "commander";
import type { ScheduleInfo } from "../engine/api-schedules.ts";
import { openForReading } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import type { Column } from "./output.ts";
import { scheduleState, wallText } from "./schedule-text.ts";
import { instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const LIMIT_MAX = 500;

const HELP = `
--json prints { schedules: [Schedule], cursor }: Schedule is the HTTP API's, see openapi.json.
A pipe gets tab-separated values: id, state, workflow, next, when.

Examples:
  varve schedules list
  varve schedules list --json | jq -r '.schedules[] | select(.paused) | .id'`;

interface Options {
  readonly limit: number;
  readonly cursor?: string;
}

export function schedulesListVerb(): Command {
  return withServer(verb("list", "Lists schedules, by id"))
    .option("-n, --limit <count>", `at most so many, up to ${LIMIT_MAX}`, integerArgument(1, LIMIT_MAX), 50)
    .option("--cursor <cursor>", "go on where the page before ended")
    .addHelpText("after", HELP)
    .action(action(listSchedules));
}

async function listSchedules({ output, target, options: { limit, cursor: after } }: Call<Options>): Promise<number> {
  const { engine, close } = await openForReading(target);
  const page = await engine.schedules.list({ limit, ...(after === undefined ? {} : { cursor: after }) });
  await close();
  const { schedules, cursor } = page;
  if (output.json) output.document(page);
  else {
    if (schedules.length === 0) output.note("no schedules");
    else output.table(columns(output.isTty), schedules);
    if (cursor !== null) output.note(`there are more: --cursor ${cursor}`);
  }
  return EXIT.ok;
}

function columns(isForPeople: boolean): Column<ScheduleInfo>[] {
  const next = ({ nextAt, spec }: ScheduleInfo) => {
    if (nextAt === null) return "";
    return isForPeople ? wallText(nextAt, spec.timezone) : instantText(nextAt);
  };
  return [
    { title: "SCHEDULE", value: ({ id }) => id },
    { title: "STATE", value: scheduleState },
    { title: "WORKFLOW", value: ({ workflow }) => workflow },
    { title: "NEXT", value: next },
    { title: "WHEN", value: ({ description }) => description },
  ];
}
