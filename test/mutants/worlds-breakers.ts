/** A world of steps behind one breaker, which opens often: runs in it are paused, and processes stand still. */
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation } from "../../src/testing/simulation.ts";
import { perform } from "./play.ts";

const RUNS = 5;

/** How often somebody holds a run, and how often a process stands still. */
const HOLDS = 40;
const STANDSTILLS = 30;

/** While this lasts there is trouble. */
const TROUBLE_MS = 40_000;

/** Few failures open it, and soon it lets somebody try. */
const BREAKER = { name: "shared", failures: 2, window: 60_000, resetAfter: 400 };

export async function breakers(seed: number): Promise<readonly Failure[]> {
  return await perform(`breakers ${seed}`, {
    processes: 2,
    lastsMs: 400_000,
    options: { faults: { "lost-reply": 0.01 }, latencyMsMax: 60 },
    setup: (sim) => ({
      worker: { leaseMs: 4_000, parkAfterMs: seed % 2 === 0 ? 0 : 2_000 },
      workflows: (proc) => [guarded(sim, proc)],
    }),
    deeds: (sim) => [
      ...Array.from({ length: RUNS }, (_, i) => ({ atMs: sim.prng.int(0, 2_000), do: starting(i) })),
      ...Array.from({ length: HOLDS }, () => holding(sim)),
      ...Array.from({ length: STANDSTILLS }, (_, i) => ({
        atMs: sim.prng.int(1_000, TROUBLE_MS),
        do: async () => {
          const chance = sim.prng.stream(`standstill ${i}`);
          chance.pick(sim.alive).proc.pause(chance.int(50, 2_500));
        },
      })),
    ],
    judge: ({ checker }) => {
      for (const runId of checker.runIds)
        checker.expect("liveness", checker.isOver(runId) || checker.poisoned.has(runId), () => `run ${runId} goes on`);
    },
  });
}

const starting = (i: number) => (engine: Engine) => engine.start("guarded", null, { idempotencyKey: `${i}` });

/** Somebody holds a run for a moment. */
function holding(sim: Simulation): { atMs: number; do: (engine: Engine) => Promise<unknown> } {
  const which = sim.prng.int(0, RUNS - 1);
  const ms = sim.prng.int(100, 900);
  return {
    atMs: sim.prng.int(1_000, TROUBLE_MS),
    do: async (engine) => {
      const run = await starting(which)(engine);
      try {
        await run.pause();
      } catch (error) {
        if ((error as { readonly code?: string }).code !== "RUN_OVER") throw error;
        return;
      }
      sim.agenda.after(ms, () => letGo(sim, run.id));
    },
  };
}

/** Again and again until somebody hears it. */
function letGo(sim: Simulation, runId: string): void {
  const engine = sim.alive.find((each) => each.engine !== null)?.engine;
  const again = () => sim.agenda.after(500, () => letGo(sim, runId));
  if (engine === null || engine === undefined) again();
  else
    engine
      .run(runId)
      .resume()
      .catch((error: { readonly code?: string }) => {
        if (error.code !== "RUN_OVER") again();
      });
}

function guarded(sim: Simulation, proc: SimulatedProcess) {
  const retry = { attempts: 60, backoff: "fixed", initial: 300, jitter: "none" } as const;
  return workflow({ name: "guarded" }, async (ctx) => {
    const chance = sim.prng.stream(ctx.run.id);
    for (let round = 0; round < 12; round++) {
      const fails = chance.int(0, 2);
      const work = async ({ attempt }: { readonly attempt: number }) => {
        await new Promise<void>((resolve) => proc.after(20, resolve));
        if (attempt <= fails) throw new Error("not yet");
        return round;
      };
      // What is refused is tried again in the next round.
      await ctx.step("work", work, { retry, breaker: BREAKER }).catch(() => null);
      await ctx.sleep("rest", chance.int(0, 3) * 200);
    }
    return null;
  });
}
