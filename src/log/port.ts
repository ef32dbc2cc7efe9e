/**
 * The storage port: everything the engine asks of a log. `memory.ts` is its reference, `libsql/` the real one; one
 * contract suite (`test/log/contract.ts`) holds both to what is written here.
 *
 * Every write is safe to repeat, because the outcome of a call that failed is unknown: it may have been done. Whoever
 * gets an error from `append` sends the same write again.
 */
import type { EventDraft, EventRow, Tags } from "../kernel/events.ts";
import type { PlaceLimit, RateTake } from "../kernel/place-limit.ts";
import type { SlotQueue } from "../kernel/queues.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { RunFilter, RunWindow, Stray } from "./port-lists.ts";
import type {
  DispatchAhead,
  DispatchRow,
  EndsAhead,
  GatheredMessage,
  MessageRow,
  NewMessage,
  PublishVerdict,
  SubscriptionRow,
  WaitRow,
  WaitVerdict,
} from "./port-messages.ts";
import type { OutgoingStore } from "./port-outgoing.ts";
import type { Outlook, OutlookRequest } from "./port-outlook.ts";

/** One run's part of a write. All of it is stored, or none. */
export interface RunAppend {
  readonly runId: string;
  /** The fence: nothing happens unless the run has this epoch, and `firstSeq - 1` as its head. */
  readonly epoch: number;
  readonly firstSeq: number;
  /** The events from `firstSeq` on; may be empty when only the row changes. */
  readonly events: readonly AppendedEvent[];
  /** Ids of inbox rows that these events consumed. */
  readonly drained: readonly number[];
  readonly row: RunRowPatch;
  /**
   * What happens beyond the run if, and only if, its part is taken; null: nothing.
   */
  readonly beyond: Beyond | null;
}

/** What a run's part of a write does to others, under the run's fence. */
export interface Beyond {
  /**
   * Whether the run may have asked for a lock, put a value or waited for a message. Then, with a terminal status, its places
   * in line, its waits and what is kept of its operations end. A part without it does not look for them, so that an ordinary
   * run pays nothing.
   */
  readonly shares: boolean;
  /** Runs that it starts. One whose id exists, or whose idempotency key has a run, is left as it is. */
  readonly children: readonly ChildStart[];
  /**
   * Messages to other runs. One to a run that is over or unknown comes to nothing. The inbox's bound does not hold for
   * them: what one run tells another is bounded by the one that tells. They come with an event: a part that moves no head
   * can be taken twice, and what was told could have been read in between.
   */
  readonly tells: readonly InboxMessage[];
  /** Calls whose places in line for a lock, held or waited for, end here. */
  readonly unlocks: readonly string[];
  /** Calls whose {@link Operation} has been recorded: its answer need not be kept. */
  readonly settled: readonly string[];
  /**
   * What becomes of the places that the run's limits give it. `yield`: those that it holds only while it is worked on are
   * given back, and it gets in line again when it is woken. `end`: all are, with a terminal status. Null: it has none, or
   * keeps them.
   */
  readonly places: "yield" | "end" | null;
}

/** A run that another one starts: pending, with its first event. */
export interface ChildStart {
  /** Without an owner and a delivery. */
  readonly start: RunStart;
  readonly created: AppendedEvent;
  /** When it may be claimed. */
  readonly availableAt: number;
}

/** An event as it is sent: with its data as text, which never changes once sent. */
export type AppendedEvent = Pick<EventDraft, "key" | "scope" | "attempt" | "at"> & {
  readonly type: string;
  readonly v: number;
  readonly data: string | null;
};

/** What a write makes of the count of unclean claims: as it is, 0 (an outcome was recorded), this claim taken back. */
export type UncleanChange = "keep" | "reset" | "undo";

/** What a write makes of a run's row beside its head. */
export type RunRowPatch =
  /** It stays as it is: a running run, or one that is created and gets in line. */
  RunRowAdvance | RunRowMove;

/** A row of which little changes but the head. */
export interface RunRowAdvance {
  readonly kind: "advance";
  readonly unclean: Exclude<UncleanChange, "undo">;
  /** Null: as it is. */
  readonly startedAt: number | null;
}

/** A row that changes as a whole. */
export interface RunRowMove {
  readonly kind: "move";
  readonly unclean: UncleanChange;
  /**
   * `waiting` becomes `pending` in the write itself if an inbox row is left, and `paused` if one of {@link WAKES_PAUSED} is
   * (rule R4: no blind park).
   */
  readonly status: RunStatus;
  /** When it may be claimed next; null: not before something else happens. */
  readonly availableAt: number | null;
  /** Whether the claim ends with this write. */
  readonly release: boolean;
  /** The result's payload or failure as JSON text, with a terminal status. */
  readonly result: string | null;
  /** Null: as it is. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why the run is `stuck`, as JSON text with `code` and `message`. */
  readonly stuck: string | null;
}

