/**
 * The event union: what a run's history is made of. An event is a fact in the past tense; its `seq` is its place in
 * its run, 1, 2, 3 ... without a gap. `docs/FORMAT.md` is the public description of the same.
 */
import type { Payload } from "./codec.ts";
import { StoreError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import type { PlaceLimit } from "./place-limit.ts";

/** The version of the event format that this code writes. A reader refuses events of a later one. */
export const FORMAT_VERSION = 1;

/** Labels of a run, for filters. */
export type Tags = Readonly<Record<string, string>>;

/** What each type of event says beside its header. */
export interface EventData {
  /** The run exists. Always the first event. */
  "run.created": {
    readonly workflow: string;
    readonly version: string;
    readonly input: Payload;
    readonly idempotencyKey?: string;
    readonly tags?: Tags;
    /** Not before this instant. */
    readonly availableAt?: number;
    /** The run fails if it has not ended by then. */
    readonly deadlineAt?: number;
    /** The worker that claimed the run in the same write. */
    readonly worker?: string;
    /** The webhook delivery that started it; with the number of its replay, if it is one. */
    readonly delivery?: { readonly hook: string; readonly id: string; readonly replay?: number };
    readonly parent?: ParentLink;
    readonly trigger?: Trigger;
    /** What it needs a place in before it may be worked on. */
    readonly limits?: readonly PlaceLimit[];
  };
  /** The first event under a new epoch: which worker writes from here on. */
  "run.claimed": { readonly worker: string };
  "run.completed": Payload & {
    /** Steps and timers that nobody waited for when the run ended. */
    readonly unfinished?: readonly string[];
  };
  "run.failed": { readonly error: Failure };
  "run.cancelled": {
    readonly reason?: string;
    /** Its code was not asked. */
    readonly terminated?: true;
  };
  /**
   * It was over and goes on, from the outcome at seq `from`: what was recorded from there on counts no more, but for
   * outcomes of calls that had been made before it. The first event of an epoch.
   */
  "run.reopened": { readonly from: number };
  /** Nothing begins and nothing is given to the code from here on. */
  "run.paused": { readonly reason?: string } & FromMail;
  "run.resumed": FromMail;
  /** Somebody asked for the run's end; its code has been told, or will be in this order. */
  "cancel.requested": { readonly reason?: string } & FromMail;
  "attempt.started": Record<string, never>;
  /** The attempt failed and another follows, not before `retryAt`. */
  "attempt.failed": {
    readonly error: Failure;
    readonly retryAt: number;
    /** The breaker that has to let the next attempt through. */
    readonly breaker?: string;
  };
  /** The attempt's worker stopped or was lost: nobody knows how far the body came. Another attempt follows. */
  "attempt.interrupted": { readonly reason: InterruptReason };
  /** A body ended after its outcome had stopped to matter: the run was over, or the attempt had timed out. */
  "attempt.late": { readonly value?: Payload; readonly error?: Failure };
  "step.completed": Payload & {
    /** No attempt was made: the value was in the cache that runs share. */
    readonly cached?: true;
  };
  "step.failed": { readonly error: Failure };
  "timer.armed": { readonly dueAt: number };
  "timer.fired": Record<string, never>;
  /** A signal has come in; it is kept until a call takes it. */
  "signal.received": {
    readonly name: string;
    readonly payload: Payload;
  } & FromMail;
  /** The code waits for a signal of this name, until `dueAt`. */
  "wait.started": { readonly signal: string; readonly dueAt?: number };
  /** It has taken the signal that was received at this seq. */
  "wait.completed": { readonly seq: number };
  "wait.expired": Record<string, never>;
  /** The function that says which signals match has thrown. */
  "wait.failed": { readonly error: Failure };
  /** The child exists from this event on. */
  "child.started": {
    readonly runId: string;
    readonly workflow: string;
    readonly version: string;
    /** It goes on when nobody waits for it any more; without this it is cancelled then. */
    readonly abandoned?: true;
  };
  "child.completed": Payload;
  "child.failed": { readonly error: Failure };
  "child.cancelled": { readonly reason?: string };
  /** A run exists from this event on that nobody waits for. */
  "start.completed": { readonly runId: string; readonly workflow: string; readonly version: string };
  "start.failed": { readonly error: Failure };
  "scope.started": {
    /** A cancel does not reach what is within. */
    readonly shielded?: true;
    /** What is within undoes completed steps. */
    readonly compensates?: true;
    /** The key of the lock under which it runs. */
    readonly lock?: string;
  };
  "scope.completed": Payload & {
    /**
     * Its function must run again on resume: it holds compensations, some crossed its bounds, or it comes to its end anew when
     * the run is retried.
     */
    readonly kept?: true;
    /** A cancel had reached what is within. */
    readonly cancelled?: true;
  };
  "scope.failed": { readonly error: Failure };
  /** A value that runs share is to be changed: from here on it may have been. */
  "kv.requested": { readonly action: KeyedAction; readonly scope: string; readonly key: string };
  /** What was read, or what a change came to. */
  "kv.answered": Payload;
  "kv.failed": { readonly error: Failure };
  /** The run has, or will have, a place in line for the lock of this name, until `dueAt`. */
  "lock.requested": { readonly name: string; readonly slots: number; readonly dueAt?: number };
  "lock.acquired": Record<string, never>;
  /** It was not the run's turn in time: it has left the line. */
  "lock.expired": Record<string, never>;
  /** The run has left the line, or given the lock back. */
  "lock.released": Record<string, never>;
  /** The call waits for a message on this topic, until `dueAt`. */
  "message.awaited": {
    readonly topic: string;
    /** Which, as an expression. */
    readonly match?: string;
    /** Also one that was published before, from this instant on. */
    readonly since?: number;
    readonly dueAt?: number;
  };
  /** It was given this one. */
  "message.received": {
    readonly topic: string;
    readonly id: string;
    readonly payload: Payload;
    readonly at: number;
    readonly tags?: Tags;
  };
  "message.expired": Record<string, never>;
  /** What this run did has changed a breaker. */
  "breaker.changed": { readonly name: string; readonly from: BreakerStatus; readonly to: BreakerStatus };
  "breaker.admitted": {
    /** The breaker was open: it goes by what comes of this. */
    readonly probe?: true;
  };
  "breaker.refused": { readonly name: string; readonly until: number };
  /** The breaker knows how it went. */
  "breaker.reported": Record<string, never>;
}

/** What is done to a value that runs share. */
export type KeyedAction = "set" | "update" | "delete";

/** Whether a breaker lets calls through: all, none, or one as a probe. */
export type BreakerStatus = "closed" | "open" | "half-open";

/** What came to the run as a message. */
export interface FromMail {
  /** The message's: one that comes again, however late, is not recorded again. */
  readonly token?: string;
}

/** What started a run that no caller asked for by name. */
export interface Trigger {
  /** `webhook`, `schedule`, `message`, `run`. */
  readonly kind: string;
  /** The hook, the schedule's id, the topic. */
  readonly source: string;
  /** Which one of it: the delivery's id, the instant in ISO 8601, the message's id. */
  readonly id: string;
}

/** The run that started another one. */
export interface ParentLink {
  readonly runId: string;
  /** The key of the call. */
  readonly key: string;
  /** How many runs stand above the child. */
  readonly depth: number;
  /** Nobody waits for the child's end. */
  readonly detached?: true;
}

/** Why an attempt has no outcome: its worker handed the run back, or died or lost its lease. Only the second counts. */
export type InterruptReason = "stopped" | "lost";

export type EventType = keyof EventData;

/** What an event of one type is, and what it must hold. */
interface EventRule {
  /**
   * `outcome`: given to the code, in this order. `terminal`: the run is over. `record`: neither, but the fold needs it.
   */
  readonly role: "outcome" | "terminal" | "record";
  readonly keyed: boolean;
  /** Recorded outside of its call's scope: it says something of the run that must be read also when the scope is not. */
  readonly runWide?: true;
  readonly required: Readonly<Record<string, FieldKind>>;
}

/** What a field of an event's data must be. `any`: whatever a user's value became. */
type FieldKind = "text" | "number" | "object" | "any";

const RULES: { readonly [T in EventType]: EventRule } = {
  "run.created": { role: "record", keyed: false, required: { workflow: "text", version: "text", input: "object" } },
  "run.claimed": { role: "record", keyed: false, required: { worker: "text" } },
  "run.completed": { role: "terminal", keyed: false, required: { value: "any" } },
  "run.failed": { role: "terminal", keyed: false, required: { error: "object" } },
  "run.cancelled": { role: "terminal", keyed: false, required: {} },
  "run.reopened": { role: "record", keyed: false, required: { from: "number" } },
  "run.paused": { role: "record", keyed: false, required: {} },
  "run.resumed": { role: "record", keyed: false, required: {} },
  "cancel.requested": { role: "outcome", keyed: false, required: {} },
  "attempt.started": { role: "record", keyed: true, required: {} },
  "attempt.failed": { role: "record", keyed: true, required: { error: "object", retryAt: "number" } },
  "attempt.interrupted": { role: "record", keyed: true, required: { reason: "text" } },
  "attempt.late": { role: "record", keyed: true, required: {} },
  "step.completed": { role: "outcome", keyed: true, required: { value: "any" } },
  "step.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "timer.armed": { role: "record", keyed: true, required: { dueAt: "number" } },
  "timer.fired": { role: "outcome", keyed: true, required: {} },
  "signal.received": { role: "record", keyed: false, required: { name: "text", payload: "object" } },
  "wait.started": { role: "record", keyed: true, required: { signal: "text" } },
  "wait.completed": { role: "outcome", keyed: true, runWide: true, required: { seq: "number" } },
  "wait.expired": { role: "outcome", keyed: true, required: {} },
  "wait.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "child.started": { role: "record", keyed: true, required: { runId: "text", workflow: "text", version: "text" } },
  "child.completed": { role: "outcome", keyed: true, required: { value: "any" } },
  "child.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "child.cancelled": { role: "outcome", keyed: true, required: {} },
  "start.completed": { role: "outcome", keyed: true, required: { runId: "text", workflow: "text", version: "text" } },
  "start.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "scope.started": { role: "outcome", keyed: true, required: {} },
  "scope.completed": { role: "outcome", keyed: true, required: { value: "any" } },
  "scope.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "kv.requested": { role: "record", keyed: true, required: { action: "text", scope: "text", key: "text" } },
  "kv.answered": { role: "outcome", keyed: true, required: { value: "any" } },
  "kv.failed": { role: "outcome", keyed: true, required: { error: "object" } },
  "lock.requested": { role: "record", keyed: true, required: { name: "text", slots: "number" } },
  "lock.acquired": { role: "outcome", keyed: true, required: {} },
  "lock.expired": { role: "outcome", keyed: true, required: {} },
  "lock.released": { role: "record", keyed: true, required: {} },
  "message.awaited": { role: "record", keyed: true, required: { topic: "text" } },
  "message.received": {
    role: "outcome",
    keyed: true,
    required: { topic: "text", id: "text", payload: "object", at: "number" },
  },
  "message.expired": { role: "outcome", keyed: true, required: {} },
  "breaker.changed": { role: "record", keyed: true, required: { name: "text", from: "text", to: "text" } },
  "breaker.admitted": { role: "outcome", keyed: true, required: {} },
  "breaker.refused": { role: "outcome", keyed: true, required: { name: "text", until: "number" } },
  "breaker.reported": { role: "outcome", keyed: true, required: {} },
};

/** All types of event, in no order that means something. */
export const EVENT_TYPES = Object.keys(RULES) as EventType[];

/** An event before it has its place: what a run's owner queues. */
export interface EventDraft<T extends EventType = EventType> {
  readonly type: T;
  /** The call's key; null for events of the run itself. */
  readonly key: string | null;
  /** See {@link EventRow.scope}. */
  readonly scope: string | null;
  /** The attempt's number, from 1; null where there is none. */
  readonly attempt: number | null;
  readonly at: number;
  readonly data: EventData[T];
}

/** An event with its place in its run, of one type. */
export interface EventOf<T extends EventType> extends EventDraft<T> {
  readonly runId: string;
  readonly seq: number;
  readonly epoch: number;
  /** The {@link FORMAT_VERSION} it was written under. */
  readonly v: number;
  /** Its place in the whole log; 0 until it is stored. */
  readonly position: number;
}

/** Any event. */
export type RunEvent = { [T in EventType]: EventOf<T> }[EventType];

/** An event as its row holds it. */
export interface EventRow {
  readonly position: number;
  readonly runId: string;
  readonly seq: number;
  readonly epoch: number;
  readonly type: string;
  readonly v: number;
  readonly key: string | null;
  /**
   * Null until the run opens its first scope. From then on the key of the scope in which the event happened, `""` at
   * the top level: so the events within a completed scope can be left unread.
   */
  readonly scope: string | null;
  readonly attempt: number | null;
  /** Milliseconds since the Unix epoch, never less than that of the event before it in its run. */
  readonly at: number;
  /** JSON; null stands for `{}`. */
  readonly data: string | null;
}

/**
 * Whether a row concludes a scope whose function does not run again: what lies within need not be read. One that failed
 * may be reopened, and one that is kept has to do with compensations.
 */
export function closesScope({ type, data }: Pick<EventRow, "type" | "data">): boolean {
  return type === "scope.completed" && !isKept(data);
}

/** Nearly no scope is: the text tells before it is read. */
function isKept(data: string | null): boolean {
  if (data?.includes('"kept":true') !== true) return false;
  try {
    return (JSON.parse(data) as { readonly kept?: true }).kept === true;
  } catch {
    // Whoever is given the event says what is wrong with it.
    return false;
  }
}

/** Whether the code is given events of this type. */
export function isOutcome(type: EventType): boolean {
  return RULES[type].role === "outcome";
}

/** Whether events of this type are recorded at the top level, wherever their call was made. */
export function isRunWide(type: EventType): boolean {
  return RULES[type].runWide === true;
}

/** Whether a run is over with an event of this type. */
export function isTerminal(type: EventType): boolean {
  return RULES[type].role === "terminal";
}

/**
 * The event that a row holds.
 *
 * @throws StoreError `EVENT_UNREADABLE` for a type or version that this code does not know and for damaged data.
 */
export function parseEvent(row: EventRow): RunEvent {
  const rule = Object.hasOwn(RULES, row.type) ? RULES[row.type as EventType] : undefined;
  if (row.v < 1 || row.v > FORMAT_VERSION)
    throw unreadable(row, `format version ${row.v}, but this Varve reads up to ${FORMAT_VERSION}: upgrade it`);
  if (rule === undefined) throw unreadable(row, `the unknown type ${JSON.stringify(row.type)}`);
  if (rule.keyed && row.key === null) throw unreadable(row, "no key");
  const data = parseData(row);
  for (const field of Object.keys(rule.required)) {
    if (!Object.hasOwn(data, field)) throw unreadable(row, `no ${field} in its data`);
    const kind = rule.required[field] as FieldKind;
    if (!isOfKind(kind, data[field])) throw unreadable(row, `a field ${field} in its data that is no ${kind}`);
  }
  // The loop above has looked at what the type promises of its data; the compiler cannot follow it.
  return { ...row, data } as unknown as RunEvent;
}

function isOfKind(kind: FieldKind, value: unknown): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string";
    case "number":
      return typeof value === "number";
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "any":
      return true;
  }
}

type Data = Readonly<Record<string, unknown>>;

const NO_DATA: Data = Object.freeze({});

function parseData(row: EventRow): Data {
  if (row.data === null) return NO_DATA;
  let data: unknown;
  try {
    data = JSON.parse(row.data);
  } catch (cause) {
    throw unreadable(row, "data that is no JSON", cause);
  }
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw unreadable(row, "data that is no object");
  return data as Data;
}

/** The text in which an event's data is stored. */
export function dataText(data: object): string | null {
  const text = JSON.stringify(data);
  return text === "{}" ? null : text;
}

function unreadable(row: EventRow, found: string, cause?: unknown): StoreError {
  return new StoreError(
    "EVENT_UNREADABLE",
    `expected event ${row.seq} of run ${row.runId} (position ${row.position}) to be readable, but found ${found}`,
    { runId: row.runId, seq: row.seq, position: row.position, type: row.type, v: row.v },
    { cause },
  );
}
