/** Puts the primitives together: the context of one scope of one run. */
import { derivedFloat, derivedUuid } from "../kernel/derive.ts";
import type { CallRequest, Recorder, ScopeHandle } from "../worker/recorder.ts";
import { childRequest, startRequest } from "./child.ts";
import type { Ctx } from "./ctx.ts";
import { withFallback } from "./fallback.ts";
import { mapItems } from "./map.ts";
import { resumeUrl } from "./resume-url.ts";
import { compensate } from "./saga.ts";
import { scopeRequest } from "./scope.ts";
import { sleepRequest, sleepUntilRequest } from "./sleep.ts";
import { type StepBody, stepRequest } from "./step.ts";
import type { StepCallOptions } from "./step-options.ts";
import { signalsOf, type WaitOptions, waitRequest } from "./wait-for.ts";

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
  const within = (name: string, body: (inner: Ctx) => PromiseLike<unknown>, isShield: boolean) =>
    ask(() => {
      const inner = (handle: ScopeHandle) => body(place.contextOf(handle));
      return scopeRequest({ scope, name, body: inner, isShield, compensations });
    });
  const waitFor = (name: string, options: WaitOptions<never> = {}) =>
    ask(() => waitRequest(scope, name, options, recorder.now()));
  const ctx = {
    run,
    step: (name: string, body: StepBody, options?: StepCallOptions) =>
      options?.fallback === undefined
        ? step(name, body, options)
        : withFallback(step(name, body, options), name, options.fallback, step),
    sleep: (name: string, duration: Parameters<Ctx["sleep"]>[1]) =>
      ask(() => sleepRequest(scope, name, duration, recorder.now())),
    sleepUntil: (name: string, instant: Parameters<Ctx["sleepUntil"]>[1]) =>
      ask(() => sleepUntilRequest(scope, name, instant)),
    scope: (name: string, body: (inner: Ctx) => PromiseLike<unknown>) => within(name, body, false),
    shield: (name: string, body: (inner: Ctx) => PromiseLike<unknown>) => within(name, body, true),
    compensate: () => compensate(recorder, scope),
    waitFor,
    signals: (name: string, options: WaitOptions<never> = {}) =>
      signalsOf(() => waitFor(name, options), options.timeout !== undefined),
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
  return ctx as unknown as Ctx;
}

/** A call that nobody awaits may fail: that must not end the process. */
function unhandled(call: Promise<unknown>): Promise<unknown> {
  call.catch(() => {});
  return call;
}
