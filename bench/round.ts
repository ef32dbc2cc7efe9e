/** One round of the bench: every workload once, in processes of their own. What is compared takes turns. */
import { rmSync } from "node:fs";
import type { ChainPass, ChainShape, Figures } from "./figures.ts";
import { runTask, WorkloadProcess } from "./processes.ts";
import { SIZES, type SizeName } from "./sizes.ts";
import { median, middle, quantile } from "./stats.ts";
import type { WorkloadName } from "./workload.ts";

/**
 * What every round needs, made once: the file of W8, which takes minutes.
 *
 * @param folder is made
 */
export async function prepare(folder: string, size: SizeName): Promise<void> {
  await measureIn(folder, size, "put-millions-to-sleep");
}

/**
 * @param folder is made, and removed afterwards
 * @param prepared the folder of {@link prepare}
 */
export async function runRound(
  folder: string,
  prepared: string,
  size: SizeName,
): Promise<Figures & { chain: ChainShape }> {
  const measure = <T>(workload: WorkloadName) => measureIn<T>(folder, size, workload);
  try {
    const { chain, w1, rowsPerSecond } = await measureChain(folder, size);
    const { w2, commitMs } = await measureLatency(folder, size, chain);
    const w3 = await measure<Figures["w3"]>("fan-out");
    const w4 = await measure<Figures["w4"]>("long-history");
    const { signal } = await runTask({ workload: "be-killed", folder, size });
    if (signal !== "SIGKILL") throw new Error(`expected SIGKILL in the middle of the run, but found ${signal}`);
    const w5 = await measure<Figures["w5"]>("resume");
    await measure("put-to-sleep");
    const w6 = await measure<Figures["w6"]>("idle");
    const w7 = await measure<Figures["w7"]>("replay");
    await measureIn(prepared, size, "set-alarms");
    const w8 = await measureIn<Figures["w8"]>(prepared, size, "sleepers");
    const w9 = await measure<Figures["w9"]>("limits");
    const map = await measure<Figures["map"]>("map");
    const { startMs } = await measure<{ startMs: number }>("start-up");
    return { raw: { rowsPerSecond, commitMs }, w1, w2, w3, w4, w5, w6, w7, w8, w9, map, startMs, chain };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureIn<T>(folder: string, size: SizeName, workload: WorkloadName): Promise<T> {
  const { figures, signal } = await runTask({ workload, folder, size });
  if (figures === null) throw new Error(`expected the workload ${workload} to end, but ${signal} ended it`);
  return figures as T;
}

/**
 * W1, a pass at a time, and after each pass the raw ceiling of the same rows. The two rates are those of one pair, that of
 * the median ratio: two medians could be of two different minutes of the machine.
 */
async function measureChain(
  folder: string,
  size: SizeName,
): Promise<{ chain: ChainShape; w1: Figures["w1"]; rowsPerSecond: number }> {
  const engine = new WorkloadProcess({ workload: "chain", folder, size });
  const chain = await engine.opening<ChainShape>();
  const ceiling = new WorkloadProcess({ workload: "raw", folder, size, shape: chain });
  const { ours, theirs } = await inTurns<ChainPass, number>(engine, ceiling, SIZES[size].chain.passes);
  const of = (figure: (pass: ChainPass) => number) => median(ours.map(figure));
  const pairs = ours.map(({ stepsPerSecond }, pass) => ({ stepsPerSecond, rowsPerSecond: theirs[pass] as number }));
  const { stepsPerSecond, rowsPerSecond } = middle(pairs, (pair) => pair.stepsPerSecond / pair.rowsPerSecond);
  const w1 = {
    stepsPerSecond,
    eventsPerStep: chain.eventsPerStep,
    p50Ms: of((pass) => pass.p50Ms),
    p99Ms: of((pass) => pass.p99Ms),
  };
  return { chain, w1, rowsPerSecond };
}

/** W2, some runs at a time, and after them as many raw commits of a single row. */
async function measureLatency(
  folder: string,
  size: SizeName,
  chain: ChainShape,
): Promise<{ w2: Figures["w2"]; commitMs: number }> {
  const engine = new WorkloadProcess({ workload: "latency", folder, size });
  await engine.opening();
  const commits = new WorkloadProcess({ workload: "singles", folder, size, shape: chain });
  const { ours, theirs } = await inTurns<number[], number[]>(engine, commits, SIZES[size].latency.parts);
  const latencies = ours.flat();
  return {
    w2: { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) },
    commitMs: median(theirs.flat()) * 1_000,
  };
}

async function inTurns<A, B>(
  engine: WorkloadProcess,
  ceiling: WorkloadProcess,
  parts: number,
): Promise<{ ours: A[]; theirs: B[] }> {
  const ours: A[] = [];
  const theirs: B[] = [];
  try {
    await ceiling.opening();
    for (let part = 0; part < parts; part++) {
      ours.push(await engine.part<A>());
      theirs.push(await ceiling.part<B>());
    }
    return { ours, theirs };
  } finally {
    await Promise.all([engine.close(), ceiling.close()]);
  }
}
