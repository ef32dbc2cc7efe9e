/**
 * What the storage port says of messages: what was published, who listens, who waits, what is being gathered, and what
 * became of each. What is done with them is `MessageStore` in `port.ts`.
 */
import type { EventRow, Tags } from "../kernel/events.ts";

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

/** The most messages of one sweep. */
export const SWEEP_MAX = 500;
