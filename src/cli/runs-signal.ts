/** `varve runs signal` */
import type { Command } from "commander";
import type { SignalOptions } from "../engine/api-run.ts";
import { openForWriting } from "./access.ts";
import { inputFieldArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { readInput } from "./input.ts";
import { loadSchemas, noteUnchecked, withSchemas } from "./schemas.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

const HELP = `
The signal is durable when this returns, and kept until the run's code takes it, also if it does not wait yet.
--json prints { id, signal, requested: true }.

Examples:
  varve runs signal run_01k9x... approval '{"by":"ada"}'
  varve runs signal run_01k9x... approval -i by=ada --dedupe-key click-17
  varve runs signal run_01k9x... document @document.json`;

interface Options {
  readonly field?: Readonly<Record<string, unknown>>;
  readonly dedupeKey?: string;
  readonly workflows: readonly string[];
}

export function runsSignalVerb(): Command {
  return withSchemas(withShared(withServer(verb("signal", "Tells a run something"))))
    .argument("<run>", "its id")
    .argument("<name>", "the name of the signal")
    .argument("[payload]", "JSON, @file, or - for stdin; none: no payload")
    .option("-i, --field <name=value>", "a field of the payload: JSON, else text; may be repeated", inputFieldArgument)
    .option("--dedupe-key <key>", "another signal to the run with the same key does nothing")
    .addHelpText("after", HELP)
    .action(action(sendSignal));
}

async function sendSignal(
  { output, target, options }: Call<Options>,
  id: string,
  name: string,
  json: string | undefined,
): Promise<number> {
  const { field, dedupeKey, workflows } = options;
  const payload = await readInput("the payload", { input: json, field });
  const { engine, checkedBy, close } = await openForWriting(target, () => loadSchemas(workflows));
  try {
    const sent: SignalOptions = dedupeKey === undefined ? {} : { dedupeKey };
    await engine.run(id).signal(name, payload, sent);
    if (checkedBy !== "server") noteUnchecked(output, await engine.run(id).status(), checkedBy);
  } finally {
    await close();
  }
  if (output.json) output.document({ id, signal: name, requested: true });
  else output.line(`run ${id} was sent ${name}`);
  return EXIT.ok;
}
