/**
 * Varve: durable workflows in your own process.
 *
 * @example
 * import { workflow } from "varve";
 * import { createEngine } from "varve/node";
 *
 * const greet = workflow({ name: "greet" }, async (ctx, input: { name: string }) => {
 *   const text = await ctx.step("compose", () => `Hello, ${input.name}`);
 *   await ctx.sleep("pause", "1s");
 *   return text;
 * });
 * const engine = await createEngine({ db: "file:varve.db", workflows: [greet] });
 * const run = await engine.start(greet, { name: "Ada" });
 * console.log(await run.result());
 */

export type { Ctx, StepContext, StepOptions } from "./ctx/ctx.ts";
export type { CannotBeStored, Storable } from "./ctx/storable.ts";
export type { DeclaredWorkflow, Workflow, WorkflowFactory, WorkflowOptions } from "./ctx/workflow.ts";
// Define workflows
export { declareWorkflow, isWorkflow, withEnv, workflow } from "./ctx/workflow.ts";
export type { Duration } from "./kernel/duration.ts";
export type { Backoff, RetryOptions } from "./kernel/retry.ts";
export type { WorkflowRef } from "./kernel/workflow-ref.ts";
