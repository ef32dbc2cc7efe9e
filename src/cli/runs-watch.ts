/** `varve runs watch` */
import type { Command } from "commander";
import { isTerminalStatus } from "../kernel/state.ts";
import { openForReading } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { follow } from "./follow.ts";
import { exitCodeOfRun, runRemark } from "./run-text.ts";
import { eventText } from "./runs-show.ts";
import { stopSignals } from "./signals.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
With a run: its history, then what happens, until it ends; the exit code says how (see varve --help).
Without: whatever happens in the log from now on, until Ctrl-C.
--json prints one RunEvent of the HTTP API a line. Else each line is tab-separated: at, run, seq, type, place, data.

Examples:
  varve runs watch run_01k9x...
  varve runs watch --json | jq -c 'select(.type == "run.failed")'`;

interface Options {
  readonly after?: number;
}

export function runsWatchVerb(): Command {
  return withServer(verb("watch", "Shows events as they happen"))
    .argument("[run]", "the id of a run; without: all runs")
    .option(
      "--after <position>",
      "without a run: begin after this position of the log",
      integerArgument(0, 2 ** 53 - 1),
    )
    .addHelpText("after", HELP)
    .action(action(watch));
}

async function watch({ output, target, options }: Call<Options>, id: string | undefined): Promise<number> {
  const { engine, close } = await openForReading(target);
  const stop = stopSignals();
  const print: Parameters<typeof follow>[2]["onEvent"] = (event) => {
    if (output.json) output.document(event);
    else output.line(eventText(event));
  };
  if (id === undefined) {
    const after = options.after ?? (await engine.lastPosition());
    for await (const event of engine.tail({ after, signal: stop.signal })) print(event);
    await close();
    return stop.code() ?? EXIT.ok;
  }
  const run = await follow(engine, id, { onEvent: print, signal: stop.signal });
  await close();
  const code = stop.code();
  if (code !== null && !isTerminalStatus(run.status)) return code;
  const remark = runRemark(run, Date.now());
  output.note(`${run.status}${remark === "" ? "" : `: ${remark}`}`);
  return exitCodeOfRun(run.status);
}
