/** What outgoing webhooks ask of a log: where each endpoint is in it, and what is on its way. Part of the storage port. */

/** `delivered`: the receiver has taken it. `dead`: nobody tries any more; it can be retried by hand. */
export type NoticeStatus = "pending" | "delivered" | "dead";

/** One event that one endpoint is told of. */
export interface NoticeRow {
  readonly endpoint: string;
  /** The event's. */
  readonly position: number;
  readonly runId: string;
  readonly seq: number;
  readonly type: string;
  readonly status: NoticeStatus;
  /** How often it was sent. */
  readonly tries: number;
  readonly createdAt: number;
  /** When it was sent first; null: not yet. */
  readonly firstAt: number | null;
  /** When it is sent next; null: it is not pending. */
  readonly dueAt: number | null;
  readonly endedAt: number | null;
  /** What the last try came to. */
  readonly note: string | null;
}

/** A notice to be made: pending, and due at once. */
export type NewNotice = Pick<NoticeRow, "position" | "runId" | "seq" | "type">;

/** An endpoint's row. */
export interface EndpointRow {
  readonly name: string;
  /** The last position of the log that was looked at for it. */
  readonly position: number;
  /** Who sends for it; null: nobody has. */
  readonly holder: string | null;
  readonly expiresAt: number;
  /** The fence: grows when another one begins to send, and when somebody enables the endpoint. */
  readonly epoch: number;
  /** Nothing is sent before then. */
  readonly restUntil: number | null;
  /** Since when nothing is sent, because the receiver said that it is gone. */
  readonly disabledAt: number | null;
}

/** An endpoint as its holder gets it. */
export interface EndpointHold extends EndpointRow {
  /** How many notices are pending. */
  readonly pending: number;
  /** The database's clock. */
  readonly now: number;
}

/** What a try made of a notice. */
export interface NoticeOutcome {
  readonly position: number;
  /** When the try was due: nothing happens if the notice is due at another time by now, or not at all. */
  readonly wasDueAt: number;
  /** Counting this try. */
  readonly tries: number;
  readonly status: NoticeStatus;
  /** While it is pending; else null. */
  readonly dueAt: number | null;
  readonly firstAt: number;
  readonly note: string;
}

export interface OutgoingStore {
  /**
   * Makes `holder` the one that sends for an endpoint, for `leaseMs` from now, if it is so already, if nobody is, or with
   * `takeOver`. An endpoint that is new begins at the log's end. Null: another one holds it.
   */
  holdEndpoint(request: {
    readonly endpoint: string;
    readonly holder: string;
    readonly leaseMs: number;
    readonly takeOver: boolean;
  }): Promise<EndpointHold | null>;
  /** Ends a hold, so that another one need not wait for the end of the lease. */
  releaseEndpoint(endpoint: string, holder: string): Promise<void>;
  /**
   * Moves an endpoint from a position to a later one and makes the notices about what lies between, in one write. False:
   * another one holds it by now. Sent again it changes nothing and gives the same answer.
   */
  planNotices(plan: {
    readonly endpoint: string;
    readonly epoch: number;
    readonly from: number;
    readonly to: number;
    readonly notices: readonly NewNotice[];
  }): Promise<boolean>;
  /** An endpoint's pending notices, by when they are due and by position. */
  pendingNotices(endpoint: string, limit: number): Promise<NoticeRow[]>;
  /**
   * Records what tries came to, and what the receiver asked of all. Of notices that have ended long ago it forgets up to
   * {@link NOTICES_FORGOTTEN_MAX}. Nothing happens under an epoch that is over.
   */
  settleNotices(settled: {
    readonly endpoint: string;
    readonly epoch: number;
    readonly outcomes: readonly NoticeOutcome[];
    readonly restUntil: number | null;
    readonly disable: boolean;
  }): Promise<void>;
  /**
   * Makes a notice pending and due now, or with null up to `limit` of those that are dead. Returns how many. A try of it
   * that is under way counts no more.
   */
  retryNotices(endpoint: string, position: number | null, limit: number): Promise<number>;
  /**
   * Lets an endpoint be sent to again: one that is disabled or rests under another epoch, so that it is not so again by what
   * was said before. False: there is none of that name.
   */
  enableEndpoint(endpoint: string): Promise<boolean>;
  listEndpoints(): Promise<EndpointRow[]>;
  /** Latest position first, then by endpoint. `before`: only what follows that one. */
  listNotices(page: {
    readonly endpoint: string | null;
    readonly status: NoticeStatus | null;
    readonly before: Pick<NoticeRow, "position" | "endpoint"> | null;
    readonly limit: number;
  }): Promise<NoticeRow[]>;
}

/** How long a notice is kept that has ended, by its status, milliseconds. */
export const NOTICE_KEPT_MS = { delivered: 7 * 86_400_000, dead: 30 * 86_400_000 } as const;

/** The most notices that one write forgets. More than it settles, so that they do not pile up. */
export const NOTICES_FORGOTTEN_MAX = 200;
