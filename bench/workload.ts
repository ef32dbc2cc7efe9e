/** The process of one workload: does what its arguments say, and prints what it measured as one line of JSON. */
import type { ChainShape } from "./figures.ts";
import { SIZES, type SizeName } from "./sizes.ts";
import { measureChain } from "./workloads/chain.ts";
import { measureFanOut } from "./workloads/fan-out.ts";
import { measureIdle, putToSleep } from "./workloads/idle.ts";
import { measureLatency } from "./workloads/latency.ts";
import { measureLongHistory } from "./workloads/long-history.ts";
import { measureRaw } from "./workloads/raw.ts";
import { beKilled, measureResume } from "./workloads/resume.ts";
import { measureStartUp } from "./workloads/start-up.ts";

/** What a process is told, as JSON in its only argument. */
export interface Task {
  readonly workload: WorkloadName;
  /** Where its files are; the next process of the same round finds them there. */
  readonly folder: string;
  readonly size: SizeName;
  /** For `raw`. */
  readonly shape?: ChainShape;
}

export type WorkloadName = keyof typeof WORKLOADS;

const WORKLOADS = {
  chain: ({ folder, size }: Task) => measureChain(folder, SIZES[size].chain),
  raw: ({ folder, size, shape }: Task) =>
    measureRaw(folder, shape as ChainShape, SIZES[size].chain, SIZES[size].singleRows),
  latency: ({ folder, size }: Task) => measureLatency(folder, SIZES[size].latency),
  "fan-out": ({ folder, size }: Task) => measureFanOut(folder, SIZES[size].fanOut),
  "long-history": ({ folder, size }: Task) => measureLongHistory(folder, SIZES[size].longHistory),
  "be-killed": ({ folder, size }: Task) => beKilled(folder, SIZES[size].resume),
  resume: ({ folder, size }: Task) => measureResume(folder, SIZES[size].resume),
  "put-to-sleep": ({ folder, size }: Task) => putToSleep(folder, SIZES[size].idle),
  idle: ({ folder, size }: Task) => measureIdle(folder, SIZES[size].idle),
  "start-up": ({ folder }: Task) => measureStartUp(folder),
} as const;

const task = JSON.parse(process.argv[2] as string) as Task;
process.stdout.write(`${JSON.stringify(await WORKLOADS[task.workload](task))}\n`);
