/** What the storage port says of locks, and of the slots of a queue's steps, which are locks of several slots. */
import type { SlotQueue } from "../kernel/queues.ts";
import type { Operation } from "./port-keyed.ts";

/** A call that wants a place in line for a lock. */
export interface LockRequest {
  readonly name: string;
  /** It is granted when fewer than so many are before it in line. A repetition may change that. */
  readonly slots: number;
  /** For a slot of a step's queue: what was set of that queue at run time holds, and the line goes by rank. */
  readonly queue?: SlotQueue | undefined;
  readonly operation: Operation;
}

/** `lost`: the run is another worker's by now, or over, or the call's place has ended. */
export type LockVerdict = "granted" | "waiting" | "lost";

/** A place in line for a lock, first come first served; or in that of a step's queue. */
export interface LockRow {
  readonly name: string;
  /** Of a step's queue: who waits goes in the order of its instant, less its head start. Null: it is a lock. */
  readonly queue: string | null;
  readonly slots: number;
  /** The order of arrival, over all locks. */
  readonly ticket: number;
  readonly runId: string;
  readonly key: string;
  readonly requestedAt: number;
  /** Null: it waits. */
  readonly grantedAt: number | null;
}

/** The part of the log that holds locks. */
export interface LockStore {
  /**
   * Takes a place in line, or finds the one that the call has, and grants the lock if it is its turn. When a place ends
   * (`Beyond.unlocks`, or its run), those whose turn it is then are granted theirs, and each one's run gets a `lock`
   * message with `{"key"}` and the token `lock/<ticket>`. A call whose place has ended gets no other.
   */
  requestLock(request: LockRequest): Promise<LockVerdict>;
  /** All places in line, by name, each line in its order. `runId`: those of this run. */
  listLocks(page: {
    readonly name: string | null;
    readonly runId?: string;
    readonly limit: number;
  }): Promise<LockRow[]>;
}
