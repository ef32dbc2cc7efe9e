/** `varve runs list` */
import type { Command } from "commander";
import type { RunInfo } from "../engine/api-run.ts";
import type { ListOptions } from "../engine/api-run-list.ts";
import { encodeRun } from "../http/encode-run.ts";
import { openForReading } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import type { Column } from "./output.ts";
import { type FilterOptions, filterOf, withFilter } from "./run-filter.ts";
import { paintStatus, runLength, runRemark } from "./run-text.ts";
import { agoText, instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const LIMIT_MAX = 500;

const HELP = `
--json prints { runs: [Run], cursor }: Run is the HTTP API's, see openapi.json.
A pipe gets tab-separated values: id, status, workflow, version, created, length, remark.

Examples:
  varve runs list --status failed,stuck --since 24h
  varve runs list --workflow greet --tag tenant=acme --json
  varve runs list --limit 100 --cursor "$(varve runs list --limit 100 --json | jq -r .cursor)"`;

interface Options extends FilterOptions, Pick<ListOptions, "limit" | "cursor"> {}

export function runsListVerb(): Command {
  return withFilter(withServer(verb("list", "Lists runs, newest first")))
    .option("-n, --limit <count>", `at most so many, up to ${LIMIT_MAX}`, integerArgument(1, LIMIT_MAX), 50)
    .option("--cursor <cursor>", "go on where the page before ended")
    .addHelpText("after", HELP)
    .action(action(listRuns));
}

async function listRuns({ output, target, options }: Call<Options>): Promise<number> {
  const { engine, close } = await openForReading(target);
  const { limit, cursor: after } = options;
  const place = { ...(limit === undefined ? {} : { limit }), ...(after === undefined ? {} : { cursor: after }) };
  const page = await engine.list({ ...filterOf(options), ...place });
  await close();
  const { runs, cursor } = page;
  if (output.json) output.document({ runs: runs.map(encodeRun), cursor });
  else {
    if (runs.length === 0) output.note(cursor === null ? "no runs" : "no runs up to here");
    else output.table(columns(output.isTty), runs);
    if (cursor !== null) output.note(`there are more: --cursor ${cursor}`);
  }
  return EXIT.ok;
}

function columns(isForPeople: boolean): Column<RunInfo>[] {
  const now = Date.now();
  return [
    { title: "RUN", value: ({ id }) => id },
    {
      title: "STATUS",
      value: ({ status }) => status,
      paint: (text, { status }, colors) => paintStatus(text, status, colors),
    },
    { title: "WORKFLOW", value: ({ workflow }) => workflow },
    { title: "VERSION", value: ({ version }) => version },
    {
      title: "CREATED",
      value: ({ createdAt }) => (isForPeople ? agoText(createdAt, now) : instantText(createdAt)),
    },
    { title: "LENGTH", value: (run) => runLength(run, now) },
    { title: "REMARK", value: (run) => runRemark(run, now) },
  ];
}
