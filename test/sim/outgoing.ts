/**
 * A small world of outgoing webhooks: receivers that fail, answer late or never, ask for rest or say that they are gone; a
 * name server that lies now and then; processes that die and stand still, a network that loses and repeats; and people who
 * try again. In the end every receiver has taken what it asked for.
 */
import { type Workflow, workflow } from "../../src/ctx/workflow.ts";
import { isVarveError } from "../../src/kernel/errors.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import type { Outbound } from "../../src/kernel/ports.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import { type NotifyEndpoint, notify } from "../../src/outgoing/notify.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { AskedFor } from "../../src/testing/notice-book.ts";
import type { Prng } from "../../src/testing/prng.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation } from "../../src/testing/simulation.ts";
import { type Deed, perform } from "../mutants/play.ts";

export interface OutgoingWorld {
  readonly failures: readonly Failure[];
  /** How many requests went out, and how many events they were about. */
  readonly requests: number;
  readonly notices: number;
  readonly looks: Simulation["checker"]["looks"];
}

const LASTS_MS = 800_000;

const RUNS = 24;

/** Runs come, and people act, within so long. */
const BUSY_MS = 200_000;

/** When people put everything in order: nothing goes wrong any more. */
const ORDER_MS = LASTS_MS / 2 + 20_000;

/** A simulation begins with the year. */
const BEGINS_AT = Date.UTC(2026, 0, 1);

const GIVE_UP_MS = 240_000;

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const PUBLIC = "93.184.216.34";
const PRIVATE = "10.0.0.7";

/** The name server's answer is another one every so often. */
const NAME_MS = 7_000;

const charge = workflow({ name: "charge" }, async (ctx, fails: number) => {
  const pay = ({ attempt }: { readonly attempt: number }) => {
    if (attempt <= fails) throw new Error(`declined ${attempt}`);
    return attempt;
  };
  return await ctx.step("pay", pay, { retry: { attempts: 2, initial: 200 } });
}) as Workflow<never, unknown, never, never>;

const other = workflow({ name: "other" }, async () => "done") as Workflow<never, unknown, never, never>;

interface Told {
  readonly endpoint: NotifyEndpoint;
  readonly asked: AskedFor;
}

/** An endpoint, once as the engine knows it and once as the checker does. */
function told(name: string, events: readonly EventRow["type"][], isOfCharges: boolean): Told {
  const endpoint = notify({
    ...{ name, url: `https://${name}.example.com/hook`, secrets: [SECRET], giveUpAfter: GIVE_UP_MS, output: true },
    events: events as never,
    ...(isOfCharges ? { workflow: "charge" } : {}),
    filter: ({ data }) => data.seq !== UNWANTED_SEQ,
  });
  return {
    endpoint,
    asked: { giveUpMs: GIVE_UP_MS, wants: ({ type, seq }) => events.includes(type) && seq !== UNWANTED_SEQ },
  };
}

/** Filters leave out an event at this place of its run. */
const UNWANTED_SEQ = 7;

/** @param store the log, on the simulation's clock; @default in memory */
export async function outgoing(
  seed: number,
  { store = memoryStore }: { readonly store?: (clock: { now(): number }) => LogStore } = {},
): Promise<OutgoingWorld> {
  let looks = {} as OutgoingWorld["looks"];
  const world = { requests: 0, ids: new Set<string>() };
  const failures = await perform(`outgoing ${seed}`, {
    processes: 3,
    lastsMs: LASTS_MS,
    options: {
      store,
      faults: {
        ...{ duplicate: 0.012, "lost-reply": 0.008, "lost-request": 0.004, "late-request": 0.012 },
        ...{ "crash-before": 0.0002, "crash-after": 0.0005 },
      },
      latencyMsMax: 20,
    },
    setup: (sim) => {
      const endpoints = endpointsOf(sim);
      return {
        worker: { leaseMs: 15_000, pollMsMax: 4_000 },
        workflows: () => [charge, other],
        outgoing: (proc) => ({
          notify: endpoints.map(({ endpoint }) => endpoint),
          outbound: outbound(sim, proc, world),
        }),
      };
    },
    deeds,
    judge: (sim) => {
      ({ looks } = sim.checker);
    },
  });
  return { failures, looks, requests: world.requests, notices: world.ids.size };
}

function endpointsOf({ checker }: Simulation): readonly Told[] {
  const all = told("all", ["run.completed", "run.failed", "attempt.failed"], false);
  const picky = told("picky", ["run.created", "run.failed"], true);
  const isOfCharge = ({ runId }: EventRow) => checker.history(runId)[0]?.data?.includes('"workflow":"charge"') === true;
  const wants = (event: EventRow) => isOfCharge(event) && picky.asked.wants(event);
  checker.outgoing.asks("all", all.asked);
  checker.outgoing.asks("picky", { ...picky.asked, wants });
  return [all, picky];
}

// ---- What is out in the world ----

