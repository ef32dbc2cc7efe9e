/** The queue of a step: the line in which its attempts wait for a slot. */
import { DefinitionError } from "../kernel/errors.ts";
import { PRIORITY_HEAD_START_MS } from "../kernel/place-limit.ts";
import { QUEUE_LINES, queueLine } from "../kernel/queues.ts";
import { checkPriority } from "../kernel/run-rules.ts";
import { checkName } from "../kernel/text.ts";
import type { QueueSlot, Recorder } from "../worker/recorder.ts";
import type { StepOptions } from "./step-options.ts";

export type StepQueue = Omit<QueueSlot, "attempt">;

/**
 * A step's queue.
 *
 * @throws DefinitionError `QUEUE_UNKNOWN`, `NAME_INVALID`, `LIMIT_INVALID`
 */
export function stepQueue(
  step: string,
  queue: NonNullable<StepOptions["queue"]>,
  recorder: Pick<Recorder, "queueSlots">,
): StepQueue {
  const { name, key, priority = 0 } = typeof queue === "string" ? { name: queue } : queue;
  checkName(`the queue of step ${JSON.stringify(step)}`, name);
  const slots = recorder.queueSlots(name);
  if (slots === null) {
    const message = `expected step ${JSON.stringify(step)} to name a queue of createEngine({ queues }), but found ${JSON.stringify(name)}`;
    throw new DefinitionError("QUEUE_UNKNOWN", message, { step, queue: name });
  }
  checkPriority(`the priority in the queue of step ${JSON.stringify(step)}`, priority);
  const of = { name, headStartMs: priority * PRIORITY_HEAD_START_MS };
  const line = queueLine(name);
  if (key === undefined) return { line, slots, queue: of };
  return {
    line: `${line}/${checkName(`the key of the queue of step ${JSON.stringify(step)}`, key)}`,
    slots,
    queue: of,
  };
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
