/**
 * The fold: `events.reduce(evolve, null)` is the run. The live path, replay and `varve db verify` share this function
 * and nothing else (rule R1).
 */
import { assertNever } from "./assert.ts";
import { StoreError } from "./errors.ts";
import type { EventOf, RunEvent } from "./events.ts";
import type { CallKind, CallState, RunState } from "./state.ts";

/**
 * The state after `event`. Changes `state` in place and returns it: a fold of 50,000 events copies nothing.
 *
 * @throws StoreError `HISTORY_INVALID` when the event cannot follow.
 */
export function evolve(state: RunState | null, event: RunEvent): RunState {
  if (state === null) return initial(event);
  if (event.seq <= state.head) throw invalid(event, `an event after seq ${state.head}`);
  state.head = event.seq;
  state.epoch = event.epoch;
  state.at = event.at;
  apply(state, event);
  return state;
}

function initial(event: RunEvent): RunState {
  if (event.type !== "run.created") throw invalid(event, "run.created as the first event");
  const { workflow, version, input, idempotencyKey, tags, availableAt, deadlineAt, worker, delivery, parent, trigger } =
    event.data;
  const { limits } = event.data;
  return {
    id: event.runId,
    workflow,
    version,
    input,
    idempotencyKey: idempotencyKey ?? null,
    tags: tags ?? {},
    createdAt: event.at,
    availableAt: availableAt ?? event.at,
    deadlineAt: deadlineAt ?? null,
    delivery: delivery ?? null,
    parent: parent ?? null,
    trigger: trigger ?? null,
    limits: limits ?? null,
    head: event.seq,
    epoch: event.epoch,
    at: event.at,
    worker: worker ?? null,
    startedAt: worker === undefined ? null : event.at,
    endedAt: null,
    scoped: false,
    cancelRequested: false,
    cancelSeq: 0,
    cancelReason: null,
    paused: false,
    result: null,
    signals: null,
    tokens: null,
    children: null,
    locks: null,
    startedRuns: 0,
    calls: new Map(),
  };
}

