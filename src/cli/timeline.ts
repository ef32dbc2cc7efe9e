/** What happened in a run, call by call, from its events. Pure. */
import type { RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";
import type { CallKind } from "../kernel/state.ts";

/** One try of a step. */
export interface AttemptLine {
  readonly attempt: number;
  /** The worker that ran it, as far as the log says. */
  readonly worker: string | null;
  readonly startedAt: number;
  endedAt: number | null;
  status: "open" | "completed" | "failed" | "interrupted";
  error: Failure | null;
  /** Why it was interrupted. */
  reason: string | null;
}

/** A step, a timer, a scope, a wait for a signal or a lock, a run that was started, or a use of what runs share. */
export interface CallLine {
  readonly key: string;
  readonly kind: CallKind;
  /** `expired`: what it waited for has not come. `cancelled`: the child was. */
  status: "open" | "completed" | "failed" | "expired" | "cancelled";
  /** The seq of its first event. */
  readonly seq: number;
  readonly startedAt: number;
  /** The seq of its conclusion; null: there is none. */
  endSeq: number | null;
  endedAt: number | null;
  error: Failure | null;
  /** When a timer is due, or a wait over; null: never by itself. */
  readonly dueAt: number | null;
  /** For a wait: the name of the signal, or of the lock. */
  readonly awaits: string | null;
  /** The run that it started. */
  readonly runId: string | null;
  readonly attempts: AttemptLine[];
}

/** What the run was told, or has told all others, in words. */
export interface NoteLine {
  readonly seq: number;
  readonly at: number;
  readonly type: RunEvent["type"];
  readonly text: string;
}

/** Folds events into calls, in the order in which they began, and notes. */
export class Timeline {
  readonly notes: NoteLine[] = [];
  readonly #calls = new Map<string, CallLine>();
  /** Keys of scopes that came to their end after a cancel. */
  readonly #cancelled = new Set<string>();
  #worker: string | null = null;

  get calls(): readonly CallLine[] {
    return [...this.#calls.values()];
  }

  /** Both, in the order of the log. */
  get lines(): readonly (CallLine | NoteLine)[] {
    return [...this.calls, ...this.notes].sort((a, b) => a.seq - b.seq);
  }

  call(key: string): CallLine | undefined {
    return this.#calls.get(key);
  }

  add(event: RunEvent): void {
    const { type, key, seq, at } = event;
    if (type === "run.created") this.#worker = event.data.worker ?? null;
    if (type === "run.claimed") this.#worker = event.data.worker;
    if (type === "run.reopened") this.#reopen(event.data.from);
    if (type === "scope.completed" && event.data.cancelled === true) this.#cancelled.add(event.key as string);
    const text = noteText(event);
    if (text !== null) this.notes.push({ seq, at, type, text });
    if (key === null || BESIDE.has(type)) return;
    const call = beginning(event, key) ?? this.#calls.get(key) ?? newCall(event, key, kindOf(type));
    this.#calls.set(key, call);
    if (type === "attempt.started") call.attempts.push(newAttempt(event, this.#worker));
    else conclude(call, event);
  }

  /** What failed from there on, or ended after a cancel, is open again. */
  #reopen(from: number): void {
    for (const call of this.#calls.values()) {
      const mayDiffer = call.status !== "completed" || this.#cancelled.delete(call.key);
      const isReopened = call.endSeq === from || (mayDiffer && (call.endSeq ?? 0) > from);
      if (isReopened) Object.assign(call, { status: "open", endSeq: null, endedAt: null, error: null });
    }
  }
}

/** Events that neither begin nor conclude the call under their key. */
const BESIDE: ReadonlySet<RunEvent["type"]> = new Set(["breaker.changed", "lock.released"]);

function conclude(call: CallLine, event: RunEvent): void {
  const last = call.attempts.at(-1);
  const attempt = last?.status === "open" ? last : undefined;
  switch (event.type) {
    case "step.completed":
    case "timer.fired":
    case "scope.completed":
    case "wait.completed":
    case "child.completed":
    case "start.completed":
    case "kv.answered":
    case "lock.acquired":
    case "message.received":
    case "breaker.admitted":
    case "breaker.reported":
      endAttempt(attempt, event.at, "completed", null);
      endCall(call, event, "completed", null);
      break;
    case "step.failed":
    case "scope.failed":
    case "wait.failed":
    case "child.failed":
    case "start.failed":
    case "kv.failed":
      endAttempt(attempt, event.at, "failed", event.data.error);
      endCall(call, event, "failed", event.data.error);
      break;
    case "breaker.refused":
      endCall(call, event, "failed", null);
      break;
    case "wait.expired":
    case "lock.expired":
    case "message.expired":
      endCall(call, event, "expired", null);
      break;
    case "child.cancelled":
      endCall(call, event, "cancelled", null);
      break;
    case "attempt.failed":
      endAttempt(attempt, event.at, "failed", event.data.error);
      break;
    case "attempt.interrupted":
      endAttempt(attempt, event.at, "interrupted", null);
      if (attempt !== undefined) attempt.reason = event.data.reason;
      break;
  }
}

/** The call that begins with this event; null: none does, or it is a step, which begins with its first attempt. */
function beginning(event: RunEvent, key: string): CallLine | null {
  switch (event.type) {
    case "timer.armed":
      return newCall(event, key, "timer", { dueAt: event.data.dueAt });
    case "scope.started":
      return newCall(event, key, "scope");
    case "wait.started":
      return newCall(event, key, "wait", { dueAt: event.data.dueAt ?? null, awaits: event.data.signal });
    case "lock.requested":
      return newCall(event, key, "lock", { dueAt: event.data.dueAt ?? null, awaits: event.data.name });
    case "message.awaited":
      return newCall(event, key, "message", { dueAt: event.data.dueAt ?? null, awaits: event.data.topic });
    case "child.started":
      return newCall(event, key, "child", { runId: event.data.runId });
    case "start.completed":
      return newCall(event, key, "start", { runId: event.data.runId });
    case "start.failed":
      return newCall(event, key, "start");
    default:
      return null;
  }
}

/** Kinds of calls of which the first event may be any, by what their events begin with. */
const KINDS: Readonly<Record<string, CallKind>> = { child: "child", kv: "kv", breaker: "breaker" };

function kindOf(type: RunEvent["type"]): CallKind {
  return KINDS[type.split(".")[0] as string] ?? "step";
}

function newAttempt({ attempt, at: startedAt }: RunEvent, worker: string | null): AttemptLine {
  return { attempt: attempt ?? 1, worker, startedAt, endedAt: null, status: "open", error: null, reason: null };
}

function newCall(
  { seq, at }: RunEvent,
  key: string,
  kind: CallKind,
  facts: Partial<Pick<CallLine, "dueAt" | "awaits" | "runId">> = {},
): CallLine {
  const open = { status: "open", endSeq: null, endedAt: null, error: null } as const;
  const { dueAt = null, awaits = null, runId = null } = facts;
  return { key, kind, ...open, seq, startedAt: at, dueAt, awaits, runId, attempts: [] };
}

function endCall(call: CallLine, { seq, at }: RunEvent, status: CallLine["status"], error: Failure | null): void {
  Object.assign(call, { status, endSeq: seq, endedAt: at, error });
}

function endAttempt(
  attempt: AttemptLine | undefined,
  endedAt: number,
  status: AttemptLine["status"],
  error: Failure | null,
): void {
  if (attempt !== undefined) Object.assign(attempt, { status, endedAt, error });
}

/** What the run was told with this event, or has told all others; null: nothing. */
export function noteText(event: RunEvent): string | null {
  switch (event.type) {
    case "signal.received":
      return `signal ${event.data.name} has come in`;
    case "run.paused":
      return `paused${because(event.data.reason)}`;
    case "run.resumed":
      return "resumed";
    case "run.reopened":
      return `retried: goes on from seq ${event.data.from}`;
    case "breaker.changed": {
      const { name, from, to } = event.data;
      return `breaker ${name} was ${from} and is ${to}`;
    }
    case "cancel.requested":
      return `cancel requested${because(event.data.reason)}`;
    case "run.cancelled":
      return event.data.terminated === true ? `terminated${because(event.data.reason)}` : null;
    default:
      return null;
  }
}

function because(reason: string | undefined): string {
  return reason === undefined ? "" : `: ${reason}`;
}
