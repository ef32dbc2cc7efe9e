/** A world of runs with limits: more than a queue, a key and a maximum let in, under the death of processes and broken ways. */
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { RunHandle } from "../../src/engine/api-run.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation, SimulationOptions } from "../../src/testing/simulation.ts";
import { doTo } from "../sim/deeds.ts";
import { perform } from "./play.ts";

interface Input {
  readonly n: number;
}

const RUNS = 14;

const LASTS_MS = 300_000;

const DEATHS = 4;

const STOPS = 3;

const BESIDE_MS = 5_000;

export async function limits(
  seed: number,
  { store }: Pick<SimulationOptions, "store"> = {},
): Promise<readonly Failure[]> {
  return await perform(`limits ${seed}`, {
    processes: 3,
    lastsMs: LASTS_MS,
    ...(store === undefined ? {} : { options: { store } }),
    setup: (sim) => {
      planDeaths(sim);
      return {
        workflows: (proc) => [limited(sim, proc, seed)],
        queues: { work: { concurrency: 2 } },
        worker: { parkAfterMs: 100 },
      };
    },
    deeds: (sim) => [
      ...Array.from({ length: RUNS }, (_, n) => ({ atMs: n * 400, do: (engine: Engine) => start(engine, n) })),
      ...[2, 7, 11].map((n) => ({
        atMs: 2_000 + sim.prng.stream(`cancel ${n}`).int(0, 60_000),
        do: async (engine: Engine) => (await start(engine, n)).cancel().catch(ended),
      })),
    ],
    judge: allOver,
  });
}

/** Processes die at random, and others come up in their place. */
function planDeaths(sim: Simulation): void {
  const prng = sim.prng.stream("deaths");
  for (let i = 0; i < DEATHS; i++)
    sim.agenda.after(prng.int(1_000, 60_000), () => {
      const { alive } = sim;
      if (alive.length > 0) sim.crash(prng.pick(alive).proc);
    });
}

type Deeds = (engine: Engine) => Promise<unknown>;

/** One deed, so that whoever is told of nothing begins anew with the first. */
const inTurn = (sim: Simulation, ms: number, first: Deeds, then: Deeds) => async (engine: Engine) => {
  await first(engine);
  await new Promise<void>((resolve) => void sim.agenda.after(ms, resolve));
  await then(engine);
};

/** Workers stop at random, and do not wait for all that is under way. */
function planStops(sim: Simulation): void {
  const prng = sim.prng.stream("stops");
  for (let i = 0; i < STOPS; i++)
    sim.agenda.after(prng.int(1_000, 20_000), () => {
      const { alive } = sim;
      if (alive.length === 0) return;
      const { engine, proc } = prng.pick(alive);
      engine?.close({ deadline: 500 }).finally(() => proc.crash());
    });
}

const start = (engine: Engine, n: number) => engine.start("limited", { n }, { idempotencyKey: `run ${n}` });

function ended(error: Error & { readonly code?: string }): void {
  if (error.code !== "RUN_OVER") throw error;
}

function limited(sim: Simulation, proc: SimulatedProcess, seed: number) {
  const rules = {
    queue: "work",
    maxActiveRuns: 5,
    concurrency: { key: ({ n }: Input) => n % 3, limit: 2 },
    priority: ({ n }: Input) => n % 2,
  };
  return workflow({ name: "limited", ...rules }, async (ctx, { n }: Input) => {
    const prng = sim.prng.stream(`limited ${seed} ${n}`);
    for (let round = 0; round < 2; round++) {
      const ms = prng.int(50, 900);
      await ctx.step("work", () => new Promise<void>((resolve) => proc.after(ms, resolve)), {
        retry: { attempts: 20 },
      });
      await ctx.sleep("rest", prng.int(0, 4) * 500);
    }
    return n;
  });
}

function allOver({ checker }: Simulation): void {
  for (const runId of checker.runIds) {
    const isRight = checker.isOver(runId) || checker.poisoned.has(runId);
    checker.expect("liveness", isRight, () => `run ${runId} with limits is not over`);
  }
}

/** Of the tenant that came first, and of the one whose runs are not to wait for all of those. */
const MANY = 12;
const FEW = 3;

/** While the few are let in, so many of the many are: turn about, and some that were under way, or taken over. */
const MEANWHILE_MAX = FEW + 3;

/** One tenant's many runs, and after them another's few: these are not behind all of those. */
export async function fairness(
  seed: number,
  { store }: Pick<SimulationOptions, "store"> = {},
): Promise<readonly Failure[]> {
  const begun: string[] = [];
  let asked = 0;
  let before = 0;
  const startOne = async (engine: Engine, tenant: string, n: number) => {
    await engine.start("tenant", { tenant, n }, { idempotencyKey: `${tenant} ${n}` });
    if (tenant === "few" && ++asked === FEW) before = begun.length;
  };
  const runs = (tenant: string, count: number, atMs: number) =>
    Array.from({ length: count }, (_, n) => ({ atMs, do: (engine: Engine) => startOne(engine, tenant, n) }));
  return await perform(`fairness ${seed}`, {
    processes: 2,
    lastsMs: LASTS_MS,
    ...(store === undefined ? {} : { options: { store } }),
    setup: (sim) => {
      planDeaths(sim);
      return {
        workflows: (proc) => [ofTenant(proc, begun)],
        queues: { work: { concurrency: 1 } },
        worker: { parkAfterMs: 100 },
      };
    },
    deeds: () => [...runs("a lot", MANY, 0), ...runs("few", FEW, 4_000)],
    judge: (sim) => {
      allOver(sim);
      const meanwhile = begun.slice(before, begun.lastIndexOf("few") + 1).filter((tenant) => tenant !== "few").length;
      const isFair = meanwhile <= MEANWHILE_MAX;
      sim.checker.expect("turns-taken", isFair, () => `${meanwhile} of the many went before ${FEW} others`);
    },
  });
}

