/** W1: many runs of a few steps, many in flight: what a process gets through. */
import { type Engine, workflow } from "varve";
import type { ChainFigures, ChainShape } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median, quantile } from "../stats.ts";
import { databaseFile, inLanes, openEngine } from "./setup.ts";

const chain = workflow({ name: "chain" }, async (ctx, input: { run: number; steps: number }) => {
  let sum = 0;
  for (let index = 0; index < input.steps; index++) {
    const { value } = await ctx.step(`step-${index}`, () => ({ run: input.run, value: index }));
    sum += value;
  }
  return { run: input.run, sum };
});

type Pass = Omit<ChainFigures, "eventsPerStep">;

export async function measureChain(folder: string, sizes: Sizes["chain"]): Promise<ChainFigures & ChainShape> {
  const database = databaseFile(folder, "chain");
  const engine = await openEngine(database, [chain]);
  for (let pass = 0; pass < sizes.warmUps; pass++) await onePass(engine, sizes);
  const passes: Pass[] = [];
  const commits = countCommits(engine);
  for (let pass = 0; pass < sizes.passes; pass++) passes.push(await onePass(engine, sizes));
  const eventsPerPass = commits.events() / sizes.passes;
  const eventsPerCommit = commits.events() / commits.commits();
  await engine.close();
  return {
    stepsPerSecond: median(passes.map((pass) => pass.stepsPerSecond)),
    eventsPerStep: eventsPerPass / (sizes.runs * sizes.steps),
    p50Ms: median(passes.map((pass) => pass.p50Ms)),
    p99Ms: median(passes.map((pass) => pass.p99Ms)),
    database,
    eventsPerPass,
    eventsPerCommit,
  };
}

async function onePass(engine: Engine, { runs, steps, inFlight }: Sizes["chain"]): Promise<Pass> {
  const latencies: number[] = [];
  const beganAt = performance.now();
  await inLanes(runs, inFlight, async (index) => {
    const startedAt = performance.now();
    const run = await engine.start(chain, { run: index, steps });
    await run.result();
    latencies.push(performance.now() - startedAt);
  });
  const seconds = (performance.now() - beganAt) / 1_000;
  return {
    stepsPerSecond: (runs * steps) / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** The engine tells of a commit's events one after the other, within one turn of the thread: so a turn is a commit. */
function countCommits(engine: Engine): { events(): number; commits(): number } {
  let events = 0;
  let commits = 0;
  let isWithin = false;
  engine.on("event", () => {
    events++;
    if (isWithin) return;
    isWithin = true;
    commits++;
    queueMicrotask(() => {
      isWithin = false;
    });
  });
  return { events: () => events, commits: () => commits };
}
