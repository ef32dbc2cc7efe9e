/** What the storage port says of webhook deliveries: what came, and what was decided about it, once. */
import type { InboxMessage } from "./port-inbox.ts";

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

/** A decision about a delivery that starts no run. One that does is in `RunStart.delivery`. */
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

/** Why a signal of a delivery was not sent: the reasons of {@link DeliveryStore.decideDelivery}, as JSON texts. */
export const UNTOLD = {
  unknown: '{"code":"RUN_NOT_FOUND","message":"there is no such run"}',
  over: '{"code":"RUN_OVER","message":"the run is over"}',
} as const;

/** The part of the log that holds deliveries. One that starts a run is stored by the write that does. */
export interface DeliveryStore {
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
}
