/** What the log says in short of runs that do not go on: for lists, one read a page. */
import type { EventRow, EventType } from "../kernel/events.ts";
import type { LockRow } from "./port-locks.ts";
import type { PlaceRow } from "./port-places.ts";

/** A run whose last events are wanted: those after a seq. */
export interface OutlookRequest {
  readonly runId: string;
  readonly afterSeq: number;
}

export interface Outlook {
  /** With the data of {@link TELLING} only; of `run.created` with `availableAt` alone. */
  readonly events: readonly EventRow[];
  /** The runs' places in lines. */
  readonly places: readonly OutlookPlace[];
  /** Locks and slots of steps that they wait for. */
  readonly locks: readonly OutlookLock[];
}

/** A place in line for a lock that was not granted. */
export interface OutlookLock extends LockRow {
  readonly grantedAt: null;
}

/** A place, and its line as it stands. */
export interface OutlookPlace extends PlaceRow {
  /** How many have a place in the line. */
  readonly held: number;
  /** What was set of the line at run time; null: nothing. */
  readonly slotsSet: number | null;
  readonly paused: boolean;
}

/** Events whose data says what a run waits for: it is small, and no value of a user's. */
export const TELLING: ReadonlySet<EventType> = new Set([
  ...(["run.paused", "run.reopened", "attempt.failed", "attempt.interrupted", "timer.armed", "wait.started"] as const),
  ...(["child.started", "lock.requested", "message.awaited", "scope.started"] as const),
]);

/** The most events of one run that are read. */
export const OUTLOOK_EVENTS_MAX = 32;
