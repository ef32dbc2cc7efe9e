/**
 * The port on which the primitives of `ctx/` stand. A primitive asks for a call; the recorder gives it its key, finds
 * what the log says of it, and hands the code its outcomes one at a time, in the order of the log (rule R6).
 */
import type { Payload } from "../kernel/codec.ts";
import type { EventData, EventType, RunEvent, Tags, Trigger } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";
import type { LogLevel } from "../kernel/ports.ts";
import type { SlotQueue } from "../kernel/queues.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import type { CallKind, CallState, ReceivedSignal } from "../kernel/state.ts";

/** What workflow code may know of its run. */
export interface RunFacts {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly tags: Tags;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** What started it; null: a caller, by the workflow's name. Of a schedule's run `id` is the instant for which it was started. */
  readonly trigger: Trigger | null;
}

/** What is counted by name in a scope. */
export type Counted = "call" | "random" | "uuid" | "resume";

/** A place in which names are counted: the run's top level, or within a scope. */
export interface ScopeHandle {
  /** The scope's own key; `""` at the top level. */
  readonly path: string;
  /** Whether a cancel does not reach what is within. */
  readonly isShielded: boolean;
  /** The next occurrence of `name` among the calls, or of another counted thing. */
  next(kind: Counted, name: string): number;
}

/** How a call ends for the code. */
export type Settlement =
  | { readonly kind: "resolve"; readonly value: unknown }
  | { readonly kind: "reject"; readonly error: unknown }
  /** Not yet: the outcome only moves the call on. */
  | { readonly kind: "open" };

/** How a child has ended, as its last write tells its parent. */
export type ChildEnd =
  | { readonly status: "completed"; readonly output: Payload }
  | { readonly status: "failed"; readonly error: Failure }
  | { readonly status: "cancelled"; readonly reason: string | null };

/** A run to be started by another one. */
export interface NewChild {
  readonly workflow: string;
  readonly version: string;
  readonly input: unknown;
  readonly tags: Tags;
  readonly deadlineMs: number | null;
  /** Whether somebody waits for its end. */
  readonly isAwaited: boolean;
}

/** What a primitive asks for. */
export interface CallRequest {
  readonly kind: CallKind;
  readonly name: string;
  readonly scope: ScopeHandle;
  /** Whether a cancel neither rejects nor refuses it: a scope that shields what is within. */
  readonly isShield?: boolean;
  /** Whether it may change what runs share, or wait in line for a lock. */
  readonly isSharing?: boolean;
  /** Whether its attempts take a slot of a queue. */
  readonly isQueued?: boolean;
  /** Whether `given` makes it something that can be undone: then it is called also when the scope of the call is over. */
  readonly isUndoable?: boolean;
  /** For an item of a map: which use of `name` the map is, as its scope has counted it, and the item's place from 0. */
  readonly item?: { readonly occurrence: number; readonly index: number };
  /** Called once the log has nothing more to say of this call: goes on from `call.state`. */
  readonly live: (call: LiveCall) => void;
  /** Called for each outcome of this call, in the turn in which the code is given it. */
  readonly given: (outcome: RunEvent, call: LiveCall) => Settlement;
}

