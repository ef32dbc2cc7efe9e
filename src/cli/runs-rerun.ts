/** `varve runs rerun` */
import type { Command } from "commander";
import type { RerunOptions } from "../engine/api-run.ts";
import { openForWriting } from "./access.ts";
import { durationArgument, inputFieldArgument } from "./arguments.ts";
import { readInput } from "./input.ts";
import { loadSchemas, noteUnchecked, withSchemas } from "./schemas.ts";
import { printStarted } from "./started.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

const HELP = `
The same workflow, version and tags, and the same input unless another is given. It is recorded when this returns: a
server, or the next worker, goes on with it.
--json prints the HTTP API's Run, with created: whether this made it.

Examples:
  varve runs rerun run_01k9x...
  varve runs rerun run_01k9x... --input @corrected.json --id order-17-again`;

interface Options {
  readonly input?: string;
  readonly field?: Readonly<Record<string, unknown>>;
  readonly id?: string;
  readonly delay?: number;
  readonly deadline?: number;
  readonly workflows: readonly string[];
}

export function runsRerunVerb(): Command {
  return withSchemas(withShared(withServer(verb("rerun", "Starts another run like this one"))))
    .argument("<run>", "its id")
    .option("-i, --field <name=value>", "a field of the input: JSON, else text; may be repeated", inputFieldArgument)
    .option("--input <json>", "another input: @file, - for stdin, or JSON")
    .option("--id <key>", "the idempotency key: a rerun with a used one finds its run")
    .option("--delay <duration>", "begin so much later, such as 10m", durationArgument)
    .option("--deadline <duration>", "the run fails if it has not ended by then", durationArgument)
    .addHelpText("after", HELP)
    .action(action(rerun));
}

async function rerun({ output, target, options }: Call<Options>, id: string): Promise<number> {
  const { input, field, workflows } = options;
  const edited =
    input === undefined && field === undefined ? null : { input: await readInput("--input", { input, field }) };
  const schemas = edited === null ? undefined : () => loadSchemas(workflows);
  const { engine, checkedBy, close } = await openForWriting(target, schemas);
  try {
    const started = await engine.run(id).rerun({ ...edited, ...startOptions(options) });
    if (edited !== null && checkedBy !== "server") noteUnchecked(output, await started.status(), checkedBy);
    return await printStarted(output, started);
  } finally {
    await close();
  }
}

function startOptions({ id, delay, deadline }: Options): RerunOptions {
  return {
    ...(id === undefined ? {} : { idempotencyKey: id }),
    ...(delay === undefined ? {} : { delay }),
    ...(deadline === undefined ? {} : { deadline }),
  };
}
