/** What became of outgoing webhooks, and how to try again: the engine's `notifications`. */
import { DefinitionError, NotFoundError } from "../kernel/errors.ts";
import { invalidOption } from "../kernel/options.ts";
import { checkName } from "../kernel/text.ts";
import type { LogStore } from "../log/port.ts";
import type { NoticeRow } from "../log/port-outgoing.ts";
import { noticeId } from "../triggers/outgoing.ts";
import type * as api from "./api-notifications.ts";

export interface NotificationsParts {
  /** The store, if the engine is open. */
  readonly store: () => LogStore;
  readonly checkLimit: (limit: number | undefined) => number;
  /** An endpoint's notices were changed. */
  readonly changed: (endpoint: string) => void;
}

/** The most notices that one call makes pending again. */
const RETRIES_MAX = 1_000;

const STATUSES: readonly api.NotificationStatus[] = ["pending", "delivered", "dead"];

export class OutgoingNotifications implements api.Notifications {
  readonly #parts: NotificationsParts;

  constructor(parts: NotificationsParts) {
    this.#parts = parts;
  }

  async endpoints(): Promise<api.EndpointInfo[]> {
    const rows = await this.#parts.store().listEndpoints();
    return rows.map(({ name, position, restUntil, disabledAt }) => ({ name, position, restUntil, disabledAt }));
  }

  async list(options: api.NotificationListOptions = {}): Promise<api.NotificationPage> {
    const store = this.#parts.store();
    const limit = this.#parts.checkLimit(options.limit);
    const { endpoint, status = null, cursor } = options;
    if (status !== null && !STATUSES.includes(status)) throw invalidOption("status", STATUSES.join(", "), status);
    const rows = await store.listNotices({
      endpoint: endpoint === undefined ? null : checkName("the name of an endpoint", endpoint),
      status,
      before: cursor === undefined ? null : readCursor(cursor),
      limit: limit + 1,
    });
    const notifications = rows.slice(0, limit).map(infoOf);
    const last = notifications.at(-1);
    const isLast = rows.length <= limit || last === undefined;
    return { notifications, cursor: isLast ? null : `${last.position}/${last.endpoint}` };
  }

  async retry(endpoint: string, position?: number): Promise<number> {
    const store = this.#parts.store();
    await this.#requireEndpoint(store, endpoint);
    if (position !== undefined && !(Number.isSafeInteger(position) && position > 0)) {
      throw invalidOption("position", "a position of the log", position);
    }
    const count = await store.retryNotices(endpoint, position ?? null, RETRIES_MAX);
    if (count === 0 && position !== undefined) {
      throw new NotFoundError(
        "NOTIFICATION_NOT_FOUND",
        `expected a notification of the endpoint ${JSON.stringify(endpoint)} about position ${position}, but there is none, or none any more`,
        { endpoint, position },
      );
    }
    this.#parts.changed(endpoint);
    return count;
  }

  async enable(endpoint: string): Promise<void> {
    const store = this.#parts.store();
    await this.#requireEndpoint(store, endpoint);
    await store.enableEndpoint(endpoint);
    this.#parts.changed(endpoint);
  }

  async #requireEndpoint(store: LogStore, endpoint: string): Promise<void> {
    checkName("the name of an endpoint", endpoint);
    const known = (await store.listEndpoints()).map(({ name }) => name);
    if (known.includes(endpoint)) return;
    throw new NotFoundError(
      "ENDPOINT_NOT_FOUND",
      `expected an endpoint that the log knows (${known.join(", ") || "none"}), but found ${JSON.stringify(endpoint)}`,
      { endpoint },
    );
  }
}

function infoOf(row: NoticeRow): api.NotificationInfo {
  return { ...row, id: noticeId(row.endpoint, row.runId, row.seq) };
}

function readCursor(cursor: string): { position: number; endpoint: string } {
  const match = /^(\d{1,15})\/(.+)$/.exec(cursor);
  if (match !== null) return { position: Number(match[1]), endpoint: checkName("the cursor of a list", match[2]) };
  throw new DefinitionError("OPTION_INVALID", "expected the cursor of a list to be what the page before returned", {
    what: "cursor",
  });
}
