/** The engine's `notifications` over HTTP. */
import type {
  EndpointInfo,
  NotificationListOptions,
  NotificationPage,
  Notifications,
} from "../engine/api-notifications.ts";
import type { WireEndpointList, WireNotificationCount, WireNotificationPage } from "../http/wire-notifications.ts";
import { API_PATH } from "./paths.ts";
import { type Connection, requestJson } from "./request.ts";

const NOTIFICATIONS_PATH = `${API_PATH}/notifications`;
const ENDPOINTS_PATH = `${NOTIFICATIONS_PATH}/endpoints`;

export class HttpNotifications implements Notifications {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async endpoints(): Promise<EndpointInfo[]> {
    return (await requestJson<WireEndpointList>(this.#connection, { path: ENDPOINTS_PATH })).endpoints;
  }

  async list(options: NotificationListOptions = {}): Promise<NotificationPage> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value));
    const path = query.size === 0 ? NOTIFICATIONS_PATH : `${NOTIFICATIONS_PATH}?${query}`;
    return (await requestJson<WireNotificationPage>(this.#connection, { path })) as NotificationPage;
  }

  async retry(endpoint: string, position?: number): Promise<number> {
    const path = `${ENDPOINTS_PATH}/${encodeURIComponent(endpoint)}/retry`;
    const body = position === undefined ? {} : { position };
    return (await requestJson<WireNotificationCount>(this.#connection, { method: "POST", path, body })).count;
  }

  async enable(endpoint: string): Promise<void> {
    const path = `${ENDPOINTS_PATH}/${encodeURIComponent(endpoint)}/enable`;
    await requestJson(this.#connection, { method: "POST", path, body: {} });
  }
}
