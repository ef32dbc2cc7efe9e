/** What an execution asks of its worker, and tells it. */
import type { VarveError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Clock, Logger, Random } from "../kernel/ports.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import type { CallKind } from "../kernel/state.ts";
import type { LimitedRun, NewRunLimits } from "./new-run.ts";
import type { SharedStore } from "./operations.ts";

/** For tests and checks: is told each call that workflow code makes. `isNew`: its history had been given before. */
export type Asked = (runId: string, key: string, kind: CallKind, isNew: boolean) => void;

/** @typeParam Execution the run as the worker has it */
export interface Host<Execution> {
  /** The worker's id. */
  readonly worker: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly env: unknown;
  readonly store: SharedStore;
  readonly resumes: ResumeSigner | null;
  /** A run that is handed back is not claimed again before so much time has passed. */
  readonly handBackMs: number;
  /** A wait that is shorter keeps the run in memory, and its claim. */
  readonly parkAfterMs: number;
  /** The log's clock: the database's time, as far as it is known. */
  now(): number;
  /** An id for a run that a run starts. */
  newRunId(): string;
  /** The places that a run needs which a run starts; null: it may begin at once. */
  limitsOf(run: LimitedRun): NewRunLimits | null;
  /** How many steps a queue lets run at once; null: there is no such queue here. */
  queueSlots(queue: string): number | null;
  /** The version of a workflow that a start by its name means here; null: it is not registered. */
  versionOf(workflow: string): string | null;
  /** What a run's write did to others is durable: runs to look at, and when runs that it started are due. */
  reached(runIds: readonly string[], dueAt: number | null): void;
  /** The end of a run's place in a line is durable: runs may have been granted theirs. */
  freed(): void;
  /** The run has something to do in the next round. */
  ready(execution: Execution): void;
  /** The run has something to write. */
  dirty(execution: Execution): void;
  /** Whether an attempt of this length may begin; false: the run should be handed back. `where`: which attempt. */
  hasTimeFor(timeoutMs: number | null, where: () => string): boolean;
  /** Starts a body, now or when the lease allows it. */
  startBody(start: () => void): void;
  /** Tells of events that have become durable. */
  publish(events: readonly RunEvent[]): void;
  /** The run has given back its claim. `keepsCopy`: what is in memory can serve the next claim. */
  released(execution: Execution, availableAt: number | null, keepsCopy: boolean): void;
  stuck(execution: Execution, error: VarveError): void;
  /** The log says that the run is somebody else's. */
  lost(execution: Execution): void;
  /** The database does not take what the run has to write. */
  refused(execution: Execution, error: Error): void;
  /** The run's end is durable. */
  ended(execution: Execution): void;
  /** The run's history is long. */
  long(runId: string, events: number): void;
  /** Synchronous user code held the thread. */
  blocked(where: string, ms: number): void;
  readonly asked: Asked | undefined;
}
