/** `varve messages list` */
import type { Command } from "commander";
import type { ListMessagesOptions, MessageInfo } from "../engine/api-messages.ts";
import { openForReading } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import type { Column } from "./output.ts";
import { agoText, instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const LIMIT_MAX = 500;

const HELP = `
--json prints { messages: [Message], cursor }. A pipe gets tab-separated values: topic, id, published, decided.

Examples:
  varve messages list --topic orders.paid
  varve messages list --json | jq '.messages[] | select(.dispatchedAt == null)'`;

type Options = Pick<ListMessagesOptions, "topic" | "limit" | "cursor">;

export function messagesListVerb(): Command {
  return withServer(verb("list", "Lists messages that are kept, newest first"))
    .option("--topic <topic>", "only on this topic")
    .option("-n, --limit <count>", `at most so many, up to ${LIMIT_MAX}`, integerArgument(1, LIMIT_MAX), 50)
    .option("--cursor <cursor>", "go on where the page before ended")
    .addHelpText("after", HELP)
    .action(action(listMessages));
}

async function listMessages({ output, target, options }: Call<Options>): Promise<number> {
  const { engine, close } = await openForReading(target);
  const { topic, limit, cursor: after } = options;
  const page = await engine.messages({
    ...(topic === undefined ? {} : { topic }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { cursor: after }),
  });
  await close();
  const { messages, cursor } = page;
  if (output.json) output.document({ messages, cursor });
  else {
    if (messages.length === 0) output.note("no messages");
    else output.table(columns(output.isTty), messages);
    if (cursor !== null) output.note(`there are more: --cursor ${cursor}`);
  }
  return EXIT.ok;
}

function columns(isForPeople: boolean): Column<MessageInfo>[] {
  const now = Date.now();
  return [
    { title: "TOPIC", value: ({ topic }) => topic },
    { title: "MESSAGE", value: ({ id }) => id },
    {
      title: "PUBLISHED",
      value: ({ publishedAt }) => (isForPeople ? agoText(publishedAt, now) : instantText(publishedAt)),
    },
    { title: "DECIDED", value: ({ dispatchedAt }) => (dispatchedAt === null ? "not yet" : "yes") },
  ];
}
