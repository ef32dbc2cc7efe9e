/** `ctx.step`: attempts until one completes, each recorded before its body runs. */
import { assert } from "../kernel/assert.ts";
import { type Admission, type BreakerPolicy, breakerPolicy, type Passage } from "../kernel/breaker.ts";
import type { Payload } from "../kernel/codec.ts";
import { stepIdempotencyKey } from "../kernel/derive.ts";
import { formatDuration, parseDuration } from "../kernel/duration.ts";
import * as errors from "../kernel/errors.ts";
import type { EventData, EventOf, RunEvent } from "../kernel/events.ts";
import { type Failure, fromFailure, toFailure } from "../kernel/failure.ts";
import { decideRetry, type RetryPolicy, retryPolicy } from "../kernel/retry.ts";
import { NAME_LENGTH_MAX } from "../kernel/text.ts";
import type {
  BodyOutcome,
  BodySurroundings,
  CallRequest,
  LiveCall,
  Recorder,
  ScopeHandle,
  Settlement,
} from "../worker/recorder.ts";
import { Breaker, breakerOpen } from "./breaker.ts";
import { Cache } from "./cache.ts";
import { rejected, resolved } from "./settle.ts";
import type { StepCallOptions, StepContext, StepOptions } from "./step-options.ts";
import { type StepQueue, stepQueue } from "./step-queue.ts";

export type StepBody = (step: StepContext<never>) => unknown;

/** What a step is asked for with. */
export interface StepParts {
  readonly scope: ScopeHandle;
  readonly name: string;
  readonly body: StepBody;
  readonly options: StepCallOptions | undefined;
  readonly recorder: Pick<Recorder, "ask" | "compensations" | "queueSlots">;
}

/** Options with every default filled in. */
interface StepPolicy {
  readonly retry: RetryPolicy;
  readonly timeoutMs: number | null;
  readonly deadlineMs: number | null;
  readonly once: boolean;
  readonly breaker: BreakerPolicy | null;
  readonly cache: Cache | null;
  readonly queue: StepQueue | null;
}

/** Attempts that a stopping worker may hand back before they count like any other. */
const FORGIVEN_MAX = 20;

const DEFAULTS: StepPolicy = {
  retry: retryPolicy(undefined),
  timeoutMs: null,
  deadlineMs: null,
  once: false,
  breaker: null,
  cache: null,
  queue: null,
};

/** Asks for a step. Throws at once if its options are wrong. */
export function stepRequest(parts: StepParts): CallRequest {
  const { scope, name, body, options } = parts;
  if (typeof body !== "function") {
    throw notAFunction(`the body of step ${JSON.stringify(name)}`, body);
  }
  const policy = options === undefined ? DEFAULTS : stepPolicy(parts, options);
  const live = (call: LiveCall) => new Attempts(call, body, policy).goOn();
  const isSharing = policy.breaker !== null || policy.cache !== null || policy.queue !== null;
  const request: CallRequest = { kind: "step", name, scope, isSharing, isQueued: policy.queue !== null, live, given };
  const undo = options?.compensate;
  if (undo === undefined) return request;
  if (typeof undo !== "function") throw notAFunction(`compensate of step ${JSON.stringify(name)}`, undo);
  if (policy.cache !== null) throw contradiction(name, "cache", "compensate", "what another run did is not undone");
  const settled = parts.recorder.compensations.expect(scope.path);
  const givenIt: CallRequest["given"] = (outcome, call) => {
    settled();
    return givenAndUndoable(parts, undo, outcome, call);
  };
  return { ...request, given: givenIt, isUndoable: true };
}

function contradiction(step: string, one: string, other: string, why: string): errors.DefinitionError {
  return new errors.DefinitionError(
    "STEP_INVALID",
    `expected step ${JSON.stringify(step)} to have either ${one} or ${other}, but found both: ${why}`,
  );
}

function notAFunction(what: string, found: unknown): errors.DefinitionError {
  return new errors.DefinitionError("STEP_INVALID", `expected ${what} to be a function, but found ${typeof found}`);
}

