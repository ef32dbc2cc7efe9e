/**
 * What the storage port says of messages: what was published, who listens, who waits, what is being gathered, and what
 * became of each.
 */
import type { EventRow, Tags } from "../kernel/events.ts";
import type { InboxMessage } from "./port-inbox.ts";
import type { Operation } from "./port-keyed.ts";
import type { ChildStart } from "./port-write.ts";

/** A message to be published. */
export interface NewMessage {
  readonly topic: string;
  /** Names it on its topic: as long as one with this id is kept, another is the same one. */
  readonly id: string;
  /** JSON text of a payload. */
  readonly payload: string;
  readonly tags: Tags;
  readonly at: number;
  /** Names this call of publish: with it a repetition knows its own message. */
  readonly token: string;
}

export interface PublishVerdict {
  readonly position: number;
  /** Whether this call, or an earlier try of it, has written it. */
  readonly created: boolean;
}

/** A message as it is kept. */
export interface MessageRow extends Omit<NewMessage, "token"> {
  /** Its order among all messages; never used twice. */
  readonly position: number;
  readonly publishedAt: number;
  /** Null: nobody has dispatched it yet. */
  readonly dispatchedAt: number | null;
}

/** What a workflow listens to, as it was registered last. */
export interface SubscriptionRow {
  readonly workflow: string;
  readonly name: string;
  readonly version: string;
  /** JSON text of a `SubscriptionText`. */
  readonly text: string;
}

/** What became of a message for one that listened. */
export interface DispatchRow {
  readonly position: number;
  /** The subscription, as `<workflow>/<name>`, or the key of the call that waited. */
  readonly subject: string;
  readonly decision: DispatchDecision;
  readonly reason: string | null;
  /** The run that was started, woken or cancelled; of a gathering, the run that came of it. */
  readonly runId: string | null;
}

export type DispatchDecision = "started" | "filtered" | "debounced" | "batched" | "woke" | "cancelled" | "invalid";

/** A call that waits for a message, open. */
export interface WaitRow {
  readonly id: number;
  readonly runId: string;
  readonly key: string;
  /** A pattern. */
  readonly topic: string;
  /** An expression; null: any message. */
  readonly match: string | null;
}

/** A message that is to be gathered with others. */
export interface GatheredMessage {
  /** `<workflow>/<name>`. */
  readonly subject: string;
  readonly key: string;
  readonly kind: "debounce" | "batch";
  /** When what is gathered is due, from now: after each message, and at the latest after the first. */
  readonly periodMs: number;
  readonly maxMs: number;
  /** How many make it due at once. */
  readonly size: number;
  /** The length of this one, and how much may be together. */
  readonly length: number;
  readonly lengthMax: number;
}

/** Messages that are taken together, due. */
export interface GatheringRow {
  readonly id: number;
  readonly subject: string;
  readonly key: string;
  readonly kind: "debounce" | "batch";
  /** How many it has. It grows with each message. */
  readonly count: number;
  readonly dueAt: number;
}

/** How a wait stands. `lost`: its run is another worker's by now, or over. */
export type WaitVerdict =
  | { readonly kind: "lost" }
  /** Once it is open, messages come to it by themselves. */
  | { readonly kind: "waiting"; readonly isOpen: boolean }
  | { readonly kind: "expired" }
  | { readonly kind: "given"; readonly message: MessageRow };

/** Ends of runs that somebody listens to, and how far the log has been read for them. */
export interface EndsAhead {
  readonly from: number;
  readonly until: number;
  readonly ends: readonly RunEndRow[];
}

export interface RunEndRow {
  readonly event: EventRow;
  readonly workflow: string;
  readonly version: string;
  readonly tags: Tags;
}

/** What there is to be dispatched. */
export interface DispatchAhead {
  /** False: there is no message and no subscription, and so nothing else. */
  readonly isUsed: boolean;
  /** Not dispatched, oldest first. */
  readonly messages: readonly MessageRow[];
  /** Gatherings that are due. */
  readonly due: readonly GatheringRow[];
  /** When the next one is. */
  readonly dueAt: number | null;
  /** All that is listened to, if there is anything to be dispatched. */
  readonly subscriptions: readonly SubscriptionRow[];
}

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

/** The most messages of one sweep. */
export const SWEEP_MAX = 500;

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
