/**
 * W7: what it takes to go on with a run that is in the log: a worker looks for work, claims it, reads its history, runs its code
 * through it, and starts the next body. In a process whose engines are open and whose code is warm.
 *
 * Each run is in a file of its own. A part resumes each once, in turn, and replays as many steps from memory beside them: so
 * what slows the machine for a while slows all.
 */
import { type Ctx, type StepContext, workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../stats.ts";
import { replayMemoised, sumOfSteps } from "./memoised.ts";
import { databaseFile, openEngine } from "./setup.ts";

/** So long histories are meant here: no warning. */
const QUIET = { historyEventsWarn: 51_200 } as const;

/** A run whose code has come to a step that only ends with its worker. */
interface HeldRun {
  /** Goes on with it: milliseconds from the instant at which a worker is open to the start of the step's next attempt. */
  resume(): Promise<number>;
  close(): Promise<void>;
}

type Medians = [memoised: number, empty: number, plain: number, scoped: number, ...lengths: number[]];

export async function measureReplay(folder: string, sizes: Sizes["replay"]): Promise<Figures["w7"]> {
  const { steps, stepsPerScope, lengths, memoisedSteps } = sizes;
  const plain = (count: number) => hold(folder, `plain-${count}`, (ctx) => sumOfSteps(ctx.step, count));
  const runs = [
    await plain(0),
    await plain(steps),
    await hold(folder, "scoped", (ctx) => sumOfScopes(ctx, steps, stepsPerScope)),
  ];
  for (const length of lengths) runs.push(await plain(length));
  const sides = [() => replayMemoised(memoisedSteps), ...runs.map(({ resume }) => resume)];
  const [memoisedMs, emptyMs, plainMs, scopedMs, ...lengthsMs] = (await inTurns(sides, sizes)) as Medians;
  for (const run of runs) await run.close();
  const usPerEvent = lengthsMs.map((ms, index) => ((ms - emptyMs) / (2 * (lengths[index] as number))) * 1_000);
  return { emptyMs, plainMs, scopedMs, usPerEvent, memoisedMs };
}

/** The median time of each side, milliseconds. */
async function inTurns(
  sides: readonly (() => Promise<number>)[],
  { warmUps, parts }: Sizes["replay"],
): Promise<number[]> {
  const times: number[][] = [];
  for (let part = 0; part < warmUps + parts; part++) {
    const ms: number[] = [];
    for (const side of sides) ms.push(await side());
    if (part >= warmUps) times.push(ms);
  }
  return sides.map((_, side) => median(times.map((ms) => ms[side] as number)));
}

/** Each scope does some steps of its own, and becomes one outcome. */
async function sumOfScopes(ctx: Ctx, scopes: number, stepsPerScope: number): Promise<number> {
  let sum = 0;
  for (let index = 0; index < scopes; index++) {
    const { value } = await ctx.scope(`scope-${index}`, async (inner) => ({
      run: 0,
      value: await sumOfSteps(inner.step, stepsPerScope),
    }));
    sum += value;
  }
  return sum;
}

/** Brings a run to where it is held. */
async function hold(folder: string, name: string, code: (ctx: Ctx) => Promise<number>): Promise<HeldRun> {
  let onHeld = () => {};
  const untilItsWorkerStops = ({ signal }: StepContext) => {
    onHeld();
    return new Promise<null>((resolve) => signal.addEventListener("abort", () => resolve(null)));
  };
  const held = workflow({ name: "held" }, async (ctx) => {
    const sum = await code(ctx);
    await ctx.step("held", untilItsWorkerStops, { retry: { attempts: "unlimited" } });
    return sum;
  });
  const engine = await openEngine(databaseFile(folder, `replay-${name}`), [held], {
    worker: false,
    limits: QUIET,
  });
  await engine.start(held, null);
  let openAt = 0;
  engine.on("worker.started", () => {
    openAt = performance.now();
  });
  const resume = async () => {
    const isHeld = new Promise<number>((resolve) => {
      onHeld = () => resolve(performance.now());
    });
    const worker = await engine.work();
    const ms = (await isHeld) - openAt;
    await worker.stop({ deadline: 0 });
    return ms;
  };
  await resume();
  return { resume, close: () => engine.close() };
}
