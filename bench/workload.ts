/** The process of one workload: does what its arguments say, and prints what it measured as lines of JSON. */
import type { ChainShape } from "./figures.ts";
import { serve } from "./session.ts";
import { SIZES, type SizeName } from "./sizes.ts";
import { openChain } from "./workloads/chain.ts";
import { measureFanOut } from "./workloads/fan-out.ts";
import { measureIdle, putToSleep } from "./workloads/idle.ts";
import { openLatency } from "./workloads/latency.ts";
import { measureLimits } from "./workloads/limits.ts";
import { measureLongHistory } from "./workloads/long-history.ts";
import { measureMap } from "./workloads/map.ts";
import { openRaw, openSingles } from "./workloads/raw.ts";
import { measureReplay } from "./workloads/replay.ts";
import { beKilled, measureResume } from "./workloads/resume.ts";
import { databaseFile } from "./workloads/setup.ts";
import { measureSleepers, setAlarms } from "./workloads/sleepers.ts";
import { measureStartUp } from "./workloads/start-up.ts";

/** What a process is told, as JSON in its only argument. */
export interface Task {
  readonly workload: WorkloadName | SessionName;
  /** Where its files are; the next process of the same round finds them there. */
  readonly folder: string;
  readonly size: SizeName;
  /** For `raw` and `singles`. */
  readonly shape?: ChainShape;
}

export type SessionName = keyof typeof SESSIONS;
export type WorkloadName = keyof typeof WORKLOADS;

/** Those that are measured in parts. */
const SESSIONS = {
  chain: ({ folder, size }: Task) => openChain(folder, SIZES[size].chain),
  raw: ({ folder, size, shape }: Task) => openRaw(folder, shape as ChainShape, SIZES[size].chain),
  latency: ({ folder, size }: Task) => openLatency(folder, SIZES[size].latency),
  singles: ({ folder, size, shape }: Task) => openSingles(folder, shape as ChainShape, SIZES[size].latency),
} as const;

const WORKLOADS = {
  "fan-out": ({ folder, size }: Task) => measureFanOut(folder, SIZES[size].fanOut),
  "long-history": ({ folder, size }: Task) => measureLongHistory(folder, SIZES[size].longHistory),
  "be-killed": ({ folder, size }: Task) => beKilled(folder, SIZES[size].resume),
  resume: ({ folder, size }: Task) => measureResume(folder, SIZES[size].resume),
  "put-to-sleep": ({ folder, size }: Task) => putToSleep(databaseFile(folder, "idle"), SIZES[size].idle.runs),
  idle: ({ folder, size }: Task) => measureIdle(folder, SIZES[size].idle),
  replay: ({ folder, size }: Task) => measureReplay(folder, SIZES[size].replay),
  "put-millions-to-sleep": ({ folder, size }: Task) =>
    putToSleep(databaseFile(folder, "sleepers"), SIZES[size].sleepers.runs),
  "set-alarms": ({ folder, size }: Task) => setAlarms(databaseFile(folder, "sleepers"), SIZES[size].sleepers),
  sleepers: ({ folder, size }: Task) => measureSleepers(databaseFile(folder, "sleepers"), SIZES[size].sleepers),
  limits: ({ folder, size }: Task) => measureLimits(folder, SIZES[size].limits),
  map: ({ folder, size }: Task) => measureMap(folder, SIZES[size].map),
  "start-up": ({ folder }: Task) => measureStartUp(folder),
} as const;

const task = JSON.parse(process.argv[2] as string) as Task;
if (task.workload in SESSIONS) await serve(await SESSIONS[task.workload as SessionName](task));
else process.stdout.write(`${JSON.stringify(await WORKLOADS[task.workload as WorkloadName](task))}\n`);
