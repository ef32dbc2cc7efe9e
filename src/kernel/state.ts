/** What a run is, folded from its events. */
import type { Payload } from "./codec.ts";
import type { EventData, Tags, Trigger } from "./events.ts";
import type { Failure } from "./failure.ts";
import { ROOT_SCOPE, scopeOfKey } from "./keys.ts";
import type { PlaceLimit } from "./place-limit.ts";

/** What a key stands for. */
export type CallKind = "step" | "timer" | "scope" | "wait" | "child" | "start" | "kv" | "lock" | "message" | "breaker";

/** How far one call of `ctx` has come. */
export interface CallState {
  readonly kind: CallKind;
  readonly key: string;
  /** `void`: made again since the run was reopened, if at all; what was recorded of it counts no more. */
  status: "open" | "completed" | "failed" | "void";
  /** The seq of its first event, and of its conclusion; 0: there is none. */
  firstSeq: number;
  endSeq: number;
  /** The number of the last attempt that was started; 0 before the first. */
  attempt: number;
  /** Whether that attempt has no outcome in the log. */
  attemptOpen: boolean;
  /** Attempts handed back by a worker that stopped: they do not count against the policy. */
  attemptsForgiven: number;
  /** When the first attempt was started; null before. */
  startedAt: number | null;
  /** When the next attempt, or the timer, is due; null if nothing waits for time, as once it has concluded. */
  dueAt: number | null;
  /** Of a completed scope: its function runs again on resume, and its events are read. */
  kept: boolean;
  /** Of a completed scope: a cancel had reached what is within, and a retry comes to its end anew. */
  wasCancelled: boolean;
  /** Of a wait: the seq of the signal that it took. */
  taken: number | null;
}

/** A child that a run waits for. */
export interface ChildState {
  readonly runId: string;
  /** Whether it goes on when nobody waits for it any more. */
  readonly isAbandoned: boolean;
}

/** A place in line for a lock that a run has. */
export interface LockPlace {
  readonly name: string;
  /** The scope that runs under the lock; null: none has begun. */
  scope: string | null;
}

/** A signal that a run has been sent. */
export interface ReceivedSignal {
  readonly seq: number;
  readonly name: string;
  readonly payload: Payload;
  isTaken: boolean;
}

/** Where a run stands. */
export type RunStatus = "pending" | "running" | "waiting" | "paused" | "stuck" | "completed" | "failed" | "cancelled";

/** The statuses in which a run is over. */
export type TerminalStatus = "completed" | "failed" | "cancelled";

/** All statuses, in the order in which a list shows them. */
export const RUN_STATUSES: readonly RunStatus[] = [
  "pending",
  "running",
  "waiting",
  "paused",
  "stuck",
  "completed",
  "failed",
  "cancelled",
];

/** Whether a run of this status is over. */
export function isTerminalStatus(status: RunStatus): status is TerminalStatus {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** How a run ended. */
export type RunResult =
  | { readonly status: "completed"; readonly output: Payload }
  | { readonly status: "failed"; readonly error: Failure }
  | { readonly status: "cancelled"; readonly reason: string | null };

/** A run as its events tell it. Owned by whoever folds: `evolve` changes it in place. */
export interface RunState {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly input: Payload;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  readonly createdAt: number;
  /** Not to be claimed before, unless something else happens to it. */
  readonly availableAt: number;
  readonly deadlineAt: number | null;
  readonly delivery: EventData["run.created"]["delivery"] | null;
  readonly parent: EventData["run.created"]["parent"] | null;
  readonly trigger: Trigger | null;
  /** What it needs a place in before it may be worked on; null: nothing. */
  readonly limits: readonly PlaceLimit[] | null;
  /** The seq of the last event. */
  head: number;
  /** The epoch of the last event. */
  epoch: number;
  /** The instant of the last event. */
  at: number;
  /** The worker that wrote the last event, as far as the log says. */
  worker: string | null;
  /** When the first worker began with it; null before. */
  startedAt: number | null;
  endedAt: number | null;
  /** Whether it has opened a scope: from then on every event says in which scope it happened. */
  scoped: boolean;
  cancelRequested: boolean;
  /** The seq of `cancel.requested`; 0 before. */
  cancelSeq: number;
  cancelReason: string | null;
  paused: boolean;
  result: RunResult | null;
  /** By seq, in order of arrival; null before the first. */
  signals: Map<number, ReceivedSignal> | null;
  /** The tokens of messages that have been recorded; null before the first. */
  tokens: Set<string> | null;
  /** Its children that have not ended, by the key of their calls; null before the first. */
  children: Map<string, ChildState> | null;
  /** Its places in line for locks, by the key of their calls; null before the first. */
  locks: Map<string, LockPlace> | null;
  /** How many runs it has started. */
  startedRuns: number;
  /** Every call by its key. */
  readonly calls: Map<string, CallState>;
}

/**
 * The next instant at which the run has something to do by itself; null if only a message can wake it. What a concluded
 * scope left open does nothing.
 */
export function wakeAt(state: RunState, isMeant: (call: CallState) => boolean = () => true): number | null {
  let earliest = state.deadlineAt;
  for (const call of state.calls.values()) {
    if (call.dueAt === null || !isMeant(call) || isClosed(state, call.key)) continue;
    if (earliest === null || call.dueAt < earliest) earliest = call.dueAt;
  }
  return earliest;
}

/** Whether it has come to something, and that still counts. */
export function isConcluded({ status }: CallState): boolean {
  return status === "completed" || status === "failed";
}

/** Whether a scope around the call has concluded: it does nothing any more. */
export function isClosed(state: RunState, key: string): boolean {
  for (let scope = scopeOfKey(key); scope !== ROOT_SCOPE; scope = scopeOfKey(scope)) {
    if (state.calls.get(scope)?.status !== "open") return true;
  }
  return false;
}

/** Whether what lies within this scope counts no more: neither is its function run again, nor are its events read. */
export function isHiddenScope(state: RunState, scope: string): boolean {
  for (let path = scope; path !== ROOT_SCOPE; path = scopeOfKey(path)) {
    const call = state.calls.get(path);
    if (call === undefined || !runsAgain(call)) return true;
  }
  return false;
}

/** Whether a scope's function runs again on resume: it has not completed, or is kept. One that failed may be reopened. */
export function runsAgain({ status, kept }: CallState): boolean {
  return status === "open" || status === "failed" || kept;
}