/** A run to be created. Its events are in a {@link RunAppend} of the same write with `firstSeq` 1. */
export interface RunStart {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  readonly createdAt: number;
  readonly deadlineAt: number | null;
  /** The worker that claims it in the same write (it is then running, under epoch 1), or null (pending, epoch 0). */
  readonly owner: string | null;
  /**
   * The webhook delivery that starts it, stored beside it as `started`. If it has been decided about already, nothing is
   * started, nor stored.
   */
  readonly delivery: DeliveryRow | null;
  /** The run that started it; null: nobody's child. */
  readonly parentId: string | null;
  /**
   * What it needs a place in before it may be claimed, and when it gets in line; null: nothing. One with limits has no
   * owner, and its row no `availableAt` until it is admitted.
   */
  readonly limits: RunLimits | null;
}

/** The limits that a run obeys from its start on. */
export interface RunLimits {
  readonly places: readonly PlaceLimit[];
  readonly lineAt: number;
  /** What it takes of buckets if it is created. A child is not refused for want of a token: it gets in line later. */
  readonly takes: readonly RateTake[];
  /** It is not created while another is under way that has this in common with it. Null, or a child: it is. */
  readonly singleton: string | null;
}

/** A webhook request whose signature is good, or one of its replays. */
export interface DeliveryId {
  readonly hook: string;
  /** The sender's id of it: a repeat has the same. */
  readonly deliveryId: string;
  /** 0: the request itself; else the number of its replay. */
  readonly replay: number;
}

/** One of them as it is stored, once what becomes of it is decided. */
export interface DeliveryRow extends DeliveryId {
  readonly receivedAt: number;
  /** Null: it is a replay, whose content is with the request. */
  readonly content: DeliveryContent | null;
}

export interface DeliveryContent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The least time for which deliveries are kept, since the last decision about each. */
export const DELIVERIES_KEPT_MS = 7 * 86_400_000;

/** What a delivery came to: a run, a signal to one, or nothing. */
export type DeliveryDecision = "started" | "signalled" | "ignored" | "invalid";

/** A decision about a delivery that starts no run. One that does is in {@link RunStart.delivery}. */
export interface DeliveryVerdict {
  readonly row: DeliveryRow;
  readonly decision: Exclude<DeliveryDecision, "started">;
  /** JSON text with `code` and `message`; null with `signalled`. */
  readonly reason: string | null;
  /** With `signalled`: what is told to which run. Its bound is that of all messages from outside. */
  readonly signal: InboxMessage | null;
}

/** A delivery as it was decided, without its content. */
export interface DecidedDelivery extends DeliveryId {
  /** Its place among all; grows. */
  readonly position: number;
  readonly receivedAt: number;
  readonly decision: DeliveryDecision;
  /** The run that it started, or told. */
  readonly runId: string | null;
  readonly reason: string | null;
  /** The length of its body, bytes; 0 of a replay. */
  readonly bytes: number;
}

/** What mail is about. `child`: a child has ended. `lock`: a lock is granted. `message`: what a call waits for was published. */
export type MessageKind = "cancel" | "terminate" | "pause" | "resume" | "signal" | "child" | "lock" | "message";

/** What wakes a paused run; other mail waits until it is resumed. */
export const WAKES_PAUSED: readonly MessageKind[] = ["cancel", "terminate", "resume"];

/** A message to a run from somebody who does not own it (rule R4). */
export interface InboxMessage {
  readonly runId: string;
  readonly kind: MessageKind;
  /** Names this message: sent again, it is the same one. */
  readonly token: string;
  /** JSON text. */
  readonly data: string | null;
  readonly at: number;
}

/** An inbox row as its run's owner reads it. */
export interface InboxRow extends InboxMessage {
  /** Arrival order; never reused. */
  readonly id: number;
}

/** The most rows that wait in one run's inbox. */
export const INBOX_ROWS_MAX = 1_000;

/** Why a signal of a delivery was not sent: the reasons of {@link LogStore.decideDelivery}, as JSON texts. */
export const UNTOLD = {
  unknown: '{"code":"RUN_NOT_FOUND","message":"there is no such run"}',
  over: '{"code":"RUN_OVER","message":"the run is over"}',
} as const;

/** What one write holds. Each part may be empty. */
export interface LogWrite {
  readonly starts: readonly RunStart[];
  readonly runs: readonly RunAppend[];
  readonly messages: readonly InboxMessage[];
}

