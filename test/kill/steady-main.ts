/**
 * A worker process that keeps a shared file busy until it is told to end, and watches how its event loop turns meanwhile.
 * It speaks through the public interface only, and never reads past the engine: nothing but the engine waits for the file.
 */
import { existsSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { workflow } from "varve";
import { createEngine } from "varve/node";

export interface SteadySetup {
  readonly db: string;
  readonly leaseMs: number;
  /** How many runs it has under way at a time. */
  readonly lanes: number;
  /** It ends when this file is there. */
  readonly until: string;
}

export type SteadyTold =
  | { readonly told: "working" }
  | {
      readonly told: "ended";
      readonly completed: number;
      /** What runs failed with. */
      readonly failures: readonly string[];
      /** How often its worker lost its lease. */
      readonly leasesLost: number;
      /** When its event loop turned, milliseconds since the epoch. */
      readonly ticks: readonly number[];
      /** Delays of the event loop, milliseconds. */
      readonly delay: { readonly p50: number; readonly p99: number; readonly max: number };
    };

const TICK_MS = 10;

const NS_PER_MS = 1e6;

const steady = workflow({ name: "steady" }, async (ctx, n: number) => {
  const a = await ctx.step("a", () => new Promise<number>((resolve) => setTimeout(() => resolve(n), 20)));
  await ctx.sleep("breath", "30ms");
  return a + (await ctx.step("b", () => 1));
});

const { db, leaseMs, lanes, until } = JSON.parse(process.argv[2] ?? "{}") as SteadySetup;
const tell = (line: SteadyTold) => console.log(JSON.stringify(line));
const engine = await createEngine({ db, file: "shared", workflows: [steady], worker: { leaseMs, pollMsMax: 100 } });
let leasesLost = 0;
engine.on("worker.lost", () => {
  leasesLost++;
});
tell({ told: "working" });

const delay = monitorEventLoopDelay({ resolution: TICK_MS });
delay.enable();
const ticks: number[] = [];
const ticking = setInterval(() => ticks.push(Date.now()), TICK_MS);

let completed = 0;
const failures: string[] = [];

async function lane(): Promise<void> {
  while (!existsSync(until)) {
    try {
      const run = await engine.start(steady, completed);
      await run.result();
      completed++;
    } catch (error) {
      failures.push(String(error));
    }
  }
}

await Promise.all(Array.from({ length: lanes }, lane));
clearInterval(ticking);
delay.disable();
await engine.close();
const ms = (ns: number) => Math.round(ns / NS_PER_MS);
const delays = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
tell({ told: "ended", completed, failures, leasesLost, ticks, delay: delays });
