/**
 * Runs that are started, and mail that is sent, if and only if something else is so: what `libsql/guarded.ts` does in a
 * batch. The parts of the log's reference that hold rows of their own (schedules, subscriptions) are given this.
 */
import type { InboxMessage } from "./port-inbox.ts";
import type { ChildStart } from "./port-write.ts";

/** What such a part may do to the log beside its own rows. Whoever calls has looked whether its guard holds. */
export interface GuardedWrites {
  /**
   * Starts a run: pending, with its first event. One whose id or idempotency key has a run is left as it is. Returns the id
   * of the run that there is then.
   */
  start(start: ChildStart): string;
  /** Tells a run something. One that is over or unknown is told nothing; the inbox's bound does not hold. */
  tell(message: InboxMessage): void;
}
