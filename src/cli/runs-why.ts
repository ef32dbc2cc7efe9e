/** `varve runs why` */
import type { Command } from "commander";
import type { WaitReason } from "../kernel/why.ts";
import { openForReading } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import { plain } from "./output.ts";
import { instantText, lengthText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
--json prints { runId, status, at, waitsFor }: what it waits for is a { kind, since, until, text, hint } with what belongs to its
kind: key, name, runId, holders, slots, position.

Examples:
  varve runs why run_01k9x...
  varve runs why run_01k9x... --json | jq -r '.waitsFor[].holders[]'`;

export function runsWhyVerb(): Command {
  return withServer(verb("why", "Says what a run waits for, since when, and what can be done"))
    .argument("<run>", "its id")
    .addHelpText("after", HELP)
    .action(action(showWhy));
}

async function showWhy({ output, target }: Call<object>, id: string): Promise<number> {
  const { engine, close } = await openForReading(target);
  try {
    const found = await engine.run(id).why();
    if (output.json) {
      output.document(found);
      return EXIT.ok;
    }
    const { status, waitsFor } = found;
    output.line(`run ${id} is ${status}${waitsFor.length === 0 ? ", and waits for nothing" : " and waits for:"}`);
    for (const reason of waitsFor) for (const line of linesOf(reason, found.at)) output.line(line);
  } finally {
    await close();
  }
  return EXIT.ok;
}

function linesOf({ kind, text, hint, since, until, holders = [], position }: WaitReason, at: number): string[] {
  const facts = [
    since === null ? [] : `since ${instantText(since)} (${lengthText(Math.max(0, at - since))})`,
    until === null ? [] : `until ${instantText(until)}`,
    position === undefined || position === null ? [] : `number ${position} in line`,
    holders.length === 0 ? [] : `held by ${holders.join(", ")}`,
  ].flat();
  return [`  ${kind}: ${plain(text)}`, ...facts.map((fact) => `    ${plain(fact)}`), `    ${plain(hint)}`];
}