/** What became of a write. */
export interface WriteVerdict {
  /** The row of each run of `runs` after the write, by run id; missing: no such run. */
  readonly runs: ReadonlyMap<string, RunHead>;
  /**
   * For each start by its run id: the run that exists under its idempotency key, or its own, or the one of its singleton that
   * is under way. Missing: that one has ended in this very write, the start was refused, or its delivery has been decided
   * about otherwise.
   */
  readonly starts: ReadonlyMap<string, string>;
  /** Starts for which there was no token, by run id: when there is one again. */
  readonly refused: ReadonlyMap<string, number>;
  /** For each message by its token. */
  readonly messages: ReadonlyMap<string, MessageVerdict>;
}

/** What a write's verdict says of a run's row. */
export interface RunHead {
  readonly epoch: number;
  readonly head: number;
  readonly availableAt: number | null;
}

/** `over`: the run is terminal. `full`: {@link INBOX_ROWS_MAX} rows wait. */
export type MessageVerdict = "accepted" | "over" | "unknown-run" | "full";

/** A workflow version that a worker can run. */
export interface ProgramId {
  readonly workflow: string;
  readonly version: string;
}

export interface ClaimRequest {
  readonly worker: string;
  /**
   * Numbers the worker's claims, upwards: one that is not later than the last does nothing. Else a claim that is late on
   * its way, or that something sends again, would give a worker runs that it does not know of, and keep them from others
   * for as long as it lives.
   */
  readonly turn: number;
  readonly programs: readonly ProgramId[];
  /** The queues that it serves: it takes no run of another. Null: all. @default null */
  readonly queues?: readonly string[] | null;
  readonly limit: number;
  /** Whether the worker owns nothing else, and so takes one suspect (see {@link UNCLEAN_ALONE_FROM}). */
  readonly alone: boolean;
  /** Whether runs with limits that are due get in line first: what {@link WorkAhead.linesDue} says. @default false */
  readonly linesDue?: boolean;
}

/** From this many unclean claims on, a run is claimed only by a worker that owns nothing else. */
export const UNCLEAN_ALONE_FROM = 2;

/** The unclean claims while alone that park a run as `stuck`. */
export const UNCLEAN_ALONE_MAX = 5;

/** A run that was claimed. */
export interface Claim {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  /** The new epoch. */
  readonly epoch: number;
  readonly head: number;
  /** Unclean claims before this one. */
  readonly uncleanBefore: number;
  /** Whether it was `stuck` before. */
  readonly wasStuck: boolean;
  /** Whether its inbox has rows. */
  readonly hasMail: boolean;
}

/** A run as the worker that holds it knows it. */
export type HeldRun = Pick<Claim, "runId" | "epoch">;

export interface ClaimVerdict {
  /** Nothing was done, because a claim with this turn or a later one has been there. */
  readonly isVoid: boolean;
  readonly claims: readonly Claim[];
  /** Runs that were parked as `stuck` because they kept killing their workers. */
  readonly poisoned: readonly string[];
}

/** The code in a run's `stuck` when its claims kept ending uncleanly. Only a person releases such a run. */
export const POISONED = "RUN_POISONED";

/** When a worker is needed next. */
export interface WorkAhead {
  /**
   * The earliest instant at which a run of the asked programs can be claimed; null: none is in sight. Of runs that must
   * be claimed alone only those count that are not due yet.
   */
  readonly dueAt: number | null;
  /** Whether a run is due that must be claimed alone. */
  readonly suspectDue: boolean;
  /** Whether a run with limits, of whichever program, is to get in line: a claim does it. */
  readonly linesDue: boolean;
  /** The database's clock. */
  readonly now: number;
}

export interface Heartbeat {
  /** False: the lease had ended. Whoever held it must stop at once and take a new id. */
  readonly alive: boolean;
  /** Owned runs that have inbox rows. */
  readonly mail: readonly string[];
}

/** A value that runs and others share, under a key within a scope. */
export interface KeyedValue {
  readonly key: string;
  /** JSON text of a payload; null: there is none (deleted, expired, or never set). */
  readonly value: string | null;
  /**
   * Grows with every change, also across deletion, so what is deleted leaves a row; 0: never set. It is the fence of
   * {@link LogStore.putKeyed}.
   */
  readonly version: number;
  /** Null: it stays, or there is no value. */
  readonly expiresAt: number | null;
}

/** Which run's call does something to what runs share: done once, however often it is sent (rule R3). */
export interface Operation {
  readonly runId: string;
  readonly epoch: number;
  /** The call's key. */
  readonly key: string;
}