/** From now on the step is undone if the run fails: in the order in which the code is given what steps come to. */
function givenAndUndoable(
  { scope, name, recorder }: StepParts,
  undo: NonNullable<StepCallOptions["compensate"]>,
  outcome: RunEvent,
  call: LiveCall,
): Settlement {
  const settlement = given(outcome);
  if (settlement.kind !== "resolve") return settlement;
  // By its key, so that the log says which step it undoes.
  const undoes = call.key.length <= NAME_LENGTH_MAX ? call.key : name;
  const run = (undoing: ScopeHandle) => {
    // Its own copy: the code may change what it was given.
    const body: StepBody = (context) => undo(resolvedValue(given(outcome)), context as StepContext<unknown>);
    return recorder.ask(stepRequest({ scope: undoing, name: undoes, body, options: undefined, recorder }));
  };
  recorder.compensations.add({ key: call.key, scope: scope.path, run });
  return settlement;
}

function resolvedValue(settlement: Settlement): unknown {
  return settlement.kind === "resolve" ? settlement.value : undefined;
}

function stepPolicy({ name, recorder }: StepParts, options: StepOptions): StepPolicy {
  const once = options.once === true;
  if (once && options.retry !== undefined)
    throw contradiction(name, "once", "retry", "a body that runs at most once is not repeated");
  return {
    retry: once ? retryPolicy({ attempts: 1 }) : retryPolicy(options.retry),
    timeoutMs: options.timeout === undefined ? null : parseDuration(options.timeout),
    deadlineMs: options.deadline === undefined ? null : parseDuration(options.deadline),
    once,
    breaker: options.breaker === undefined ? null : breakerPolicy(options.breaker),
    cache: options.cache === undefined ? null : new Cache(name, options.cache),
    queue: options.queue === undefined ? null : stepQueue(name, options.queue, recorder),
  };
}

function given(outcome: Parameters<CallRequest["given"]>[0]): Settlement {
  if (outcome.type === "step.completed") return resolved(outcome.data);
  assert(outcome.type === "step.failed", "a step ends by completion or failure");
  return rejected(stepError(outcome));
}

/** What the code catches. An error of the engine itself (a time-out, an unknown outcome) comes as it is. */
function stepError(outcome: EventOf<"step.failed">): Error {
  const cause = fromFailure(outcome.data.error);
  if (cause instanceof errors.OutcomeUnknownError || cause instanceof errors.BreakerOpenError) return cause;
  const { key, attempt } = outcome;
  const times = attempt === 1 ? "its only attempt" : `${attempt} attempts`;
  return new errors.StepFailedError(
    "STEP_FAILED",
    `step "${key}" failed after ${times}: ${cause.message}`,
    { step: key, attempts: attempt },
    { cause },
  );
}

/** The attempts of one step, from what the log holds of them. */
class Attempts {
  readonly #call: LiveCall;
  readonly #body: StepBody;
  readonly #policy: StepPolicy;
  readonly #breaker: Breaker | null;
  /** Whether the attempt that is under way decides for others. */
  #isProbe = false;

  constructor(call: LiveCall, body: StepBody, policy: StepPolicy) {
    this.#call = call;
    this.#body = body;
    this.#policy = policy;
    this.#breaker = policy.breaker === null ? null : new Breaker(call, policy.breaker);
  }

