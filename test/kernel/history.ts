/** Histories as tests write them: `[type, key?, data?, more?]`, with the rest of the header filled in. */
import {
  dataText,
  type EventData,
  type EventRow,
  type EventType,
  FORMAT_VERSION,
  parseEvent,
  type RunEvent,
} from "../../src/kernel/events.ts";
import { evolve } from "../../src/kernel/evolve.ts";
import type { RunState } from "../../src/kernel/state.ts";

type Header = Partial<Pick<EventRow, "seq" | "epoch" | "at" | "attempt" | "scope" | "runId" | "v" | "position">>;

/** One event of a written history. */
export type Told = {
  [T in EventType]: readonly [T, (string | null)?, (EventData[T] | undefined)?, Header?];
}[EventType];

export const RUN_ID = "run_1";

const CREATED = { workflow: "ship", version: "1", input: { value: { id: "o-1" } } } as const;

/** What an event says that says nothing in a test. */
const DEFAULTS: { readonly [T in EventType]: EventData[T] } = {
  "run.created": CREATED,
  "run.claimed": { worker: "w1" },
  "run.completed": { value: null },
  "run.failed": { error: { name: "Error", message: "failed" } },
  "run.cancelled": {},
  "run.reopened": { from: 1 },
  "run.paused": {},
  "run.resumed": {},
  "cancel.requested": {},
  "attempt.started": {},
  "attempt.failed": { error: { name: "Error", message: "failed" }, retryAt: 0 },
  "attempt.interrupted": { reason: "lost" },
  "attempt.late": {},
  "step.completed": { value: null },
  "step.failed": { error: { name: "Error", message: "failed" } },
  "timer.armed": { dueAt: 0 },
  "timer.fired": {},
  "signal.received": { name: "approval", payload: { value: null } },
  "wait.started": { signal: "approval" },
  "wait.completed": { seq: 1 },
  "wait.expired": {},
  "wait.failed": { error: { name: "Error", message: "failed" } },
  "child.started": { runId: "run_2", workflow: "ship", version: "1" },
  "child.completed": { value: null },
  "child.failed": { error: { name: "Error", message: "failed" } },
  "child.cancelled": {},
  "start.completed": { runId: "run_2", workflow: "ship", version: "1" },
  "start.failed": { error: { name: "Error", message: "failed" } },
  "kv.requested": { action: "set", scope: "global", key: "k" },
  "kv.answered": { value: null },
  "kv.failed": { error: { name: "Error", message: "failed" } },
  "lock.requested": { name: "door", slots: 1 },
  "lock.acquired": {},
  "lock.expired": {},
  "lock.released": {},
  "message.awaited": { topic: "orders" },
  "message.received": { topic: "orders", id: "m1", payload: { value: null }, at: 0 },
  "message.expired": {},
  "breaker.changed": { name: "bank", from: "closed", to: "open" },
  "breaker.admitted": {},
  "breaker.refused": { name: "bank", until: 0 },
  "breaker.reported": {},
  "scope.started": {},
  "scope.completed": { value: null },
  "scope.failed": { error: { name: "Error", message: "failed" } },
};

/** The rows of a history: seq and position count up, an instant a seq, the epoch stays as it was. */
export function rowsOf(told: readonly Told[]): EventRow[] {
  let epoch = 0;
  return told.map(([type, key = null, data = DEFAULTS[type], header = {}], i) => {
    epoch = header.epoch ?? epoch;
    const seq = i + 1;
    const place = { runId: RUN_ID, position: seq, seq, at: seq, v: FORMAT_VERSION, scope: null, attempt: null };
    return { ...place, type, key, data: dataText(data), ...header, epoch };
  });
}

export function historyOf(told: readonly Told[]): RunEvent[] {
  return rowsOf(told).map(parseEvent);
}

/** The state after a history. */
export function given(...told: readonly Told[]): RunState {
  return historyOf(told).reduce<RunState | null>(evolve, null) as RunState;
}
