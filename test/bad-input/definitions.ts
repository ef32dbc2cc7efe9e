/** Definitions in which one thing, however deep, is anything but what belongs there. */
import assert from "node:assert/strict";
import {
  cel,
  env,
  github,
  gitlab,
  hmac,
  isWorkflow,
  none,
  notify,
  schedule,
  shopify,
  slack,
  standardWebhooks,
  stripe,
  type WebhookScheme,
  webhook,
  workflow,
} from "varve";
import { createEngineOf } from "../../src/engine/engine.ts";
import { memoryStore } from "../../src/log/memory.ts";
import { isNotifyEndpoint } from "../../src/outgoing/notify.ts";
import { isSchedule } from "../../src/scheduler/definition.ts";
import { isHook } from "../../src/triggers/hook.ts";
import { realPorts } from "../support/ports.ts";
import { type Property, typedErrorOf } from "./lane.ts";

const ship = workflow({ name: "ship" }, async (_ctx, _input: unknown) => null);
const secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
const scheme = standardWebhooks({ secrets });
const reference = env("A", "B");

/** What functions of ours returned is not changed within. */
const WHOLE: readonly unknown[] = [ship, scheme, reference];

/** What is made of options, and options that hold everything that one can say. */
const DEFINITIONS: Readonly<Record<string, readonly [make: (options: never) => unknown, ...options: object[]]>> = {
  workflow: [
    (options) => workflow(options, async () => null),
    {
      name: "ship",
      version: "2",
      queue: "heavy",
      maxActiveRuns: 5,
      concurrency: [
        { key: cel("input.customer"), limit: 2 },
        { key: () => "a", limit: 1 },
      ],
      singleton: { key: () => "a", mode: "skip" },
      rateLimit: { limit: 10, period: "1m", key: () => "a" },
      throttle: { limit: 10, period: "1m", burst: 2, key: () => "a" },
      fairness: { key: () => "a", weight: 2 },
      priority: 3,
      on: [
        {
          topic: "orders.*",
          match: cel("message.payload.net > 0"),
          input: () => null,
          debounce: { key: () => "a", period: "1s", max: "1m" },
        },
        { topic: "parcels", batch: { key: cel("message.id"), size: 10, timeout: "1s" } },
        { run: "invoice", ends: ["completed"] },
      ],
      cancelOn: [{ topic: "orders.gone", match: cel("message.payload.id == run.input.id") }],
    },
  ],
  schedule: [
    schedule,
    {
      id: "a",
      workflow: ship,
      version: "1",
      cron: ["0 3 * * *"],
      timezone: "Europe/Berlin",
      dst: "once",
      from: "2026-01-01T00:00:00Z",
      until: "2027-01-01T00:00:00Z",
      jitter: "1s",
      spread: "1m",
      except: [{ month: 12, dayOfMonth: 24 }],
      overlap: "skip",
      catchUp: { policy: "all", window: "1d", max: 10 },
      tags: { a: "b" },
      deadline: "1h",
      input: 1,
    },
    { id: "a", workflow: ship, every: "1h", offset: "5m" },
    { id: "a", workflow: ship, calendar: [{ minute: 5, hour: [1, 2], dayOfWeek: "1-5" }] },
    { id: "a", workflow: ship, at: ["2026-12-24T18:00:00"], timezone: "Europe/Vienna" },
  ],
  webhook: [
    webhook,
    {
      name: "orders",
      scheme,
      workflow: ship,
      input: () => null,
      filter: cel("body.id > 0"),
      respond: "result",
      timeout: "5s",
    },
    { name: "orders", scheme, signal: { name: "paid", run: () => null, payload: () => null }, filter: () => true },
  ],
  notify: [
    notify,
    {
      name: "books",
      url: "https://example.org/hook",
      secrets,
      events: ["run.completed"],
      workflow: ["ship"],
      filter: () => true,
      headers: { "x-a": "b" },
      timeout: "5s",
      giveUpAfter: "1d",
      output: true,
      allowPrivate: true,
    },
    { name: "books", url: "https://example.org/hook", secrets: reference, events: ["run.failed"] },
  ],
  github: [github, { secrets }],
  gitlab: [gitlab, { secrets }],
  shopify: [shopify, { secrets }],
  slack: [slack, { secrets, tolerance: "5m" }],
  stripe: [stripe, { secrets, tolerance: "5m" }],
  standardWebhooks: [standardWebhooks, { secrets, tolerance: "5m" }],
  hmac: [
    hmac,
    {
      secrets,
      header: "x-signature",
      algorithm: "sha256",
      encoding: "hex",
      prefix: "v1=",
      timestamp: { header: "x-time", unit: "s", tolerance: "5m" },
      id: { header: "x-id" },
    },
  ],
  none: [none, { id: { header: "x-id" } }],
};

