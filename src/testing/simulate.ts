/** `simulate`: runs a user's workflow on the real engine through many lives, each with other things that go wrong. */
import type { Workflow } from "../ctx/workflow.ts";
import { type SimulationFailedError, simulationFailed } from "./failed.ts";
import { type LifeReport, live } from "./life.ts";
import { type SimulationReport, Tally } from "./report.ts";
import { shrink, type Tried } from "./shrink.ts";
import { type Plan, planOf, type SimulateOptions } from "./simulate-options.ts";

/**
 * Runs `workflow` once a seed on the real engine, over simulated processes, a simulated database and virtual time. The
 * seed decides what goes wrong: processes die, also in the middle of a step's body, when its effect has happened and its
 * record has not; they stand still while another takes their run over; answers of the database are late or lost. Then
 * faults end, the run must end, and `check` judges what it has done to the world. No real time passes.
 *
 * A seed that fails is made as small as it can be, and thrown. The same seeds of the same code come to the same.
 *
 * With `schedules`, and with what `setup` returns as `publish`, runs also start by instants and messages, which come in virtual
 * time under the same faults; then `checkAll` judges all runs.
 *
 * Bodies may wait for the simulated world only: give steps their clients by `env`, and fakes that wait by `sim.wait`.
 *
 * @throws SimulationFailedError `SIMULATION_FAILED`: a seed failed. DefinitionError `SIMULATION_INVALID` for an option,
 * `SCHEDULE_INVALID`, `DURATION_INVALID`; `SIMULATION_REAL_TIME` for a body that waits for something real. What `setup` throws,
 * and what the engine refuses, such as `INPUT_INVALID` or `TOPIC_INVALID`, comes as it is.
 * @example
 * const { workflow } = withEnv<{ charge(cents: number, key: string): Promise<void> }>();
 * const buy = workflow({ name: "buy" }, async (ctx, cents: number) => {
 *   await ctx.step("charge", ({ env, idempotencyKey }) => env.charge(cents, idempotencyKey));
 * });
 *
 * const report = await simulate(buy, {
 *   seeds: 200,
 *   setup: (sim) => {
 *     const charges = new Map<string, number>();
 *     const charge = async (cents: number, key: string) => {
 *       await sim.wait(20);
 *       charges.set(key, cents);
 *       await sim.wait(20);
 *     };
 *     return {
 *       input: 4200,
 *       env: { charge },
 *       check: ({ status }) => {
 *         if (status !== "completed" || charges.size !== 1) throw new Error(`${status}, ${charges.size} charges`);
 *       },
 *     };
 *   },
 * });
 * console.log(report.runs, report.faults);
 */
export async function simulate<Input, Output, Env>(
  workflow: Workflow<Input, Output, Env>,
  options: SimulateOptions<NoInfer<Input>, NoInfer<Output>, NoInfer<Env>>,
): Promise<SimulationReport> {
  const code = workflow as Workflow<never, unknown, never, never>;
  const plan = planOf(workflow, options);
  const { from, count, only, workers } = plan;
  const tally = new Tally();
  for (let seed = from; seed < from + count; seed++) {
    const report = await live(code, plan, { seed, workers, only });
    if (report.failure !== null) throw await failed(code, plan, report, seed - from);
    tally.add(report);
  }
  return tally.report({ workflow: workflow.name, seeds: { from, count }, workers });
}

/** The failure of a seed, made small. */
async function failed(
  workflow: Workflow<never, unknown, never, never>,
  plan: Plan,
  first: LifeReport,
  passed: number,
): Promise<SimulationFailedError> {
  const { seed, workers } = first.choice;
  const tried = (report: LifeReport): Tried<LifeReport> => ({
    report,
    fails: report.failure !== null && report.failure.kind === first.failure?.kind,
    happened: report.faults.map(({ id }) => id),
  });
  const again = tried(await live(workflow, plan, first.choice));
  const shrunk = again.fails
    ? await shrink({ ...again, workers }, async (choice) => tried(await live(workflow, plan, { seed, ...choice })))
    : { report: first, isMinimal: false };
  const { choice, failure, faults, story } = shrunk.report;
  return simulationFailed({
    workflow: workflow.name,
    choice,
    failure: failure as NonNullable<LifeReport["failure"]>,
    faults,
    story,
    passed,
    faultsBefore: first.faults.length,
    isUnsteady: !again.fails,
    isMinimal: shrunk.isMinimal,
  });
}
