/** Compensations: what undoes completed steps when a run does not come to its end. */
import { isVarveError } from "../kernel/errors.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import type { Compensation, Recorder, ScopeHandle } from "../worker/recorder.ts";
import { scopeRequest } from "./scope.ts";

/** The name of the scope in which compensations run. */
const COMPENSATE = "compensate";

/**
 * Runs all that are registered, the last first, where a cancel does not reach them. A step that completes meanwhile is
 * undone as well; so is one whose completion is in the log and has not been given to the code, which only another outcome
 * tells. After a cancel nothing completes any more.
 */
export async function compensate(recorder: Recorder, scope: ScopeHandle): Promise<void> {
  const { compensations } = recorder;
  let isDue = compensations.hasWithin(ROOT_SCOPE) || (compensations.mayCome && !recorder.isCancelled);
  while (isDue) {
    // Taken here and not in the scope: once that is one outcome, its function does not run again.
    const registered = compensations.take(scope.path);
    const body = (inner: ScopeHandle) => undo(recorder, inner, registered);
    await recorder.ask(scopeRequest({ scope, name: COMPENSATE, body, compensates: true, compensations }));
    isDue = compensations.hasWithin(ROOT_SCOPE);
  }
}

async function undo(recorder: Recorder, scope: ScopeHandle, registered: readonly Compensation[]): Promise<void> {
  for (const each of registered) {
    try {
      await each.run(scope);
    } catch (error) {
      if (!isVarveError(error)) throw error;
      recorder.log("error", `the compensation of step "${each.key}" failed, and the others go on`, {
        step: each.key,
        error: error.message,
      });
    }
  }
}