/** Never right where something else belongs, or harmless. */
const WRONG: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    7n,
    "",
    " ",
    "\0",
    "\ud800",
    "nonsense",
    "0 0 31 2 *",
  ],
  ...[
    "99:99",
    "Mars/Olympus",
    [],
    {},
    [null],
    [[]],
    { a: null },
    new Date(Number.NaN),
    Symbol("s"),
    () => 1,
    cel("1 +"),
  ],
];

/** All places within it that hold something. */
function placesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  const isPlain =
    !WHOLE.includes(value) && (Array.isArray(value) || Object.getPrototypeOf(value ?? 0) === Object.prototype);
  if (!isPlain || path.length > 4) return path.length === 0 ? [] : [path];
  const inner = Object.entries(value as object).flatMap(([name, each]) => placesOf(each, [...path, name]));
  return path.length === 0 ? inner : [path, ...inner];
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown {
  if (name === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[name] = replaced(copy[name], rest, by);
  return copy;
}

/** What a definition lets pass its engine refuses, or takes. */
async function engineWith(made: unknown): Promise<void> {
  const ports = realPorts();
  const outbound = { post: () => new Promise<never>(() => {}) };
  const wanted = isWorkflow(made)
    ? { workflows: [made] }
    : isSchedule(made)
      ? { schedules: [made] }
      : isHook(made)
        ? { hooks: [made] }
        : isNotifyEndpoint(made)
          ? { notify: [made], outbound }
          : { hooks: [webhook({ name: "h", scheme: made as WebhookScheme, workflow: ship })] };
  const queues = { heavy: { concurrency: 1 } };
  const engine = await createEngineOf({
    ...{ store: memoryStore(ports.clock), ports, queues, secrets: async () => secrets[0] },
    ...{ workflows: [ship], ...wanted },
  });
  await engine.close({ deadline: 0 });
}

async function areMadeOrRefused(name: string): Promise<void> {
  const [make, ...goods] = DEFINITIONS[name] as (typeof DEFINITIONS)[string];
  const untyped: string[] = [];
  const tryIt = async (what: string, options: unknown) => {
    try {
      return await typedErrorOf(async () => await engineWith(make(options as never)));
    } catch (error) {
      untyped.push(`${what}: ${error}`);
      return null;
    }
  };
  for (const good of goods) {
    assert.equal(await tryIt("whole", good), null);
    for (const path of placesOf(good)) {
      for (const wrong of WRONG) {
        const shown = typeof wrong === "string" ? JSON.stringify(wrong) : String(wrong);
        await tryIt(`${path.join(".")} = ${shown} (${typeof wrong})`, replaced(good, path, wrong));
      }
    }
  }
  for (const wrong of WRONG) await tryIt(`${String(wrong)} for all of it`, wrong);
  assert.deepEqual(untyped, []);
}

export const definitions: readonly Property[] = Object.keys(DEFINITIONS).map((name) => ({
  title: `${name}(...) is made of what it is given, or says by a typed error what is wrong`,
  runs: 1,
  holds: () => areMadeOrRefused(name),
}));