/** A call as its primitive drives it. Every method is inert once the run has left this worker. */
export interface LiveCall {
  readonly key: string;
  readonly run: RunFacts;
  /** What the log holds of the call. Changes as events are queued. */
  readonly state: CallState;
  /** Whether the log has anything of it. */
  readonly isBegun: boolean;
  /** Whether a cancel was asked for that reaches it. */
  readonly isCancelled: boolean;
  /** The log's clock, milliseconds since the epoch. */
  now(): number;
  /** A random float in [0, 1) that replay does not repeat: for jitter, which is recorded as an instant. */
  random(): number;
  /**
   * The stored form of a user's value.
   *
   * @throws PayloadError when the log cannot hold it
   */
  encode(value: unknown): Payload;
  /** Queues an event that only the fold needs. */
  record<T extends EventType>(type: T, attempt: number | null, data: EventData[T]): void;
  /**
   * Queues an outcome: it is recorded, and the code will be given it.
   *
   * @throws PayloadError `PAYLOAD_TOO_LARGE`; then nothing was queued
   */
  conclude<T extends EventType>(type: T, attempt: number | null, data: EventData[T]): void;
  /** Calls `fn` when the log's clock has reached `dueAt`. Meanwhile the run may leave memory. */
  waitUntil(dueAt: number, fn: () => void): void;
  /** Whether an attempt may begin here and now; false: the run is about to leave this worker. */
  mayBegin(timeoutMs: number | null): boolean;
  /**
   * Runs a step's body once everything queued so far is durable. `ended` is called with its outcome while the run still
   * waits for it; an outcome that comes later is recorded as late.
   */
  runBody(body: Body): void;
  /**
   * Does something to what runs share, once everything queued so far is durable. `done` is called with what it came to
   * while the run still waits for it.
   */
  operate<T>(operation: Operation<T>): void;
  /** Opens the scope that this call stands for. */
  openScope(): ScopeHandle;
  /** Its function has come to its end: what it left open is closed. */
  closeScope(): void;
  /** The signals of a name that nobody has taken, in order of arrival. */
  signals(name: string): readonly ReceivedSignal[];
  /** The signal that was received at `seq`. */
  signal(seq: number): ReceivedSignal;
  /** Calls `fn` with each signal that comes in, until it takes one. Meanwhile the run may leave memory. */
  listen(fn: (signal: ReceivedSignal) => boolean): void;
  /** Waits for what mail brings: the end of its child, its turn at a lock. Meanwhile the run may leave memory. */
  waitForMail(): void;
  /**
   * Gets in line for a slot of a queue, for an attempt that is to begin. `granted` is called once it is its turn. Meanwhile the
   * run may leave memory.
   */
  enterQueue(slot: QueueSlot, granted: () => void): void;
  /** The slot of an attempt ends with what was just recorded: whoever had asked for it. */
  leaveQueue(attempt: number): void;
  /** The child that this call has started and whose end it waits for. */
  readonly childId: string | null;
  /**
   * Starts a run with the event that `record` queues, given the run's id: either both are in the log or neither is.
   *
   * @throws LimitError `CHILD_DEPTH`, `CHILDREN_LIMIT`; PayloadError
   */
  startRun(child: NewChild, record: (runId: string) => void): void;
  /** The version of a workflow that a start by its name means here; null: it is not registered. */
  versionOf(workflow: string): string | null;
}

/** A slot that an attempt of a step needs. */
export interface QueueSlot {
  readonly attempt: number;
  readonly line: string;
  readonly slots: number;
  readonly queue: SlotQueue;
}

/** Something that a call does to what runs share. */
export interface Operation<T> {
  /** Names it among those of its call that change something. @default the call's key */
  readonly id?: string;
  /** Whether it is a request for a lock: that is pursued also when nobody waits any more, so that no place is forgotten. */
  readonly entersLine?: boolean;
  /** The key of the place that it asks for. @default the call's key */
  readonly place?: string;
  /** Tried from its beginning until the store answers. What it puts is put once. */
  readonly run: (shared: Shared) => Promise<T>;
  readonly done: (answer: T) => void;
}

/** What runs share. */
export interface Shared {
  /** The value under a key; with version 0 if there never was one. */
  get(scope: string, key: string): Promise<SharedValue>;
  /** What has a value under keys that begin with `prefix`, in order of the keys. */
  list(
    scope: string,
    page: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  ): Promise<readonly SharedValue[]>;
  put(put: SharedPut): Promise<PutVerdict>;
  /** What an earlier owner of the run has put by this very operation, and may not have recorded; null: nothing. */
  inherited(): Promise<Extract<PutVerdict, { kind: "done" }> | null>;
  /** Takes the call's place in line for a lock, or for a slot of a queue, or finds the one that it has. */
  enterLine(name: string, slots: number, queue?: SlotQueue): Promise<"granted" | "waiting">;
  /**
   * Begins the call's wait for a message, or finds it. `isMeant`: the messages that were published before, from `since` on;
   * null: none of them.
   */
  awaitMessage(wanted: WantedMessage): Promise<AwaitedMessage>;
  /** Ends the call's wait, unless a message was given to it first. */
  expireWait(): Promise<AwaitedMessage>;
}