function apply(state: RunState, event: RunEvent): void {
  switch (event.type) {
    case "run.created":
      throw invalid(event, "run.created only as the first event");
    case "run.claimed":
      state.worker = event.data.worker;
      state.startedAt ??= event.at;
      return;
    case "run.completed":
      state.result = { status: "completed", output: event.data };
      state.endedAt = event.at;
      return;
    case "run.failed":
      state.result = { status: "failed", error: event.data.error };
      state.endedAt = event.at;
      return;
    case "run.cancelled":
      state.result = { status: "cancelled", reason: event.data.reason ?? null };
      state.endedAt = event.at;
      return;
    case "cancel.requested":
      state.cancelRequested = true;
      state.cancelSeq = event.seq;
      remember(state, event.data.token);
      state.cancelReason = event.data.reason ?? null;
      state.paused = false;
      return;
    case "run.reopened":
      reopen(state, event.data.from);
      return;
    case "run.paused":
      state.paused = true;
      remember(state, event.data.token);
      return;
    case "run.resumed":
      state.paused = false;
      remember(state, event.data.token);
      return;
    case "attempt.started":
      startAttempt(callOf(state, event, "step"), event);
      return;
    case "attempt.failed": {
      const call = callOf(state, event, "step");
      call.attemptOpen = false;
      call.dueAt = event.data.retryAt;
      return;
    }
    case "attempt.interrupted": {
      const call = callOf(state, event, "step");
      call.attemptOpen = false;
      call.dueAt = event.at;
      if (event.data.reason === "stopped") call.attemptsForgiven++;
      return;
    }
    case "attempt.late":
      return;
    case "step.completed":
      conclude(callOf(state, event, "step"), event, "completed");
      return;
    case "step.failed":
      conclude(callOf(state, event, "step"), event, "failed");
      return;
    case "timer.armed":
      callOf(state, event, "timer").dueAt = event.data.dueAt;
      return;
    case "timer.fired":
      conclude(callOf(state, event, "timer"), event, "completed");
      return;
    case "signal.received":
      receive(state, event);
      return;
    case "wait.started":
      callOf(state, event, "wait").dueAt = event.data.dueAt ?? null;
      return;
    case "wait.completed":
      takeSignal(state, callOf(state, event, "wait"), event);
      return;
    case "wait.expired":
      conclude(callOf(state, event, "wait"), event, "completed");
      return;
    case "wait.failed":
      conclude(callOf(state, event, "wait"), event, "failed");
      return;
    case "child.started":
      beginChild(state, event);
      return;
    case "child.completed":
    case "child.failed":
    case "child.cancelled":
      conclude(callOf(state, event, "child"), event, event.type === "child.completed" ? "completed" : "failed");
      state.children?.delete(event.key as string);
      return;
    case "start.completed":
      conclude(callOf(state, event, "start"), event, "completed");
      state.startedRuns++;
      return;
    case "start.failed":
      conclude(callOf(state, event, "start"), event, "failed");
      return;
    case "scope.started":
      startScope(state, callOf(state, event, "scope"), event);
      return;
    case "scope.completed":
      concludeScope(callOf(state, event, "scope"), event);
      return;
    case "scope.failed":
      conclude(callOf(state, event, "scope"), event, "failed");
      return;
    case "kv.requested":
      callOf(state, event, "kv");
      return;
    case "kv.answered":
    case "kv.failed":
      conclude(callOf(state, event, "kv"), event, event.type === "kv.answered" ? "completed" : "failed");
      return;
    case "lock.requested":
      requestLock(state, callOf(state, event, "lock"), event);
      return;
    case "lock.acquired":
      conclude(callOf(state, event, "lock"), event, "completed");
      return;
    case "lock.expired":
      conclude(callOf(state, event, "lock"), event, "failed");
      state.locks?.delete(event.key as string);
      return;
    case "lock.released":
      state.locks?.delete(event.key as string);
      return;
    case "message.awaited":
      callOf(state, event, "message").dueAt = event.data.dueAt ?? null;
      return;
    case "message.received":
    case "message.expired":
      conclude(callOf(state, event, "message"), event, "completed");
      return;
    case "breaker.changed":
      return;
    case "breaker.admitted":
    case "breaker.reported":
      conclude(callOf(state, event, "breaker"), event, "completed");
      return;
    case "breaker.refused":
      conclude(callOf(state, event, "breaker"), event, "failed");
      return;
    default:
      assertNever(event, "event type");
  }
}

function startAttempt(call: CallState, event: EventOf<"attempt.started">): void {
  call.attempt = event.attempt ?? call.attempt + 1;
  call.attemptOpen = true;
  call.startedAt ??= event.at;
  call.dueAt = null;
}

function conclude(call: CallState, { seq }: RunEvent, status: "completed" | "failed"): void {
  call.status = status;
  call.endSeq = seq;
  call.attemptOpen = false;
  call.dueAt = null;
}

function startScope(state: RunState, call: CallState, { at, data }: EventOf<"scope.started">): void {
  state.scoped = true;
  call.startedAt = at;
  const place = data.lock === undefined ? undefined : state.locks?.get(data.lock);
  if (place !== undefined) place.scope = call.key;
}

function concludeScope(call: CallState, event: EventOf<"scope.completed">): void {
  conclude(call, event as RunEvent, "completed");
  call.kept = event.data.kept === true;
  call.wasCancelled = event.data.cancelled === true;
}

function receive(state: RunState, { seq, data }: EventOf<"signal.received">): void {
  const { name, payload, token } = data;
  state.signals ??= new Map();
  state.signals.set(seq, { seq, name, payload, isTaken: false });
  remember(state, token);
}

