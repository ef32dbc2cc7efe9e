/** What `simulate` may be told, and what it makes of it. */
import { isWorkflow } from "../ctx/workflow.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { checkLimits, type Limits } from "../kernel/limits.ts";
import { checkQueues, type Queues } from "../kernel/queues.ts";
import { foundText } from "./invalid-option.ts";
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
  readonly status: "completed" | "failed" | "cancelled";
  /** With status `completed`. */
  readonly output: Output | undefined;
  /** With status `failed`. */
  readonly error: Error | undefined;
  /** What the log has of it. */
  readonly history: readonly RunEvent[];
}

/** The world of one seed. */
export type SimulatedCase<Input = unknown, Output = unknown, Env = unknown> = GivenEnv<Env> & {
  readonly input: Input;
  /**
   * Looks at the run and at the world when the run has ended, and throws if something is wrong. Without it, a run that
   * does not complete is wrong.
   */
  readonly check?: (run: SimulatedRun<Output>) => void | PromiseLike<void>;
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
  /** Not checked yet: what it returns is (`checkCase`). */
  readonly setup: (sim: SimulatedWorld) => unknown;
}

const SEEDS_DEFAULT = 100;
const WORKERS_DEFAULT = 2;
const WORKERS_MAX = 8;
const SEEDS_MAX = 1_000_000;

/** Options as a caller without types can give them. */
type Options = { readonly [Name in keyof SimulateOptions]?: unknown };

/** @throws DefinitionError `WORKFLOW_INVALID`, `SIMULATION_INVALID` */
export function planOf(workflow: unknown, options: unknown): Plan {
  if (!isWorkflow(workflow)) {
    throw new DefinitionError(
      "WORKFLOW_INVALID",
      "expected a workflow that `workflow(...)` or `.implement(...)` returned, but found something else",
    );
  }
  const { seeds, faults = ALL_TROUBLES, workers = WORKERS_DEFAULT, setup, queues, limits } = (options ?? {}) as Options;
  checkQueues(queues ?? {});
  checkLimits((limits ?? {}) as Partial<Limits>);
  const bounds = { queues: queues as Plan["queues"], limits: limits as Plan["limits"] };
  if (typeof setup !== "function") throw invalid("setup", "a function that makes the world of a seed", setup);
  if (!isWhole(workers, 1, WORKERS_MAX)) throw invalid("workers", `a whole number from 1 to ${WORKERS_MAX}`, workers);
  return { ...seedsOf(seeds), faults: faultsOf(faults), workers, ...bounds, setup: setup as Plan["setup"] };
}

function seedsOf(seeds: unknown = SEEDS_DEFAULT): Pick<Plan, "from" | "count" | "only"> {
  if (typeof seeds === "number") return { from: 1, count: countOf("seeds", seeds), only: null };
  if (typeof seeds !== "object" || seeds === null) {
    throw invalid("seeds", "a number, { from, count } or { only }", seeds);
  }
  if ("only" in seeds) {
    const { only, faults } = seeds as { only: unknown; faults?: unknown };
    if (faults !== undefined && !(Array.isArray(faults) && faults.every((id) => typeof id === "string"))) {
      throw invalid("seeds.faults", "a list of the ids that a failure names", faults);
    }
    return { from: seedOf("seeds.only", only), count: 1, only: (faults as string[] | undefined) ?? null };
  }
  const { from, count } = seeds as { from?: unknown; count?: unknown };
  return { from: seedOf("seeds.from", from), count: countOf("seeds.count", count), only: null };
}

function countOf(option: string, count: unknown): number {
  if (isWhole(count, 1, SEEDS_MAX)) return count;
  throw invalid(option, `a whole number from 1 to ${SEEDS_MAX}`, count);
}

function seedOf(option: string, seed: unknown): number {
  if (isWhole(seed, 0, Number.MAX_SAFE_INTEGER - SEEDS_MAX)) return seed;
  throw invalid(option, "a seed, a whole number from 0", seed);
}

function faultsOf(faults: unknown): readonly SimulatedFault[] {
  if (!Array.isArray(faults)) throw invalid("faults", `a list of ${ALL_TROUBLES.join(", ")}`, faults);
  const at = faults.findIndex((fault) => !ALL_TROUBLES.includes(fault));
  if (at >= 0) throw invalid(`faults[${at}]`, `one of ${ALL_TROUBLES.join(", ")}`, faults[at]);
  // In one order, so that the order in which they are named changes no seed.
  return ALL_TROUBLES.filter((fault) => faults.includes(fault));
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}

/** What `setup` has returned. */
export function checkCase(made: unknown): SimulatedCase<never> {
  if (typeof made !== "object" || made === null)
    throw invalid("setup", "a function that returns { input, env, check }", made);
  const { check } = made as { check?: unknown };
  if (check !== undefined && typeof check !== "function")
    throw invalid("setup", "a function that returns a check which is a function", check);
  return made as SimulatedCase<never>;
}

function invalid(option: string, expected: string, found: unknown): DefinitionError {
  return new DefinitionError(
    "SIMULATION_INVALID",
    `expected simulate's option ${option} to be ${expected}, but found ${foundText(found)}`,
    { option, found },
  );
}
