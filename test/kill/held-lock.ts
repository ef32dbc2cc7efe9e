/** Worker processes on a shared file whose write lock a foreign process holds again and again. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, startChild } from "../runtimes/child.ts";
import type { LockSetup, LockTold } from "./lock-main.ts";
import { Place } from "./place.ts";
import type { SteadySetup, SteadyTold } from "./steady-main.ts";

export interface HeldLockOptions extends Omit<LockSetup, "path"> {
  readonly leaseMs: number;
}

export interface HeldLockResult {
  readonly seed: number;
  readonly holds: number;
  readonly heldMs: number;
  readonly longestMs: number;
  readonly runs: number;
  readonly workers: readonly {
    readonly delay: Extract<SteadyTold, { told: "ended" }>["delay"];
    /** How often the event loop turned while the lock was held. */
    readonly ticksWhileHeld: number;
  }[];
  /** What does not hold. */
  readonly findings: readonly string[];
}

const WORKERS = 2;

/** How many runs each has under way. */
const LANES = 6;

export async function holdLock(options: HeldLockOptions): Promise<HeldLockResult> {
  const { leaseMs, ...lock } = options;
  const place = Place.open();
  const until = join(place.folder, "until");
  const setup: SteadySetup = { db: `file:${place.path}`, leaseMs, lanes: LANES, until };
  const worker = await place.bundle("test/kill/steady-main.ts", "steady.mjs");
  const holder = await place.bundle("test/kill/lock-main.ts", "lock.mjs");
  const children: Child<unknown>[] = [];
  const start = <Told>(bundle: string, what: object) => {
    const child = startChild<Told>(process.execPath, [bundle, JSON.stringify(what)]);
    children.push(child);
    return child;
  };
  try {
    const workers = Array.from({ length: WORKERS }, () => start<SteadyTold>(worker, setup));
    for (const each of workers) await each.told(({ told }) => told === "working");
    const foreign = start<LockTold>(holder, { ...lock, path: place.path } satisfies LockSetup);
    const code = await foreign.exited;
    if (code !== 0) throw new Error(`the foreign process ended with ${code}: ${foreign.stderr}`);
    writeFileSync(until, "");
    const ends = await Promise.all(workers.map((each) => each.told(isEnd)));
    return await judge(place, options, foreign.lines, ends);
  } finally {
    await Promise.all(children.map((child) => child.kill()));
    await place.close();
  }
}

type End = Extract<SteadyTold, { told: "ended" }>;

function isEnd(line: SteadyTold): line is End {
  return line.told === "ended";
}

async function judge(
  place: Place,
  { seed }: HeldLockOptions,
  holds: readonly LockTold[],
  ends: readonly End[],
): Promise<HeldLockResult> {
  const completed = ends.reduce((sum, end) => sum + end.completed, 0);
  const { equal, runs } = await place.verify();
  const lengths = holds.map(({ from, to }) => to - from);
  const findings = [
    ...ends.flatMap(({ failures }) => failures.map((failure) => `a run failed: ${failure}`)),
    ...ends.flatMap(({ leasesLost }) => (leasesLost === 0 ? [] : [`a worker lost ${leasesLost} leases`])),
    ...((await place.underWay()) === 0 ? [] : ["runs have not ended"]),
    ...(runs === completed ? [] : [`${completed} runs were completed, and the log has ${runs}`]),
    ...(equal ? [] : ["the projections differ"]),
    ...(JSON.stringify(await place.integrity()) === '["ok"]' ? [] : ["the file is damaged"]),
  ];
  return {
    seed,
    holds: holds.length,
    heldMs: lengths.reduce((sum, ms) => sum + ms, 0),
    longestMs: Math.max(...lengths),
    runs,
    workers: ends.map(({ delay, ticks }) => ({
      delay,
      ticksWhileHeld: ticks.filter((at) => isHeld(holds, at)).length,
    })),
    findings,
  };
}

function isHeld(holds: readonly LockTold[], at: number): boolean {
  return holds.some(({ from, to }) => from < at && at < to);
}

/** One line for people. */
export function describeHeldLock({ seed, holds, heldMs, longestMs, runs, workers }: HeldLockResult): string {
  const loops = workers
    .map(({ delay, ticksWhileHeld }) => {
      const perSecond = Math.round((ticksWhileHeld * 1_000) / heldMs);
      return `event loop p50 ${delay.p50} ms, p99 ${delay.p99} ms, max ${delay.max} ms, ${perSecond} turns a second while held`;
    })
    .join("; ");
  return `seed ${seed}: the lock held ${holds} times for ${heldMs} ms, at most ${longestMs} ms; ${runs} runs; ${loops}`;
}