/** A change of a {@link KeyedValue}. */
export interface KeyedPut {
  readonly scope: string;
  readonly key: string;
  /** JSON text of a payload; null deletes. */
  readonly value: string | null;
  /** Milliseconds from now; null: it stays. */
  readonly ttlMs: number | null;
  /** The version that must be there still; null: whatever is there. With an `operation` never null. */
  readonly ifVersion: number | null;
  /**
   * On whose behalf; its answer is kept until {@link Beyond.settled} names it, so that a repetition gets the same one. Null:
   * somebody outside, who repeats nothing.
   */
  readonly operation: Operation | null;
  /** What the caller wants to find with its answer, when it has lost it: JSON text. */
  readonly note: string | null;
}

/** What became of a put. Without an operation it is `put` or `conflict`. */
export type KeyedVerdict =
  | { readonly kind: "put"; readonly version: number }
  /** An earlier try of the same operation was taken: with this note. */
  | { readonly kind: "done"; readonly note: string | null; readonly version: number }
  | { readonly kind: "conflict" }
  /** The run is another worker's by now, or over. */
  | { readonly kind: "lost" };

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

/** A run's place in a line. */
export interface PlaceRow extends PlaceLimit {
  readonly runId: string;
  readonly requestedAt: number;
  /** Null: it waits. */
  readonly grantedAt: number | null;
}

/** What was set of a line at run time. */
export interface LineSetting {
  readonly line: string;
  /** How many it lets in; null: as many as the places in it say. */
  readonly slots: number | null;
  /** Whether it admits nobody. */
  readonly paused: boolean;
}

/** `fairKey`: only those that wait on the turns of this key; null: of those that have none. */
export type PlaceFilter =
  | { readonly runId: string }
  | { readonly line: string; readonly fairKey?: string | null | undefined };

/**
 * From so many waiting runs at the head of a line the first that has room in all of its lines is admitted. Where runs take
 * turns, from so many keys whose turn it is.
 */
export const LOOK_AHEAD = 64;

/** So many of each of those keys are looked at. */
export const LOOK_AHEAD_OF_KEY = 4;

/** The most runs that a change of a line admits. */
export const OPENINGS_MAX = 1_000;

export const PLACES_COUNTED_MAX = 10_000;

/** Counted up to {@link PLACES_COUNTED_MAX}. */
export interface PlaceCounts {
  readonly held: number;
  readonly waiting: number;
}

/** The most runs that get in line with one claim. */
export const ARRIVALS_MAX = 500;

/** So much later a run that was passed over gets in line again, if no worker comes that takes it. */
export const ASIDE_MS = 3_600_000;

/** The most runs that one call passes over, and that it lets get in line again. */
export const PASSED_MAX = 500;

/** So many waiting runs are looked at for it. */
export const PASSED_LOOKED_MAX = 10_000;

/** Who passes runs over that nobody takes. */
export interface PassRequest {
  /** What the caller takes: nothing of it is passed over. */
  readonly programs: readonly ProgramId[];
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
  /** For so long a run that is admitted may hold its places though nobody takes it, while others wait for them. */
  readonly patienceMs: number;
}

/** What {@link LogStore.passOver} has done. */
export interface PassVerdict {
  /** How many runs have left their lines to others. */
  readonly passed: number;
  /** How many that had, and that the caller takes, get in line again. */
  readonly returned: number;
}

/** A run's row. */
export interface RunRow {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly status: RunStatus;
  readonly availableAt: number | null;
  readonly owner: string | null;
  readonly epoch: number;
  readonly head: number;
  readonly unclean: number;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  /** JSON text. */
  readonly result: string | null;
  /** JSON text. */
  readonly stuck: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  readonly parentId: string | null;
  readonly limits: readonly PlaceLimit[] | null;
  /** The queue of its first limit; null: it is in none. */
  readonly queue: string | null;
  /** When a run with limits gets in line, for the first time or again; null: it is in line, has its places, or is over. */
  readonly lineAt: number | null;
  /** See {@link RunLimits.singleton}. */
  readonly singleton: string | null;
  /** Since when it has left its lines to others, until `lineAt` ({@link LogStore.passOver}); null: it has not. */
  readonly passedAt: number | null;
}

/** A worker's row. */
export interface WorkerRow {
  readonly id: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  /** Null: it has not said what it can run. */
  readonly programs: readonly ProgramId[] | null;
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
}

/** An API key as it is stored: never the secret itself. */
export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

// ---- Schedules ----

