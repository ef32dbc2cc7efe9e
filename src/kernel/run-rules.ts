/** Which of a workflow's runs may be worked on at once, and in which order: what its definition says of it. */
import { type Duration, parseDuration } from "./duration.ts";
import { DefinitionError } from "./errors.ts";
import { isRunExpression, type RunExpression, writeCel } from "./run-expression.ts";
import { checkName, shownValue } from "./text.ts";

/** Tells from a run's input what it has in common with others; undefined or null: nothing. */
type KeyFunction<Input> = (input: Input) => string | number | boolean | null | undefined;

/** What runs have in common, told from their input: a function, or an expression such as `cel("input.customer")`. */
export type RunKey<Input> = KeyFunction<Input> | RunExpression;

/** A number, or what tells it from a run's input. */
export type RunNumber<Input> = number | ((input: Input) => number) | RunExpression;

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
 * Runs of different keys take turns: of those that wait for a place in the workflow's queue, for `maxActiveRuns` or for a
 * concurrency key, the next is one of the key whose turn it is, and among those of a key the first by `priority` and time. So
 * nobody's many runs hold up another's first. Runs without a key take turns as if they had one in common.
 */
export interface FairnessRule<Input = unknown> {
  /** Of all workflows that share the queue. */
  readonly key: RunKey<Input>;
  /** How many turns its key has while one of weight 1 has one: a whole number from 1 to 1,000. @default 1 */
  readonly weight?: RunNumber<Input>;
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
  readonly priority?: RunNumber<Input>;
  /** @default first come, first served, by `priority` */
  readonly fairness?: FairnessRule<Input>;
}

/** Tells a key or a number of any input. */
type CheckedKey = KeyFunction<never>;
type CheckedNumber = number | ((input: never) => number);

/** A rate of any workflow, once it is checked. */
export interface CheckedRate {
  readonly limit: number;
  readonly periodMs: number;
  readonly key: CheckedKey | null;
  readonly burst: number;
}

/** The rules of any workflow, once they are checked and their expressions are compiled. */
export interface CheckedRules {
  readonly queue?: string;
  readonly maxActiveRuns?: number;
  readonly concurrency: readonly { readonly key: CheckedKey; readonly limit: number }[];
  readonly singleton?: { readonly key: CheckedKey | null; readonly mode: SingletonRule["mode"] };
  readonly rateLimit?: CheckedRate;
  readonly throttle?: CheckedRate;
  readonly priority?: CheckedNumber;
  readonly fairness?: { readonly key: CheckedKey; readonly weight: CheckedNumber };
}

/** The most that a limit lets in. */
export const SLOTS_MAX = 10_000;

const PRIORITY_MAX = 1_000;

/** The most concurrency rules of one workflow. */
const CONCURRENCY_RULES_MAX = 8;

const RATE_LIMIT_MAX = 1_000_000;

const SINGLETON_MODES = ["skip", "cancel", "queue"];

const WEIGHT_MAX = 1_000;

/**
 * A workflow's rules; undefined if it has none.
 *
 * @throws DefinitionError `LIMIT_INVALID`, `NAME_INVALID`, `DURATION_INVALID`, `EXPRESSION_INVALID`
 */
export function checkRunRules(workflow: string, rules: RunRules<never>): CheckedRules | undefined {
  const { queue, maxActiveRuns, concurrency, singleton, rateLimit, throttle, priority, fairness } = rules;
  const given = [queue, maxActiveRuns, concurrency, singleton, rateLimit, throttle, priority, fairness];
  if (given.every((rule) => rule === undefined)) return undefined;
  const of = `of workflow "${workflow}"`;
  return {
    ...(queue === undefined ? {} : { queue: checkName(`the queue ${of}`, queue) }),
    ...(maxActiveRuns === undefined
      ? {}
      : { maxActiveRuns: checkWhole(`maxActiveRuns ${of}`, maxActiveRuns, [1, SLOTS_MAX]) }),
    concurrency: checkConcurrency(of, concurrency),
    ...(singleton === undefined ? {} : { singleton: checkSingleton(of, singleton) }),
    ...(rateLimit === undefined ? {} : { rateLimit: checkRateLimit(of, rateLimit) }),
    ...(throttle === undefined ? {} : { throttle: checkRate("throttle", of, throttle) }),
    ...(priority === undefined ? {} : { priority: checkNumber(`priority ${of}`, priority, checkPriority) }),
    ...(fairness === undefined ? {} : { fairness: checkFairness(of, fairness) }),
  };
}

