/** `varve webhooks list` */
import type { Command } from "commander";
import type { DeliveryDecision, DeliveryInfo, RefusedRequest } from "../engine/api-deliveries.ts";
import { openForReading } from "./access.ts";
import { decisionArgument, integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import type { Column } from "./output.ts";
import { agoText, instantText } from "./time-text.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const LIMIT_MAX = 500;

const HELP = `
--json prints { deliveries: [Delivery], cursor }: Delivery is the HTTP API's, see openapi.json; with --refused
{ refused: [{ hook, at, reason, detail }] }, which a server remembers for as long as it runs.
A pipe gets tab-separated values: hook, id, decision, run, received, reason.

Examples:
  varve webhooks list --hook github --decision ignored
  varve webhooks list --refused --url http://127.0.0.1:8787`;

interface Options {
  readonly hook?: string;
  readonly decision?: DeliveryDecision;
  readonly refused: boolean;
  readonly limit: number;
  readonly cursor?: string;
}

export function webhooksListVerb(): Command {
  return withServer(verb("list", "Lists webhook deliveries and what was decided about each, newest first"))
    .option("--hook <name>", "only of this hook")
    .option("--decision <decision>", "only started, signalled, ignored or invalid ones", decisionArgument)
    .option("--refused", "requests about which nothing was decided, and why", false)
    .option("-n, --limit <count>", `at most so many, up to ${LIMIT_MAX}`, integerArgument(1, LIMIT_MAX), 50)
    .option("--cursor <cursor>", "go on where the page before ended")
    .addHelpText("after", HELP)
    .action(action(list));
}

async function list(call: Call<Options>): Promise<number> {
  const { engine, close } = await openForReading(call.target);
  try {
    if (call.options.refused) printRefused(call, await engine.deliveries.refused());
    else {
      const { hook, decision, limit, cursor } = call.options;
      const filter = { ...(hook === undefined ? {} : { hook }), ...(decision === undefined ? {} : { decision }) };
      const place = { limit, ...(cursor === undefined ? {} : { cursor }) };
      const page = await engine.deliveries.list({ ...filter, ...place });
      printDeliveries(call, page.deliveries, page.cursor);
    }
  } finally {
    await close();
  }
  return EXIT.ok;
}

function printDeliveries({ output }: Call<Options>, deliveries: readonly DeliveryInfo[], cursor: string | null): void {
  if (output.json) {
    output.document({ deliveries, cursor });
    return;
  }
  if (deliveries.length === 0) output.note("no deliveries");
  else output.table(columns(output.isTty), deliveries);
  if (cursor !== null) output.note(`there are more: --cursor ${cursor}`);
}

function columns(isForPeople: boolean): Column<DeliveryInfo>[] {
  const now = Date.now();
  return [
    { title: "HOOK", value: ({ hook }) => hook },
    { title: "DELIVERY", value: ({ id, replay }) => (replay === 0 ? id : `${id} (replay ${replay})`) },
    { title: "DECISION", value: ({ decision }) => decision },
    { title: "RUN", value: ({ runId }) => runId ?? "" },
    {
      title: "RECEIVED",
      value: ({ receivedAt }) => (isForPeople ? agoText(receivedAt, now) : instantText(receivedAt)),
    },
    { title: "REASON", value: ({ reason }) => (reason === null ? "" : `${reason.code}: ${reason.message}`) },
  ];
}

function printRefused({ output }: Call<Options>, refused: readonly RefusedRequest[]): void {
  if (output.json) output.document({ refused });
  else if (refused.length === 0) output.note("none since the server began");
  else {
    output.table<RefusedRequest>(
      [
        { title: "HOOK", value: ({ hook }) => hook },
        { title: "WHEN", value: ({ at }) => instantText(at) },
        { title: "REASON", value: ({ reason }) => reason },
        { title: "DETAIL", value: ({ detail }) => detail },
      ],
      refused,
    );
  }
}
