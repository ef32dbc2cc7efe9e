/** W9: the same workflow without limits and with them, turn by turn: what a queue, a key and a maximum take of the throughput. */
import { type Engine, type Workflow, workflow } from "varve";
import { createEngine } from "varve/node";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { middle } from "../stats.ts";
import { databaseFile, inLanes } from "./setup.ts";

interface Input {
  readonly run: number;
  readonly steps: number;
}

const KEYS = 10;

const code: Parameters<typeof workflow<number, Input>>[1] = async (ctx, { run, steps }) => {
  let sum = 0;
  for (let index = 0; index < steps; index++) {
    const { value } = await ctx.step(`step-${index}`, () => ({ run, value: index }));
    sum += value;
  }
  return sum;
};

/** Pairs of a pass without limits and one with, so that what slows the machine slows both: the middle pair. */
export async function measureLimits(folder: string, sizes: Sizes["limits"]): Promise<Figures["w9"]> {
  const { inFlight, pairs } = sizes;
  const plain = workflow({ name: "plain" }, code);
  const limited = workflow(
    {
      name: "limited",
      queue: "work",
      maxActiveRuns: inFlight,
      concurrency: { key: ({ run }: Input) => run % KEYS, limit: Math.ceil(inFlight / KEYS) },
    },
    code,
  );
  const engine = await createEngine({
    db: `file:${databaseFile(folder, "limits")}`,
    workflows: [plain, limited],
    queues: { work: { concurrency: inFlight } },
  });
  // The same number is worked on at once. With limits as many again wait in line all the time.
  const passes = {
    plain: () => stepsPerSecond(engine, plain, sizes, inFlight),
    limited: () => stepsPerSecond(engine, limited, sizes, 2 * inFlight),
  };
  for (const pass of [passes.plain, passes.limited]) await pass();
  const measured: Figures["w9"][] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const plainPerSecond = await passes.plain();
    measured.push({ plainPerSecond, limitedPerSecond: await passes.limited() });
  }
  await engine.close();
  return middle(measured, (figures) => figures.limitedPerSecond / figures.plainPerSecond);
}

async function stepsPerSecond(
  engine: Engine,
  definition: Workflow<Input, number>,
  { runs, steps }: Sizes["limits"],
  lanes: number,
): Promise<number> {
  const beganAt = performance.now();
  await inLanes(runs, lanes, async (run) => {
    await (await engine.start(definition, { run, steps })).result();
  });
  return (runs * steps * 1_000) / (performance.now() - beganAt);
}
