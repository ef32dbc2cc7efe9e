/** W6: a great many runs asleep: what a process costs that only waits, and how late it wakes a run. */
import { setTimeout as wait } from "node:timers/promises";
import { type Engine, workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../stats.ts";
import { databaseFile, inLanes, openEngine } from "./setup.ts";

/** A run that is asleep for as long as anybody measures. */
export const asleep = workflow({ name: "asleep" }, async (ctx) => {
  await ctx.sleep("nap", "30d");
});

/** Wakes come one by one, the first after so much time, milliseconds. */
const WAKES = { afterMs: 1_000, everyMs: 50 } as const;

const STARTS_IN_FLIGHT = 500;

/** A process that puts runs to sleep. */
export async function putToSleep(database: string, runs: number): Promise<Record<string, never>> {
  const engine = await openEngine(database, [asleep], { worker: { concurrency: STARTS_IN_FLIGHT, hotRunsMax: 0 } });
  await inLanes(runs, STARTS_IN_FLIGHT, async () => {
    await engine.start(asleep, null);
  });
  await allAsleep(engine);
  await engine.close();
  return {};
}

/** Waits until every run waits. */
export async function allAsleep(engine: Engine): Promise<void> {
  while ((await engine.list({ status: ["pending", "running"], limit: 1 })).runs.length > 0) await wait(50);
}

/** The process that waits for them. */
export async function measureIdle(folder: string, { windowMs, wakes }: Sizes["idle"]): Promise<Figures["w6"]> {
  const lagsMs: number[] = [];
  const waker = workflow({ name: "waker" }, async (ctx, input: { dueAt: number }) => {
    await ctx.sleepUntil("nap", input.dueAt);
    await ctx.step("awake", () => {
      lagsMs.push(Date.now() - input.dueAt);
    });
  });
  const engine = await openEngine(databaseFile(folder, "idle"), [asleep, waker]);
  const { cpuPercent, rssMb } = await idleFor(windowMs);
  const firstAt = Date.now() + WAKES.afterMs;
  const dueAts = Array.from({ length: wakes }, (_, index) => firstAt + index * WAKES.everyMs);
  const runs = await Promise.all(dueAts.map((dueAt) => engine.start(waker, { dueAt })));
  for (const run of runs) await run.result();
  await engine.close();
  return { rssMb, cpuPercent, wakeLagMs: median(lagsMs) };
}

/** What the process costs while it waits. */
export async function idleFor(ms: number): Promise<{ cpuPercent: number; rssMb: number }> {
  const cpuBefore = process.cpuUsage();
  const beganAt = performance.now();
  await wait(ms);
  const { user, system } = process.cpuUsage(cpuBefore);
  const elapsedMs = performance.now() - beganAt;
  return { cpuPercent: ((user + system) / 1_000 / elapsedMs) * 100, rssMb: process.memoryUsage.rss() / 1_048_576 };
}
