/**
 * The step bodies of one run that are started or about to be.
 *
 * Owns: their abort signals and time-outs. Called by the run's execution only.
 *
 * I1 A body's outcome is told once: what comes after a time-out or an abandonment is told as late.
 * I2 An abort controller belongs to one body and is dropped with it; nothing long-lived listens to it (rule R8).
 */

import { formatDuration } from "../kernel/duration.ts";
import { TimeoutError } from "../kernel/errors.ts";
import { isWithin } from "../kernel/keys.ts";
import type { Clock } from "../kernel/ports.ts";
import type { CallKind } from "../kernel/state.ts";
import type { Body, BodyOutcome, BodySurroundings, LogLine } from "./recorder.ts";

/** Who a body belongs to. */
export interface BodyOwner {
  readonly kind: CallKind;
  readonly key: string;
  /** The key of the scope in which its call was made. */
  readonly scope: string;
  /** Whether a cancel does not reach it. */
  readonly isShielded: boolean;
}

/** An attempt that was given up. */
export interface Attempt {
  readonly owner: BodyOwner;
  readonly attempt: number;
}

/** What the run waits for: a body, or something else that is no attempt of a step. */
export interface Task extends Omit<Body, "attempt"> {
  /** Null: it is no attempt, and leaves nothing in the log when nobody waits for it any more. */
  readonly attempt: number | null;
  /** Whether it goes on, and the run waits for it, when its scope has ended or a cancel has reached it. */
  readonly endures?: boolean;
}

export interface BodyHost {
  readonly clock: Clock;
  readonly env: unknown;
  readonly log: LogLine;
  /** A body ended while the run waited for it, or timed out: its outcome has been told to its call. */
  readonly settled: () => void;
  /** A body of an attempt ended when nobody waited for it any more. */
  readonly late: (owner: BodyOwner, attempt: number, outcome: BodyOutcome) => void;
  /** Synchronous code of a body held the thread for `ms`. */
  readonly blocked: (owner: BodyOwner, ms: number) => void;
}

/** A body that holds the thread for longer than this is reported. */
const BLOCKED_MS = 1_000;

/** A body, and what it is given. A class, because a getter in an object literal is made anew for each object. */
class Running implements BodySurroundings {
  readonly owner: BodyOwner;
  readonly body: Task;
  readonly env: unknown;
  readonly #log: LogLine;
  #controller: AbortController | null = null;
  /** Null until the body is started. */
  cancelTimeout: (() => void) | null = null;
  started = false;
  told = false;
  /** Nobody waits for it any more, and it is about to be aborted. */
  isLate = false;

  constructor(owner: BodyOwner, body: Task, { env, log }: BodyHost) {
    this.owner = owner;
    this.body = body;
    this.env = env;
    this.#log = log;
  }

  get log(): LogLine {
    const { key: step } = this.owner;
    const { attempt } = this.body;
    return (level, message, fields) => this.#log(level, message, { step, attempt, ...fields });
  }

  /** Made when it is asked for: most bodies never look at it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.told) this.#controller.abort();
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (this.started) this.#controller?.abort(reason);
  }
}

export class Bodies {
  readonly #host: BodyHost;
  readonly #running = new Set<Running>();
  #runIsOver = false;

  constructor(host: BodyHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#running.size;
  }

  /** The keys of the steps whose bodies are under way. */
  keys(): string[] {
    return [...this.#running].map(({ owner }) => owner.key);
  }

  /** Announces a body: from now on the run waits for it. The returned function starts it, unless it was abandoned. */
  add(owner: BodyOwner, body: Task): () => void {
    const running = new Running(owner, body, this.#host);
    this.#running.add(running);
    return () => this.#start(running);
  }

  #start(running: Running): void {
    if (running.told || running.isLate) return;
    const { body, owner } = running;
    const { clock } = this.#host;
    running.started = true;
    if (body.timeoutMs !== null) running.cancelTimeout = clock.timer(body.timeoutMs, () => this.#timeOut(running));
    const startedAt = clock.monotonic();
    let result: unknown;
    try {
      result = body.run(running);
    } catch (error) {
      result = Promise.reject(error);
    }
    const blockedMs = clock.monotonic() - startedAt;
    if (blockedMs > BLOCKED_MS) this.#host.blocked(owner, blockedMs);
    Promise.resolve(result).then(
      (value) => this.#ended(running, { kind: "value", value }),
      (error) => this.#ended(running, { kind: "error", error }),
    );
  }

  #ended(running: Running, outcome: BodyOutcome): void {
    if (!running.told && !running.isLate && !this.#runIsOver) {
      this.#tell(running, outcome);
      return;
    }
    this.#forget(running);
    const { attempt } = running.body;
    if (attempt !== null) this.#host.late(running.owner, attempt, outcome);
  }

  #timeOut(running: Running): void {
    const after = formatDuration(running.body.timeoutMs ?? 0);
    this.#tell(running, { kind: "timeout" });
    running.abort(new TimeoutError("ATTEMPT_TIMEOUT", `the attempt took longer than its time-out of ${after}`));
  }

  #tell(running: Running, outcome: BodyOutcome): void {
    this.#forget(running);
    running.body.ended(outcome);
    this.#host.settled();
  }

  #forget(running: Running): void {
    running.told = true;
    running.cancelTimeout?.();
    this.#running.delete(running);
  }

  /** The run's end is queued: nobody waits for bodies any more, but they are aborted only once it is durable. */
  runIsOver(): void {
    this.#runIsOver = true;
  }

  /** Stops waiting for all bodies and aborts those that run. Returns what was given up. */
  abandon(reason: unknown): Attempt[] {
    return this.#abandon(reason, () => true);
  }

  /** The same for those within `scope`, which has ended. */
  abandonWithin(scope: string, reason: unknown): void {
    this.#abandon(reason, ({ owner, body }) => !body.endures && isWithin(owner.scope, scope));
  }

  /** Stops waiting for all that a cancel reaches: what they come to is late. What is returned aborts them. */
  cancel(): (reason: unknown) => void {
    const cancelled = [...this.#running].filter(({ owner, body }) => !body.endures && !owner.isShielded);
    for (const running of cancelled) {
      running.isLate = true;
      running.cancelTimeout?.();
      this.#running.delete(running);
    }
    return (reason) => {
      for (const running of cancelled) {
        running.told = true;
        running.abort(reason);
      }
    };
  }

  #abandon(reason: unknown, isMeant: (running: Running) => boolean): Attempt[] {
    const abandoned = [...this.#running].filter(isMeant);
    for (const running of abandoned) {
      this.#forget(running);
      running.abort(reason);
    }
    return attemptsOf(abandoned);
  }

  /** Stops waiting for bodies that have not been started. Returns what was given up. */
  abandonUnstarted(): Attempt[] {
    const abandoned = [...this.#running].filter((running) => !running.started);
    for (const running of abandoned) this.#forget(running);
    return attemptsOf(abandoned);
  }
}

function attemptsOf(tasks: readonly Running[]): Attempt[] {
  return tasks.flatMap(({ owner, body: { attempt } }) => (attempt === null ? [] : [{ owner, attempt }]));
}