function outbound(
  sim: Simulation,
  proc: SimulatedProcess,
  world: { requests: number; readonly ids: Set<string> },
): Outbound {
  const { agenda, checker, prng } = sim;
  const chance = prng.stream(`receiver of ${proc.name}`);
  const isCalm = () => agenda.now > BEGINS_AT + LASTS_MS / 2;
  const isPrivate = () => !isCalm() && prng.stream(`name ${Math.floor(agenda.now / NAME_MS)}`).chance(0.1);
  return {
    post: ({ url, headers, body, signal, allows }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(new Error("aborted"));
          return;
        }
        const address = isPrivate() ? PRIVATE : PUBLIC;
        if (allows?.(address) === false) {
          resolve({ kind: "refused", address });
          return;
        }
        const [endpoint = ""] = new URL(url).hostname.split(".");
        const id = headers["webhook-id"] ?? "";
        const ended = checker.outgoing.goesOut({ proc: proc.name, endpoint, id, body, isPrivate: isPrivate() });
        world.requests++;
        world.ids.add(id);
        let isOver = false;
        const end = (status: number | null, restMs: number, settle: () => void) => {
          if (isOver) return;
          isOver = true;
          ended({ status, restMs });
          settle();
        };
        signal.addEventListener("abort", () => end(null, 0, () => reject(new Error("aborted"))));
        const answer = isCalm() ? FINE : answerOf(chance);
        if (answer === null) return;
        proc.after(answer.afterMs, () => {
          const { status, retryAfter } = answer;
          if (status === null) end(null, 0, () => reject(new Error("connection refused")));
          else end(status, Number(retryAfter) * 1_000, () => resolve({ kind: "answer", status, retryAfter }));
        });
      }),
  };
}

interface Answer {
  readonly afterMs: number;
  /** Null: there is no connection. */
  readonly status: number | null;
  readonly retryAfter: string | null;
}

const FINE: Answer = { afterMs: 5, status: 200, retryAfter: null };

/** What a receiver makes of a request; null: nothing comes back. */
function answerOf(chance: Prng): Answer | null {
  const afterMs = chance.pick([0, 10, 300, 3_000]);
  const kind = chance.weighted({ fine: 8, failing: 5, elsewhere: 1, busy: 2, gone: 0.7, silent: 2, late: 2, away: 1 });
  switch (kind) {
    case "fine":
      return { afterMs, status: chance.pick([200, 202, 204]), retryAfter: null };
    case "failing":
      return { afterMs, status: chance.pick([400, 404, 500, 502]), retryAfter: null };
    case "elsewhere":
      return { afterMs, status: 302, retryAfter: null };
    case "busy":
      return { afterMs, status: chance.pick([429, 503]), retryAfter: `${chance.int(20, 150)}` };
    case "gone":
      return { afterMs, status: 410, retryAfter: null };
    case "silent":
      return null;
    case "late":
      return { afterMs: chance.int(14_000, 25_000), status: 200, retryAfter: null };
    case "away":
      return { afterMs, status: null, retryAfter: null };
  }
}

// ---- What people do ----

function deeds(sim: Simulation): Deed[] {
  const { prng } = sim;
  const some = (count: number, deed: (i: number) => Deed) => Array.from({ length: count }, (_, i) => deed(i));
  const endpoint = () => prng.pick(["all", "picky"]);
  return [
    ...some(RUNS, (i) => ({
      atMs: prng.int(0, BUSY_MS),
      do: async (engine) => {
        if (i % 3 === 0) await engine.start("other", null, { idempotencyKey: `${i}` });
        else await engine.start("charge", i % 4, { idempotencyKey: `${i}` });
      },
    })),
    ...some(6, () => retrying(prng.int(10_000, LASTS_MS / 2), endpoint())),
    ...some(6, () => enabling(prng.int(10_000, LASTS_MS / 2), endpoint())),
    ...some(8, (i) => ({
      atMs: prng.int(5_000, BUSY_MS),
      do: async () => {
        const chance = prng.stream(`standstill ${i}`);
        chance.pick(sim.alive).proc.pause(chance.int(1_000, 90_000));
      },
    })),
    ...some(3, (i) => ({
      atMs: prng.int(5_000, BUSY_MS),
      do: async () => sim.crash(prng.stream(`death ${i}`).pick(sim.alive).proc),
    })),
    ...["all", "picky"].flatMap((name) => [enabling(ORDER_MS, name), retrying(ORDER_MS + 1_000, name)]),
  ];
}

function retrying(atMs: number, name: string): Deed {
  return { atMs, do: (engine) => known(engine.notifications.retry(name)) };
}

function enabling(atMs: number, name: string): Deed {
  return { atMs, do: (engine) => known(engine.notifications.enable(name)) };
}

/** Before anybody has sent to it there is none. */
async function known(asked: Promise<unknown>): Promise<void> {
  await asked.catch((error: unknown) => {
    if (!isVarveError(error, "ENDPOINT_NOT_FOUND")) throw error;
  });
}
