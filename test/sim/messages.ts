/**
 * A small world of messages: processes that die, a network that loses and repeats, and publishers who insist. Each message
 * starts a run, is batched, ends a wait, or starts what follows the end of that. In the end it is all there, once.
 */
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { Simulation } from "../../src/testing/simulation.ts";
import { cel } from "../../src/triggers/cel.ts";
import { type Deed, perform } from "../mutants/play.ts";

export interface MessagesWorld {
  readonly failures: readonly Failure[];
  readonly looks: Simulation["checker"]["looks"];
}

/** How many of each. */
const ORDERS = 12;

const LASTS_MS = 600_000;

const HASTE_MS_MAX = 40_000;

/** The end of it comes to the log itself: what the world has come to is read past any engine. */
interface Ending {
  readonly workflow: string;
  readonly inputs: readonly unknown[];
}

/** Waits for what it was given a moment ago: that is not given twice. */
const order = workflow(
  { name: "order", on: [{ topic: "ordered", match: cel("message.payload >= 0") }] },
  async (ctx, input: number) => {
    const paid = await ctx.waitForMessage("paid", {
      match: cel("message.payload == run.input"),
      since: 0,
      timeout: "10m",
    });
    const late = await ctx.waitForMessage("paid", {
      match: cel("message.payload == run.input"),
      since: 0,
      timeout: "2s",
    });
    return [input, paid?.payload ?? null, late];
  },
);

/** Waits about as long as it takes until somebody pays: either may come first. */
const hasty = workflow({ name: "hasty", on: [{ topic: "ordered" }] }, async (ctx, _: number) => {
  const timeout = Math.floor(ctx.random() * HASTE_MS_MAX);
  const paid = await ctx.waitForMessage("paid", { match: cel("message.payload == run.input"), timeout });
  return paid?.payload ?? null;
});

const batch = workflow(
  { name: "batch", on: [{ topic: "ordered", batch: { size: 4, timeout: "5s" } }] },
  async (_, input: unknown) => input,
);

const calm = workflow(
  { name: "calm", on: [{ topic: "ordered", debounce: { period: "3s", max: "20s" } }] },
  async (_, input: unknown) => input,
);

const report = workflow(
  { name: "report", on: [{ run: order, input: ({ payload }) => payload.output }] },
  async (_, input: unknown) => input,
);

const WORKFLOWS = [order, batch, calm, report, hasty];

/** @param store the log, on the simulation's clock; @default in memory */
export async function messages(
  seed: number,
  { store = memoryStore }: { readonly store?: (clock: { now(): number }) => LogStore } = {},
): Promise<MessagesWorld> {
  let looks = {} as MessagesWorld["looks"];
  let truth: LogStore | null = null;
  const found = await perform(`messages ${seed}`, {
    processes: 3,
    lastsMs: LASTS_MS,
    options: {
      store: (clock: { now(): number }) => {
        truth = store(clock);
        return truth;
      },
      faults: {
        ...{ duplicate: 0.03, "lost-reply": 0.03, "lost-request": 0.03, "late-request": 0.03 },
        ...{ "crash-before": 0.002, "crash-after": 0.002 },
      },
      latencyMsMax: 20,
    },
    setup: () => ({ worker: { leaseMs: 15_000, parkAfterMs: 0 }, workflows: () => WORKFLOWS }),
    deeds: ({ prng }) => deeds(prng),
    judge: (sim) => {
      ({ looks } = sim.checker);
    },
  });
  const failures = [...found];
  if (failures.length === 0 && truth !== null) {
    for (const what of await broken(truth)) failures.push({ predicate: "message-dispatched-once", what });
  }
  return { failures, looks };
}

/** Each message is published by two, at their own times: it is one message. */
function deeds(prng: Simulation["prng"]): Deed[] {
  return Array.from({ length: ORDERS }, (_, n) => n).flatMap((n) =>
    [0, 1].flatMap(() => [
      { atMs: prng.int(1_000, 60_000), do: publishing("ordered", n) },
      { atMs: prng.int(1_000, 60_000), do: publishing("paid", n) },
    ]),
  );
}

function publishing(topic: string, n: number): Deed["do"] {
  return (engine: Engine) => engine.publish(topic, n, { id: `${n}` });
}

/** What the world has not come to, or has come to twice. */
async function broken(store: LogStore): Promise<string[]> {
  const numbers = Array.from({ length: ORDERS }, (_, n) => n);
  const is = (name: string, isRight: boolean, inputs: unknown): string[] =>
    isRight ? [] : [`${name} came to ${JSON.stringify(inputs)}`];
  const endings = await Promise.all(WORKFLOWS.map(({ name }) => endingOf(store, name)));
  const [orders, batches, calms, reports] = endings.map(({ inputs }) => inputs) as [
    unknown[],
    unknown[],
    unknown[],
    unknown[],
  ];
  const same = (list: readonly unknown[]) =>
    JSON.stringify([...(list as number[])].sort((a, b) => a - b)) === JSON.stringify(numbers);
  const results = reports.map((each) => (each as readonly unknown[])[0]);
  // Each was given its own message, and not once more.
  const given = reports.every((each) => {
    const [input, paid, again] = each as readonly unknown[];
    return input === paid && again === null;
  });
  return [
    ...is("orders", same(orders), orders),
    ...is("batches", same(batches.flat()), batches),
    ...is("debounced starts", calms.length > 0 && calms.length <= ORDERS, calms),
    ...is("reports", same(results) && given, reports),
    ...(await wokenOtherwise(store)),
  ];
}

/** Waits that came to something else than what became of their message. */
async function wokenOtherwise(store: LogStore): Promise<string[]> {
  const wrong: string[] = [];
  const runs = await store.listRuns({ workflow: hasty.name }, { before: null, limit: 1_000 });
  for (let n = 0; n < ORDERS; n++) {
    const paid = await store.getMessage("paid", `${n}`);
    const decided = await store.listDispatches(paid?.position ?? 0, { after: 0, limit: 1_000 });
    const woken = new Set(decided.flatMap(({ decision, runId }) => (decision === "woke" ? (runId ?? []) : [])));
    for (const { id } of runs) {
      const rows = await store.readHistory(id, { afterSeq: 0, limit: 1_000 });
      const input = (JSON.parse(rows[0]?.data ?? "{}") as { input?: { value: unknown } }).input?.value;
      const wasGiven = rows.some(({ type }) => type === "message.received");
      if (input === n && wasGiven !== woken.has(id)) wrong.push(`the wait of ${id} and message ${n} disagree`);
    }
  }
  return wrong;
}

async function endingOf(store: LogStore, name: string): Promise<Ending> {
  const rows = await store.listRuns({ workflow: name }, { before: null, limit: 1_000 });
  const created = await store.readCreated(rows.map(({ id }) => id));
  const inputs = created.map(({ data }) => (JSON.parse(data as string) as { input: { value: unknown } }).input.value);
  return { workflow: name, inputs };
}