  /** Begins with the first attempt, or goes on after those that the log holds. */
  goOn(): void {
    const { attempt, attemptOpen, dueAt } = this.#call.state;
    if (attemptOpen && this.#breaker !== null) this.#breaker.recall(attempt, () => this.#interrupted(attempt));
    else if (attemptOpen) this.#interrupted(attempt);
    else if (dueAt !== null) this.#call.waitUntil(dueAt, () => this.#startNext());
    else if (attempt === 0 && this.#policy.cache !== null)
      this.#policy.cache.find(this.#call, (found) => (found === null ? this.#startNext() : this.#takeCached(found)));
    else this.#startNext();
  }

  #takeCached(payload: Payload): void {
    try {
      this.#conclude("step.completed", null, { ...payload, cached: true });
    } catch {
      // The log holds less by now: the body may return less as well.
      this.#startNext();
    }
  }

  /** The log has an attempt without an outcome: whoever began it is gone. */
  #interrupted(attempt: number): void {
    if (this.#policy.once) {
      this.#fail(attempt, outcomeUnknown(this.#call, attempt));
      return;
    }
    this.#call.record("attempt.interrupted", attempt, { reason: "lost" });
    // Nobody waits for the step any more, or the history is full.
    if (this.#call.state.attemptOpen) return;
    this.#leave(attempt);
    this.#startNext();
  }

  #startNext(): void {
    const { attempt: last, attemptsForgiven, attemptOpen } = this.#call.state;
    assert(!attemptOpen, "an attempt begins after the one before it");
    const attempt = last + 1;
    if (this.#policy.once && last > 0) this.#fail(last, notRepeated(this.#call, last));
    else if (last - Math.min(attemptsForgiven, FORGIVEN_MAX) >= this.#policy.retry.attemptsMax)
      this.#fail(last, interruptedTooOften(last));
    else if (this.#isPastDeadline()) this.#fail(last, this.#deadlineError());
    else if (this.#call.mayBegin(this.#timeoutMs())) this.#enter(attempt);
  }

  /** Gets a slot of its queue first. */
  #enter(attempt: number): void {
    const { queue } = this.#policy;
    if (queue === null) this.#pass(attempt);
    else this.#call.enterQueue({ attempt, ...queue }, () => this.#entered(attempt));
  }

  /** Much may have passed in line. Where the run does not go on here it keeps its slot, and is given it again. */
  #entered(attempt: number): void {
    if (this.#isPastDeadline()) this.#fail(attempt - 1, this.#deadlineError());
    else if (this.#call.mayBegin(this.#timeoutMs())) this.#pass(attempt);
  }

  /** Starts the attempt, if the breaker lets it through. */
  #pass(attempt: number): void {
    const { breaker } = this.#policy;
    if (this.#breaker === null || breaker === null) {
      this.#start(attempt);
      return;
    }
    const go = (admission: Admission) => {
      this.#isProbe = admission.kind === "probe";
      if (admission.kind !== "refuse") {
        this.#start(attempt);
        return;
      }
      this.#fail(attempt - 1, toFailure(breakerOpen(breaker.name, admission.until, this.#call.key)));
    };
    this.#breaker.admit(attempt, () => this.#isReady(), go);
  }

  /** Time has passed: the worker may have been stopped meanwhile, the run paused, or the clock corrected. */
  #isReady(): boolean {
    const { dueAt } = this.#call.state;
    if (dueAt === null || this.#call.now() >= dueAt) return this.#call.mayBegin(this.#timeoutMs());
    this.#call.waitUntil(dueAt, () => this.#startNext());
    return false;
  }

  #start(attempt: number): void {
    this.#call.record("attempt.started", attempt, {});
    this.#call.runBody({
      attempt,
      timeoutMs: this.#timeoutMs(),
      run: (surroundings) => this.#body(stepContext(this.#call, attempt, surroundings)),
      ended: (outcome) => this.#ended(attempt, outcome),
    });
  }

