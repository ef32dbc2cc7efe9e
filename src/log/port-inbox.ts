/** What the storage port says of the inbox: messages to a run from whoever does not own it (rule R4). */

/** What mail is about. `child`: a child has ended. `lock`: a lock is granted. `message`: what a call waits for was published. */
export type MessageKind = "cancel" | "terminate" | "pause" | "resume" | "signal" | "child" | "lock" | "message";

/**
 * What somebody tells a run that it be moved: it wakes a paused run, while other mail waits until that is resumed, and has one
 * that was parked as poison tried again, alone, as often as before.
 */
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

/** `over`: the run is terminal. `full`: {@link INBOX_ROWS_MAX} rows wait. */
export type MessageVerdict = "accepted" | "over" | "unknown-run" | "full";
