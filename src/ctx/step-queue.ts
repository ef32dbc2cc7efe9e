/** The queue of a step: the line in which its attempts wait for a slot. */
import { DefinitionError } from "../kernel/errors.ts";
import { checkName } from "../kernel/text.ts";
import type { QueueSlot, Recorder } from "../worker/recorder.ts";
import type { StepOptions } from "./step-options.ts";

export type StepQueue = Omit<QueueSlot, "attempt">;

/** What the lines of queues begin with, among those of locks. */
const QUEUE_LINES = "queue/";

/**
 * A step's queue.
 *
 * @throws DefinitionError `QUEUE_UNKNOWN`, `NAME_INVALID`
 */
export function stepQueue(
  step: string,
  queue: NonNullable<StepOptions["queue"]>,
  recorder: Pick<Recorder, "queueSlots">,
): StepQueue {
  const { name, key } = typeof queue === "string" ? { name: queue } : queue;
  checkName(`the queue of step ${JSON.stringify(step)}`, name);
  const slots = recorder.queueSlots(name);
  if (slots === null) {
    const message = `expected step ${JSON.stringify(step)} to name a queue of createEngine({ queues }), but found ${JSON.stringify(name)}`;
    throw new DefinitionError("QUEUE_UNKNOWN", message, { step, queue: name });
  }
  const line = `${QUEUE_LINES}${name}`;
  if (key === undefined) return { line, slots };
  return { line: `${line}/${checkName(`the key of the queue of step ${JSON.stringify(step)}`, key)}`, slots };
}

/**
 * Whether a name is one of a queue's line: no lock may have it.
 *
 * @throws DefinitionError `LOCK_INVALID`
 */
export function checkLockName(name: string): string {
  checkName("the name of a lock", name);
  if (!name.startsWith(QUEUE_LINES)) return name;
  const message = `expected the name of a lock not to begin with "${QUEUE_LINES}", which names the lines of queues, but found ${JSON.stringify(name)}`;
  throw new DefinitionError("LOCK_INVALID", message, { name });
}
