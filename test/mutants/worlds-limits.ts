/** A world of runs with limits: more than a queue, a key and a maximum let in, under the death of processes and broken ways. */
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation, SimulationOptions } from "../../src/testing/simulation.ts";
import { perform } from "./play.ts";

interface Input {
  readonly n: number;
}

const RUNS = 14;

const LASTS_MS = 300_000;

const DEATHS = 4;

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
