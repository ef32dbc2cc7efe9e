/** Which limits a run obeys, told from its workflow's rules, its input and its queue. Pure. */
import { parseDuration } from "../kernel/duration.ts";
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import type { PlaceLimit, RateTake } from "../kernel/place-limit.ts";
import { queueLine } from "../kernel/pool.ts";
import type { QueueOptions } from "../kernel/queues.ts";
import { type CheckedRules, checkPriority, type RateRule, type RunKey } from "../kernel/run-rules.ts";
import { checkName, NAME_LENGTH_MAX } from "../kernel/text.ts";
import type { RunLimits } from "../log/port.ts";

/** One more of priority goes before whoever has waited for so long, milliseconds. */
const PRIORITY_HEAD_START_MS = 60_000;

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
  const takes = [
    ...takeOf("rate", rules?.rateLimit, start, rules?.rateLimit?.limit ?? 1),
    ...takeOf("throttle", rules?.throttle, start, rules?.throttle?.burst ?? 1),
  ];
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
  const rank = start.availableAt - priorityOf(rules, start) * PRIORITY_HEAD_START_MS;
  const places: PlaceLimit[] = [];
  const add = (line: string, slots: number, hold: PlaceLimit["hold"]) => places.push({ line, slots, rank, hold });
  // First: pools tell a run's queue by it (`queueOf`).
  if (queue !== undefined) add(queueLine(queue), requireQueue(queues, queue, workflow).concurrency, "work");
  if (rules?.maxActiveRuns !== undefined) add(`workflow/${workflow}`, rules.maxActiveRuns, "life");
  [rules?.concurrency ?? []].flat().forEach(({ key, limit }, i) => {
    const text = keyOf(key, start, `concurrency[${i}].key`);
    if (text !== null) add(`key/${workflow}/${i}/${text}`, limit, "life");
  });
  const { singleton } = rules ?? {};
  if (singleton !== undefined) {
    const text = keyOf(singleton.key, start, "singleton.key");
    if (text !== null) add(`singleton/${workflow}/${text}`, 1, singleton.mode === "cancel" ? "newest" : "life");
  }
  return places;
}

/** What a start takes of the bucket of a rule, from which `burst` can be taken at once. */
function takeOf(
  kind: "rate" | "throttle",
  rule: RateRule<never> | undefined,
  start: LimitedStart,
  burst: number,
): RateTake[] {
  if (rule === undefined) return [];
  const text = keyOf(rule.key, start, `${kind === "rate" ? "rateLimit" : "throttle"}.key`);
  if (text === null) return [];
  const intervalMs = parseDuration(rule.period) / rule.limit;
  const bucket = `${kind}/${start.workflow}/${text}`;
  return [{ bucket, intervalMs, aheadMs: (burst - 1) * intervalMs, delays: kind === "throttle" }];
}

function priorityOf(rules: CheckedRules | undefined, { workflow, priority, input }: LimitedStart): number {
  const asked = priority ?? rules?.priority ?? 0;
  if (typeof asked !== "function") return checkPriority("the priority of a start", asked);
  const what = `priority of workflow "${workflow}"`;
  return checkPriority(
    what,
    called(what, () => asked(input() as never)),
  );
}

/** Null: the run has nothing in common with others. Without a rule for it all have the same. */
function keyOf(key: RunKey<never> | undefined, { workflow, input }: LimitedStart, where: string): string | null {
  if (key === undefined) return "";
  const what = `${where} of workflow "${workflow}"`;
  const found: unknown = called(what, () => key(input() as never));
  if (found === undefined || found === null) return null;
  if (typeof found !== "string" && typeof found !== "number" && typeof found !== "boolean")
    throw invalidKey(what, `found ${typeof found}`);
  try {
    return checkName(what, `${found}` === "" ? '""' : `${found}`);
  } catch (error) {
    throw isVarveError(error, "NAME_INVALID") ? invalidKey(what, error.message) : error;
  }
}

function called<T>(what: string, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw invalidKey(
      what,
      `it threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
      error,
    );
  }
}

function invalidKey(what: string, found: string, cause?: unknown): DefinitionError {
  return new DefinitionError(
    "LIMIT_KEY_INVALID",
    `expected ${what} to give a text of at most ${NAME_LENGTH_MAX} characters, a number, a truth value or nothing, but ${found}; the start is refused`,
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