/** A schedule's row. Instants are milliseconds since the epoch. */
export interface ScheduleRow {
  readonly id: string;
  readonly workflow: string;
  /** Null: the latest that is registered where an instant is decided. */
  readonly version: string | null;
  /** JSON text: timetable, policies, input. Equal definitions are equal texts. */
  readonly definition: string;
  /** Who wrote it: `code`, or `api`. */
  readonly source: "code" | "api";
  /** Counts definitions, from 1. */
  readonly generation: number;
  /** Counts changes of this row, from 1: the fence of {@link LogStore.changeSchedule}. */
  readonly revision: number;
  /** Names the last change: sent again, it is the same one. */
  readonly token: string;
  /** Null: it is not paused. */
  readonly pausedAt: number | null;
  /** Why it is paused. */
  readonly note: string | null;
  /** Every instant up to this one is decided. It only grows. */
  readonly cursor: number;
  /** When the next instant is due; null: it is paused, or has none. */
  readonly nextAt: number | null;
  /** Firings that wait for an earlier run to end. */
  readonly waiting: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * What instants belong to: those of the timetable, those that somebody asked for once more, and those at which somebody
 * asked for a run. In each lane an instant has one firing.
 */
export type FiringLane = "schedule" | "backfill" | "manual";

/** What became of an instant. `waiting`: to be decided when an earlier run has ended, or a later instant takes its place. */
export type FiringDecision = "fired" | "skipped" | "waiting";

/** The decision on an instant of a schedule, or on a range of them that were skipped for one reason. */
export interface FiringRow {
  readonly scheduleId: string;
  readonly at: number;
  readonly lane: FiringLane;
  /** The last instant of a range; null: it is one instant. */
  readonly until: number | null;
  /** How many instants it stands for; null: more than anybody counts. */
  readonly instants: number | null;
  readonly decision: FiringDecision;
  /** What made it: the timetable in time, or too late; otherwise as the lane. */
  readonly cause: "schedule" | "catch-up" | "backfill" | "manual";
  /** Why it was skipped, or waits. */
  readonly reason: string | null;
  readonly runId: string | null;
  /** Of the definition that it was decided by. */
  readonly generation: number;
  /** Null: it is not. */
  readonly decidedAt: number | null;
  /** Whether the overlap rule has to look at it: it waits, or its run was not seen to have ended. */
  readonly isOpen: boolean;
}

/** Which firing. */
export type FiringId = Pick<FiringRow, "at" | "lane">;

/** A firing that the overlap rule has to look at. */
export interface OpenFiring extends FiringRow {
  /** Null: it waits, or there is no such run. */
  readonly runStatus: RunStatus | null;
}

/** A schedule and what of it is under way, as of one moment. */
export interface ScheduleView {
  readonly row: ScheduleRow;
  /** In order of their instants. */
  readonly open: readonly OpenFiring[];
  /** The database's clock. */
  readonly now: number;
}

/** What is to be known of a schedule's row to make it. */
export type NewSchedule = Omit<ScheduleRow, "revision" | "generation" | "waiting">;

/** A change of a schedule: all of it is done, or none. */
export interface ScheduleChange {
  readonly scheduleId: string;
  /** The fence: nothing happens unless the row has this revision. */
  readonly revision: number;
  /** Names this change. */
  readonly token: string;
  readonly row: Pick<
    ScheduleRow,
    | "workflow"
    | "version"
    | "definition"
    | "source"
    | "generation"
    | "pausedAt"
    | "note"
    | "cursor"
    | "nextAt"
    | "waiting"
    | "updatedAt"
  >;
  /** New firings, and what becomes of such that wait. One that is decided stays as it is. */
  readonly firings: readonly FiringRow[];
  /** Firings whose runs have ended. */
  readonly closed: readonly FiringId[];
  /** The runs of what fires, by idempotency key: a firing has the run that there is under its key. */
  readonly starts: readonly ChildStart[];
  readonly tells: readonly InboxMessage[];
  /** Decided firings that are older, or of which as many are newer, are deleted: at most {@link FIRINGS_PRUNED_MAX} of each. */
  readonly keep: { readonly decidedAfter: number; readonly count: number };
}

/** The most firings that a change deletes for their age, and for their number. */
export const FIRINGS_PRUNED_MAX = 200;

/** Which schedules need somebody. */
export interface SchedulesAhead {
  /** Ids of those that are due, or have a firing whose turn it is; earliest first. */
  readonly due: readonly string[];
  /** When the next one is due that is not; null: none is in sight. */
  readonly nextAt: number | null;
  /** Whether firings wait for runs to end. */
  readonly waits: boolean;
  /** The database's clock. */
  readonly now: number;
}

/** Which firings a list shows. */
export interface FiringFilter {
  readonly scheduleId: string;
  readonly decision: FiringDecision | null;
}

/** A page of firings, latest first. `before`: only what comes after this one in that order. */
export interface FiringPage {
  readonly before: FiringId | null;
  readonly limit: number;
}

// ---- Messages ----

/** All that a message comes to. It happens as a whole, and once. */
export interface MessageDispatch {
  readonly position: number;
  readonly starts: readonly { readonly subject: string; readonly start: ChildStart }[];
  /** Mail that cancels runs. One that is over has no decision. */
  readonly cancels: readonly { readonly subject: string; readonly mail: InboxMessage }[];
  /** Waits that it ends, if they are open still: each run is told by mail of the kind `message`. */
  readonly waits: readonly number[];
  readonly gathered: readonly GatheredMessage[];
  readonly decisions: readonly Pick<DispatchRow, "subject" | "decision" | "reason">[];
}

/** A call that wants a message. */
export interface WaitRequest {
  readonly topic: string;
  readonly match: string | null;
  /** Whether it is open at once; else it looks back first. */
  readonly isOpen: boolean;
  readonly operation: Operation;
}

/**
 * The part of the log that holds messages. A message is written, and then dispatched in one write that is guarded by its not
 * having been: whoever comes first does all of it, and whoever comes again does nothing.
 */
export interface MessageStore {
  publishMessage(message: NewMessage): Promise<PublishVerdict>;
  /** Puts these in the place of all that the workflows listened to. From the first end of a run on, ends are captured. */
  putSubscriptions(workflows: readonly string[], rows: readonly SubscriptionRow[]): Promise<void>;
  /** `after`: only messages after this position. */
  dispatchAhead(page: { readonly after: number; readonly limit: number }): Promise<DispatchAhead>;
  /** Open waits on the message's topic that were open before it was published, by id. */
  listWaits(message: number, page: { readonly after: number; readonly limit: number }): Promise<WaitRow[]>;
  /** The first events of runs, for what they were created with. */
  readCreated(runIds: readonly string[]): Promise<EventRow[]>;
  /** Does all that a message comes to, unless that has been done. Returns the runs that were told something by it. */
  dispatchMessage(dispatch: MessageDispatch): Promise<readonly string[]>;
  /** The last messages of a gathering, in order. */
  readGathered(id: number, limit: number): Promise<MessageRow[]>;
  /**
   * Ends a gathering that has `count` still: starts its run, or says why there is none. False: it has another count, or
   * an earlier try has ended it.
   */
  fireGathering(fire: {
    readonly id: number;
    readonly count: number;
    readonly start: ChildStart | null;
    readonly reason: string | null;
  }): Promise<boolean>;