function checkConcurrency(of: string, given: RunRules<never>["concurrency"]): CheckedRules["concurrency"] {
  const rules = given === undefined ? [] : [given].flat();
  checkWhole(`the number of concurrency rules ${of}`, rules.length, [0, CONCURRENCY_RULES_MAX]);
  return rules.map((rule, i) => {
    const what = `concurrency[${i}]`;
    const { key, limit } = checkRule(`${what} ${of}`, "{ key, limit }", rule);
    return {
      key: checkKey(`${what}.key ${of}`, key),
      limit: checkWhole(`${what}.limit ${of}`, limit, [1, SLOTS_MAX]),
    };
  });
}

function checkSingleton(of: string, rule: SingletonRule<never>): NonNullable<CheckedRules["singleton"]> {
  const { key, mode } = checkRule(`singleton ${of}`, "{ mode, key }", rule);
  if (!SINGLETON_MODES.includes(mode)) throw invalidLimit(`singleton.mode ${of}`, '"skip", "cancel" or "queue"', mode);
  return { key: key === undefined ? null : checkKey(`singleton.key ${of}`, key), mode };
}

function checkRate(what: string, of: string, rule: ThrottleRule<never>): CheckedRate {
  const { limit, period, key, burst = 1 } = checkRule(`${what} ${of}`, "{ limit, period, key }", rule);
  checkWhole(`${what}.limit ${of}`, limit, [1, RATE_LIMIT_MAX]);
  const periodMs = parseDuration(period);
  if (periodMs < 1) throw invalidLimit(`${what}.period ${of}`, "a duration of at least 1 ms", period);
  checkWhole(`${what}.burst ${of}`, burst, [1, RATE_LIMIT_MAX]);
  return { limit, periodMs, key: key === undefined ? null : checkKey(`${what}.key ${of}`, key), burst };
}

/** All of a period's starts may come at once. */
function checkRateLimit(of: string, rule: RateRule<never>): CheckedRate {
  const checked = checkRate("rateLimit", of, rule);
  return { ...checked, burst: checked.limit };
}

function checkFairness(of: string, rule: FairnessRule<never>): NonNullable<CheckedRules["fairness"]> {
  const { key, weight = 1 } = checkRule(`fairness ${of}`, "{ key, weight }", rule);
  return {
    key: checkKey(`fairness.key ${of}`, key),
    weight: checkNumber(`fairness.weight ${of}`, weight, checkWeight),
  };
}

/** A rule that is made of fields has them. */
function checkRule<Rule>(what: string, expected: string, rule: Rule): Rule {
  if (typeof rule === "object" && rule !== null) return rule;
  throw invalidLimit(what, expected, rule);
}

function checkKey(what: string, key: unknown): CheckedKey {
  if (typeof key === "function") return key as CheckedKey;
  if (isRunExpression(key)) return key.keyOfInput(what);
  const expected = 'a function of the input, such as (input) => input.customer, or cel("input.customer")';
  throw invalidLimit(what, expected, key, writeCel(key));
}

function checkNumber(
  what: string,
  found: RunNumber<never>,
  check: (what: string, found: unknown) => number,
): CheckedNumber {
  if (typeof found === "function") return found;
  if (isRunExpression(found)) return found.numberOfInput(what);
  if (typeof found === "number") return check(what, found);
  const expected = 'a number, a function of the input, or an expression such as cel("input.seats")';
  throw invalidLimit(what, expected, found, writeCel(found));
}

/** @throws DefinitionError `LIMIT_INVALID` */
export function checkWeight(what: string, weight: unknown): number {
  return checkWhole(what, weight, [1, WEIGHT_MAX]);
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
export function invalidLimit(what: string, expected: string, found: unknown, hint = ""): DefinitionError {
  const message = `expected ${what} to be ${expected}, but found ${shownValue(found)}${hint}`;
  return new DefinitionError("LIMIT_INVALID", message, { what });
}
