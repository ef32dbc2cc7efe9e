/** `varve webhooks outgoing list|endpoints|retry|enable` */
import type { Command } from "commander";
import type {
  EndpointInfo,
  NotificationInfo,
  NotificationListOptions,
  NotificationStatus,
} from "../engine/api-notifications.ts";
import { openForReading, openForWriting } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { agoText, instantText } from "./time-text.ts";
import { action, type Call, group, verb, withServer, withShared } from "./verb.ts";

const LIMIT_MAX = 500;

const LIST_HELP = `
--json prints { notifications: [Notification], cursor }: Notification is the HTTP API's, see openapi.json.

Example:
  varve webhooks outgoing list --endpoint billing --status dead`;

const RETRY_HELP = `
Without --position those are sent again that were given up, up to 1,000. --json prints { count }.

Example:
  varve webhooks outgoing retry billing --position 4711`;

type ListFlags = { endpoint?: string; status?: NotificationStatus; limit: number; cursor?: string };

export function webhooksOutgoingVerb(): Command {
  return group("outgoing", "What endpoints were told of events", [
    withServer(verb("list", "Lists outgoing webhooks, latest event first"))
      .option("--endpoint <name>", "only to this endpoint")
      .option("--status <status>", "only those that are pending, delivered or dead")
      .option("-n, --limit <count>", `at most so many, up to ${LIMIT_MAX}`, integerArgument(1, LIMIT_MAX), 50)
      .option("--cursor <cursor>", "go on where the page before ended")
      .addHelpText("after", LIST_HELP)
      .action(action(listOutgoing)),
    withServer(verb("endpoints", "Lists endpoints, and how far in the log they are"))
      .addHelpText("after", "\n--json prints { endpoints: [{ name, position, restUntil, disabledAt }] }.")
      .action(action(listEndpoints)),
    withShared(withServer(verb("retry", "Sends outgoing webhooks again")))
      .argument("<endpoint>", "its name")
      .option("--position <position>", "only the one about this event", integerArgument(1, Number.MAX_SAFE_INTEGER))
      .addHelpText("after", RETRY_HELP)
      .action(action(retryOutgoing)),
    withShared(withServer(verb("enable", "Sends to an endpoint again that answered 410 or asked for rest")))
      .argument("<endpoint>", "its name")
      .addHelpText("after", "\n--json prints { name }.")
      .action(action(enableEndpoint)),
  ]);
}

async function listOutgoing({ output, target, options }: Call<ListFlags>): Promise<number> {
  const { endpoint, status, limit, cursor: after } = options;
  const filter: NotificationListOptions = {
    limit,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(status === undefined ? {} : { status }),
    ...(after === undefined ? {} : { cursor: after }),
  };
  const { engine, close } = await openForReading(target);
  const { notifications, cursor } = await closing(close, engine.notifications.list(filter));
  if (output.json) output.document({ notifications, cursor });
  else {
    const now = Date.now();
    const shown = (at: number) => (output.isTty ? agoText(at, now) : instantText(at));
    if (notifications.length === 0) output.note("no outgoing webhooks");
    else {
      output.table<NotificationInfo>(
        [
          { title: "POSITION", value: ({ position }) => String(position) },
          { title: "ENDPOINT", value: (each) => each.endpoint },
          { title: "STATUS", value: (each) => each.status },
          { title: "EVENT", value: ({ type }) => type },
          { title: "RUN", value: ({ runId }) => runId },
          { title: "CREATED", value: ({ createdAt }) => shown(createdAt) },
          { title: "TRIES", value: ({ tries }) => String(tries) },
          { title: "NOTE", value: ({ note }) => note ?? "" },
        ],
        notifications,
      );
    }
    if (cursor !== null) output.note(`there are more: --cursor ${cursor}`);
  }
  return EXIT.ok;
}

async function listEndpoints({ output, target }: Call<object>): Promise<number> {
  const { engine, close } = await openForReading(target);
  const endpoints = await closing(close, engine.notifications.endpoints());
  if (output.json) output.document({ endpoints });
  else if (endpoints.length === 0) output.note("no endpoints");
  else {
    output.table<EndpointInfo>(
      [
        { title: "ENDPOINT", value: ({ name }) => name },
        { title: "POSITION", value: ({ position }) => String(position) },
        { title: "STATE", value: stateOf },
      ],
      endpoints,
    );
  }
  return EXIT.ok;
}

function stateOf({ disabledAt, restUntil }: EndpointInfo): string {
  if (disabledAt !== null) return `disabled since ${instantText(disabledAt)}`;
  return restUntil !== null && restUntil > Date.now() ? `rests until ${instantText(restUntil)}` : "open";
}

async function retryOutgoing({ output, target, options }: Call<{ position?: number }>, name: string): Promise<number> {
  const { engine, close } = await openForWriting(target);
  const count = await closing(close, engine.notifications.retry(name, options.position));
  if (output.json) output.document({ count });
  else output.line(`${count} to send again`);
  return EXIT.ok;
}

async function enableEndpoint({ output, target }: Call<object>, name: string): Promise<number> {
  const { engine, close } = await openForWriting(target);
  await closing(close, engine.notifications.enable(name));
  if (output.json) output.document({ name });
  else output.line(`endpoint ${name} is sent to`);
  return EXIT.ok;
}

async function closing<T>(close: () => Promise<void>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } finally {
    await close();
  }
}
