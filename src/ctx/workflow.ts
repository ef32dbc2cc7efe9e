/** Defines workflows: a name, a version, and a function of a context and an input. */

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { DefinitionError } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import { checkRunRules, type RunRules } from "../kernel/run-rules.ts";
import { checkPathName } from "../kernel/text.ts";
import { validateNow } from "../kernel/validate.ts";
import { checkProgramId, type Schema, type SignalMap, type WorkflowRef } from "../kernel/workflow-ref.ts";
import {
  type CancelOn,
  defineSubscriptions,
  type Subscription,
  type WorkflowTrigger,
} from "../triggers/subscription.ts";
import type { Program, Recorder } from "../worker/recorder.ts";
import { createCtx } from "./create.ts";
import type { Ctx } from "./ctx.ts";
import { compensate } from "./saga.ts";
import type { IfStorable } from "./storable.ts";

type InferInput<S extends Schema> = StandardSchemaV1.InferInput<S>;
type InferOutput<S extends Schema> = StandardSchemaV1.InferOutput<S>;

/** Survives duplicated packages: a workflow of one copy of Varve is one for another. */
const WORKFLOW = Symbol.for("varve.workflow");

/** A workflow that can be run here. */
export interface Workflow<Input = unknown, Output = unknown, Env = unknown, Sent = Readonly<Record<string, unknown>>>
  extends WorkflowRef<Input, Output, Sent> {
  /** Only for the compiler: what its steps take from `createEngine({ env })`. */
  readonly env?: (env: Env) => void;
  /** What starts and cancels its runs. */
  readonly subscriptions: readonly Subscription[];
  readonly [WORKFLOW]: Program["run"];
}

/** What a workflow is called and takes. */
export interface WorkflowOptions<
  In extends Schema | undefined,
  Out extends Schema | undefined,
  Signals extends SignalMap = SignalMap,
> {
  /** Unique among an engine's workflows, with the version. */
  readonly name: string;
  /** A run keeps the version that it was started with. @default "1" */
  readonly version?: string;
  /** Any Standard Schema. Checks the input once, at the start. */
  readonly input?: In;
  /** Any Standard Schema that answers at once. Checks the output once, at the end. */
  readonly output?: Out;
  /**
   * What its runs can be told while they are under way: any Standard Schema by name. Checks payloads when they are sent.
   *
   * @default any name and any payload
   */
  readonly signals?: Signals;
  /**
   * Messages that start runs of it, and ends of other workflows' runs that do. Of what an engine is made with the last
   * counts, for every process over the same database.
   *
   * @default none
   */
  readonly on?: readonly WorkflowTrigger[];
  /** Messages that cancel runs of it that were there when the message was published. @default none */
  readonly cancelOn?: readonly CancelOn[];
}

/** What senders give as signals, by name. */
export type Sent<Signals extends SignalMap> = { readonly [N in keyof Signals]: InferInput<Signals[N]> };

/** What the function may return: what the output schema takes, or whatever the log can hold. */
type Returned<Out extends Schema | undefined> = Out extends Schema ? InferInput<Out> : unknown;

/** What a run comes to: what the output schema makes of it, or what the function returns. */
type Result<Out extends Schema | undefined, R> = Out extends Schema ? InferOutput<Out> : R;

/** What the function is given: what the input schema makes, or what the function says that it is. */
type Given<In extends Schema | undefined, Input> = In extends Schema ? InferOutput<In> : Input;

/** What a start takes. */
type Taken<In extends Schema | undefined, Input> = In extends Schema ? InferInput<In> : Input;

/** Defines workflows whose steps are given an `Env`. Without an input schema the input is not checked. */
export type WorkflowFactory<Env> = <
  R extends Returned<Out>,
  Input = unknown,
  In extends Schema | undefined = undefined,
  Out extends Schema | undefined = undefined,
  Signals extends SignalMap = SignalMap,
>(
  options: WorkflowOptions<In, Out, Signals> & RunRules<Given<In, Input>>,
  run: ((ctx: Ctx<Env, Signals>, input: Given<In, Input>) => PromiseLike<R>) & IfStorable<R>,
) => Workflow<Taken<In, Input>, Result<Out, R>, Env, Sent<Signals>>;

type Run = (ctx: Ctx<never>, input: never) => PromiseLike<unknown>;

type Options<In extends Schema | undefined, Out extends Schema | undefined> = WorkflowOptions<In, Out> &
  RunRules<never>;

function define(options: Options<Schema | undefined, Schema | undefined>, run: Run): Workflow {
  checkOptions("workflow", options);
  const { name, version } = checkProgramId(options.name, options.version);
  if (typeof run !== "function") {
    throw new DefinitionError(
      "WORKFLOW_INVALID",
      `expected workflow "${name}" to have a function, but found ${typeof run}`,
      { name },
    );
  }
  const { input, output, signals } = options;
  return {
    name,
    version,
    input,
    output,
    signals: checkSignals(name, signals),
    subscriptions: defineSubscriptions(name, options.on, options.cancelOn, input !== undefined),
    rules: checkRunRules(name, options),
    [WORKFLOW]: programOf(name, output, run),
  };
}

