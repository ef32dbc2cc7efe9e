/** Compensations: what undoes completed steps when a run does not come to its end. */
import { isVarveError } from "../kernel/errors.ts";
import type { Compensations, Recorder, ScopeHandle } from "../worker/recorder.ts";
import { scopeRequest } from "./scope.ts";

/** The name of the scope in which compensations run. */
const COMPENSATE = "compensate";

/** Runs all that are registered, the last first, where a cancel does not reach them. */
export async function compensate(recorder: Recorder, scope: ScopeHandle): Promise<void> {
  const registered = recorder.compensations.take();
  if (registered.length === 0) return;
  const body = async (inner: ScopeHandle) => {
    for (const each of registered) {
      try {
        await each.run(inner);
      } catch (error) {
        if (!isVarveError(error)) throw error;
        recorder.log("error", `the compensation of step "${each.key}" failed, and the others go on`, {
          step: each.key,
          error: error.message,
        });
      }
    }
  };
  await recorder.ask(
    scopeRequest({ scope, name: COMPENSATE, body, compensates: true, compensations: NOTHING_TO_UNDO }),
  );
}

/** What undoes something is not undone. */
const NOTHING_TO_UNDO: Compensations = { add: () => {}, hasWithin: () => false, take: () => [] };
