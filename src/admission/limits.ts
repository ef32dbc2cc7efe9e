/** Which limits a run obeys, told from its workflow's rules, its input and its queue. Pure. */
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import {
  type FairShare,
  type PlaceLimit,
  PRIORITY_HEAD_START_MS,
  type RateTake,
  TURN_COST,
} from "../kernel/place-limit.ts";
import { type QueueOptions, queueLine } from "../kernel/queues.ts";
import { type CheckedRate, type CheckedRules, checkPriority, checkWeight } from "../kernel/run-rules.ts";
import { checkName, NAME_LENGTH_MAX } from "../kernel/text.ts";
import type { RunLimits } from "../log/port-write.ts";

/** A start as far as limits ask for it. */
export interface LimitedStart {
  readonly workflow: string;
  /** When it may begin. */
  readonly availableAt: number;
  /** The parsed input; asked for only if a rule looks at it. */
  readonly input: () => unknown;
  /** In place of what the workflow's rules say. */
  readonly queue?: string | undefined;
  readonly priority?: number | undefined;
}

/**
 * The limits of a run; null: it may begin at once.
 *
 * @throws DefinitionError `QUEUE_UNKNOWN`, `LIMIT_INVALID`, `LIMIT_KEY_INVALID`
 */
export function limitsOf(
  rules: CheckedRules | undefined,
  start: LimitedStart,
  queues: ReadonlyMap<string, QueueOptions>,
): Omit<RunLimits, "lineAt"> | null {
  const places = placesOf(rules, start, queues);
  const takes = [...takeOf("rate", rules?.rateLimit, start), ...takeOf("throttle", rules?.throttle, start)];
  if (places.length === 0 && takes.length === 0) return null;
  const skipped = rules?.singleton?.mode === "skip" ? places.find(({ line }) => line.startsWith("singleton/")) : null;
  return { places, takes, singleton: skipped?.line ?? null };
}

function placesOf(
  rules: CheckedRules | undefined,
  start: LimitedStart,
  queues: ReadonlyMap<string, QueueOptions>,
): readonly PlaceLimit[] {
  const { workflow, queue = rules?.queue } = start;
  const asked = numberOf(rules?.priority ?? 0, start, "priority");
  const rank =
    start.availableAt -
    checkPriority(`the priority of a start of workflow "${workflow}"`, start.priority ?? asked) *
      PRIORITY_HEAD_START_MS;
  const fair = fairOf(rules, start);
  const places: PlaceLimit[] = [];
  const add = (line: string, slots: number, hold: PlaceLimit["hold"], share = fair) =>
    places.push({ line, slots, rank, hold, ...(share === null ? {} : { fair: share }) });
  // First: pools tell a run's queue by it (`queueOf`).
  if (queue !== undefined) add(queueLine(queue), requireQueue(queues, queue, workflow).concurrency, "work");
  if (rules?.maxActiveRuns !== undefined) add(`workflow/${workflow}`, rules.maxActiveRuns, "life");
  rules?.concurrency.forEach(({ key, limit }, i) => {
    const text = keyOf(key, start, `concurrency[${i}].key`);
    if (text !== null) add(`key/${part(workflow)}/${i}/${text}`, limit, "life");
  });
  const { singleton } = rules ?? {};
  if (singleton !== undefined) {
    const text = keyOf(singleton.key, start, "singleton.key");
    if (text !== null)
      add(`singleton/${part(workflow)}/${text}`, 1, singleton.mode === "cancel" ? "newest" : "life", null);
  }
  return places;
}

function fairOf(rules: CheckedRules | undefined, start: LimitedStart): FairShare | null {
  if (rules?.fairness === undefined) return null;
  const key = keyOf(rules.fairness.key, start, "fairness.key");
  if (key === null) return null;
  const what = `fairness.weight of workflow "${start.workflow}"`;
  return {
    key,
    cost: Math.round(TURN_COST / checkWeight(what, numberOf(rules.fairness.weight, start, "fairness.weight"))),
  };
}

/** What a start takes of the bucket of a rule, from which `burst` can be taken at once. */
function takeOf(kind: "rate" | "throttle", rule: CheckedRate | undefined, start: LimitedStart): RateTake[] {
  if (rule === undefined) return [];
  const text = keyOf(rule.key, start, `${kind === "rate" ? "rateLimit" : "throttle"}.key`);
  if (text === null) return [];
  const intervalMs = rule.periodMs / rule.limit;
  const bucket = `${kind}/${part(start.workflow)}/${text}`;
  return [{ bucket, intervalMs, aheadMs: (rule.burst - 1) * intervalMs, delays: kind === "throttle" }];
}

/** A workflow's name within that of a line. Its slashes are not those of the line: `a/b` of `c` is not `a` of `b/c`. */
function part(workflow: string): string {
  return workflow.replace(/[%/]/g, encodeURIComponent);
}

function numberOf(rule: number | ((input: never) => number), { workflow, input }: LimitedStart, where: string): number {
  if (typeof rule === "number") return rule;
  return called(`${where} of workflow "${workflow}"`, "a number", () => rule(input() as never));
}

/** Null: the run has nothing in common with others. Without a rule for it all have the same. */
function keyOf(
  key: CheckedRules["concurrency"][number]["key"] | null,
  { workflow, input }: LimitedStart,
  where: string,
): string | null {
  if (key === null) return "";
  const what = `${where} of workflow "${workflow}"`;
  const found: unknown = called(what, KEY, () => key(input() as never));
  if (found === undefined || found === null) return null;
  if (typeof found !== "string" && typeof found !== "number" && typeof found !== "boolean")
    throw invalidKey(what, KEY, `found ${typeof found}`);
  try {
    return checkName(what, `${found}` === "" ? '""' : `${found}`);
  } catch (error) {
    throw isVarveError(error, "NAME_INVALID") ? invalidKey(what, KEY, error.message) : error;
  }
}

const KEY = `a text of at most ${NAME_LENGTH_MAX} characters, a number, a truth value or nothing`;

function called<T>(what: string, expected: string, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw invalidKey(
      what,
      expected,
      `it threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
      error,
    );
  }
}

function invalidKey(what: string, expected: string, found: string, cause?: unknown): DefinitionError {
  return new DefinitionError(
    "LIMIT_KEY_INVALID",
    `expected ${what} to give ${expected}, but ${found}; the start is refused`,
    { what },
    cause === undefined ? {} : { cause },
  );
}

/** @throws DefinitionError `QUEUE_UNKNOWN` */
export function requireQueue(queues: ReadonlyMap<string, QueueOptions>, queue: string, workflow: string): QueueOptions {
  const found = queues.get(queue);
  if (found !== undefined) return found;
  const known =
    [...queues.keys()]
      .sort()
      .map((name) => JSON.stringify(name))
      .join(", ") || "none";
  throw new DefinitionError(
    "QUEUE_UNKNOWN",
    `expected a queue of createEngine({ queues }) for workflow "${workflow}", but found ${JSON.stringify(queue)}; there are: ${known}`,
    { queue, workflow },
  );
}
