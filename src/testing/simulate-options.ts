/** What `simulate` may be told, and what it makes of it. */
import { isWorkflow, type Workflow } from "../ctx/workflow.ts";
import { type Duration, formatDuration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { RunEvent, Tags } from "../kernel/events.ts";
import { checkLimits, type Limits } from "../kernel/limits.ts";
import { checkQueues, type Queues } from "../kernel/queues.ts";
import type { ScheduleDefinition } from "../scheduler/definition.ts";
import { simulationInvalid } from "./invalid-option.ts";
import type { Publication } from "./outside.ts";
import { type Timetables, timetablesOf } from "./timetables.ts";
import { ALL_TROUBLES, type SimulatedFault } from "./trouble.ts";
import type { SimulatedWorld } from "./world.ts";

/** Which seeds: so many from 1 on, a range, or one. */
export type Seeds =
  | number
  | { readonly from: number; readonly count: number }
  | {
      readonly only: number;
      /** Ids of the faults that happen, as a failure names them, in place of those that the seed draws. */
      readonly faults?: readonly string[];
    };

/** A run that has ended, for `check`. */
export interface SimulatedRun<Output = unknown> {
  readonly id: string;
  /** The name of its workflow. */
  readonly workflow: string;
  readonly status: "completed" | "failed" | "cancelled";
  /** With status `completed`. */
  readonly output: Output | undefined;
  /** With status `failed`. */
  readonly error: Error | undefined;
  /** What the log has of it. */
  readonly history: readonly RunEvent[];
}

/**
 * A message that somebody publishes during a simulation, and again until it is acknowledged.
 *
 * @example
 * const publish = [
 *   { topic: "orders.paid", payload: { order: "o-1" }, id: "o-1" }, // at a moment that the seed draws
 *   { topic: "orders.cancelled", payload: { order: "o-1" }, id: "o-1", after: "10m" },
 * ];
 */
export interface SimulatedMessage {
  readonly topic: string;
  readonly payload?: unknown;
  /**
   * As `engine.publish` takes it: with it, what is published again is one message. Without it, a publisher whose answer is
   * lost publishes a second one.
   */
  readonly id?: string;
  readonly tags?: Tags;
  /**
   * How long after the beginning, at most `lasts`.
   *
   * @default a moment before `lasts` that the seed draws: in some all come at once, in some one by one
   */
  readonly after?: Duration;
}

/** The world of one seed. */
export type SimulatedCase<Input = unknown, Output = unknown, Env = unknown> = GivenEnv<Env> & {
  /** Of the run that somebody starts. Left out, nobody starts one: runs come by schedules and messages alone. */
  readonly input?: Input;
  /** What is published meanwhile, up to 1,000. @default nothing */
  readonly publish?: readonly SimulatedMessage[];
  /**
   * Looks at a run of the workflow and at the world when everything has ended, and throws if something is wrong. Called for
   * each run, in the order of their starts. Without it and `checkAll`, a run that does not complete is wrong.
   */
  readonly check?: (run: SimulatedRun<Output>) => void | PromiseLike<void>;
  /** The same for all runs at once, those of other workflows too; also if there is none. */
  readonly checkAll?: (runs: readonly SimulatedRun[]) => void | PromiseLike<void>;
};

/** What the steps are given, in place of what `createEngine({ env })` has: fakes. Needed if the workflow says what it takes. */
type GivenEnv<Env> = unknown extends Env ? { readonly env?: Env } : { readonly env: Env };

export interface SimulateOptions<Input = unknown, Output = unknown, Env = unknown> {
  /** @default 100 */
  readonly seeds?: Seeds;
  /** What may go wrong. @default everything */
  readonly faults?: readonly SimulatedFault[];
  /** How many processes work side by side, from 1 to 8. @default 2 */
  readonly workers?: number;
  /** Queues that the workflow and its steps name. @default none */
  readonly queues?: Queues;
  readonly limits?: Partial<Limits>;
  /** Other workflows that take part: that its runs start, that schedules start, or that listen. @default none */
  readonly workflows?: readonly Workflow<never, unknown, Env>[];
  /**
   * They fire as time passes, until `lasts`: at most 1,000 instants. A seed fails if one of them has two decisions or none.
   *
   * @default none
   * @example schedules: [schedule({ id: "nightly", workflow: report, cron: "0 3 * * *" })], lasts: "7d"
   */
  readonly schedules?: readonly ScheduleDefinition[];
  /** How long schedules fire and messages are published, from the beginning; then what they started may end. @default "1h" */
  readonly lasts?: Duration;
  /** Makes the world of one seed, anew for each: what it shares with another seed makes failures that none explains. */
  readonly setup: (
    sim: SimulatedWorld,
  ) => SimulatedCase<Input, Output, Env> | PromiseLike<SimulatedCase<Input, Output, Env>>;
}

/** Options with every choice made. */
export interface Plan {
  readonly from: number;
  readonly count: number;
  readonly only: readonly string[] | null;
  readonly faults: readonly SimulatedFault[];
  readonly workers: number;
  readonly queues: Queues | undefined;
  readonly limits: Partial<Limits> | undefined;
  readonly others: readonly Workflow<never, unknown, never, never>[];
  readonly timetables: Timetables;
  readonly lastsMs: number;
  /** Not checked yet: what it returns is (`checkCase`). */
  readonly setup: (sim: SimulatedWorld) => unknown;
}

const SEEDS_DEFAULT = 100;
const WORKERS_DEFAULT = 2;
const WORKERS_MAX = 8;
const SEEDS_MAX = 1_000_000;
const LASTS_DEFAULT = "1h";
const PUBLICATIONS_MAX = 1_000;

/** Options as a caller without types can give them. */
type Options = { readonly [Name in keyof SimulateOptions]?: unknown };

/** @throws DefinitionError `WORKFLOW_INVALID`, `SIMULATION_INVALID`, `DURATION_INVALID`, `SCHEDULE_INVALID` */
export function planOf(workflow: unknown, options: unknown): Plan {
  if (!isWorkflow(workflow)) {
    throw new DefinitionError(
      "WORKFLOW_INVALID",
      "expected a workflow that `workflow(...)` or `.implement(...)` returned, but found something else",
    );
  }
  const { seeds, faults = ALL_TROUBLES, workers = WORKERS_DEFAULT, setup, queues, limits } = (options ?? {}) as Options;
  const { workflows = [], schedules = [], lasts = LASTS_DEFAULT } = (options ?? {}) as Options;
  checkQueues(queues ?? {});
  checkLimits((limits ?? {}) as Partial<Limits>);
  const bounds = { queues: queues as Plan["queues"], limits: limits as Plan["limits"] };
  if (typeof setup !== "function") throw simulationInvalid("setup", "a function that makes the world of a seed", setup);
  if (!isWhole(workers, 1, WORKERS_MAX))
    throw simulationInvalid("workers", `a whole number from 1 to ${WORKERS_MAX}`, workers);
  if (!Array.isArray(workflows) || !workflows.every(isWorkflow))
    throw simulationInvalid("workflows", "a list of workflows", workflows);
  const lastsMs = parseDuration(lasts as Duration);
  const outside = { others: workflows, timetables: timetablesOf(schedules, lastsMs), lastsMs };
  return { ...seedsOf(seeds), faults: faultsOf(faults), workers, ...bounds, ...outside, setup: setup as Plan["setup"] };
}

function seedsOf(seeds: unknown = SEEDS_DEFAULT): Pick<Plan, "from" | "count" | "only"> {
  if (typeof seeds === "number") return { from: 1, count: countOf("seeds", seeds), only: null };
  if (typeof seeds !== "object" || seeds === null) {
    throw simulationInvalid("seeds", "a number, { from, count } or { only }", seeds);
  }
  if ("only" in seeds) {
    const { only, faults } = seeds as { only: unknown; faults?: unknown };
    if (faults !== undefined && !(Array.isArray(faults) && faults.every((id) => typeof id === "string"))) {
      throw simulationInvalid("seeds.faults", "a list of the ids that a failure names", faults);
    }
    return { from: seedOf("seeds.only", only), count: 1, only: (faults as string[] | undefined) ?? null };
  }
  const { from, count } = seeds as { from?: unknown; count?: unknown };
  return { from: seedOf("seeds.from", from), count: countOf("seeds.count", count), only: null };
}

function countOf(option: string, count: unknown): number {
  if (isWhole(count, 1, SEEDS_MAX)) return count;
  throw simulationInvalid(option, `a whole number from 1 to ${SEEDS_MAX}`, count);
}

function seedOf(option: string, seed: unknown): number {
  if (isWhole(seed, 0, Number.MAX_SAFE_INTEGER - SEEDS_MAX)) return seed;
  throw simulationInvalid(option, "a seed, a whole number from 0", seed);
}

function faultsOf(faults: unknown): readonly SimulatedFault[] {
  if (!Array.isArray(faults)) throw simulationInvalid("faults", `a list of ${ALL_TROUBLES.join(", ")}`, faults);
  const at = faults.findIndex((fault) => !ALL_TROUBLES.includes(fault));
  if (at >= 0) throw simulationInvalid(`faults[${at}]`, `one of ${ALL_TROUBLES.join(", ")}`, faults[at]);
  // In one order, so that the order in which they are named changes no seed.
  return ALL_TROUBLES.filter((fault) => faults.includes(fault));
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}

/** What `setup` has returned, checked. */
export interface CheckedCase extends Pick<SimulatedCase<never>, "check" | "checkAll"> {
  readonly env: unknown;
  /** Null: nobody starts a run. */
  readonly start: { readonly input: unknown } | null;
  readonly publications: readonly Publication[];
}

/** @throws DefinitionError `SIMULATION_INVALID`, `DURATION_INVALID` */
export function checkCase(made: unknown, { timetables, lastsMs }: Plan): CheckedCase {
  if (typeof made !== "object" || made === null)
    throw simulationInvalid("setup", "a function that returns { input, env, check }", made);
  const { env, publish = [], check, checkAll } = made as { readonly [Name in keyof SimulatedCase]?: unknown };
  for (const [name, given] of Object.entries({ check, checkAll })) {
    if (given !== undefined && typeof given !== "function")
      throw simulationInvalid("setup", `a function that returns a ${name} which is a function`, given);
  }
  const publications = publicationsOf(publish, lastsMs);
  const start = "input" in made ? { input: made.input } : null;
  if (start === null && publications.length === 0 && timetables.instants.length === 0)
    throw simulationInvalid("setup", "a function that returns an input, unless schedules or messages start runs", made);
  return { env, start, publications, ...(made as Pick<CheckedCase, "check" | "checkAll">) };
}

function publicationsOf(publish: unknown, lastsMs: number): Publication[] {
  const expected =
    "a function that returns publish as a list of up to 1,000 messages { topic, payload, id, tags, after }";
  if (!Array.isArray(publish) || publish.length > PUBLICATIONS_MAX) throw simulationInvalid("setup", expected, publish);
  return publish.map((message: unknown) => {
    if (typeof message !== "object" || message === null) throw simulationInvalid("setup", expected, message);
    const { topic, payload, id, tags, after } = message as SimulatedMessage;
    const afterMs = after === undefined ? null : parseDuration(after);
    if (afterMs !== null && afterMs > lastsMs) {
      const found = formatDuration(afterMs);
      throw simulationInvalid("lasts", "as long as the latest message needs that setup publishes", found);
    }
    return { topic, payload, id, tags, afterMs };
  });
}
