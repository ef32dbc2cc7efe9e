/** Messages as users of the engine, the HTTP layer and the client see them. */
import type { Tags } from "../kernel/events.ts";

export interface PublishOptions {
  /**
   * Names the message on its topic: one that is published again, while it is kept, is the same one, and what it says then
   * does not count. So publish again what was not answered.
   *
   * @default a new one
   */
  readonly id?: string;
  /** When it happened. @default now */
  readonly at?: Date | number;
  /** Labels that expressions see: at most 32, texts of 1 to 256 characters. */
  readonly tags?: Tags;
}

/** A message that was published, now or before. */
export interface PublishedMessage {
  readonly topic: string;
  readonly id: string;
  /** Its order among all messages. */
  readonly position: number;
  /** False: it had been published before. */
  readonly created: boolean;
}

/** A message as it is kept. Instants are milliseconds since the epoch. */
export interface MessageInfo {
  readonly topic: string;
  readonly id: string;
  readonly position: number;
  readonly payload: unknown;
  readonly tags: Tags;
  readonly at: number;
  readonly publishedAt: number;
  /** Null: what becomes of it is not decided yet. */
  readonly dispatchedAt: number | null;
}

/** What became of a message for one that listened. */
export interface MessageDecision {
  /** The subscription, as `<workflow>/<name>`, or the key of the call that waited. */
  readonly subject: string;
  /**
   * `debounced`, `batched`: taken together with others; `runId` is the run that came of it, once there is one. `invalid`: an
   * expression, a key or an input could not be made.
   */
  readonly decision: "started" | "filtered" | "debounced" | "batched" | "woke" | "cancelled" | "invalid";
  /** Why it started nothing. */
  readonly reason: string | null;
  readonly runId: string | null;
}

export interface MessageDetail extends MessageInfo {
  /** In the order in which they were made; at most 1,000. None: nobody listened. */
  readonly decisions: readonly MessageDecision[];
  /** Whether there are more. */
  readonly more: boolean;
}

export interface ListMessagesOptions {
  /** @default all */
  readonly topic?: string;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface MessagePage {
  /** Newest first. */
  readonly messages: readonly MessageInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}
