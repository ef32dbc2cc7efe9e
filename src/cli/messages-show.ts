/** `varve messages show` */
import type { Command } from "commander";
import type { MessageDecision } from "../engine/api-messages.ts";
import { openForReading } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import type { Column } from "./output.ts";
import { instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
Shows a message and what became of it: one line for each subscription that listens to its topic and each call that it was
given to, with the run or the reason. --json prints the message with its decisions.

Example:
  varve messages show orders.paid evt-17`;

export function messagesShowVerb(): Command {
  return withServer(verb("show", "Shows a message and what became of it"))
    .argument("<topic>", "its topic")
    .argument("<id>", "its id")
    .addHelpText("after", HELP)
    .action(action(showMessage));
}

async function showMessage({ output, target }: Call<object>, topic: string, id: string): Promise<number> {
  const { engine, close } = await openForReading(target);
  try {
    const message = await engine.message(topic, id);
    if (output.json) output.document(message);
    else {
      const { dispatchedAt, decisions, more } = message;
      output.line(`${topic} ${id}, published ${instantText(message.publishedAt)}`);
      output.line(JSON.stringify(message.payload) ?? "no payload");
      if (dispatchedAt === null) output.note("not decided yet: no process with the code has come to it");
      else if (decisions.length === 0) output.note("nobody listened to it");
      else output.table(COLUMNS, decisions);
      if (more) output.note("there are more decisions than are shown");
    }
  } finally {
    await close();
  }
  return EXIT.ok;
}

const COLUMNS: Column<MessageDecision>[] = [
  { title: "FOR", value: ({ subject }) => subject },
  { title: "DECISION", value: ({ decision }) => decision },
  { title: "RUN", value: ({ runId }) => runId ?? "" },
  { title: "REASON", value: ({ reason }) => reason ?? "" },
];