function ofTenant(proc: SimulatedProcess, begun: string[]) {
  const rules = { queue: "work", fairness: { key: ({ tenant }: { readonly tenant: string }) => tenant } };
  const seen = new Set<string>();
  return workflow({ name: "tenant", ...rules }, async (ctx, { tenant }: { tenant: string; n: number }) => {
    await ctx.step(
      "work",
      () => {
        if (!seen.has(ctx.run.id)) begun.push(tenant);
        seen.add(ctx.run.id);
        return new Promise<void>((resolve) => proc.after(2_000, resolve));
      },
      { retry: { attempts: 20 } },
    );
  });
}

const SLOTS = 2;

/** So long that not all could rest one after the other. */
const REST = "50s";

/**
 * Steps of one queue, each with a priority of its own: who comes later with more of it takes nobody's slot. Some fail at
 * first and have a deadline, processes die, and every run goes on for long after its step.
 */
export async function stepSlots(
  seed: number,
  { store }: Pick<SimulationOptions, "store"> = {},
): Promise<readonly Failure[]> {
  const running = new Set<{ readonly proc: SimulatedProcess }>();
  let most = 0;
  const flow = (sim: Simulation, proc: SimulatedProcess) =>
    workflow({ name: "slotted" }, async (ctx, n: number) => {
      const priority = sim.prng.stream(`priority ${seed} ${n}`).int(-9, 9);
      const mayBeLate = n % 3 === 0;
      const work = async (signal: AbortSignal) => {
        const body = { proc };
        running.add(body);
        most = Math.max(most, [...running].filter((each) => !each.proc.isDead).length);
        await new Promise<void>((resolve) => {
          proc.after(1_500, resolve);
          signal.addEventListener("abort", () => resolve());
        });
        running.delete(body);
      };
      const slotted = ctx.step(
        "work",
        async ({ attempt, signal }) => {
          await work(signal);
          if (attempt === 1 && mayBeLate) throw new Error("not yet");
        },
        { queue: { name: "slots", priority }, retry: { attempts: 20 }, ...(mayBeLate && { deadline: "4s" }) },
      );
      const late = (error: Error) => {
        if (!mayBeLate) throw error;
      };
      // It keeps the run where it is, also in a pause.
      const beside = () => new Promise<void>((resolve) => proc.after(BESIDE_MS, resolve));
      await Promise.all([slotted.catch(late), ctx.step("beside", beside, { retry: { attempts: 20 } })]);
      await ctx.sleep("rest", REST);
    });
  const change = (concurrency: number, paused: boolean) => async (engine: Engine) => {
    await engine.queues.set("slots", { concurrency, paused });
  };
  return await perform(`step slots ${seed}`, {
    processes: 2,
    lastsMs: LASTS_MS,
    ...(store === undefined ? {} : { options: { store } }),
    setup: (sim) => {
      sim.faults.stop();
      planDeaths(sim);
      planStops(sim);
      return {
        workflows: (proc) => [flow(sim, proc)],
        queues: { slots: { concurrency: SLOTS } },
        worker: { parkAfterMs: 100 },
      };
    },
    deeds: (sim) => [
      ...Array.from({ length: RUNS }, (_, n) => {
        const slotted = (engine: Engine) => engine.start("slotted", n, { idempotencyKey: `run ${n}` });
        const tell = (told: "pause" | "resume") => async (engine: Engine) =>
          void (await doTo((await slotted(engine)) as RunHandle, { do: told }));
        const pausedAt = n * 300 + sim.prng.stream(`pause ${n}`).int(100, BESIDE_MS / 2);
        const hold = inTurn(sim, BESIDE_MS / 2, tell("pause"), tell("resume"));
        return [
          { atMs: n * 300, do: slotted },
          { atMs: pausedAt, do: hold },
        ];
      }).flat(),
      { atMs: 2_000, do: inTurn(sim, 7_000, change(1, true), change(SLOTS, false)) },
    ],
    judge: (sim) => {
      allOver(sim);
      for (const runId of sim.checker.runIds) {
        const end = sim.checker.endOf(runId)?.type;
        const isRight = end === undefined || end === "run.completed";
        sim.checker.expect("result-as-expected", isRight, () => `run ${runId} ended by ${end}`);
      }
      sim.checker.expect("limits-hold", most <= SLOTS, () => `${most} attempts ran at once in ${SLOTS} slots`);
    },
  });
}
