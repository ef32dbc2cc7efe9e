/**
 * Where mutants are hunted: the fleets of random programs, over memory and over a real file, and small worlds of their own
 * for what fleets seldom come to.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Workflow, workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import { utf8Bytes } from "../../src/kernel/codec.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import type { FileUse } from "../../src/log/libsql/ownership.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import type { Failure } from "../../src/testing/checker.ts";
import { Prng } from "../../src/testing/prng.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation, SimulationOptions } from "../../src/testing/simulation.ts";
import { webhook } from "../../src/triggers/hook.ts";
import type { WebhookScheme } from "../../src/triggers/scheme.ts";
import { messages } from "../sim/messages.ts";
import { outgoing } from "../sim/outgoing.ts";
import { schedules } from "../sim/schedules.ts";
import { runSeed, type SeedOptions } from "../sim/seed.ts";
import { realPorts } from "../support/ports.ts";
import { lines } from "./lines.ts";
import { perform, TASKS_MAX } from "./play.ts";
import { breakers } from "./worlds-breakers.ts";
import { fairness, limits, stepSlots } from "./worlds-limits.ts";
import { pools } from "./worlds-pools.ts";
import { TOGETHER } from "./worlds-together.ts";

/** Runs one seed of a world. Throws if it takes too long, as mutants may go round for ever. */
type World = (seed: number) => Promise<readonly Failure[]>;

/** Programs that update, lock and guard a lot. */
const SHARERS = { update: 8, lock: 10, step: 10, scope: 4, race: 4, shield: 1 };

export const WORLDS = {
  fleet,
  "fleet-of-maps": (seed) => fleet(seed, { bias: { weights: { map: 20, try: 5, scope: 5, race: 3, throw: 2 } } }),
  "fleet-of-sharers": (seed) => fleet(seed, { bias: { weights: SHARERS } }),
  "fleet-of-sharers-over-owned-file": (seed) =>
    overFile("owned", (store) => fleet(seed, { store, bias: { weights: SHARERS } })),
  "fleet-behind-breakers": (seed) => fleet(seed, { bias: { weights: { step: 40 }, guarded: 0.8 } }),
  breakers,
  races,
  poison,
  leases,
  "leases-by-slow-clocks": (seed) => leases(seed, { clockRate: 0.93 }),
  "leases-at-heartbeats": (seed) => leases(seed, { stopsAtHeartbeats: true }),
  "leases-over-owned-file": (seed) => overFile("owned", (store) => leases(seed, { store })),
  mail,
  "mail-over-owned-file": (seed) => overFile("owned", (store) => mail(seed, { store })),
  queue,
  awakening,
  lines: (seed) => lines(seed),
  "lines-again": (seed) => lines(seed, true),
  "late-outcomes": lateOutcomes,
  deliveries,
  "deliveries-over-owned-file": (seed) => overFile("owned", (store) => deliveries(seed, { store })),
  sizes,
  "fickle-values": fickleValues,
  limits,
  fairness,
  "fairness-over-owned-file": (seed) => overFile("owned", (store) => fairness(seed, { store })),
  "step-slots": (seed) => stepSlots(seed),
  "step-slots-over-owned-file": (seed) => overFile("owned", (store) => stepSlots(seed, { store })),
  "limits-over-owned-file": (seed) => overFile("owned", (store) => limits(seed, { store })),
  pools,
  "pools-over-owned-file": (seed) => overFile("owned", (store) => pools(seed, { store })),
  ...TOGETHER,
  schedules: async (seed) => (await schedules(seed)).failures,
  "schedules-over-owned-file": (seed) =>
    overFile("owned", async (store) => (await schedules(seed, { store })).failures),
  messages: async (seed) => (await messages(seed)).failures,
  "messages-over-owned-file": (seed) => overFile("owned", async (store) => (await messages(seed, { store })).failures),
  outgoing: async (seed) => (await outgoing(seed)).failures,
  "outgoing-over-owned-file": (seed) => overFile("owned", async (store) => (await outgoing(seed, { store })).failures),
  "families-over-owned-file": (seed) => overFile("owned", (store) => TOGETHER.families(seed, { store })),
  "control-over-owned-file": (seed) => overFile("owned", (store) => TOGETHER.control(seed, { store })),
  "retries-over-owned-file": (seed) => overFile("owned", (store) => TOGETHER.retries(seed, { store })),
} as const satisfies Record<string, World>;

