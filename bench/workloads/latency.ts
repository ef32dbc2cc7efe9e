/** W2: runs of one step, one at a time: what a single caller waits for. */
import { type Engine, workflow } from "varve";
import type { Session } from "../session.ts";
import type { Sizes } from "../sizes.ts";
import { databaseFile, openEngine } from "./setup.ts";

const single = workflow({ name: "single" }, async (ctx, input: { run: number }) => {
  return await ctx.step("step", () => ({ run: input.run }));
});

/** A part is some of the runs: what each took, milliseconds. */
export async function openLatency(folder: string, { warmUps, runsPerPart }: Sizes["latency"]): Promise<Session> {
  const engine = await openEngine(databaseFile(folder, "latency"), [single]);
  await oneByOne(engine, warmUps);
  return { opening: null, part: () => oneByOne(engine, runsPerPart), close: () => engine.close() };
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