  /** Begins a call's wait, or finds it. */
  requestWait(request: WaitRequest): Promise<WaitVerdict>;
  /**
   * Opens a wait that has looked back as far as `seen`, unless there is more for {@link lookBack} by now. So every message is
   * seen in one of two ways: by the look back, or by whoever dispatches it.
   */
  openWait(operation: Operation, page: { readonly since: number; readonly seen: number }): Promise<WaitVerdict>;
  /** Gives a message to a wait that has not ended. */
  giveMessage(operation: Operation, position: number): Promise<WaitVerdict>;
  /** Ends a wait to which nothing was given. */
  expireWait(operation: Operation): Promise<WaitVerdict>;
  /** Messages on a topic or pattern that the run was not given before, in order. */
  lookBack(
    runId: string,
    page: {
      readonly topic: string;
      readonly since: number;
      readonly after: number;
      readonly limit: number;
    },
  ): Promise<MessageRow[]>;

  /** The next ends of runs that somebody listens to; null: nobody does. */
  endsAhead(limit: number): Promise<EndsAhead | null>;
  /** Publishes them, if nobody has gone on from there before. */
  publishEnds(from: number, until: number, messages: readonly NewMessage[]): Promise<void>;

  /** Newest first. `before`: only earlier ones. */
  listMessages(page: {
    readonly topic: string | null;
    readonly before: number | null;
    readonly limit: number;
  }): Promise<MessageRow[]>;
  getMessage(topic: string, id: string): Promise<MessageRow | null>;
  /** What became of a message, by subject. `after`: only what follows that many. */
  listDispatches(position: number, page: { readonly after: number; readonly limit: number }): Promise<DispatchRow[]>;
  /**
   * Forgets messages that were published before and dispatched, with what became of them; not what is still gathered. Returns
   * how many, up to 500.
   */
  sweepMessages(before: number): Promise<number>;
}

/** The log and what belongs to it. Times are the database's clock, milliseconds since the epoch. */
export interface LogStore extends MessageStore, OutgoingStore {
  /** Whether this process alone can write: then nothing happens to the log that it does not know of. */
  readonly exclusive: boolean;
  /** Whether the database's clock is this machine's: then the clock port can be read instead of asking. */
  readonly localClock: boolean;
  /** The database's clock. */
  now(): Promise<number>;
  /** Whether somebody else may have written since the last call; cheap where the database can tell. */
  changed(): Promise<boolean>;
  append(write: LogWrite): Promise<WriteVerdict>;