  #ended(attempt: number, outcome: BodyOutcome): void {
    if (outcome.kind === "value") this.#report(attempt, "succeeded", () => this.#returned(attempt, outcome.value));
    else {
      const failure = outcome.kind === "error" ? toFailure(outcome.error) : this.#timeoutFailure();
      // An answer that no retry can change is an answer.
      const passage = failure.name === "TerminalError" ? "succeeded" : "failed";
      this.#report(attempt, passage, () => this.#failed(attempt, failure));
    }
  }

  /** Tells the breaker how it went, if that changes anything. */
  #report(attempt: number, passage: Passage, then: () => void): void {
    if (this.#breaker === null || (passage === "succeeded" && !this.#isProbe)) then();
    else this.#breaker.report(attempt, passage, then);
  }

  #returned(attempt: number, value: unknown): void {
    let payload: Payload;
    try {
      payload = this.#call.encode(value);
    } catch (error) {
      // What the log cannot hold it cannot hold at the next attempt either.
      this.#fail(attempt, toFailure(error));
      return;
    }
    const { cache } = this.#policy;
    if (cache === null) this.#complete(attempt, payload);
    else cache.keep(this.#call, payload, () => this.#complete(attempt, payload));
  }

  #complete(attempt: number, payload: Payload): void {
    try {
      this.#conclude("step.completed", attempt, payload);
    } catch (error) {
      this.#fail(attempt, toFailure(error));
    }
  }

  #failed(attempt: number, error: Failure): void {
    const counted = attempt - Math.min(this.#call.state.attemptsForgiven, FORGIVEN_MAX);
    const decision = decideRetry(this.#policy.retry, counted, error, this.#call.random());
    if (decision.kind === "give-up") {
      this.#fail(attempt, error);
      return;
    }
    const retryAt = Math.ceil(this.#call.now()) + decision.delayMs;
    const deadlineAt = this.#deadlineAt();
    if (deadlineAt !== null && retryAt >= deadlineAt) {
      this.#fail(attempt, { ...this.#deadlineError(), cause: error });
      return;
    }
    const { breaker } = this.#policy;
    const guard = breaker === null ? {} : { breaker: breaker.name };
    this.#call.record("attempt.failed", attempt, { error, retryAt, ...guard });
    this.#leave(attempt);
    this.#call.waitUntil(retryAt, () => this.#startNext());
  }

  #fail(attempt: number, error: Failure): void {
    this.#conclude("step.failed", attempt === 0 ? null : attempt, { error });
  }

  /** No attempt follows: not the one either that a worker before this one may have asked for a slot for. */
  #conclude<T extends "step.completed" | "step.failed">(type: T, attempt: number | null, data: EventData[T]): void {
    const { attempt: last, attemptOpen } = this.#call.state;
    this.#call.conclude(type, attempt, data);
    this.#leave(attemptOpen ? last : last + 1);
  }

  /** The attempt's slot ends with what was just recorded. */
  #leave(attempt: number): void {
    if (this.#policy.queue !== null) this.#call.leaveQueue(attempt);
  }

  // ---- Time ----

  #deadlineAt(): number | null {
    const { deadlineMs } = this.#policy;
    if (deadlineMs === null) return null;
    return (this.#call.state.startedAt ?? this.#call.now()) + deadlineMs;
  }

  #isPastDeadline(): boolean {
    const deadlineAt = this.#deadlineAt();
    return deadlineAt !== null && this.#call.now() >= deadlineAt;
  }

  /** What the attempt may take: its own time-out, or what is left until the deadline. */
  #timeoutMs(): number | null {
    const deadlineAt = this.#deadlineAt();
    if (deadlineAt === null) return this.#policy.timeoutMs;
    return Math.min(this.#policy.timeoutMs ?? Number.POSITIVE_INFINITY, Math.max(0, deadlineAt - this.#call.now()));
  }

  #timeoutFailure(): Failure {
    if (this.#isPastDeadline()) return this.#deadlineError();
    const after = formatDuration(this.#policy.timeoutMs ?? 0);
    return toFailure(
      new errors.TimeoutError("ATTEMPT_TIMEOUT", `the attempt took longer than its time-out of ${after}`),
    );
  }

  #deadlineError(): Failure {
    const after = formatDuration(this.#policy.deadlineMs ?? 0);
    const message = `the step did not complete by its deadline, ${after} after its first attempt began`;
    return toFailure(new errors.TimeoutError("STEP_DEADLINE", message));
  }
}

/** What the body of an attempt is given. */
export function stepContext(call: LiveCall, attempt: number, surroundings: BodySurroundings): StepContext<never> {
  return new Context(call, attempt, surroundings);
}

/** What a body is given. A class, because a getter in an object literal is made anew for each object. */
class Context implements StepContext<never> {
  readonly key: string;
  readonly attempt: number;
  readonly env: never;
  readonly run: StepContext["run"];
  readonly #surroundings: BodySurroundings;

  constructor({ key, run }: LiveCall, attempt: number, surroundings: BodySurroundings) {
    this.key = key;
    this.attempt = attempt;
    this.env = surroundings.env as never;
    this.run = run;
    this.#surroundings = surroundings;
  }

  get idempotencyKey(): string {
    return stepIdempotencyKey(this.run.id, this.key);
  }

  get signal(): AbortSignal {
    return this.#surroundings.signal;
  }

  get log(): StepContext["log"] {
    return this.#surroundings.log;
  }
}

function outcomeUnknown(call: LiveCall, attempt: number): Failure {
  return unknown(
    call,
    attempt,
    `the worker of step "${call.key}" was lost during attempt ${attempt}, so nobody knows whether its body took effect`,
  );
}

/** What is known of the attempt counts no more. */
function notRepeated(call: LiveCall, attempt: number): Failure {
  return unknown(
    call,
    attempt,
    `attempt ${attempt} of step "${call.key}" began before its worker stopped or its run was retried`,
  );
}

function unknown(call: LiveCall, attempt: number, why: string): Failure {
  const message = `${why}; the step is marked once, and so it is not repeated: find out by its idempotency key`;
  return toFailure(new errors.OutcomeUnknownError("OUTCOME_UNKNOWN", message, { step: call.key, attempt }));
}

function interruptedTooOften(attempts: number): Failure {
  const message = `the worker was lost during each of the last attempts, and ${attempts} are all that the step has`;
  return toFailure(new errors.TimeoutError("ATTEMPTS_INTERRUPTED", message, { attempts }));
}
