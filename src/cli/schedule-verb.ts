/** What the verbs share that do something to one schedule. */
import type { Command } from "commander";
import type { Schedules } from "../engine/api-schedules.ts";
import { openForWriting } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import { plain } from "./output.ts";
import { loadSchemas, withSchemas } from "./schemas.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

/** A verb that is done to a schedule. */
export interface ScheduleControl<Options, Result> {
  readonly verb: string;
  readonly summary: string;
  readonly help: string;
  /** Adds options of its own. */
  readonly options?: (command: Command) => Command;
  readonly act: (schedules: Schedules, id: string, options: Options) => Promise<Result>;
  /** What is said when it is done. */
  readonly told: (id: string, result: Result) => string;
}

export function scheduleVerb<Options = object, Result extends object = object>(
  control: ScheduleControl<Options, Result>,
): Command {
  const command = withSchemas(withShared(withServer(verb(control.verb, control.summary)))).argument(
    "<schedule>",
    "its id",
  );
  return (control.options?.(command) ?? command)
    .addHelpText("after", control.help)
    .action(
      action((call: Call<Options & { readonly workflows: readonly string[] }>, id: string) => run(control, call, id)),
    );
}

async function run<Options, Result extends object>(
  { act, told }: ScheduleControl<Options, Result>,
  { output, target, options }: Call<Options & { readonly workflows: readonly string[] }>,
  id: string,
): Promise<number> {
  const { engine, close } = await openForWriting(target, () => loadSchemas(options.workflows));
  try {
    const result = await act(engine.schedules, id, options);
    if (output.json) output.document(result);
    else output.line(plain(told(id, result)));
  } finally {
    await close();
  }
  return EXIT.ok;
}
