/** The reference of W7: the least that could replay a run. */

/** What a step comes to, and what asks for one. */
export type Step = (name: string, body: () => StepValue) => Promise<StepValue>;

interface StepValue {
  readonly run: number;
  readonly value: number;
}

/** So many steps, one after the other: what the runs of W7 do. */
export async function sumOfSteps(step: Step, steps: number): Promise<number> {
  let sum = 0;
  for (let index = 0; index < steps; index++) {
    const { value } = await step(`step-${index}`, () => ({ run: 0, value: index }));
    sum += value;
  }
  return sum;
}

/**
 * Runs {@link sumOfSteps} through outcomes that are in memory already, found by the step's name: no log, no fold, no checks.
 * Each outcome is given to the code as the engine must give it, a macrotask after the one before it (rule R6). Milliseconds.
 */
export async function replayMemoised(steps: number): Promise<number> {
  const outcomes = new Map<string, StepValue>();
  await sumOfSteps(async (name, body) => {
    const value = body();
    outcomes.set(name, value);
    return value;
  }, steps);
  const beganAt = performance.now();
  const replayed: Step = (name) =>
    new Promise((resolve) => {
      setImmediate(resolve, outcomes.get(name) as StepValue);
    });
  await sumOfSteps(replayed, steps);
  return performance.now() - beganAt;
}