/**
 * Checks a workflow's signals.
 *
 * @throws DefinitionError `NAME_INVALID`, `WORKFLOW_INVALID`
 */
function checkSignals(workflow: string, signals: SignalMap | undefined): SignalMap | undefined {
  for (const [name, schema] of Object.entries(signals ?? {})) {
    checkPathName(`the name of a signal of workflow "${workflow}"`, name);
    if (typeof schema?.["~standard"]?.validate === "function") continue;
    throw new DefinitionError(
      "WORKFLOW_INVALID",
      `expected signal ${JSON.stringify(name)} of workflow "${workflow}" to have a Standard Schema, but found ${typeof schema}`,
      { name: workflow, signal: name },
    );
  }
  return signals;
}

function programOf(name: string, output: Schema | undefined, run: Run): Program["run"] {
  return async (recorder: Recorder, input: unknown) => {
    recorder.undoBy(() => compensate(recorder, recorder.root));
    try {
      const value = await run(createCtx(recorder, recorder.root) as Ctx<never>, input as never);
      const checked = validateNow(`the output of workflow "${name}"`, output, value, "OUTPUT_INVALID");
      // Also if the code has caught what told it of the cancel.
      if (recorder.isCancelled) await compensate(recorder, recorder.root);
      return checked;
    } catch (error) {
      await compensate(recorder, recorder.root);
      throw error;
    }
  };
}

/**
 * Defines a workflow. The function may await calls of `ctx` only; what it returns is the run's result.
 *
 * @throws DefinitionError `NAME_INVALID`, `WORKFLOW_INVALID`, `LIMIT_INVALID`
 * @example
 * const greet = workflow({ name: "greet", input: z.object({ name: z.string() }) }, async (ctx, { name }) => {
 *   const text = await ctx.step("compose", () => `Hello, ${name}`);
 *   await ctx.sleep("pause", "1s");
 *   return text;
 * });
 */
export const workflow: WorkflowFactory<unknown> = define as WorkflowFactory<unknown>;

/** A workflow that is declared apart from its code: for callers in other services, and for workflows that call each other. */
export interface DeclaredWorkflow<In extends Schema, Out extends Schema, Env, Signals extends SignalMap = SignalMap>
  extends WorkflowRef<InferInput<In>, InferOutput<Out>, Sent<Signals>> {
  /** The workflow with its code. */
  implement(
    run: (ctx: Ctx<Env, Signals>, input: InferOutput<In>) => PromiseLike<InferInput<Out>>,
  ): Workflow<InferInput<In>, InferOutput<Out>, Env, Sent<Signals>>;
}

/** Declares workflows whose steps are given an `Env`. */
export type WorkflowDeclarer<Env> = <In extends Schema, Out extends Schema, Signals extends SignalMap = SignalMap>(
  options: WorkflowOptions<In, Out, Signals> & RunRules<InferOutput<In>> & { readonly input: In; readonly output: Out },
) => DeclaredWorkflow<In, Out, Env, Signals>;

function declare(options: Options<Schema, Schema>): DeclaredWorkflow<Schema, Schema, unknown> {
  const { name, version } = checkProgramId(options.name, options.version);
  const { input, output, signals } = options;
  return {
    name,
    version,
    input,
    output,
    signals: checkSignals(name, signals),
    rules: checkRunRules(name, options),
    implement: (run) => define(options, run as Run),
  };
}

/**
 * Declares a workflow without its code.
 *
 * @throws DefinitionError `NAME_INVALID`
 * @example
 * export const ship = declareWorkflow({ name: "ship", input: Parcel, output: Label });
 * export const shipHere = ship.implement(async (ctx, parcel) => ctx.step("label", () => print(parcel)));
 */
export const declareWorkflow: WorkflowDeclarer<unknown> = declare as WorkflowDeclarer<unknown>;

/**
 * `workflow` and `declareWorkflow` for steps that take `Env` from `createEngine({ env })`.
 *
 * @example const { workflow } = withEnv<{ orders: OrderStore }>();
 */
export function withEnv<Env>(): { workflow: WorkflowFactory<Env>; declareWorkflow: WorkflowDeclarer<Env> } {
  return { workflow: workflow as WorkflowFactory<Env>, declareWorkflow: declareWorkflow as WorkflowDeclarer<Env> };
}

/** Whether `value` is a workflow with its code. */
export function isWorkflow(value: unknown): value is Workflow {
  return typeof value === "object" && value !== null && WORKFLOW in value;
}

/** The same workflow, run in another way: for tests that watch what its calls do. */
export function wrapWorkflow<W extends Workflow<never, unknown, never, never>>(
  definition: W,
  wrap: (run: Program["run"]) => Program["run"],
): W {
  return { ...definition, [WORKFLOW]: wrap(definition[WORKFLOW]) };
}

/** A workflow as a worker runs it. */
export function toProgram(definition: Workflow): Program {
  return { workflow: definition.name, version: definition.version, run: definition[WORKFLOW] };
}
