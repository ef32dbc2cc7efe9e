/** `varve runs cancel` */
import type { Command } from "commander";
import type { Engine } from "../engine/api.ts";
import { findServer, openEngine, readOptions } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import { action, type Call, type Target, verb, withServer, withShared } from "./verb.ts";

const HELP = `
The request is durable when this returns; the run ends when its code has heard of it. A run that nobody works on ends
when a worker takes it up.
--json prints { id, requested: true }.

Example:
  varve runs cancel run_01k9x... --reason "wrong customer"`;

export function runsCancelVerb(): Command {
  return withShared(withServer(verb("cancel", "Asks for a run's end")))
    .argument("<run>", "its id")
    .option("-r, --reason <text>", "why; kept in its history")
    .addHelpText("after", HELP)
    .action(action(cancelRun));
}

async function cancelRun({ output, target, options }: Call<{ reason?: string }>, id: string): Promise<number> {
  const server = await findServer(target);
  const engine = server?.engine ?? (await openExisting(target));
  try {
    await engine.run(id).cancel(options);
  } finally {
    if ("close" in engine) await engine.close();
  }
  if (output.json) output.document({ id, requested: true });
  else output.line(`asked run ${id} to end`);
  return EXIT.ok;
}

/** Opened for reading first: to cancel a run must not make a database. */
async function openExisting(target: Target): Promise<Engine> {
  const { openReadOnly } = await import("../runtime/read-only.ts");
  await (await openReadOnly(readOptions(target))).close();
  return await openEngine(target, { works: false });
}
