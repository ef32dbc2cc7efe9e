/** Which places a run needs, told from its workflow's rules, its input and its queue. Pure. */
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import type { PlaceLimit } from "../kernel/place-limit.ts";
import type { QueueOptions } from "../kernel/queues.ts";
import { type CheckedRules, checkPriority, type RunKey } from "../kernel/run-rules.ts";
import { checkName, NAME_LENGTH_MAX } from "../kernel/text.ts";

/** One more of priority goes before whoever has waited for so long, milliseconds. */
export const PRIORITY_HEAD_START_MS = 60_000;

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

/** The line of a queue. */
export function queueLine(queue: string): string {
  return `queue/${queue}`;
}

/**
 * The places that a run needs; null: it may begin at once.
 *
 * @throws DefinitionError `QUEUE_UNKNOWN`, `LIMIT_INVALID`, `LIMIT_KEY_INVALID`
 */
export function placesOf(
  rules: CheckedRules | undefined,
  start: LimitedStart,
  queues: ReadonlyMap<string, QueueOptions>,
): readonly PlaceLimit[] | null {
  const queue = start.queue ?? rules?.queue;
  if (rules === undefined && queue === undefined) {
    if (start.priority !== undefined) checkPriority("the priority of a start", start.priority);
    return null;
  }
  const { workflow } = start;
  const rank = start.availableAt - priorityOf(rules, start) * PRIORITY_HEAD_START_MS;
  const places: PlaceLimit[] = [];
  const add = (line: string, slots: number, hold: PlaceLimit["hold"]) => places.push({ line, slots, rank, hold });
  if (queue !== undefined) add(queueLine(queue), requireQueue(queues, queue, workflow).concurrency, "work");
  if (rules?.maxActiveRuns !== undefined) add(`workflow/${workflow}`, rules.maxActiveRuns, "life");
  [rules?.concurrency ?? []].flat().forEach(({ key, limit }, i) => {
    const text = keyOf(key, start, `concurrency[${i}].key`);
    if (text !== null) add(`key/${workflow}/${i}/${text}`, limit, "life");
  });
  const { singleton } = rules ?? {};
  if (singleton !== undefined) {
    const text = singleton.key === undefined ? "" : keyOf(singleton.key, start, "singleton.key");
    if (text !== null) add(`singleton/${workflow}/${text}`, 1, singleton.mode === "cancel" ? "newest" : "life");
  }
  return places.length === 0 ? null : places;
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

/** Null: the run has nothing in common with others. */
function keyOf(key: RunKey<never>, { workflow, input }: LimitedStart, where: string): string | null {
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
