/** The examples of `workflows/` as tests run them: with what input, and what the outside answers. */
import { createRequire } from "node:module";
import { type Workflow, wrapWorkflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Queues } from "../../src/kernel/queues.ts";
import { over } from "../../src/testing/watched.ts";
import type { Recorder } from "../../src/worker/recorder.ts";
import { accountSync } from "../../workflows/account-sync.ts";
import { expenseApproval } from "../../workflows/expense-approval.ts";
import { githubTriage } from "../../workflows/github-triage.ts";
import { invoice } from "../../workflows/invoice.ts";
import { newsletter } from "../../workflows/newsletter.ts";
import { nightlyReport } from "../../workflows/nightly-report.ts";
import { orderFulfilment } from "../../workflows/order-fulfilment.ts";
import { trackParcel } from "../../workflows/parcel-tracking.ts";
import { printOrder, queues } from "../../workflows/print-shop.ts";
import { stagedRollout } from "../../workflows/staged-rollout.ts";
import { groundTransport, notifyTraveller, tripBooking } from "../../workflows/trip-booking.ts";

export type AnyWorkflow = Workflow<never, unknown, never, never>;

/** One event of GitHub with its example payloads, as `@octokit/webhooks-examples` has them. */
interface GithubExamples {
  readonly name: string;
  readonly examples: readonly { readonly action?: string }[];
}

/** Real payloads of every event that GitHub sends. */
export const githubPayloads: readonly GithubExamples[] = createRequire(import.meta.url)("@octokit/webhooks-examples");

export const TRIAGE_URL = "https://triage.example/outcomes";

/** One way through an example. */
export interface Case {
  /** Of the case; the workflow's own unless an example has several. */
  readonly name: string;
  readonly workflow: AnyWorkflow;
  readonly input: unknown;
  /** What has happened before it is started; may happen again. */
  readonly before?: (engine: Engine) => Promise<unknown>;
  /** Workflows of whose runs it starts some. */
  readonly others?: readonly AnyWorkflow[];
  /** Those that it names. */
  readonly queues?: Queues;
  /** What every run of the case comes to, without what its id and its hour decide. */
  readonly expected: object;
}

const openedPull = githubPayloads
  .find(({ name }) => name === "pull_request")!
  .examples.find(({ action }) => action === "opened");
const lines = [
  { sku: "anvil", quantity: 2, cents: 8_900, grams: 18_000 },
  { sku: "hammer", quantity: 3, cents: 1_950, grams: 1_100 },
];
const reader = (name: string, host: string) => ({ name, address: `${name.toLowerCase()}@${host}` });
const readers = [
  reader("Ada", "example.com"),
  reader("Grace", "nowhere.invalid"),
  reader("Radia", "example.com"),
  reader("Barbara", "example.com"),
  reader("Katherine", "nowhere.invalid"),
];
const health = (errors: number) => `data:application/json,{"requests":1000,"errors":${errors}}`;

