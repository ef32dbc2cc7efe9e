/** Webhook deliveries as users of the engine, the HTTP layer and the client see them. */
import type { DecisionReason } from "../triggers/decide.ts";
import type { RefusalReason } from "../triggers/scheme.ts";
import type { StartedRun } from "./api-run.ts";

/** What became of a webhook request. */
export type DeliveryOutcome =
  | DecidedOutcome
  /** It asked whether we are there, and is to be answered with this text. Nothing was stored. */
  | { readonly kind: "answered"; readonly text: string }
  /** Nothing was stored. The sender should be told no more than that. */
  | { readonly kind: "refused"; readonly reason: RefusalReason | "unknown-hook"; readonly detail: string };

/** What was decided about a delivery, now or when it came for the first time, and recorded. */
export type DecidedOutcome = DecidedFacts &
  (
    | {
        readonly kind: "accepted";
        readonly decision: "started" | "signalled";
        /** The run that it started, or told. */
        readonly run: StartedRun;
        readonly reason: null;
        /** For how long its hook lets the sender wait for the run's result, milliseconds; null: not at all. */
        readonly resultWithinMs: number | null;
      }
    | {
        readonly kind: "accepted";
        readonly decision: "ignored";
        readonly run: null;
        readonly reason: DecisionReason;
        readonly resultWithinMs: null;
      }
    /** What it holds is not what its hook takes. */
    | { readonly kind: "invalid"; readonly reason: DecisionReason }
  );

interface DecidedFacts {
  readonly deliveryId: string;
  /** 0: the request itself; else the number of its replay. */
  readonly replay: number;
  /** Whether it had been decided about before. */
  readonly isRepeat: boolean;
}

export type DeliveryDecision = "started" | "signalled" | "ignored" | "invalid";

/** A webhook delivery as it was decided about. */
export interface DeliveryInfo {
  readonly hook: string;
  /** The sender's id of it. */
  readonly id: string;
  /** 0: the request itself; else the number of its replay. */
  readonly replay: number;
  /** When it came, or was replayed: milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly decision: DeliveryDecision;
  /** The run that it started, or told. */
  readonly runId: string | null;
  /** Why nothing came of it. */
  readonly reason: DecisionReason | null;
  /** The length of its body, bytes. */
  readonly bytes: number;
}

/** The same with what was sent. */
export interface Delivery extends DeliveryInfo {
  /** By lower-case name, without those that are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface DeliveryListOptions {
  readonly hook?: string;
  readonly decision?: DeliveryDecision;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface DeliveryPage {
  /** Newest first. */
  readonly deliveries: readonly DeliveryInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

/** A request to a hook about which nothing was decided, and why. */
export interface RefusedRequest {
  /** As it was asked for. */
  readonly hook: string;
  readonly at: number;
  /** `undecided`: its hook's own code failed, or the database. */
  readonly reason: RefusalReason | "unknown-hook" | "undecided";
  readonly detail: string;
}

/** The webhook deliveries that were decided about. They are kept for the time of the option `retention.deliveries`. */
export interface Deliveries {
  /** Newest first. */
  list(options?: DeliveryListOptions): Promise<DeliveryPage>;
  /** One with its content; `replay`: one of its replays. Null: there is none, or it is no longer kept. */
  get(hook: string, id: string, options?: { readonly replay?: number }): Promise<Delivery | null>;
  /**
   * Decides about a delivery once more, over its stored bytes and with the hook as it is now. The decision is another one,
   * beside the first; what it starts is another run. Replays at the same moment are one.
   *
   * @throws NotFoundError `DELIVERY_NOT_FOUND`, `HOOK_UNKNOWN`
   * @example const outcome = await engine.deliveries.replay("github", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
   */
  replay(hook: string, id: string): Promise<DecidedOutcome>;
  /** The last 100 requests about which nothing was decided, newest first: of this process, since it began. */
  refused(): Promise<readonly RefusedRequest[]>;
}
