/** W2: runs of one step, one at a time: what a single caller waits for. */
import { type Engine, workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { quantile } from "../stats.ts";
import { databaseFile, openEngine } from "./setup.ts";

const single = workflow({ name: "single" }, async (ctx, input: { run: number }) => {
  return await ctx.step("step", () => ({ run: input.run }));
});

export async function measureLatency(folder: string, sizes: Sizes["latency"]): Promise<Figures["w2"]> {
  const engine = await openEngine(databaseFile(folder, "latency"), [single]);
  await oneByOne(engine, sizes.warmUps);
  const latencies = await oneByOne(engine, sizes.runs);
  await engine.close();
  return { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}

async function oneByOne(engine: Engine, runs: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let index = 0; index < runs; index++) {
    const startedAt = performance.now();
    const run = await engine.start(single, { run: index });
    await run.result();
    latencies.push(performance.now() - startedAt);
  }
  return latencies;
}
