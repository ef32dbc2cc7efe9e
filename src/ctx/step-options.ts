/** How a step is asked for, and what its body is given. */

import type { BreakerOptions } from "../kernel/breaker.ts";
import type { Duration } from "../kernel/duration.ts";
import type { RetryOptions } from "../kernel/retry.ts";
import type { LogLine, RunFacts } from "../worker/recorder.ts";
import type { CacheOptions } from "./cache.ts";

/** What a step's body is given. */
export interface StepContext<Env = unknown> {
  /** The step's key in its run, such as `order/charge#2`. */
  readonly key: string;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** The same for every attempt of this step, and for no other: give it to the foreign system as its idempotency key. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt times out, the run ends or is cancelled, or this worker no longer has the run. */
  readonly signal: AbortSignal;
  /** What `createEngine({ env })` was given: clients, bindings, secrets. */
  readonly env: Env;
  /** Writes a log line with the run and the step beside it. */
  readonly log: LogLine;
  readonly run: RunFacts;
}

/** How often a step is tried, and for how long. */
export interface StepOptions {
  /** How often and when a failed attempt is repeated. @default 5 attempts, exponential from 1 s to 1 m, full jitter */
  readonly retry?: RetryOptions;
  /** The most that one attempt may take. @default no bound */
  readonly timeout?: Duration;
  /** The most that all attempts and the waits between them may take. @default no bound */
  readonly deadline?: Duration;
  /**
   * The body is started at most once: if the process dies in it, the step fails with `OutcomeUnknownError` and is not
   * repeated. Excludes `retry`. @default false
   */
  readonly once?: boolean;
  /**
   * What all runs know of whether it makes sense to try: too many failed attempts of steps that name this breaker open it,
   * and while it is open the step fails at once with `BreakerOpenError`, which `fallback` takes. Then one attempt is let
   * through, and goes by what comes of it. A `TerminalError` is an answer, and so no failure in this sense.
   *
   * @default none
   */
  readonly breaker?: BreakerOptions;
  /**
   * A queue of `createEngine({ queues })`: so many attempts run at once as its `concurrency` says, over all runs and workers,
   * first come first served, but one more of `priority` (from -1,000 to 1,000, by default 0) is worth a minute of waiting. A step that waits for its slot, or for its next attempt, holds none, and its run no worker. With a
   * `key` each key has so many slots. Runs of the queue are counted apart.
   *
   * @default none
   */
  readonly queue?: string | { readonly name: string; readonly key?: string; readonly priority?: number };
  /**
   * Runs of this workflow share what the step comes to: one that finds a result under the key takes it, without an
   * attempt. Runs that look at the same time may all run the body. Only what a body has returned is kept, up to 256 KiB.
   * Excludes `compensate`.
   *
   * @default not shared
   */
  readonly cache?: CacheOptions;
}

/** All that a call of `ctx.step` takes. `T`: what the step comes to. */
export interface StepCallOptions<T = unknown, Env = unknown> extends StepOptions {
  /**
   * What undoes the step once it has completed, given what it came to. When the run fails or is cancelled, the
   * compensations of its completed steps run, the last first, each as a step of its own with default retries, in
   * the scope `compensate`, named by the key of the step that it undoes. What is running when a cancel comes is aborted,
   * and not undone; what is running when the function throws is undone if it completes while others are. One that fails
   * for good is logged and does not keep the others from running.
   */
  readonly compensate?: (value: T, step: StepContext<Env>) => unknown;
  /**
   * What the step comes to when it has failed for good: a value, or a function that runs as a step of its own named
   * `<name>.fallback`, given the error. A cancel is no failure.
   */
  readonly fallback?: T | ((error: Error, step: StepContext<Env>) => T | PromiseLike<T>);
}
