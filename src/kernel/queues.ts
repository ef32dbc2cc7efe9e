/** Queues: names that runs of several workflows share, and how many of them are worked on at once. */
import { DefinitionError } from "./errors.ts";
import { checkWhole, invalidLimit, SLOTS_MAX } from "./run-rules.ts";
import { checkPathName } from "./text.ts";

/** A queue as an engine is given it. */
export interface QueueOptions {
  /** The most of its runs that are worked on at once, over all workers: from 1 to 10,000. A run that waits does not count. */
  readonly concurrency: number;
}

/** An engine's queues, by name. */
export type Queues = Readonly<Record<string, QueueOptions>>;

/** What the lines of queues begin with: those of runs, and among those of locks those of steps. */
export const QUEUE_LINES = "queue/";

/** The line of a queue. */
export function queueLine(queue: string): string {
  return `${QUEUE_LINES}${queue}`;
}

/** The queue whose line it is; null: it is another's. */
export function queueOfLine(line: string): string | null {
  return line.startsWith(QUEUE_LINES) ? line.slice(QUEUE_LINES.length) : null;
}

/** The queue of which a step needs a slot. */
export interface SlotQueue {
  readonly name: string;
  /** It goes before those that came so much earlier. */
  readonly headStartMs: number;
}

/** The most queues of one engine. */
const QUEUES_MAX = 1_000;

/**
 * An engine's queues.
 *
 * @throws DefinitionError `LIMIT_INVALID`, `NAME_INVALID`
 */
export function checkQueues(queues: unknown): ReadonlyMap<string, QueueOptions> {
  if (typeof queues !== "object" || queues === null) throw invalidLimit("queues", "queues by name", queues);
  const entries = Object.entries(queues);
  checkWhole("the number of queues", entries.length, [0, QUEUES_MAX]);
  return new Map(
    entries.map(([name, options]) => {
      checkQueueName(name);
      const concurrency = (options as QueueOptions | null)?.concurrency;
      return [name, { concurrency: checkWhole(`queues.${name}.concurrency`, concurrency, [1, SLOTS_MAX]) }];
    }),
  );
}

/**
 * Checks the name of a queue that is defined. Without a slash: the lines of a queue's keys are `queue/<name>/<key>`, and the
 * queue `a/b` would share one with the key `b` of the queue `a`.
 */
function checkQueueName(name: string): void {
  checkPathName("the name of a queue", name);
  if (!name.includes("/")) return;
  throw new DefinitionError(
    "NAME_INVALID",
    `expected the name of a queue to have no slash, behind which the key of a step's queue stands, but found ${JSON.stringify(name)}; ${JSON.stringify(name.replaceAll("/", "-"))} will do`,
    { what: "the name of a queue", name },
  );
}
