/** What a run is, folded from its events. */
import type { Payload } from "./codec.ts";
import type { EventData, Tags } from "./events.ts";
import type { Failure } from "./failure.ts";
import { ROOT_SCOPE, scopeOfKey } from "./keys.ts";

/** What a key stands for. */
export type CallKind = "step" | "timer" | "scope";

/** How far one call of `ctx` has come. */
export interface CallState {
  readonly kind: CallKind;
  readonly key: string;
  status: "open" | "completed" | "failed";
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
  cancelReason: string | null;
  result: RunResult | null;
  /** Every call by its key. */
  readonly calls: Map<string, CallState>;
}

/**
 * The next instant at which the run has something to do by itself; null if only a message can wake it. What a concluded
 * scope left open does nothing.
 */
export function wakeAt(state: RunState): number | null {
  let earliest = state.deadlineAt;
  for (const call of state.calls.values()) {
    if (call.dueAt === null || isClosed(state, call.key)) continue;
    if (earliest === null || call.dueAt < earliest) earliest = call.dueAt;
  }
  return earliest;
}

/** Whether a scope around the call has concluded. */
function isClosed(state: RunState, key: string): boolean {
  for (let scope = scopeOfKey(key); scope !== ROOT_SCOPE; scope = scopeOfKey(scope)) {
    if (state.calls.get(scope)?.status !== "open") return true;
  }
  return false;
}