  /** Registers a worker with a lease of `leaseMs`, and what it takes. Returns the database's clock. */
  openWorker(
    worker: string,
    leaseMs: number,
    programs?: readonly ProgramId[],
    queues?: readonly string[] | null,
  ): Promise<number>;
  heartbeat(worker: string, leaseMs: number): Promise<Heartbeat>;
  /**
   * Ends a worker's lease: what it still owns may be claimed at once. `forget`: nothing that it sent can still come in, so
   * its row goes too, unless it owns something.
   */
  closeWorker(worker: string, options?: { readonly forget: boolean }): Promise<void>;
  listWorkers(): Promise<WorkerRow[]>;

  /** Takes due runs, and runs whose owner's lease has ended, for a worker whose own lease has not. */
  claim(request: ClaimRequest): Promise<ClaimVerdict>;
  /**
   * Lets go of runs that `worker` owns and does not know of: the answer to their claim was lost. They may be claimed at
   * once, under another epoch, and that claim does not count as unclean. Returns how many. `turn`: as of a claim. `known`:
   * what it does know of. A run that it knows of under an older epoch is one that it has left, and has claimed again.
   */
  disown(worker: string, turn: number, known: readonly HeldRun[]): Promise<number>;
  /**
   * Claimed runs' events by run id, in order of seq, without those within completed scopes; but the last one in any case,
   * because what a run's next owner writes follows it.
   */
  load(claims: readonly Pick<Claim, "runId" | "head">[]): Promise<ReadonlyMap<string, readonly EventRow[]>>;
  /** `queues`: those that the worker serves; null: all. @default null */
  workAhead(worker: string, programs: readonly ProgramId[], queues?: readonly string[] | null): Promise<WorkAhead>;
  /**
   * Lets no line wait for a worker that nobody runs. A run that has been admitted for `patienceMs`, that no living worker
   * takes, nor the caller, and in whose lines runs wait that one might take, gives its places back, and leaves its lines for
   * {@link ASIDE_MS}; those that wait in them and have the same program and queue leave with it. They keep their ranks, and
   * what they have begun keeps its places for life. Those that were passed over before and that the caller takes get in
   * line again. At most {@link PASSED_MAX} of each.
   */
  passOver(request: PassRequest): Promise<PassVerdict>;
  /** Makes runs claimable again that are `stuck` for another reason than {@link POISONED}. Returns how many. */
  releaseStuck(programs: readonly ProgramId[]): Promise<number>;

  /**
   * Lets a run go on that has failed or was cancelled: appends `run.reopened` at `seq`, under a new epoch that belongs to
   * nobody, and makes it claimable. False: it is not over in that way, or `seq` does not follow its head. Sent again it
   * changes nothing and gives the same answer.
   */
  reopen(request: { readonly runId: string; readonly seq: number; readonly event: AppendedEvent }): Promise<boolean>;

  /** The value under a key; with version 0 if there never was one. What has expired is not there, but has its version. */
  getKeyed(scope: string, key: string): Promise<KeyedValue>;
  /** Keys that begin with `prefix` and have a value, in order. `after`: only later ones. */
  listKeyed(
    scope: string,
    page: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  ): Promise<KeyedValue[]>;
  putKeyed(put: KeyedPut): Promise<KeyedVerdict>;
  /**
   * What an earlier owner of the run has put by this call: it can put no more. Null: nothing. `lost`: the run is another
   * worker's by now, or over.
   */
  getOperation(operation: Operation): Promise<Extract<KeyedVerdict, { kind: "done" | "lost" }> | null>;

  /**
   * Takes a place in line, or finds the one that the call has, and grants the lock if it is its turn. When a place ends
   * ({@link Beyond.unlocks}, or its run), those whose turn it is then are granted theirs, and each one's run gets a `lock`
   * message with `{"key"}` and the token `lock/<ticket>`. A call whose place has ended gets no other.
   */
  requestLock(request: LockRequest): Promise<LockVerdict>;
  /** All places in line, by name, each line in its order. `runId`: those of this run. */
  listLocks(page: {
    readonly name: string | null;
    readonly runId?: string;
    readonly limit: number;
  }): Promise<LockRow[]>;

