/** What a worker may be told, and what it shares with the rest of its engine. */
import type { Limits } from "../kernel/limits.ts";
import { checkNumbers, type Range } from "../kernel/options.ts";
import { checkServed } from "../kernel/pool.ts";
import type { Ports } from "../kernel/ports.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import { checkName } from "../kernel/text.ts";
import type { LogStore } from "../log/port.ts";
import type { ProgramId } from "../log/port-workers.ts";
import type { Bus } from "../observe/bus.ts";
import type { Asked } from "./host.ts";
import type { LimitedRun, NewRunLimits } from "./new-run.ts";
import type { Program } from "./recorder.ts";
import type { Turns } from "./turns.ts";
import type { Writer } from "./writer.ts";

export interface WorkerOptions {
  /** The most runs that it owns at a time. A run that waits is not owned. @default 100 */
  readonly concurrency?: number;
  /** How long its lease lasts without a heartbeat, milliseconds. @default 15_000 */
  readonly leaseMs?: number;
  /** The most parked runs of which a copy stays in memory. @default 1_000 */
  readonly hotRunsMax?: number;
  /** A wait shorter than this keeps the run in memory, and its claim, milliseconds. @default 250 */
  readonly parkAfterMs?: number;
  /** The longest time between two looks at a database that others write, milliseconds. @default 1_000 */
  readonly pollMsMax?: number;
  /** Names the worker's place in its id, such as `host:pid`. @default "worker" */
  readonly label?: string;
  /**
   * The queues whose runs it takes, from 1 to 100: a pool. Runs without a queue are in "default".
   *
   * @default all
   */
  readonly queues?: readonly string[];
}

/** The options with their defaults. `queues`: null is all. */
export interface CheckedWorkerOptions extends Omit<Required<WorkerOptions>, "queues"> {
  readonly queues: readonly string[] | null;
}

type Numbers = Omit<CheckedWorkerOptions, "label" | "queues">;

const DEFAULTS: Numbers = {
  concurrency: 100,
  leaseMs: 15_000,
  hotRunsMax: 1_000,
  parkAfterMs: 250,
  pollMsMax: 1_000,
};

const DAY_MS = 86_400_000;

/** A lease outlasts the way to a server and back. */
const RANGES: Readonly<Record<keyof Numbers, Range>> = {
  concurrency: [1, 1_000_000],
  leaseMs: [10, DAY_MS],
  hotRunsMax: [0, 1_000_000],
  parkAfterMs: [0, DAY_MS],
  pollMsMax: [1, DAY_MS],
};

/**
 * The options with their defaults.
 *
 * @throws DefinitionError `OPTION_INVALID`, `NAME_INVALID`
 */
export function checkWorkerOptions(options: WorkerOptions): CheckedWorkerOptions {
  const { label = "worker" } = options;
  return {
    ...checkNumbers("worker", options, DEFAULTS, RANGES),
    label: checkName("the label of a worker", label),
    queues: checkServed("worker.queues", options.queues),
  };
}

/** What a worker shares with the rest of its engine. */
export interface WorkerParts {
  readonly store: LogStore;
  readonly ports: Ports;
  readonly turns: Turns;
  readonly writer: Writer;
  readonly bus: Bus;
  readonly programs: ReadonlyMap<string, Program>;
  readonly limits: Limits;
  readonly env: unknown;
  readonly resumes: ResumeSigner | null;
  readonly asked: Asked | undefined;
  /** See `Host`. */
  readonly newRunId: () => string;
  readonly limitsOf: (run: LimitedRun) => NewRunLimits | null;
  readonly queueSlots: (queue: string) => number | null;
  readonly versionOf: (workflow: string) => string | null;
  readonly reached: (runIds: readonly string[], dueAt: number | null) => void;
  readonly freed: () => void;
  /** Runs with limits have got in line. */
  readonly arrived: () => void;
  /** Whether the engine knows of limits. */
  readonly hasLines: boolean;
}

/** The key of a program in `WorkerParts.programs`. */
export function programKey({ workflow, version }: ProgramId): string {
  return `${workflow}@${version}`;
}
