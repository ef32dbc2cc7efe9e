/** A small world in which runs stand in line for locks, leave it in every way, and put things in order after a cancel. */
import { type Workflow, withEnv } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Failure } from "../../src/testing/checker.ts";
import { perform } from "./play.ts";

const VISITORS = 6;

/** How long each of them waits at the door before it tries again elsewhere. */
const PATIENCE_MS = [30, 300, 1_200, 4_000];

/** @param comesAgain whether who was cancelled is retried */
export async function lines(seed: number, comesAgain = false): Promise<readonly Failure[]> {
  return await perform(`lines ${seed}`, {
    processes: 3,
    lastsMs: 240_000,
    options: {
      faults: { duplicate: 0.05, "lost-reply": 0.05, "lost-request": 0.02, "late-request": 0.02 },
      latencyMsMax: 50,
    },
    setup: () => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: 1 },
      workflows: () => [visitor],
    }),
    deeds: (sim) =>
      Array.from({ length: VISITORS }, (_, i) => i).flatMap((i) => {
        const start = (engine: Engine) => engine.start("visitor", i, { idempotencyKey: `${i}` });
        const cancel = async (engine: Engine) => {
          const run = await start(engine);
          await run.cancel().catch((error) => {
            if (error.code !== "RUN_OVER") throw error;
          });
        };
        const retry = async (engine: Engine) => {
          const run = await start(engine);
          await run.retry().catch((error) => {
            if (error.code !== "RUN_NOT_OVER") throw error;
          });
        };
        const comesAt = sim.prng.int(0, 5_000);
        const isCancelled = sim.prng.chance(0.6);
        return [
          { atMs: comesAt, do: start },
          ...(isCancelled ? [{ atMs: comesAt + sim.prng.int(500, 8_000), do: cancel }] : []),
          ...(comesAgain ? [{ atMs: comesAt + sim.prng.int(8_000, 16_000), do: retry }] : []),
        ];
      }),
  });
}

const visitor = withEnv<never>().workflow({ name: "visitor" }, async (ctx, input: number) => {
  const patience = PATIENCE_MS[input % PATIENCE_MS.length] as number;
  try {
    await ctx.scope("try", async (inner) => {
      const visit = inner.lock("door", {}, async (held) => held.sleep("stay", 700));
      await Promise.race([visit, inner.sleep("patience", patience)]);
    });
    await ctx.lock("door", { timeout: "1m" }, async (held) => {
      await held.kv("global").update("visits", (visits) => ((visits as number | undefined) ?? 0) + 1);
      await held.sleep("stay", 300);
    });
  } finally {
    await ctx.shield("leave", async (shielded) => {
      await shielded.lock("hall", { slots: 2, timeout: "1m" }, async (held) => held.sleep("stay", 900));
      await shielded.sleep("rest", 2_000);
    });
  }
}) as Workflow<never, unknown, never, never>;
