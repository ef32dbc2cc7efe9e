/** Outgoing webhooks as users of the engine, the HTTP layer and the client see them. */

/** `delivered`: the receiver has taken it. `dead`: nobody tries any more; it is kept for 30 days and can be retried. */
export type NotificationStatus = "pending" | "delivered" | "dead";

/** An outgoing webhook: one event, to one endpoint. Instants are milliseconds since the epoch. */
export interface NotificationInfo {
  /** What the receiver gets as `webhook-id`: the same at each sending. */
  readonly id: string;
  readonly endpoint: string;
  /** The event's, in the log. */
  readonly position: number;
  readonly runId: string;
  /** The event's place in its run. */
  readonly seq: number;
  /** The event's. */
  readonly type: string;
  readonly status: NotificationStatus;
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

export interface NotificationListOptions {
  /** @default all */
  readonly endpoint?: string;
  /** @default any */
  readonly status?: NotificationStatus;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface NotificationPage {
  /** Latest event first. */
  readonly notifications: readonly NotificationInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

/** Where outgoing webhooks are sent to. */
export interface EndpointInfo {
  readonly name: string;
  /** The last position of the log that was looked at for it. */
  readonly position: number;
  /** The receiver asked for no request before then. */
  readonly restUntil: number | null;
  /** Since when nothing is sent, because it answered 410. */
  readonly disabledAt: number | null;
}

/** Outgoing webhooks: what became of them. They live in the log's database, so every process over it knows them. */
export interface Notifications {
  /** The endpoints that the log knows, by name. */
  endpoints(): Promise<EndpointInfo[]>;
  /** @throws DefinitionError `OPTION_INVALID`, `LIMIT_INVALID` */
  list(options?: NotificationListOptions): Promise<NotificationPage>;
  /**
   * Sends the notification about a position again, whatever became of it; without a position up to 1,000 of those that
   * are dead. Returns how many.
   *
   * @throws NotFoundError `ENDPOINT_NOT_FOUND`, `NOTIFICATION_NOT_FOUND`
   * @example await engine.notifications.retry("billing");
   */
  retry(endpoint: string, position?: number): Promise<number>;
  /**
   * Sends to an endpoint again that was disabled, or asked for rest.
   *
   * @throws NotFoundError `ENDPOINT_NOT_FOUND`
   */
  enable(endpoint: string): Promise<void>;
}
