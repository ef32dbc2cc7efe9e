/** `varve webhooks show` */
import process from "node:process";
import type { Command } from "commander";
import type { Delivery } from "../engine/api-deliveries.ts";
import { toBase64 } from "../kernel/base64.ts";
import { NotFoundError } from "../kernel/errors.ts";
import { openForReading } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { type Output, plain, plainLines } from "./output.ts";
import { bytesText, instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
--json prints the HTTP API's DeliveryContent, with the body in base64. --body writes the bytes as they came.

Examples:
  varve webhooks show github 72d3162e-cc78-11e3-81ab-4c9367dc0958
  varve webhooks show stripe evt_1 --body | jq .`;

interface Options {
  readonly replay: number;
  readonly body: boolean;
}

export function webhooksShowVerb(): Command {
  return withServer(verb("show", "Shows a webhook delivery: what was decided, its headers and its body"))
    .argument("<hook>", "the name of its hook")
    .argument("<id>", "the sender's id of it")
    .option("--replay <number>", "one of its replays", integerArgument(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--body", "write its body alone", false)
    .addHelpText("after", HELP)
    .action(action(show));
}

async function show({ output, target, options }: Call<Options>, hook: string, id: string): Promise<number> {
  const { engine, close } = await openForReading(target);
  const delivery = await engine.deliveries.get(hook, id, { replay: options.replay });
  await close();
  if (delivery === null) {
    throw new NotFoundError("DELIVERY_NOT_FOUND", `expected a delivery ${id} of the hook "${hook}", but found none`, {
      hook,
      id,
    });
  }
  if (options.body) process.stdout.write(delivery.body);
  else if (output.json) output.document({ ...delivery, body: toBase64(delivery.body) });
  else print(output, delivery);
  return EXIT.ok;
}

function print(output: Output, delivery: Delivery): void {
  const { hook, id, replay, decision, runId, reason, receivedAt, headers, body } = delivery;
  output.line(`${plain(hook)} ${plain(id)}${replay === 0 ? "" : ` (replay ${replay})`}`);
  output.line(`  ${decision}${runId === null ? "" : ` ${runId}`}`);
  if (reason !== null) output.line(`  ${reason.code}: ${plain(reason.message)}`);
  output.line(`  received ${instantText(receivedAt)}, ${bytesText(body.length)}`);
  for (const [name, value] of Object.entries(headers)) output.line(`  ${plain(name)}: ${plain(value)}`);
  output.line();
  output.line(plainLines(new TextDecoder().decode(body)));
}
