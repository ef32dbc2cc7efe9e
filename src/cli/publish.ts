/** `varve publish` */
import type { Command } from "commander";
import { openForWriting } from "./access.ts";
import { inputFieldArgument, tagArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { readInput } from "./input.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

const HELP = `
The message is durable when this returns. What becomes of it is decided by a process that has the workflows' code:
see varve messages show. --json prints { topic, id, position, created }.

Examples:
  varve publish orders.paid '{"order":"o-1"}' --id evt-17
  varve publish orders.paid -i order=o-1
  varve publish documents.scanned @document.json`;

interface Options {
  readonly field?: Readonly<Record<string, unknown>>;
  readonly id?: string;
  readonly tag?: Readonly<Record<string, string>>;
}

export function publishVerb(): Command {
  return withShared(withServer(verb("publish", "Publishes a message, which may start and wake runs")))
    .argument("<topic>", "such as orders.paid")
    .argument("[payload]", "JSON, @file, or - for stdin; none: no payload")
    .option("-i, --field <name=value>", "a field of the payload: JSON, else text; may be repeated", inputFieldArgument)
    .option("--id <id>", "names it on its topic: published again, it is the same message")
    .option("-t, --tag <name=value>", "a label; may be repeated", tagArgument)
    .addHelpText("after", HELP)
    .action(action(publish));
}

async function publish(
  { output, target, options }: Call<Options>,
  topic: string,
  json: string | undefined,
): Promise<number> {
  const { field, id, tag } = options;
  const payload = await readInput("the payload", { input: json, field });
  const { engine, close } = await openForWriting(target);
  try {
    const named = { ...(id === undefined ? {} : { id }), ...(tag === undefined ? {} : { tags: tag }) };
    const published = await engine.publish(topic, payload, named);
    if (output.json) output.document(published);
    else output.line(`message ${published.id} on ${topic} ${published.created ? "is" : "had been"} published`);
  } finally {
    await close();
  }
  return EXIT.ok;
}
