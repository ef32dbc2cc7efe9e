/** W1: many runs of a few steps, many in flight: what a process gets through. */
import { type Engine, workflow } from "varve";
import type { ChainPass, ChainShape } from "../figures.ts";
import type { Session } from "../session.ts";
import type { Sizes } from "../sizes.ts";
import { quantile } from "../stats.ts";
import { databaseFile, inLanes, openEngine } from "./setup.ts";

const chain = workflow({ name: "chain" }, async (ctx, input: { run: number; steps: number }) => {
  let sum = 0;
  for (let index = 0; index < input.steps; index++) {
    const { value } = await ctx.step(`step-${index}`, () => ({ run: input.run, value: index }));
    sum += value;
  }
  return { run: input.run, sum };
});

/** A part is a pass: all the runs once. */
export async function openChain(folder: string, sizes: Sizes["chain"]): Promise<Session> {
  const database = databaseFile(folder, "chain");
  const engine = await openEngine(database, [chain]);
  for (let pass = 1; pass < sizes.warmUps; pass++) await onePass(engine, sizes);
  const counted = countCommits(engine);
  await onePass(engine, sizes);
  const { events, commits } = counted.end();
  const opening: ChainShape = {
    database,
    eventsPerPass: events,
    eventsPerStep: events / (sizes.runs * sizes.steps),
    eventsPerCommit: events / commits,
  };
  return { opening, part: () => onePass(engine, sizes), close: () => engine.close() };
}

async function onePass(engine: Engine, { runs, steps, inFlight }: Sizes["chain"]): Promise<ChainPass> {
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
function countCommits(engine: Engine): { end(): { events: number; commits: number } } {
  let events = 0;
  let commits = 0;
  let isWithin = false;
  const count = () => {
    events++;
    if (isWithin) return;
    isWithin = true;
    commits++;
    queueMicrotask(() => {
      isWithin = false;
    });
  };
  const stop = engine.on("event", count);
  return {
    end: () => {
      stop();
      return { events, commits };
    },
  };
}
