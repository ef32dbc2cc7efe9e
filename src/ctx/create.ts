/** Puts the primitives together: the context of one scope of one run. */
import { type BreakerOptions, breakerPolicy, type Passage } from "../kernel/breaker.ts";
import { derivedFloat, derivedUuid } from "../kernel/derive.ts";
import { isVarveError } from "../kernel/errors.ts";
import type { KeyedOptions } from "../kernel/keyed-values.ts";
import type { Schema } from "../kernel/workflow-ref.ts";
import type { CallRequest, Recorder, ScopeHandle } from "../worker/recorder.ts";
import { type Admitted, admissionRequest, reportRequest } from "./breaker.ts";
import { childRequest, startRequest } from "./child.ts";
import type { Ctx } from "./ctx.ts";
import { withFallback } from "./fallback.ts";
import { createKv, type KvScope } from "./kv.ts";
import { type LockOptions, lockRequest } from "./lock.ts";
import { mapItems } from "./map.ts";
import { resumeUrl } from "./resume-url.ts";
import { compensate } from "./saga.ts";
import { type ScopeParts, scopeRequest } from "./scope.ts";
import { sleepRequest, sleepUntilRequest } from "./sleep.ts";
import { type StepBody, stepRequest } from "./step.ts";
import type { StepCallOptions } from "./step-options.ts";
import { signalsOf, type WaitOptions, waitRequest } from "./wait-for.ts";
import { messageRequest, type WaitForMessageOptions } from "./wait-for-message.ts";

type ScopeCode = (inner: Ctx) => PromiseLike<unknown>;

/** The context that code in `scope` works with. */
export function createCtx(recorder: Recorder, scope: ScopeHandle): Ctx {
  const ask = (request: () => CallRequest) => {
    // A wrong name or option is the call's failure, so that `await` and `catch` see it wherever they stand.
    try {
      return recorder.ask(request());
    } catch (error) {
      return unhandled(Promise.reject(error));
    }
  };
  const { run, compensations } = recorder;
  const place = { recorder, scope, contextOf: (inner: ScopeHandle) => createCtx(recorder, inner) };
  const step = (name: string, body: StepBody, options?: StepCallOptions) =>
    ask(() => stepRequest({ scope, name, body, options, recorder }));
  const within = (name: string, body: ScopeCode, special: Pick<ScopeParts, "isShield" | "lock"> = {}) =>
    ask(() => {
      const inner = (handle: ScopeHandle) => body(place.contextOf(handle));
      return scopeRequest({ scope, name, body: inner, ...special, compensations });
    });
  const guarded = async (options: BreakerOptions, body: ScopeCode) => {
    const parts = { scope, policy: breakerPolicy(options) };
    const admitted = (await ask(() => admissionRequest(parts))) as Admitted;
    const report = (passage: Passage) => ask(() => reportRequest(parts, admitted, passage));
    let value: unknown;
    try {
      value = await within(options.name, body);
    } catch (error) {
      // A cancel says nothing of what is guarded.
      if (!isVarveError(error, "RUN_CANCELLED")) await report("failed");
      throw error;
    }
    if (admitted.isProbe) await report("succeeded");
    return value;
  };
  const waitFor = (name: string, options: WaitOptions<never> = {}) =>
    ask(() => waitRequest(scope, name, options, recorder.now()));
  const ctx = {
    run,
    step: (name: string, body: StepBody, options?: StepCallOptions) =>
      options?.fallback === undefined
        ? step(name, body, options)
        : unhandled(withFallback(step(name, body, options), name, options.fallback, step)),
    sleep: (name: string, duration: Parameters<Ctx["sleep"]>[1]) =>
      ask(() => sleepRequest(scope, name, duration, recorder.now())),
    sleepUntil: (name: string, instant: Parameters<Ctx["sleepUntil"]>[1]) =>
      ask(() => sleepUntilRequest(scope, name, instant)),
    scope: (name: string, body: ScopeCode) => within(name, body),
    shield: (name: string, body: ScopeCode) => within(name, body, { isShield: true }),
    lock: (name: string, options: LockOptions, body: ScopeCode) => {
      const asked = ask(() => lockRequest(scope, name, options, recorder.now()));
      return unhandled(asked.then((lock) => within(name, body, { lock: lock as string })));
    },
    breaker: (options: BreakerOptions, body: ScopeCode) => unhandled(guarded(options, body)),
    kv: (kvScope: KvScope, options?: KeyedOptions<Schema>) =>
      createKv({ run, scope, kvScope, schema: options?.schema, ask }),
    compensate: () => compensate(recorder, scope),
    waitFor,
    signals: (name: string, options: WaitOptions<never> = {}) =>
      signalsOf(() => waitFor(name, options), options.timeout !== undefined),
    waitForMessage: (topic: string, options: WaitForMessageOptions = {}) =>
      ask(() => messageRequest(scope, run, topic, options, recorder.now())),
    resumeUrl: (name: string) => resumeUrl(recorder, scope, name),
    child: (
      workflow: Parameters<typeof childRequest>[1],
      input: unknown,
      options: Parameters<typeof childRequest>[3] = {},
    ) => ask(() => childRequest(scope, workflow, input, options)),
    start: (
      workflow: Parameters<typeof startRequest>[1],
      input: unknown,
      options: Parameters<typeof startRequest>[3] = {},
    ) => ask(() => startRequest(scope, workflow, input, options)),
    map: (
      name: string,
      items: readonly unknown[],
      body: Parameters<typeof mapItems>[3],
      options?: Parameters<typeof mapItems>[4],
    ) => unhandled(mapItems(place, name, items, body, options)),
    now: () => new Date(recorder.now()),
    random: () => derivedFloat(run.id, scope.path, scope.next("random", "random")),
    uuid: () => derivedUuid(run.id, scope.path, scope.next("uuid", "uuid")),
    log: recorder.log,
  };
  // Its generic methods carry the types of users, who alone have them: here every value is unknown.
  return ctx as unknown as Ctx;
}

/** A call that nobody awaits may fail: that must not end the process. */
function unhandled(call: Promise<unknown>): Promise<unknown> {
  call.catch(() => {});
  return call;
}