/** What a call waits for. */
export interface WantedMessage {
  readonly topic: string;
  /** An expression over `message` and `run`; null: any. */
  readonly match: string | null;
  /** Messages from this instant on that were published before the wait began; null: none of them. */
  readonly since: number | null;
  /** Whether `match` means one. */
  readonly isMeant: (message: GivenMessage, input: Payload) => boolean;
}

/** A message as the log has it. */
export type GivenMessage = EventData["message.received"];

/** How a wait for a message stands. */
export type AwaitedMessage =
  | { readonly kind: "waiting" }
  | { readonly kind: "expired" }
  | { readonly kind: "given"; readonly message: GivenMessage };

/** A value that runs share. */
export interface SharedValue {
  readonly key: string;
  /** JSON text of a payload; null: there is none. */
  readonly value: string | null;
  /** Grows with every change. */
  readonly version: number;
}

/** A change of a value that runs share. */
export interface SharedPut {
  readonly scope: string;
  readonly key: string;
  /** JSON text of a payload; null deletes. */
  readonly value: string | null;
  readonly ttlMs: number | null;
  /** The version that must be there still. */
  readonly ifVersion: number;
  /** Comes back with the verdict `done`: JSON text. */
  readonly note?: string | null;
}

export type PutVerdict =
  | { readonly kind: "put" }
  /** An earlier try was taken: with this note. */
  | { readonly kind: "done"; readonly note: string | null }
  /** Another version is there. */
  | { readonly kind: "conflict" };

/** A body to be run, and what becomes of its outcome. */
export interface Body {
  readonly attempt: number;
  /** How long the attempt may take, milliseconds; null: without bound. */
  readonly timeoutMs: number | null;
  readonly run: (surroundings: BodySurroundings) => unknown;
  readonly ended: (outcome: BodyOutcome) => void;
}

export interface BodySurroundings {
  /** Aborted when the attempt times out, the run ends or is cancelled, or the worker loses or hands back the run. */
  readonly signal: AbortSignal;
  /** What `createEngine({ env })` was given. */
  readonly env: unknown;
  readonly log: LogLine;
}

export type BodyOutcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "timeout" };

/** Writes a log line with the run's id and more beside it. */
export type LogLine = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Something that undoes a completed step. */
export interface Compensation {
  /** The step's key, and the scope in which it was made. */
  readonly key: string;
  readonly scope: string;
  /** Runs it, in `scope`, as a step of its own. */
  readonly run: (scope: ScopeHandle) => Promise<unknown>;
}

/** What undoes the steps of a run, in order of their completion. */
export interface Compensations {
  /** A step of this scope is asked for that can be undone once it has completed. The returned function: it has an outcome. */
  expect(scope: string): () => void;
  /** Whether such a step has none. */
  readonly mayCome: boolean;
  add(compensation: Compensation): void;
  /** Whether a step within this scope can be undone. */
  hasWithin(scope: string): boolean;
  /**
   * Whether the function of this scope must run again on resume: a step within can be undone, or what was taken within came
   * from outside of it, or the other way round.
   */
  mustRunAgain(scope: string): boolean;
  /** All, the last first, for the code in this scope; from now on there are none. */
  take(by: string): Compensation[];
}

export interface Recorder {
  readonly run: RunFacts;
  readonly root: ScopeHandle;
  /** The instant of the last outcome that the code was given, milliseconds since the epoch. */
  now(): number;
  /** Whether the code has been told that the run is cancelled. */
  readonly isCancelled: boolean;
  /** What undoes the run's steps, should it fail. */
  readonly compensations: Compensations;
  /** Says how they are undone when a cancel comes after the function has returned, and before that is recorded. */
  undoBy(undo: () => Promise<void>): void;
  /** How many steps a queue lets run at once; null: there is no such queue here. */
  queueSlots(queue: string): number | null;
  /** Makes the addresses of `ctx.resumeUrl`; null: the engine was not told how. */
  readonly resumes: ResumeSigner | null;
  /** Asks for a call. The promise settles in a later turn, or never if the run leaves this worker first. */
  ask(request: CallRequest): Promise<unknown>;
  /** Writes a log line once all that was queued before is durable; not at all during replay. */
  readonly log: LogLine;
}

/** A workflow version as a worker runs it. */
export interface Program {
  readonly workflow: string;
  readonly version: string;
  /** Runs the workflow function. */
  readonly run: (recorder: Recorder, input: unknown) => Promise<unknown>;
}
