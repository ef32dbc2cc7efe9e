/** How a schedule is defined in code. Brings along what computes with timetables: who defines none does not carry it. */
import { checkOptions, invalidOption } from "../kernel/options.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import { SCHEDULE, type ScheduleDefinition, type ScheduleOptions } from "./definition.ts";
import { scheduleTimes } from "./times.ts";

/**
 * Defines a schedule: at each of its instants a run of the workflow starts, once, whatever happens to processes and clocks.
 * Given to `createEngine({ schedules })`, which checks it.
 *
 * @example
 * export const nightly = schedule({
 *   id: "nightly-report",
 *   workflow: report,
 *   input: { customer: "acme" },
 *   cron: "0 3 * * *",
 *   timezone: "Europe/Berlin",
 * });
 */
export function schedule<Input>(options: ScheduleOptions<Input>): ScheduleDefinition {
  checkOptions("schedule", options);
  const { id, workflow, ...rest } = options;
  if (typeof workflow?.name !== "string") throw invalidOption("workflow of a schedule", "a workflow", workflow);
  return {
    id,
    // Of one definition the input fits its workflow, which was just checked; of a list of them nobody can say.
    workflow: workflow as unknown as WorkflowRef<never, unknown, never>,
    options: rest as ScheduleDefinition["options"],
    times: scheduleTimes,
    [SCHEDULE]: true,
  };
}
