/** `varve webhooks replay` */
import type { Command } from "commander";
import type { Deliveries } from "../engine/api-deliveries.ts";
import { encodeOutcome } from "../http/encode-outcome.ts";
import { findServer, openEngine } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import { createLoader, DEFAULT_WORKFLOWS } from "./load.ts";
import { outcomeText } from "./outcome-text.ts";
import { withSchemas } from "./schemas.ts";
import { action, type Call, type Target, verb, withServer, withShared } from "./verb.ts";

const HELP = `
Its hook decides once more, as it is now, over the bytes that are stored. The decision is recorded beside the first one, and
a run that it starts is another run. Without a server the hooks of --workflows decide, and need their secrets.
--json prints the HTTP API's DeliveryAccepted.

Example:
  varve webhooks replay github 72d3162e-cc78-11e3-81ab-4c9367dc0958`;

export function webhooksReplayVerb(): Command {
  return withSchemas(withShared(withServer(verb("replay", "Decides about a webhook delivery once more"))))
    .argument("<hook>", "the name of its hook")
    .argument("<id>", "the sender's id of it")
    .addHelpText("after", HELP)
    .action(action(replay));
}

interface Options {
  readonly workflows: readonly string[];
}

async function replay({ output, target, options }: Call<Options>, hook: string, id: string): Promise<number> {
  const { deliveries, close } = await open(target, options.workflows);
  try {
    const outcome = await deliveries.replay(hook, id);
    if (output.json) output.document(encodeOutcome(outcome));
    else output.line(outcomeText(outcome));
  } finally {
    await close();
  }
  return EXIT.ok;
}

async function open(
  target: Target,
  paths: readonly string[],
): Promise<{ readonly deliveries: Deliveries; readonly close: () => Promise<void> }> {
  const server = await findServer(target);
  if (server !== null) return { deliveries: server.engine.deliveries, close: server.close };
  const loaded = await createLoader().load(paths.length === 0 ? [DEFAULT_WORKFLOWS] : paths);
  const engine = await openEngine(target, { loaded, works: false });
  return { deliveries: engine.deliveries, close: () => engine.close() };
}