export const cases: readonly Case[] = [
  {
    name: "github-triage",
    workflow: githubTriage,
    input: { event: "pull_request", payload: openedPull },
    expected: {
      event: "pull_request",
      route: "review",
      labels: ["documentation", "size/XS"],
      announced: true,
      references: { mentions: [], closes: [] },
    },
  },
  {
    name: "order-fulfilment",
    workflow: orderFulfilment,
    input: { id: "o-1", payment: "tok_unreachable", country: "de", lines },
    expected: {
      id: "o-1",
      status: "sent",
      netCents: 23_650,
      vatCents: 4_494,
      totalCents: 28_144,
      parcels: [
        { grams: 21_300, skus: ["anvil", "hammer", "hammer", "hammer"] },
        { grams: 18_000, skus: ["anvil"] },
      ],
    },
  },
  {
    name: "order-refunded",
    workflow: orderFulfilment,
    input: { id: "o-2", payment: "tok_visa", lines: [{ sku: "piano", quantity: 1, cents: 350_000, grams: 240_000 }] },
    expected: { status: "refunded", why: "piano weighs 240000 g, more than a parcel may" },
  },
  {
    name: "nightly-report",
    workflow: nightlyReport,
    input: {},
    expected: {
      total: 575.65,
      missing: { asia: "line 3: not a number is no amount" },
      page: [
        "| source | rows | total | largest |",
        "|---|---|---|---|",
        "| america | 2 | 355.25 | a-1 |",
        "| europe | 3 | 220.4 | e-1 |",
        "asia is missing: line 3: not a number is no amount",
      ].join("\n"),
    },
  },
  {
    name: "newsletter",
    workflow: newsletter,
    input: { readers, atATime: 2, settle: "1s", bouncesMax: "40%" },
    expected: { status: "sent", sent: 3, bounced: ["grace@nowhere.invalid", "katherine@nowhere.invalid"] },
  },
  {
    name: "newsletter-stopped",
    workflow: newsletter,
    input: { readers: readers.toReversed(), atATime: 1, settle: "1s", bouncesMax: 1 },
    expected: {
      status: "stopped",
      why:
        'expected at most 1 of the 5 items of map "send" to fail, but 2 did (not begun: 1); ' +
        'the first was "send[0]": the mail to katherine@nowhere.invalid came back',
      failed: 2,
      notBegun: 1,
    },
  },
  {
    name: "staged-rollout",
    workflow: stagedRollout,
    input: { service: "checkout", version: "1.4.2", health: health(2), bake: "10m" },
    expected: { status: "released", stages: [1, 10, 50, 100].map((percent) => ({ percent, errorsPercent: 0.2 })) },
  },
  {
    name: "staged-rollout-rolled-back",
    workflow: stagedRollout,
    input: { service: "checkout", version: "1.4.3", health: health(31), stages: [5, 100], bake: "10m" },
    expected: { status: "rolled-back", stages: [{ percent: 5, errorsPercent: 3.1 }] },
  },
  {
    name: "expense-nobody-answers",
    workflow: expenseApproval,
    input: { id: "e-1", by: "ada", cents: 120_000, patience: "20m", reminder: "5m" },
    expected: { id: "e-1", status: "expired", by: null, note: "asked grace, edsger" },
  },
  {
    name: "trip-booked",
    workflow: tripBooking,
    input: { id: "t-1", to: "lis" },
    others: [groundTransport, notifyTraveller],
    expected: {
      status: "booked",
      bookings: [{ part: "flight" }, { part: "hotel" }, { part: "coach" }],
      weather: "unknown",
    },
  },
  {
    name: "trip-called-off",
    workflow: tripBooking,
    input: { id: "t-2", to: "lis", seats: 900 },
    others: [groundTransport, notifyTraveller],
    expected: { status: "called-off", bookings: [], why: "the coach has 55 seats, and 900 are asked for" },
  },
  {
    name: "account-sync",
    workflow: accountSync,
    input: { account: "acc-1" },
    expected: { account: "acc-1", status: "booked", booked: 3, cursor: 3, euros: 184.5 },
  },
  {
    name: "account-sync-without-bank",
    workflow: accountSync,
    input: { account: "acc-2", bank: "https://bank.invalid/entries" },
    expected: { account: "acc-2", status: "bank is out of order", booked: 0, cursor: 0 },
  },
  {
    name: "parcel-delivered",
    workflow: trackParcel,
    input: { order: "o-1", total: 120 },
    before: (engine) => engine.publish("parcels.delivered", { order: "o-1", at: "door" }, { id: "scan-1" }),
    expected: { order: "o-1", label: "label of o-1", status: "delivered", at: "door" },
  },
  {
    name: "parcel-lost",
    workflow: trackParcel,
    input: { order: "o-2", total: 120, patience: "20m" },
    expected: { order: "o-2", label: "label of o-2", status: "lost" },
  },
  {
    name: "print-order",
    workflow: printOrder,
    input: { customer: "acme", pages: 13, express: true },
    queues,
    expected: { customer: "acme", proof: "13 pages for acme", sheets: 7, express: true },
  },
  {
    name: "invoice",
    workflow: invoice,
    input: { id: "i-1", customer: "ada", cents: 11_900 },
    expected: { customer: "ada", net: 10_000, tax: 1_900 },
  },
];

/**
 * The outside, in place of `fetch`: answers at once and always the same. Triage is busy at the first request with a key.
 */
export function outside(): typeof fetch {
  const seen = new Set<string>();
  return async (request, init) => {
    const url = String(request);
    if (url.startsWith("data:")) return new Response(decodeURIComponent(url.slice(url.indexOf(",") + 1)));
    if (url !== TRIAGE_URL) throw new TypeError("fetch failed");
    const key = new Headers(init?.headers).get("idempotency-key") ?? "";
    if (seen.has(key)) return new Response(null, { status: 204 });
    seen.add(key);
    return new Response(null, { status: 503, headers: { "retry-after": "3" } });
  };
}

/** What a changed workflow does differently, or what a test wants to see of it. */
export interface Change {
  /** Another name for a call. */
  readonly rename?: (name: string) => string;
  /** A body of this step is about to run. */
  readonly onBody?: (runId: string, key: string, attempt: number) => void;
}

/** The same workflow, changed. */
export function changed(workflow: AnyWorkflow, { rename = (name) => name, onBody = () => {} }: Change): AnyWorkflow {
  return wrapWorkflow(workflow, (run) => (recorder, input) => {
    const ask: Recorder["ask"] = (request) =>
      recorder.ask({
        ...request,
        name: rename(request.name),
        live: (call) =>
          request.live(
            over(call, {
              runBody: (body) =>
                call.runBody({
                  ...body,
                  run: (surroundings) => {
                    onBody(call.run.id, call.key, body.attempt);
                    return body.run(surroundings);
                  },
                }),
            }),
          ),
      });
    return run(over(recorder, { ask }), input);
  });
}