/** A message has been recorded. */
function remember(state: RunState, token: string | undefined): void {
  if (token === undefined) return;
  state.tokens ??= new Set();
  state.tokens.add(token);
}

function takeSignal(state: RunState, call: CallState, event: EventOf<"wait.completed">): void {
  const signal = state.signals?.get(event.data.seq);
  if (signal === undefined) throw invalid(event as RunEvent, "a signal that was received before");
  signal.isTaken = true;
  call.taken = signal.seq;
  conclude(call, event as RunEvent, "completed");
}

function beginChild(state: RunState, event: EventOf<"child.started">): void {
  const { key } = callOf(state, event as RunEvent, "child");
  const { runId, abandoned } = event.data;
  state.children ??= new Map();
  state.children.set(key, { runId, isAbandoned: abandoned === true });
  state.startedRuns++;
}

function requestLock(state: RunState, call: CallState, { data }: EventOf<"lock.requested">): void {
  call.dueAt = data.dueAt ?? null;
  state.locks ??= new Map();
  state.locks.set(call.key, { name: data.name, scope: null });
}

/** What a run that goes on from the outcome at seq `from` still has of its calls. */
function reopen(state: RunState, from: number): void {
  Object.assign(state, { result: null, endedAt: null, paused: false });
  Object.assign(state, { cancelRequested: false, cancelSeq: 0, cancelReason: null });
  for (const call of state.calls.values()) {
    // A child that had not ended was cancelled with its parent, or goes on by itself: neither has an end to wait for. Who
    // still waited for a lock has lost its place with the run's end.
    const isLost = call.status === "open" && (call.kind === "child" || call.kind === "lock");
    const isVoid = call.firstSeq > from || isLost;
    const mayDiffer = call.status === "failed" || call.wasCancelled;
    const isReopened = call.endSeq === from || (call.endSeq > from && mayDiffer);
    // A scope that had begun goes on: what it held before counts still.
    if (isVoid || isReopened) forget(state, call, call.kind === "scope" && !isVoid ? "open" : "void");
  }
}

/** The call is to be made again. Its attempts keep their numbers, and count no more. */
function forget(state: RunState, call: CallState, status: "open" | "void"): void {
  const signal = call.taken === null ? undefined : state.signals?.get(call.taken);
  if (signal !== undefined) signal.isTaken = false;
  state.children?.delete(call.key);
  state.locks?.delete(call.key);
  call.status = status;
  call.endSeq = 0;
  call.attemptOpen = false;
  call.attemptsForgiven = call.attempt;
  if (status === "void") call.startedAt = null;
  call.dueAt = null;
  call.kept = false;
  call.wasCancelled = false;
  call.taken = null;
}

function callOf(state: RunState, event: RunEvent, kind: CallKind): CallState {
  const key = event.key as string;
  let call = state.calls.get(key);
  if (call === undefined) {
    call = newCall(kind, key);
    call.firstSeq = event.seq;
    state.calls.set(key, call);
  } else if (call.status === "void") {
    call.status = "open";
    call.firstSeq = event.seq;
  }
  if (call.kind !== kind) throw invalid(event, `an event of a ${call.kind} under the key "${key}"`);
  return call;
}

/** A call of which the log says nothing yet. */
export function newCall(kind: CallKind, key: string): CallState {
  return {
    kind,
    key,
    status: "open",
    firstSeq: 0,
    endSeq: 0,
    attempt: 0,
    attemptOpen: false,
    attemptsForgiven: 0,
    startedAt: null,
    dueAt: null,
    kept: false,
    wasCancelled: false,
    taken: null,
  };
}

function invalid(event: RunEvent, expected: string): StoreError {
  return new StoreError(
    "HISTORY_INVALID",
    `expected ${expected}, but found ${event.type} at seq ${event.seq} of run ${event.runId}`,
    { runId: event.runId, seq: event.seq, type: event.type },
  );
}
