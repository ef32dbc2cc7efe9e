/**
 * Every error that a user of Varve can meet. Each has a stable `code`; a subclass exists where the caller does
 * something else next. Guards should test `code`, not the class: it survives duplicated packages and the wire.
 */

/** The facts of an error, by name: what was expected, what was found, where. */
export type ErrorFacts = Readonly<Record<string, unknown>>;

/** The base of all of Varve's errors. */
export class VarveError extends Error {
  override readonly name: string = "VarveError";
  /** Stable, upper snake case. Listed in `docs/GUARANTEES.md`. */
  readonly code: string;
  /** What the message says, as data. */
  readonly facts: ErrorFacts;

  constructor(code: string, message: string, facts: ErrorFacts = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.facts = facts;
  }
}

/** Whether `error` is one of Varve's, and if `code` is given, that one. */
export function isVarveError(error: unknown, code?: string): error is VarveError {
  if (!(error instanceof Error) || !("code" in error) || !("facts" in error)) return false;
  return code === undefined || error.code === code;
}

/** A definition, an option or a name is wrong: fix the code. */
export class DefinitionError extends VarveError {
  override readonly name = "DefinitionError";
}

/** A value does not fit its schema. `facts.issues` lists where and why. */
export class ValidationError extends VarveError {
  override readonly name = "ValidationError";
}

/** A value cannot live in the log: its kind, its size or its depth. */
export class PayloadError extends VarveError {
  override readonly name = "PayloadError";
}

/** The request contradicts what is recorded: another input under a used key, a terminal run. */
export class ConflictError extends VarveError {
  override readonly name = "ConflictError";
}

/** The named run, workflow or hook does not exist here. */
export class NotFoundError extends VarveError {
  override readonly name = "NotFoundError";
}

/** Another process owns the database file. `facts.address` is where it listens, if it does. */
export class DatabaseOwnedError extends VarveError {
  override readonly name = "DatabaseOwnedError";
}

/** The store could not do it: busy, full, out of reach, corrupt, of a later format. */
export class StoreError extends VarveError {
  override readonly name = "StoreError";
}

/** A stated bound was reached. `facts.max` is the bound, `facts.found` what was asked. */
export class LimitError extends VarveError {
  override readonly name = "LimitError";
}

/** The engine, or what it was asked for, has been closed. */
export class ClosedError extends VarveError {
  override readonly name = "ClosedError";
}

/** `run.result()`: the run failed. `cause` is the error it failed with. */
export class RunFailedError extends VarveError {
  override readonly name = "RunFailedError";
}

/** `run.result()`: the run was cancelled. */
export class RunCancelledError extends VarveError {
  override readonly name = "RunCancelledError";
}

/** Something was not there in time: a result, an attempt, a deadline. */
export class TimeoutError extends VarveError {
  override readonly name = "TimeoutError";
}

/** In a workflow: a step failed for good. `cause` is the last attempt's error as it was recorded. */
export class StepFailedError extends VarveError {
  override readonly name = "StepFailedError";
}

/** In a workflow: more items of a map failed than it tolerates. `cause` is the error of the first that did. */
export class MapFailedError extends VarveError {
  override readonly name = "MapFailedError";
}

/** In a workflow: a `once` step began, and nobody can know whether its body took effect. */
export class OutcomeUnknownError extends VarveError {
  override readonly name = "OutcomeUnknownError";
}

/** In a workflow: a breaker is open, so nothing was tried. `facts.until` says when it lets somebody try again. */
export class BreakerOpenError extends VarveError {
  override readonly name = "BreakerOpenError";
}

/** In a workflow: the run is being cancelled. Every waiting and every later call of `ctx` rejects with it. */
export class CancelledError extends VarveError {
  override readonly name = "CancelledError";
}

/** The workflow code awaited something that is not a call of `ctx`, so replay could not repeat it. */
export class ForeignAwaitError extends VarveError {
  override readonly name = "ForeignAwaitError";
}

/** This worker's lease on the run has ended: another may have it. A body that sees it as abort reason should stop. */
export class LeaseLostError extends VarveError {
  override readonly name = "LeaseLostError";
}

/** The code asks for something else than its history holds. The run is parked as `stuck`. */
export class ReplayDivergedError extends VarveError {
  override readonly name = "ReplayDivergedError";
}

/** Thrown by a step body: the attempt failed and no retry can help. */
export class TerminalError extends VarveError {
  override readonly name = "TerminalError";

  /**
   * @example throw new TerminalError("card declined", { cause: error });
   */
  constructor(message: string, options?: { code?: string; cause?: unknown }) {
    super(options?.code ?? "TERMINAL", message, {}, options);
  }
}

/** Thrown by a step body: try again, and not before `retryAfterMs`. */
export class RetryableError extends VarveError {
  override readonly name = "RetryableError";
  /** The least wait before the next attempt, milliseconds. Wins over the policy's back-off. */
  readonly retryAfterMs: number | undefined;

  /**
   * @example throw new RetryableError("rate limited", { retryAfterMs: 30_000 });
   */
  constructor(message: string, options?: { code?: string; retryAfterMs?: number; cause?: unknown }) {
    super(options?.code ?? "RETRYABLE", message, {}, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}