export type WorldName = keyof typeof WORLDS;

type Truth = NonNullable<SimulationOptions["store"]>;

async function fleet(seed: number, options: Pick<SeedOptions, "store" | "bias"> = {}): Promise<readonly Failure[]> {
  return (await runSeed(seed, { tasksMax: TASKS_MAX, ...options })).failures;
}

/** A world whose truth is a file on the simulation's clock. */
async function overFile<T>(file: FileUse, world: (truth: Truth) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "varve-mutants-"));
  let clock = { now: () => 0 };
  const ports = realPorts();
  const virtual = { ...ports, clock: { ...ports.clock, now: () => clock.now() } };
  const store = await openLog(clientFor, { url: `file:${join(folder, "log.db")}`, file }, virtual);
  try {
    return await world((simulated) => {
      clock = simulated;
      // All processes share one connection, which never sees another's writes.
      return { ...store, changed: async () => true };
    });
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

// ---- Small worlds ----

/** Every run that is in the log has completed, but those that lost their workers too often. */
function allCompleted(sim: Simulation): void {
  const { checker } = sim;
  for (const runId of checker.runIds) if (!checker.poisoned.has(runId)) hasCompleted(sim, runId);
}

function hasCompleted({ checker }: Simulation, runId: string): void {
  const last = checker.history(runId).findLast(({ type }) => type !== "attempt.late");
  checker.expect("result-as-expected", last?.type === "run.completed", () => `run ${runId} is at ${last?.type}`);
}

/**
 * Code that goes on with whoever was first, also where two outcomes come at once and the second one has the shorter way
 * to the code. Every pause is a replay.
 */
async function races(seed: number): Promise<readonly Failure[]> {
  return await perform(`races ${seed}`, {
    processes: 1,
    lastsMs: 240_000,
    setup: (sim) => ({
      worker: { hotRunsMax: 0, parkAfterMs: 0 },
      workflows: (proc) => [racing(sim, proc, `races ${seed}`)],
    }),
    deeds: () => [{ atMs: 0, do: (engine) => engine.start("racing", null, { idempotencyKey: "race" }) }],
    judge: allCompleted,
  });
}

function racing(sim: Simulation, proc: SimulatedProcess, seed: string): Workflow<never, unknown, never, never> {
  const racer = (name: string) => sim.prng.stream(`${seed}/${name}`);
  return workflow({ name: "racing" }, async (ctx) => {
    const branch = async (name: string) => {
      const hops = racer(name).int(0, 12);
      const ms = racer(`${name} ms`).pick([0, 0, 5]);
      await ctx.step(name, async () => {
        if (ms > 0) await new Promise<void>((resolve) => proc.after(ms, resolve));
        return null;
      });
      for (let i = 0; i < hops; i++) await null;
      return name;
    };
    for (let round = 0; round < 3; round++) {
      const winner = await Promise.race([branch(`a${round}`), branch(`b${round}`), branch(`c${round}`)]);
      await ctx.step(`after ${winner}`, () => null);
      await ctx.sleep("pause", 1_000);
    }
    return null;
  }) as Workflow<never, unknown, never, never>;
}

/** One run kills whatever process takes it, among others that have done nothing. */
async function poison(seed: number): Promise<readonly Failure[]> {
  return await perform(`poison ${seed}`, {
    processes: seed % 2 === 0 ? 1 : 2,
    lastsMs: 300_000,
    setup: (sim) => ({
      worker: { leaseMs: 2_000 },
      workflows: (proc) => [
        workflow({ name: "poison" }, async (ctx) => {
          await ctx.step("kill", () => sim.crash(proc), { retry: { attempts: "unlimited" } });
        }),
        workflow({ name: "innocent" }, async (ctx) => {
          const slow = () => new Promise<null>((resolve) => proc.after(8_000, () => resolve(null)));
          for (const name of ["one", "two"]) await ctx.step(name, slow, { retry: { attempts: "unlimited" } });
        }),
      ],
    }),
    deeds: (sim) => [
      { atMs: sim.prng.int(0, 3_000), do: (engine) => engine.start("poison", null, { idempotencyKey: "0" }) },
      ...["1", "2", "3"].map((idempotencyKey) => ({
        atMs: sim.prng.int(0, 5_000),
        do: (engine: Engine) => engine.start("innocent", null, { idempotencyKey }),
      })),
    ],
    judge: (sim) => {
      const innocent = sim.checker.runIds.filter(
        (id) => sim.checker.history(id)[0]?.data?.includes("innocent") === true,
      );
      for (const runId of innocent) hasCompleted(sim, runId);
    },
  });
}

interface LeasesOptions {
  readonly clockRate?: number;
  readonly store?: Truth;
  /** Processes also stand still while the answer to a heartbeat is on its way. @default false */
  readonly stopsAtHeartbeats?: boolean;
}

/** Processes stand still for about as long as a lease, and heartbeats are lost, while bodies are under way. */
async function leases(
  seed: number,
  { clockRate = 1, store, stopsAtHeartbeats = false }: LeasesOptions = {},
): Promise<readonly Failure[]> {
  const stops = new Prng(`stops ${seed}`);
  return await perform(`leases ${seed}`, {
    processes: 1 + (seed % 3),
    lastsMs: 400_000,
    options: {
      faults: { "lost-request": 0.03 },
      latencyMsMax: seed % 2 === 0 && !stopsAtHeartbeats ? 0 : 50,
      ...(store === undefined ? {} : { store }),
      happened: ({ proc, site }) => {
        if (stopsAtHeartbeats && site === "heartbeat" && stops.chance(0.1)) proc.pause(stops.int(1_800, 2_600));
      },
    },
    setup: (sim) => ({
      clockRate,
      worker: { leaseMs: 2_000, hotRunsMax: seed % 5 },
      workflows: (proc) => [
        workflow({ name: "busy" }, async (ctx) => {
          const lengths = sim.prng.stream(ctx.run.id);
          for (let i = 0; i < 8; i++) {
            const ms = lengths.pick([0, 0, 50, 3_000]);
            await ctx.step(
              "work",
              async ({ key, attempt, signal }) => {
                const end = sim.checker.bodyStarts(proc, { runId: ctx.run.id, key, attempt, signal });
                await new Promise<void>((resolve) => proc.after(ms, resolve));
                end();
              },
              { retry: { attempts: "unlimited" } },
            );
          }
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: (sim) => [
      ...Array.from({ length: 12 }, (_, i) => ({
        atMs: sim.prng.int(0, 40_000),
        do: (engine: Engine) => engine.start("busy", null, { idempotencyKey: `${i}` }),
      })),
      ...Array.from({ length: 40 }, (_, i) => ({
        atMs: sim.prng.int(0, 50_000),
        do: async () => {
          const chance = sim.prng.stream(`pause ${i}`);
          chance.pick(sim.alive).proc.pause(chance.int(200, 3_500));
        },
      })),
    ],
    judge: allCompleted,
  });
}

/**
 * Runs that wake and park all the time are cancelled, by messages that come twice; and whoever has read mail stands still
 * for about as long as its lease.
 */
async function mail(
  seed: number,
  { store: base = memoryStore }: { readonly store?: Truth } = {},
): Promise<readonly Failure[]> {
  let simulation: Simulation | null = null;
  return await perform(`mail ${seed}`, {
    processes: 3,
    lastsMs: 120_000,
    options: {
      faults: { duplicate: 0.1, "lost-reply": 0.02 },
      latencyMsMax: 50,
      store: (clock) => {
        const store = base(clock);
        let isWriting = false;
        const append: LogStore["append"] = async (write) => {
          isWriting = true;
          setImmediate(() => {
            isWriting = false;
          });
          return await store.append(write);
        };
        const readInbox: LogStore["readInbox"] = async (runIds) => {
          const rows = await store.readInbox(runIds);
          // Within the task of a write it is the checker that reads.
          if (rows.length > 0 && !isWriting && simulation !== null) await pauseOwners(simulation, store, runIds);
          return rows;
        };
        const replaced: Partial<LogStore> = { append, readInbox };
        return new Proxy(store, {
          get: (target, name) => {
            const value: unknown = Reflect.get(replaced, name) ?? Reflect.get(target, name);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    },
    setup: (sim) => {
      simulation = sim;
      return {
        worker: { leaseMs: 2_000, parkAfterMs: 0 },
        workflows: (proc) => [
          workflow({ name: "patient" }, async (ctx) => {
            for (let i = 0; i < 40; i++) {
              const work = async ({ attempt }: { readonly attempt: number }) => {
                await new Promise<void>((resolve) => proc.after(100, resolve));
                if (attempt === 1) throw new Error("the first attempt fails");
              };
              await ctx.step("work", work, { retry: { ...RETRY_SOON, attempts: "unlimited" } });
              await ctx.sleep("rest", 200);
            }
            return null;
          }) as Workflow<never, unknown, never, never>,
        ],
      };
    },
    deeds: (sim) =>
      ["a", "b", "c", "d", "e", "f"].flatMap((idempotencyKey) => {
        const start = (engine: Engine) => engine.start("patient", null, { idempotencyKey });
        const cancel = async (engine: Engine) => {
          const run = await start(engine);
          await run.cancel();
          await sim.checker.cancelAcknowledged(run.id);
        };
        return [
          { atMs: sim.prng.int(0, 2_000), do: start },
          { atMs: sim.prng.int(4_000, 15_000), do: cancel },
        ];
      }),
  });
}

const RETRY_SOON = { backoff: "fixed", initial: 300, jitter: "none" } as const;

/** The processes that have these runs stand still. */
async function pauseOwners(sim: Simulation, store: LogStore, runIds: readonly string[]): Promise<void> {
  for (const runId of runIds) {
    const owner = (await store.getRun(runId))?.owner ?? "";
    const chance = sim.prng.stream(`pause ${sim.agenda.count}`);
    const incarnation = sim.alive.find(({ proc }) => owner.startsWith(`${proc.name}/`));
    if (chance.chance(0.5)) incarnation?.proc.pause(chance.int(1_500, 3_000));
  }
}

/** In a file that one process owns nobody looks but when something is due: what becomes due must not be missed. */
async function queue(seed: number): Promise<readonly Failure[]> {
  return await perform(`queue ${seed}`, {
    processes: 1,
    lastsMs: 40_000,
    options: { exclusive: true, latencyMsMax: 50 },
    setup: (sim) => ({
      worker: { parkAfterMs: 0, concurrency: 2 },
      workflows: (proc) => [
        workflow({ name: "sleepy" }, async (ctx, pauses: readonly number[]) => {
          for (const ms of pauses) await ctx.sleep("pause", ms);
          const ms = sim.prng.stream(ctx.run.id).int(0, 2_000);
          await ctx.step("work", () => new Promise<null>((resolve) => proc.after(ms, () => resolve(null))));
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: (sim) =>
      [
        [5_000, 5_000],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [3, 100],
        [10, 30_000],
      ].map((pauses, i) => ({
        atMs: sim.prng.int(0, 4_000),
        do: (engine: Engine) => engine.start("sleepy", pauses, { idempotencyKey: `${i}` }),
      })),
    judge: allCompleted,
  });
}

/** In a file that one process owns, which has no heartbeat, runs are cancelled just as they wake. */
async function awakening(seed: number): Promise<readonly Failure[]> {
  return await perform(`awakening ${seed}`, {
    processes: 1,
    lastsMs: 40_000,
    options: { exclusive: true, latencyMsMax: 50 },
    setup: () => ({
      worker: { parkAfterMs: 0 },
      workflows: () => [
        workflow({ name: "deaf" }, async (ctx) => {
          await ctx.sleep("pause", 1_000);
          await ctx.step(
            "hang",
            ({ signal }) => new Promise<null>((_, reject) => signal.addEventListener("abort", reject)),
          );
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: (sim) =>
      ["a", "b", "c", "d", "e", "f"].flatMap((idempotencyKey) => {
        const atMs = sim.prng.int(0, 4_000);
        const start = (engine: Engine) => engine.start("deaf", null, { idempotencyKey });
        const cancel = async (engine: Engine) => (await start(engine)).cancel();
        return [
          { atMs, do: start },
          { atMs: atMs + 1_000 + sim.prng.int(0, 300), do: cancel },
        ];
      }),
  });
}

/** Scopes return while steps in them are under way, which end soon after that; and then their process dies. */
async function lateOutcomes(seed: number): Promise<readonly Failure[]> {
  return await perform(`late ${seed}`, {
    processes: 2,
    lastsMs: 240_000,
    setup: () => ({
      worker: { leaseMs: 2_000 },
      workflows: (proc) => [
        workflow({ name: "hasty" }, async (ctx) => {
          const after = (ms: number) => () => new Promise<null>((resolve) => proc.after(ms, () => resolve(null)));
          const retry = { attempts: "unlimited" } as const;
          for (let i = 0; i < 12; i++) {
            await ctx.scope("first of two", (inner) => {
              const slow = inner.step("slow", after(100), { retry });
              const second = i % 2 === 0 ? slow : inner.scope("second", (deep) => deep.sleep("slow", 100));
              return Promise.race([inner.step("fast", after(10), { retry }), second]);
            });
            await ctx.step("work", after(500), { retry });
          }
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: (sim) => [
      ...["a", "b"].map((idempotencyKey) => ({
        atMs: 0,
        do: (engine: Engine) => engine.start("hasty", null, { idempotencyKey }),
      })),
      ...[1, 2, 3].map((i) => ({
        atMs: 2_500 * i + sim.prng.int(0, 2_000),
        do: async () => sim.crash(sim.prng.stream(`victim ${i}`).pick(sim.alive).proc),
      })),
    ],
    judge: allCompleted,
  });
}

/** Believes every request, and takes its id from a header. */
const TRUSTING: WebhookScheme = {
  name: "trusting",
  check: async () => {},
  verify: async ({ headers }) => ({ ok: true, deliveryId: headers[0]?.[1] ?? "" }),
};

/**
 * Senders repeat their requests, to any process, with answers lost. Every other process has a hook that takes less, as in the
 * middle of a roll-out; and somebody prunes what was decided.
 */
async function deliveries(seed: number, { store }: { readonly store?: Truth } = {}): Promise<readonly Failure[]> {
  const greet = workflow({ name: "greet" }, async (ctx) => {
    await ctx.step("say", () => "hello");
  }) as Workflow<never, unknown, never, never>;
  const listen = workflow({ name: "listen" }, async (ctx) => {
    for (let i = 0; i < BELLS; i++) await ctx.waitFor("bell");
  }) as Workflow<never, unknown, never, never>;
  const listener = { runId: null as string | null };
  const bell = { name: "bell", run: () => listener.runId, payload: () => null };
  const hooks = (isPicky: boolean) => [
    webhook({ name: "door", scheme: TRUSTING, workflow: greet, filter: () => !isPicky, input: () => null as never }),
    webhook({ name: "bell", scheme: TRUSTING, signal: bell }),
  ];
  const deliver = (hook: string, id: string) => async (engine: Engine) => {
    if (hook === "bell" && listener.runId === null) throw new Error("nobody listens yet");
    await engine.deliver(hook, { headers: [["id", id]], body: new Uint8Array() });
  };
  return await perform(`deliveries ${seed}`, {
    processes: 2,
    lastsMs: 120_000,
    options: {
      faults: { "lost-reply": 0.1, duplicate: 0.1, "late-request": 0.05 },
      ...(store === undefined ? {} : { store }),
    },
    setup: () => ({
      workflows: () => [greet, listen],
      hooks: ({ name }) => hooks(Number(name.slice(1)) % 2 === 0),
    }),
    deeds: (sim) => [
      {
        atMs: 0,
        do: async (engine) => {
          listener.runId = (await engine.start("listen", null, { idempotencyKey: "listener" })).id;
        },
      },
      ...Array.from({ length: 16 }, (_, i) => ({ atMs: sim.prng.int(0, 20_000), do: deliver("door", `${i % 4}`) })),
      ...Array.from({ length: 3 * BELLS }, (_, i) => {
        return { atMs: sim.prng.int(0, 20_000), do: deliver("bell", `${i % BELLS}`) };
      }),
      {
        atMs: 30_000,
        do: async () => {
          await sim.truth.pruneDeliveries({ before: Number.MAX_SAFE_INTEGER, limit: 1_000 });
          sim.checker.deliveries.pruned();
        },
      },
      ...Array.from({ length: 4 }, (_, i) => ({ atMs: 40_000 + i, do: deliver("door", `${i}`) })),
    ],
    judge: allCompleted,
  });
}

/** How many bells the listener waits for. */
const BELLS = 2;

const VALUE_BYTES_MAX = 10_000;

/** Values whose text in the log is up to six times as long as they are, about a limit. */
async function sizes(seed: number): Promise<readonly Failure[]> {
  return await perform(`sizes ${seed}`, {
    processes: 1,
    lastsMs: 60_000,
    setup: (sim) => ({
      limits: { payloadBytesMax: VALUE_BYTES_MAX },
      workflows: () => [
        workflow({ name: "sizes" }, async (ctx) => {
          const lengths = sim.prng.stream("lengths");
          for (let i = 0; i < 5; i++) {
            const text = lengths.pick(["x", "é", "\u0000"]).repeat(lengths.int(1, 12_000));
            await ctx.step("text", () => text).catch(() => {});
          }
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: () => [{ atMs: 0, do: (engine) => engine.start("sizes", null, { idempotencyKey: "sizes" }) }],
    judge: (sim) => {
      for (const { seq, type, data } of sim.checker.runIds.flatMap((id) => sim.checker.history(id))) {
        const bytes = type === "step.completed" ? utf8Bytes(data ?? "") : 0;
        sim.checker.expect("value-within-limit", bytes <= VALUE_BYTES_MAX, () => `seq ${seq} has ${bytes} bytes`);
      }
      allCompleted(sim);
    },
  });
}

/** Bodies go on changing what they have returned. */
async function fickleValues(seed: number): Promise<readonly Failure[]> {
  return await perform(`fickle ${seed}`, {
    processes: 1,
    lastsMs: 60_000,
    setup: (sim) => ({
      workflows: (proc) => [
        workflow({ name: "fickle" }, async (ctx) => {
          const value = await ctx.step("value", () => {
            const list = [seed];
            void changeSoon(list);
            return list;
          });
          sim.checker.given(proc, ctx.run.id, "value", value);
          await ctx.sleep("until it is in the log", 1_000);
          sim.checker.given(proc, ctx.run.id, "value", value);
          return null;
        }) as Workflow<never, unknown, never, never>,
      ],
    }),
    deeds: () => [{ atMs: 0, do: (engine) => engine.start("fickle", null, { idempotencyKey: "fickle" }) }],
    judge: allCompleted,
  });
}

async function changeSoon(list: number[]): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
  list.push(-1);
}
