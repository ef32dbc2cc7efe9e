/** `ctx.scope` and `ctx.shield`: a part of a run that becomes one outcome once it has completed. */
import { assert } from "../kernel/assert.ts";
import { fromFailure, toFailure } from "../kernel/failure.ts";
import type { CallRequest, Compensations, LiveCall, ScopeHandle, Settlement } from "../worker/recorder.ts";
import { rejected, resolved, STILL_OPEN } from "./settle.ts";

/** Runs the scope's function, given the handle of its inner scope. */
export type ScopeBody = (inner: ScopeHandle) => PromiseLike<unknown>;

/** What a scope is asked for with. */
export interface ScopeParts {
  readonly scope: ScopeHandle;
  readonly name: string;
  readonly body: ScopeBody;
  /** A cancel does not reach what is within. */
  readonly isShield?: boolean;
  /** What is within undoes completed steps; implies a shield. */
  readonly compensates?: boolean;
  /** The key of the lock under which it runs. */
  readonly lock?: string;
  readonly compensations: Compensations;
}

/** Asks for a scope. Its function begins in a turn of its own, so that every later turn has one owner. */
export function scopeRequest(parts: ScopeParts): CallRequest {
  const { scope, name, body, compensates = false, isShield = compensates, compensations } = parts;
  const data = {
    ...(isShield ? { shielded: true as const } : {}),
    ...(compensates ? { compensates: true as const } : {}),
    ...(parts.lock === undefined ? {} : { lock: parts.lock }),
  };
  return {
    kind: "scope",
    name,
    scope,
    isShield,
    live: (call) => {
      if (call.state.startedAt === null) call.conclude("scope.started", null, data);
    },
    given: (outcome, call) => {
      if (outcome.type === "scope.started") return begin(call, body, compensations);
      if (outcome.type === "scope.completed") return resolved(outcome.data);
      assert(outcome.type === "scope.failed", "a scope ends by completion or failure");
      return rejected(fromFailure(outcome.data.error));
    },
  };
}

function begin(call: LiveCall, body: ScopeBody, compensations: Compensations): Settlement {
  const inner = call.openScope();
  run(body, inner).then(
    (value) => complete(call, inner, value, compensations),
    (error) => fail(call, error),
  );
  return STILL_OPEN;
}

/** Not an async function: the body must run up to its first await within this very turn. */
function run(body: ScopeBody, inner: ScopeHandle): PromiseLike<unknown> {
  try {
    return Promise.resolve(body(inner));
  } catch (error) {
    return Promise.reject(error);
  }
}

function complete(call: LiveCall, inner: ScopeHandle, value: unknown, compensations: Compensations): void {
  call.closeScope();
  // What undoes a step is code, which only its function can bring back.
  const kept = call.isCancelled || compensations.mustRunAgain(inner.path) ? ({ kept: true } as const) : {};
  // What it returns may be what it made of the cancel: a retry runs it again, and what it held before counts still.
  const cancelled = call.isCancelled ? ({ cancelled: true } as const) : {};
  try {
    call.conclude("scope.completed", null, { ...call.encode(value), ...kept, ...cancelled });
  } catch (error) {
    call.conclude("scope.failed", null, { error: toFailure(error) });
  }
}

function fail(call: LiveCall, error: unknown): void {
  call.closeScope();
  call.conclude("scope.failed", null, { error: toFailure(error) });
}
