/** `fallback`: what a step comes to when it has failed for good. */
import { isVarveError } from "../kernel/errors.ts";
import type { StepBody } from "./step.ts";
import type { StepCallOptions, StepContext } from "./step-options.ts";

type Step = (name: string, body: StepBody, options?: StepCallOptions) => Promise<unknown>;

/** How a step fails for good. */
const FAILURES = ["STEP_FAILED", "OUTCOME_UNKNOWN", "BREAKER_OPEN"];

/** What `asked`, a step named `name`, comes to, or else its fallback. A function runs as another step. */
export async function withFallback(
  asked: Promise<unknown>,
  name: string,
  fallback: unknown,
  step: Step,
): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    // A cancel, or a mistake in the call itself, is not the step's failure.
    if (!FAILURES.some((code) => isVarveError(error, code))) throw error;
    if (typeof fallback !== "function") return fallback;
    return await step(`${name}.fallback`, (context: StepContext<never>) => fallback(error, context));
  }
}
