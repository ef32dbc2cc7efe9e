/**
 * A world of two pools of workers, under the death of processes and broken ways. Both places of a queue are taken, before
 * anybody else comes, by runs of a workflow that no worker has until the end.
 */
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { BootOptions, Simulation, SimulationOptions } from "../../src/testing/simulation.ts";
import { perform } from "./play.ts";

const RUNS = 6;

const LASTS_MS = 900_000;

/** When somebody comes that has the workflow that no worker had. */
const FOUND_MS = 600_000;

/** When processes die that may be at work: as runs come, and as those go on that others were in the way of. */
const DEATHS_MS = [
  [20_000, 90_000],
  [20_000, 90_000],
  [130_000, 180_000],
  [130_000, 180_000],
  [1_000, 250_000],
] as const;

const QUEUES = { heavy: { concurrency: 2 } };

export async function pools(
  seed: number,
  { store }: Pick<SimulationOptions, "store"> = {},
): Promise<readonly Failure[]> {
  return await perform(`pools ${seed}`, {
    processes: 4,
    lastsMs: LASTS_MS,
    ...(store === undefined ? {} : { options: { store } }),
    setup: (sim) => {
      planDeaths(sim);
      sim.agenda.after(FOUND_MS, () => {
        sim.boot({ workflows: () => [LOST], queues: QUEUES });
      });
      return setups(sim, seed);
    },
    deeds: (sim) => [
      ...[0, 1].map((n) => ({ atMs: 0, do: (engine: Engine) => start(engine, LOST, n) })),
      ...Array.from({ length: RUNS }, (_, n) => ({
        atMs: 20_000 + sim.prng.stream(`start ${n}`).int(0, 60_000),
        do: async (engine: Engine) => {
          await start(engine, "render", n);
          await start(engine, "plain", n);
        },
      })),
    ],
    judge: allOver,
  });
}

/** Two processes of each pool. */
function setups(sim: Simulation, seed: number): readonly BootOptions[] {
  const workflows = (proc: SimulatedProcess) => [
    busy(sim, proc, seed, "render", "heavy"),
    busy(sim, proc, seed, "plain"),
  ];
  const of = (...queues: string[]): BootOptions => ({ workflows, queues: QUEUES, worker: { queues } });
  return [of("heavy"), of("default")];
}

/** Processes die at random, and others come up in their place. */
function planDeaths(sim: Simulation): void {
  const prng = sim.prng.stream("deaths");
  for (const [from, to] of DEATHS_MS)
    sim.agenda.after(prng.int(from, to), () => {
      const { alive } = sim;
      if (alive.length > 0) sim.crash(prng.pick(alive).proc);
    });
}

/** In no process but the last. */
const LOST = workflow({ name: "lost", queue: "heavy" }, async (_ctx, { n }: { readonly n: number }) => n);

const start = (engine: Engine, ref: string | typeof LOST, n: number) => {
  const name = typeof ref === "string" ? ref : ref.name;
  const options = { idempotencyKey: `${name} ${n}` };
  return typeof ref === "string" ? engine.start(ref, { n }, options) : engine.start(ref, { n }, options);
};

function busy(sim: Simulation, proc: SimulatedProcess, seed: number, name: string, queue?: string) {
  return workflow({ name, ...(queue === undefined ? {} : { queue }) }, async (ctx, { n }: { readonly n: number }) => {
    const prng = sim.prng.stream(`${name} ${seed} ${n}`);
    for (let round = 0; round < 2; round++) {
      const ms = prng.int(500, 5_000);
      await ctx.step("work", () => new Promise<void>((resolve) => proc.after(ms, resolve)), {
        retry: { attempts: 20 },
      });
      await ctx.sleep("rest", prng.int(0, 4) * 500);
    }
    return n;
  });
}

function allOver({ checker, agenda }: Simulation): void {
  const foundAt = agenda.now - LASTS_MS + FOUND_MS;
  for (const runId of checker.runIds) {
    const [created] = checker.history(runId);
    const isLost = created?.data?.includes('"workflow":"lost"') === true;
    const endedAt = checker.endOf(runId)?.at ?? Number.POSITIVE_INFINITY;
    const isRight = checker.poisoned.has(runId) || (isLost ? endedAt > foundAt : endedAt < foundAt);
    checker.expect("liveness", isRight, () => `run ${runId} waited for others, or did not end`);
  }
}
