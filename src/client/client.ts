/** The engine's interface over HTTP, as far as HTTP has it. */
import type { Engine, WorkflowInfo } from "../engine/api.ts";
import type { Deliveries } from "../engine/api-deliveries.ts";
import type {
  ListMessagesOptions,
  MessageDetail,
  MessagePage,
  PublishedMessage,
  PublishOptions,
} from "../engine/api-messages.ts";
import type { Notifications } from "../engine/api-notifications.ts";
import type { QueueControl } from "../engine/api-queues.ts";
import type { RunHandle, StartedRun, StartOptions } from "../engine/api-run.ts";
import type { BulkAction, BulkOptions, BulkResult, ListOptions, RunPage } from "../engine/api-run-list.ts";
import type { Schedules } from "../engine/api-schedules.ts";
import type { WireBulkResult, WireRunPage, WireStartedRun } from "../http/wire.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { invalidOption } from "../kernel/options.ts";
import type { Clock } from "../kernel/ports.ts";
import { checkPathName, plainHttpAddress, shownAddress } from "../kernel/text.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import { decodeRun } from "./decode-run.ts";
import { HttpDeliveries } from "./deliveries.ts";
import { listMessages, publishMessage, readMessage } from "./messages.ts";
import { HttpNotifications } from "./notifications.ts";
import { API_PATH, RUNS_PATH } from "./paths.ts";
import { HttpQueues } from "./queues.ts";
import { type Connection, type Fetch, requestJson } from "./request.ts";
import { HttpRun, readHistory } from "./run.ts";
import { HttpSchedules } from "./schedules.ts";
import { tail } from "./tail.ts";
import { valueFields } from "./value-fields.ts";

export interface ClientOptions {
  /** Where the server's app is: `https://example.org`, `http://127.0.0.1:8787/varve`. */
  readonly url: string;
  /** An API key: `varve_...`. A server on loopback may need none. */
  readonly key?: string;
  /** Another way to send requests. @default the platform's `fetch` */
  readonly fetch?: Fetch;
}

/**
 * An engine that is elsewhere. Errors are those of the engine, by class and `code`; `SERVER_UNREACHABLE` is added.
 *
 * `result` and `tail` go on when the connection is lost, for about half a minute without an answer. `tail` of one run
 * ends with the run. A start should have an idempotency key, so that it can be repeated when its answer is lost.
 */
export interface Client
  extends Pick<
    Engine,
    | "start"
    | "run"
    | "list"
    | "bulk"
    | "history"
    | "tail"
    | "lastPosition"
    | "deliveries"
    | "notifications"
    | "schedules"
    | "queues"
    | MessageCalls
  > {
  /** The workflows that the server can run. */
  workflows(): Promise<readonly WorkflowInfo[]>;
}

type MessageCalls = "publish" | "messages" | "message";

export interface ClientParts extends ClientOptions {
  readonly fetch: Fetch;
  readonly clock: Pick<Clock, "monotonic" | "timer">;
}

/** How long the server may take to tell many runs something, milliseconds. */
const BULK_MS = 600_000;

/**
 * A client of its parts.
 *
 * @throws DefinitionError `URL_INVALID`, `OPTION_INVALID`
 */
export function createClientOf({ url, key, fetch, clock }: ClientParts): Client {
  // The platform's error of a header that cannot be sent shows the key.
  if (key !== undefined && !/^[\x21-\x7e]*$/.test(key.trim())) {
    throw invalidOption("key", "a key of the server, on one line and without spaces", null);
  }
  return new HttpClient({ url: checkUrl(url), key, fetch, clock });
}

class HttpClient implements Client {
  readonly deliveries: Deliveries;
  readonly notifications: Notifications;
  readonly schedules: Schedules;
  readonly queues: QueueControl;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.deliveries = new HttpDeliveries(connection, (runId) => new HttpRun(connection, runId));
    this.notifications = new HttpNotifications(connection);
    this.schedules = new HttpSchedules(connection);
    this.queues = new HttpQueues(connection);
  }

  async start(workflow: WorkflowRef | string, input?: unknown, options: StartOptions = {}): Promise<StartedRun<never>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const body = { workflow: name, ...valueFields("input", input), ...options };
    const {
      id,
      created,
      skipped = false,
    } = await requestJson<WireStartedRun>(this.#connection, {
      method: "POST",
      path: RUNS_PATH,
      body,
    });
    return Object.assign(new HttpRun<never>(this.#connection, id), { created, skipped });
  }

  run(workflow: WorkflowRef<never, unknown, never> | string, id?: string): RunHandle<never> {
    const runId = checkPathName("the id of a run", id ?? workflow);
    return new HttpRun<never>(this.#connection, runId);
  }

  async list(options: ListOptions = {}): Promise<RunPage> {
    const path = `${RUNS_PATH}${queryOf(options)}`;
    const { runs, cursor } = await requestJson<WireRunPage>(this.#connection, { path });
    return { runs: runs.map((run) => decodeRun(run)), cursor };
  }

  async bulk(action: BulkAction, options: BulkOptions): Promise<BulkResult> {
    const { createdFrom, createdBefore } = options;
    const body = {
      ...options,
      action,
      ...(createdFrom === undefined ? {} : { createdFrom: Number(createdFrom) }),
      ...(createdBefore === undefined ? {} : { createdBefore: Number(createdBefore) }),
    };
    const path = `${RUNS_PATH}/bulk`;
    return await requestJson<WireBulkResult>(this.#connection, { method: "POST", path, body, timeoutMs: BULK_MS });
  }

  publish(topic: string, payload?: unknown, options: PublishOptions = {}): Promise<PublishedMessage> {
    return publishMessage(this.#connection, topic, payload, options);
  }

  messages(options: ListMessagesOptions = {}): Promise<MessagePage> {
    return listMessages(this.#connection, options);
  }

  message(topic: string, id: string): Promise<MessageDetail> {
    return readMessage(this.#connection, topic, id);
  }

  history(runId: string, options?: Parameters<Engine["history"]>[1]): Promise<RunEvent[]> {
    return readHistory(this.#connection, runId, options);
  }

  tail(
    options: { readonly after?: number; readonly runId?: string; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<RunEvent> {
    const { after = 0, runId = null, signal = null } = options;
    return tail(this.#connection, { after, runId, signal });
  }

  async lastPosition(): Promise<number> {
    const path = `${API_PATH}/log`;
    return (await requestJson<{ lastPosition: number }>(this.#connection, { path })).lastPosition;
  }

  async workflows(): Promise<readonly WorkflowInfo[]> {
    const path = `${API_PATH}/workflows`;
    return (await requestJson<{ workflows: WorkflowInfo[] }>(this.#connection, { path })).workflows;
  }
}

function queryOf({ status, tags = {}, createdFrom, createdBefore, ...plain }: ListOptions): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(plain)) if (value !== undefined) query.set(name, String(value));
  for (const each of [status ?? []].flat()) query.append("status", each);
  for (const [name, value] of Object.entries(tags)) query.append("tag", `${name}:${value}`);
  if (createdFrom !== undefined) query.set("createdFrom", String(Number(createdFrom)));
  if (createdBefore !== undefined) query.set("createdBefore", String(Number(createdBefore)));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function checkUrl(url: string): string {
  const address = plainHttpAddress(url);
  if (address !== null) return address;
  const shown = shownAddress(String(url));
  throw new DefinitionError(
    "URL_INVALID",
    `expected the address of a Varve server such as http://127.0.0.1:8787, but found ${JSON.stringify(shown)}`,
    { url: shown },
  );
}