  /** Places of runs with limits: of one run, or of one line in its order; who holds one comes first. */
  listPlaces(page: PlaceFilter & { readonly limit: number }): Promise<PlaceRow[]>;
  /** How many runs have a place in a line, and how many wait for one; and the same of the slots of steps, if it is a queue's. */
  countPlaces(line: string): Promise<PlaceCounts & { readonly steps: PlaceCounts }>;
  /** What was set of a line; null: nothing. */
  getLine(line: string): Promise<LineSetting | null>;
  /** All lines of which something was set, in order. */
  listLines(page: { readonly after: string | null; readonly limit: number }): Promise<LineSetting[]>;
  /** Sets what a line lets in, and admits whom there is room for then; of a queue also the steps that wait for its slots. */
  setLine(setting: LineSetting): Promise<void>;

  /** What says in short why runs do not go on. */
  readOutlook(runs: readonly OutlookRequest[]): Promise<Outlook>;

  getRun(runId: string): Promise<RunRow | null>;
  /** Newest first. `before`: only runs with a smaller id. `window`: only those within it. */
  listRuns(
    filter: RunFilter,
    page: { readonly before: string | null; readonly limit: number; readonly window?: RunWindow },
  ): Promise<RunRow[]>;
  /** The window of at most so many runs before `before` in which the most of those can be that fit. */
  runWindow(filter: RunFilter, page: { readonly before: string | null; readonly rows: number }): Promise<RunWindow>;
  /** Ids of runs that have events, whether or not they have a row, greatest first. `before`: only smaller ones. */
  listLoggedRuns(page: { readonly before: string | null; readonly limit: number }): Promise<string[]>;
  /** What is out of bounds, or refers to nothing, in tables that events do not determine. Reads them whole; gives a part if it is much. */
  strays(): Promise<Stray[]>;
  /** One run's events after `afterSeq`, in order, all of them. */
  readHistory(runId: string, page: { readonly afterSeq: number; readonly limit: number }): Promise<EventRow[]>;
  /** The log after `afterPosition`, in order. */
  readLog(page: { readonly afterPosition: number; readonly limit: number }): Promise<EventRow[]>;
  /** The last position; 0 for an empty log. */
  lastPosition(): Promise<number>;
  /** The mail of runs, in order of arrival. */
  readInbox(runIds: readonly string[]): Promise<InboxRow[]>;
  /**
   * Stores a decision about a delivery, and sends its signal, unless there is one already; then that one stays. Returns the one
   * that is there; null: its run takes no more messages at the moment, and nothing was stored. A run that is over or unknown
   * takes no signal: then it is stored as `ignored`, with {@link UNTOLD} as its reason.
   */
  decideDelivery(verdict: DeliveryVerdict): Promise<DecidedDelivery | null>;
  /** What was decided about a delivery. */
  getDecided(id: DeliveryId): Promise<DecidedDelivery | null>;
  /** A delivery with its content; that of a replay is null. */
  getDelivery(id: DeliveryId): Promise<(DecidedDelivery & Pick<DeliveryRow, "content">) | null>;
  /** The last of a request and its replays. */
  lastReplay(hook: string, deliveryId: string): Promise<number | null>;
  /** Newest first. `before`: only smaller positions. */
  listDeliveries(
    filter: { readonly hook: string | null; readonly decision: DeliveryDecision | null },
    page: { readonly before: number | null; readonly limit: number },
  ): Promise<DecidedDelivery[]>;
  /** Deletes deliveries that came before an instant, with all their replays, unless one of them did not. Returns how many rows. */
  pruneDeliveries(request: { readonly before: number; readonly limit: number }): Promise<number>;

  putApiKey(key: ApiKeyRow): Promise<void>;
  listApiKeys(): Promise<ApiKeyRow[]>;

  /** Makes a schedule, unless its id is taken. Returns the row that there is then: with another token, it is another one. */
  createSchedule(schedule: NewSchedule): Promise<ScheduleRow>;
  getSchedule(id: string): Promise<ScheduleView | null>;
  /** By id. `after`: only greater ones. */
  listSchedules(page: { readonly after: string | null; readonly limit: number }): Promise<ScheduleRow[]>;
  /** False: the row is no longer of this revision. Sent again as the last change, it does nothing and gives the same answer. */
  changeSchedule(change: ScheduleChange): Promise<boolean>;
  /** Deletes a schedule with its firings; its runs stay. */
  deleteSchedule(id: string): Promise<void>;
  /** Of schedules of these workflows that are not paused. */
  schedulesAhead(workflows: readonly string[], limit: number): Promise<SchedulesAhead>;
  listFirings(filter: FiringFilter, page: FiringPage): Promise<FiringRow[]>;
  /** The firing that decides an instant, alone or in a range; null: none does. */
  getFiring(scheduleId: string, lane: FiringLane, at: number): Promise<FiringRow | null>;

  close(): Promise<void>;
}
