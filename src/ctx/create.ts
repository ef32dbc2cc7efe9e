/** Puts the primitives together: the context of one scope of one run. */
import { derivedFloat, derivedUuid } from "../kernel/derive.ts";
import type { Recorder, ScopeHandle } from "../worker/recorder.ts";
import type { Ctx } from "./ctx.ts";
import { mapItems } from "./map.ts";
import { scopeRequest } from "./scope.ts";
import { sleepRequest, sleepUntilRequest } from "./sleep.ts";
import { stepRequest } from "./step.ts";

/** The context that code in `scope` works with. */
export function createCtx(recorder: Recorder, scope: ScopeHandle): Ctx {
  const ask = (request: () => Parameters<Recorder["ask"]>[0]) => {
    // A wrong name or option is the call's failure, so that `await` and `catch` see it wherever they stand.
    try {
      return recorder.ask(request());
    } catch (error) {
      return unhandled(Promise.reject(error));
    }
  };
  const { run } = recorder;
  const place = { recorder, scope, contextOf: (inner: ScopeHandle) => createCtx(recorder, inner) };
  const ctx = {
    run,
    step: (name: string, body: Parameters<typeof stepRequest>[2], options?: Parameters<typeof stepRequest>[3]) =>
      ask(() => stepRequest(scope, name, body, options)),
    sleep: (name: string, duration: Parameters<Ctx["sleep"]>[1]) =>
      ask(() => sleepRequest(scope, name, duration, recorder.now())),
    sleepUntil: (name: string, instant: Parameters<Ctx["sleepUntil"]>[1]) =>
      ask(() => sleepUntilRequest(scope, name, instant)),
    scope: (name: string, body: (inner: Ctx) => PromiseLike<unknown>) =>
      ask(() => scopeRequest(scope, name, (inner) => body(place.contextOf(inner)))),
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
