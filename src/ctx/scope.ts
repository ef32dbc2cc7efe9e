/** `ctx.scope`: a part of a run that becomes one outcome once it has completed. */
import { assert } from "../kernel/assert.ts";
import { fromFailure, toFailure } from "../kernel/failure.ts";
import type { CallRequest, LiveCall, ScopeHandle, Settlement } from "../worker/recorder.ts";
import { rejected, resolved, STILL_OPEN } from "./settle.ts";

/** Runs the scope's function, given the handle of its inner scope. */
export type ScopeBody = (inner: ScopeHandle) => PromiseLike<unknown>;

/** Asks for a scope. Its function begins in a turn of its own, so that every later turn has one owner. */
export function scopeRequest(scope: ScopeHandle, name: string, body: ScopeBody): CallRequest {
  return {
    kind: "scope",
    name,
    scope,
    live: (call) => {
      if (call.state.startedAt === null) call.conclude("scope.started", null, {});
    },
    given: (outcome, call) => {
      if (outcome.type === "scope.started") return begin(call, body);
      if (outcome.type === "scope.completed") return resolved(outcome.data);
      assert(outcome.type === "scope.failed", "a scope ends by completion or failure");
      return rejected(fromFailure(outcome.data.error));
    },
  };
}

function begin(call: LiveCall, body: ScopeBody): Settlement {
  const inner = call.openScope();
  run(body, inner).then(
    (value) => complete(call, inner, value),
    (error) => fail(call, inner, error),
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

function complete(call: LiveCall, inner: ScopeHandle, value: unknown): void {
  inner.end();
  try {
    call.conclude("scope.completed", null, call.encode(value));
  } catch (error) {
    call.conclude("scope.failed", null, { error: toFailure(error) });
  }
}

function fail(call: LiveCall, inner: ScopeHandle, error: unknown): void {
  inner.end();
  call.conclude("scope.failed", null, { error: toFailure(error) });
}
