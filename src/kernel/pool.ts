/** Pools of workers: which runs a worker takes, by the queue that they are in. Pure. */
import { DefinitionError } from "./errors.ts";
import { invalidOption } from "./options.ts";
import type { PlaceLimit } from "./place-limit.ts";
import { queueOfLine } from "./queues.ts";
import { checkName } from "./text.ts";

/** The queue of runs that are in none, as pools name it. */
export const DEFAULT_QUEUE = "default";

/** The most queues that one worker names. */
const SERVED_MAX = 100;

/** What a worker takes. */
export interface Pool {
  /** The workflow versions that it has; null: it has not said which. */
  readonly programs: readonly { readonly workflow: string; readonly version: string }[] | null;
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
}

/** A run as pools look at it. */
export interface Pooled {
  readonly workflow: string;
  readonly version: string;
  readonly limits: readonly PlaceLimit[] | null;
}

/** The queue that a run's limits name; null: none. The place in a queue is the first. */
export function namedQueue(limits: readonly PlaceLimit[] | null): string | null {
  return queueOfLine(limits?.[0]?.line ?? "");
}

/** The queue that a run is in for pools. */
export function queueOf(limits: readonly PlaceLimit[] | null): string {
  return namedQueue(limits) ?? DEFAULT_QUEUE;
}

/** Whether whoever serves these queues serves this one. */
export function servesQueue(queues: readonly string[] | null, queue: string): boolean {
  return queues === null || queues.includes(queue);
}

/** Whether a worker can take a run: it has its code, and serves its queue. */
export function canTake({ programs, queues }: Pool, { workflow, version, limits }: Pooled): boolean {
  const hasCode = programs === null || programs.some((each) => each.workflow === workflow && each.version === version);
  return hasCode && servesQueue(queues, queueOf(limits));
}

/**
 * The queues that a worker is to serve, as an option names them; null: all. `where` names the option.
 *
 * @throws DefinitionError `OPTION_INVALID`, `NAME_INVALID`
 */
export function checkServed(where: string, queues: readonly string[] | undefined): readonly string[] | null {
  if (queues === undefined) return null;
  const expected = `a list of 1 to ${SERVED_MAX} names of queues, each once ("${DEFAULT_QUEUE}" for runs without one)`;
  if (!Array.isArray(queues)) throw invalidOption(where, expected, queues);
  const isRight = queues.length >= 1 && queues.length <= SERVED_MAX && new Set(queues).size === queues.length;
  if (!isRight) throw invalidOption(where, expected, `${queues.slice(0, 10).join()}`);
  return queues.map((queue: unknown, i) => checkName(`${where}[${i}]`, queue));
}

/**
 * The same, of queues that the engine knows: a name that is written wrongly would serve nobody.
 *
 * @throws DefinitionError `OPTION_INVALID`, `NAME_INVALID`, `QUEUE_UNKNOWN`
 */
export function requireServed(where: string, queues: readonly string[] | undefined, known: Iterable<string>): void {
  const names = new Set([DEFAULT_QUEUE, ...known]);
  const unknown = checkServed(where, queues)?.find((queue) => !names.has(queue));
  if (unknown === undefined) return;
  const there = [...names].sort().map((name) => JSON.stringify(name));
  throw new DefinitionError(
    "QUEUE_UNKNOWN",
    `expected ${where} to name queues of createEngine({ queues }), or "${DEFAULT_QUEUE}" for runs without one, but found ${JSON.stringify(unknown)}; there are: ${there.join(", ")}`,
    { queue: unknown },
  );
}
