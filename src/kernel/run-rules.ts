/** Which of a workflow's runs may be worked on at once, and in which order: what its definition says of it. */
import type { Duration } from "./duration.ts";
import { parseDuration } from "./duration.ts";
import { DefinitionError } from "./errors.ts";
import { checkName } from "./text.ts";

/** What runs have in common, told from their input; undefined or null: this run has nothing in common with others. */
export type RunKey<Input> = (input: Input) => string | number | boolean | null | undefined;

/** At most so many runs of a workflow that have a key in common. */
export interface ConcurrencyRule<Input = unknown> {
  readonly key: RunKey<Input>;
  /** From 1 to 10,000. */
  readonly limit: number;
}

/**
 * One run of a workflow at a time. `skip`: a start while there is one makes none, and returns that one. `cancel`: the older
 * one is cancelled, and the new one begins when it has ended. `queue`: the new one waits.
 */
export interface SingletonRule<Input = unknown> {
  /** One for each key. @default one for the whole workflow */
  readonly key?: RunKey<Input>;
  readonly mode: "skip" | "cancel" | "queue";
}

/** So many starts in a period; more are refused with `RATE_LIMITED`. */
export interface RateRule<Input = unknown> {
  readonly limit: number;
  readonly period: Duration;
  /** Counted for each key. @default for the whole workflow */
  readonly key?: RunKey<Input>;
}

/** So many runs begin in a period; others begin later, in the order of their starts. */
export interface ThrottleRule<Input = unknown> extends RateRule<Input> {
  /** So many may begin at once after a quiet time. @default 1 */
  readonly burst?: number;
}

/**
 * The limits of a workflow. A run obeys those that its definition had when it was started. It begins once there is room in
 * all of them, and waits as `pending` until then.
 */
export interface RunRules<Input = unknown> {
  /** A queue of `createEngine({ queues })`. Its place is given back while the run waits. */
  readonly queue?: string;
  /** The most runs of this workflow that have begun and not ended, those that wait included: from 1 to 10,000. */
  readonly maxActiveRuns?: number;
  /** The same for runs that have a key in common. At most 8. */
  readonly concurrency?: ConcurrencyRule<Input> | readonly ConcurrencyRule<Input>[];
  readonly singleton?: SingletonRule<Input>;
  readonly rateLimit?: RateRule<Input>;
  readonly throttle?: ThrottleRule<Input>;
  /**
   * Whoever has more goes first: one more is worth a minute of waiting, so that nobody waits for ever. From -1,000 to 1,000.
   *
   * @default 0
   */
  readonly priority?: number | ((input: Input) => number);
}

/** The rules of any workflow, once they are checked. */
export type CheckedRules = RunRules<never>;

/** The most that a limit lets in. */
export const SLOTS_MAX = 10_000;

const PRIORITY_MAX = 1_000;

/** The most concurrency rules of one workflow. */
const CONCURRENCY_RULES_MAX = 8;

const RATE_LIMIT_MAX = 1_000_000;

const SINGLETON_MODES = ["skip", "cancel", "queue"];

/**
 * A workflow's rules; undefined if it has none.
 *
 * @throws DefinitionError `LIMIT_INVALID`, `NAME_INVALID`, `DURATION_INVALID`
 */
export function checkRunRules(workflow: string, rules: RunRules<never>): CheckedRules | undefined {
  const { queue, maxActiveRuns, concurrency, singleton, rateLimit, throttle, priority } = rules;
  const of = `of workflow "${workflow}"`;
  if (queue !== undefined) checkName(`the queue ${of}`, queue);
  if (maxActiveRuns !== undefined) checkWhole(`maxActiveRuns ${of}`, maxActiveRuns, [1, SLOTS_MAX]);
  checkConcurrency(of, concurrency);
  if (singleton !== undefined) checkSingleton(of, singleton);
  if (rateLimit !== undefined) checkRate("rateLimit", of, rateLimit);
  if (throttle !== undefined) {
    checkRate("throttle", of, throttle);
    if (throttle.burst !== undefined) checkWhole(`throttle.burst ${of}`, throttle.burst, [1, RATE_LIMIT_MAX]);
  }
  if (priority !== undefined && typeof priority !== "function") checkPriority(`priority ${of}`, priority);
  const given = { queue, maxActiveRuns, concurrency, singleton, rateLimit, throttle, priority };
  const present = Object.entries(given).filter(([, rule]) => rule !== undefined);
  return present.length === 0 ? undefined : (Object.fromEntries(present) as CheckedRules);
}

function checkConcurrency(of: string, given: RunRules<never>["concurrency"]): void {
  const rules = given === undefined ? [] : [given].flat();
  checkWhole(`the number of concurrency rules ${of}`, rules.length, [0, CONCURRENCY_RULES_MAX]);
  rules.forEach((rule, i) => {
    const what = `concurrency[${i}]`;
    if (typeof rule !== "object" || rule === null) throw invalidLimit(`${what} ${of}`, "{ key, limit }", rule);
    checkKey(`${what}.key ${of}`, rule.key);
    checkWhole(`${what}.limit ${of}`, rule.limit, [1, SLOTS_MAX]);
  });
}

function checkSingleton(of: string, { key, mode }: SingletonRule<never>): void {
  if (!SINGLETON_MODES.includes(mode)) throw invalidLimit(`singleton.mode ${of}`, '"skip", "cancel" or "queue"', mode);
  if (key !== undefined) checkKey(`singleton.key ${of}`, key);
}

function checkRate(what: string, of: string, { limit, period, key }: RateRule<never>): void {
  checkWhole(`${what}.limit ${of}`, limit, [1, RATE_LIMIT_MAX]);
  if (parseDuration(period) < 1) throw invalidLimit(`${what}.period ${of}`, "a duration of at least 1 ms", period);
  if (key !== undefined) checkKey(`${what}.key ${of}`, key);
}

function checkKey(what: string, key: unknown): void {
  if (typeof key !== "function")
    throw invalidLimit(what, "a function of the input, such as (input) => input.customer", key);
}

/** @throws DefinitionError `LIMIT_INVALID` */
export function checkPriority(what: string, priority: unknown): number {
  return checkWhole(what, priority, [-PRIORITY_MAX, PRIORITY_MAX]);
}

/** @throws DefinitionError `LIMIT_INVALID` */
export function checkWhole(what: string, found: unknown, [min, max]: readonly [number, number]): number {
  if (Number.isSafeInteger(found) && (found as number) >= min && (found as number) <= max) return found as number;
  throw invalidLimit(what, `a whole number from ${min} to ${max}`, found);
}

/** The error of a limit that is not as it must be. */
export function invalidLimit(what: string, expected: string, found: unknown): DefinitionError {
  const shown = typeof found === "string" ? JSON.stringify(found) : typeof found === "number" ? found : typeof found;
  return new DefinitionError("LIMIT_INVALID", `expected ${what} to be ${expected}, but found ${shown}`, { what });
}
