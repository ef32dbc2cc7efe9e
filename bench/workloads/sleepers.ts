/**
 * W8: a million runs asleep in one file: what a process costs that only waits for them, and how soon those run that become
 * due. A process before it has put them there, so nothing of them is in memory.
 */
import { statSync } from "node:fs";
import { workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../stats.ts";
import { allAsleep, asleep, idleFor } from "./idle.ts";
import { inLanes, openEngine } from "./setup.ts";

/** The time that a process may take to set an alarm, milliseconds. */
const SETTING_MS = 1;

/** Wakes come one by one; then nothing is due for a while; then comes the burst. Milliseconds. */
const WAKES = { everyMs: 200, quietMs: 1_000 } as const;

const STARTS_IN_FLIGHT = 500;

/** What a run that wakes up is told. */
interface Alarm {
  readonly dueAt: number;
  readonly inBurst: boolean;
}

const waker = (onAwake: (alarm: Alarm) => void) =>
  workflow({ name: "waker" }, async (ctx, alarm: Alarm) => {
    await ctx.sleepUntil("nap", alarm.dueAt);
    await ctx.step("awake", () => onAwake(alarm));
  });

/** A process that puts those runs to sleep which become due in the next one. */
export async function setAlarms(database: string, sizes: Sizes["sleepers"]): Promise<Record<string, never>> {
  const { openingMs, windowMs, wakes, burst } = sizes;
  const early = waker(() => {});
  const engine = await openEngine(database, [asleep, early]);
  const firstAt = Date.now() + SETTING_MS * (wakes + burst) + openingMs + windowMs;
  const burstAt = firstAt + wakes * WAKES.everyMs + WAKES.quietMs;
  await inLanes(wakes + burst, STARTS_IN_FLIGHT, async (index) => {
    const inBurst = index >= wakes;
    await engine.start(early, { dueAt: inBurst ? burstAt : firstAt + index * WAKES.everyMs, inBurst });
  });
  await allAsleep(engine);
  await engine.close();
  return {};
}

/** The process that waits for them. If it comes too late for an alarm, its figures are the worse for it. */
export async function measureSleepers(database: string, sizes: Sizes["sleepers"]): Promise<Figures["w8"]> {
  const { windowMs, wakes, burst } = sizes;
  const lagsMs: number[] = [];
  const burstMs: number[] = [];
  let onAllAwake = () => {};
  const allAwake = new Promise<void>((resolve) => {
    onAllAwake = resolve;
  });
  const woken = waker(({ dueAt, inBurst }) => {
    (inBurst ? burstMs : lagsMs).push(Date.now() - dueAt);
    if (lagsMs.length + burstMs.length === wakes + burst) onAllAwake();
  });
  const calledAt = performance.now();
  const engine = await openEngine(database, [asleep, woken]);
  const openMs = performance.now() - calledAt;
  const { cpuPercent, rssMb } = await idleFor(windowMs);
  await allAwake;
  await engine.close();
  return {
    diskMb: statSync(database).size / 1_048_576,
    openMs,
    rssMb,
    cpuPercent,
    wakeLagMs: median(lagsMs),
    wakeLagMsMax: Math.max(...lagsMs),
    burstMs: Math.max(...burstMs),
  };
}
