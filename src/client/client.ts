/** The engine's interface over HTTP, as far as HTTP has it. */
import type {
  Engine,
  ListOptions,
  RunHandle,
  RunInfo,
  RunPage,
  StartedRun,
  StartOptions,
  WorkflowInfo,
} from "../engine/api.ts";
import type { WireHistoryPage, WireRun, WireRunPage, WireStartedRun, WireStartRequest } from "../http/wire.ts";
import { encodePayload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import { DefinitionError, TimeoutError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { invalidOption } from "../kernel/options.ts";
import type { Clock } from "../kernel/ports.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import { checkName, shownAddress } from "../kernel/text.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import { decodeRun, outputOf } from "./decode-run.ts";
import { API_PATH, RUNS_PATH, runPath } from "./paths.ts";
import { Patience } from "./patience.ts";
import { type Connection, type Fetch, requestJson } from "./request.ts";
import { tail } from "./tail.ts";

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
export interface Client extends Pick<Engine, "start" | "run" | "list" | "history" | "tail" | "lastPosition"> {
  /** The workflows that the server can run. */
  workflows(): Promise<readonly WorkflowInfo[]>;
}

export interface ClientParts extends ClientOptions {
  readonly fetch: Fetch;
  readonly clock: Pick<Clock, "monotonic" | "timer">;
}

/** How long the server is asked to wait for a result, milliseconds. */
const RESULT_WAIT_MS = 25_000;

/** What is allowed for the way there and back on top of it. */
const RESULT_MARGIN_MS = 15_000;

const HISTORY_PAGE = 500;

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
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async start(workflow: WorkflowRef | string, input?: unknown, options: StartOptions = {}): Promise<StartedRun<never>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const body = { workflow: name, ...inputOf(input), ...options } as WireStartRequest;
    const { id, created } = await this.#post<WireStartedRun>(RUNS_PATH, body);
    return Object.assign(new HttpRun<never>(this, this.#connection, id), { created });
  }

  run(workflow: WorkflowRef<never, unknown, never> | string, id?: string): RunHandle<never> {
    const runId = checkName("the id of a run", id ?? workflow);
    return new HttpRun<never>(this, this.#connection, runId);
  }

  async list(options: ListOptions = {}): Promise<RunPage> {
    const path = `${RUNS_PATH}${queryOf(options)}`;
    const { runs, cursor } = await requestJson<WireRunPage>(this.#connection, { path });
    return { runs: runs.map((run) => decodeRun(run)), cursor };
  }

  async history(
    runId: string,
    { afterSeq = 0, limit = Number.POSITIVE_INFINITY }: { readonly afterSeq?: number; readonly limit?: number } = {},
  ): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    let after: number | null = afterSeq;
    while (after !== null && events.length < limit) {
      const size = Math.min(HISTORY_PAGE, limit - events.length);
      const path: string = `${runPath(runId)}/history?afterSeq=${after}&limit=${size}`;
      const page: WireHistoryPage = await requestJson<WireHistoryPage>(this.#connection, { path });
      events.push(...(page.events as unknown as RunEvent[]));
      after = page.next;
    }
    return events;
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

  async #post<T>(path: string, body: unknown): Promise<T> {
    return await requestJson<T>(this.#connection, { method: "POST", path, body });
  }
}

class HttpRun<Output> implements RunHandle<Output> {
  readonly id: string;
  readonly #client: HttpClient;
  readonly #connection: Connection;

  constructor(client: HttpClient, connection: Connection, id: string) {
    this.id = id;
    this.#client = client;
    this.#connection = connection;
  }

  async status(): Promise<RunInfo<Output>> {
    return decodeRun(await requestJson<WireRun>(this.#connection, { path: runPath(this.id) }));
  }

  async result(options: ResultOptions = {}): Promise<Output> {
    const { clock } = this.#connection;
    const { timeout } = options;
    const signal = options.signal ?? null;
    const timeoutMs = timeout === undefined ? null : parseDuration(timeout);
    const giveUpAt = timeoutMs === null ? Number.POSITIVE_INFINITY : clock.monotonic() + timeoutMs;
    const patience = new Patience(clock, signal);
    for (;;) {
      const leftMs = Math.max(0, giveUpAt - clock.monotonic());
      const run = await this.#resultWithin(Math.min(Math.ceil(leftMs), RESULT_WAIT_MS), patience, signal);
      if (run !== null && isTerminalStatus(run.status)) return outputOf(run);
      if (clock.monotonic() >= giveUpAt) throw this.#timedOut(timeoutMs ?? 0, run);
    }
  }

  /** The run after a wait; null: the server was not there. */
  async #resultWithin(ms: number, patience: Patience, signal: AbortSignal | null): Promise<RunInfo<Output> | null> {
    const path = `${runPath(this.id)}/result?timeoutMs=${ms}`;
    try {
      const options = { path, signal, timeoutMs: ms + RESULT_MARGIN_MS };
      const run = await requestJson<WireRun>(this.#connection, options);
      patience.restore();
      return decodeRun<Output>(run);
    } catch (error) {
      signal?.throwIfAborted();
      await patience.endure(error);
      return null;
    }
  }

  #timedOut(timeoutMs: number, run: RunInfo | null): TimeoutError {
    const status = run?.status ?? "out of sight";
    return new TimeoutError(
      "RESULT_TIMEOUT",
      `expected run ${this.id} to end within ${timeoutMs} ms, but it is ${status}; it goes on, and its result can be asked for again`,
      { runId: this.id, status },
    );
  }

  async cancel({ reason }: { readonly reason?: string } = {}): Promise<void> {
    const path = `${runPath(this.id)}/cancel`;
    const body = reason === undefined ? {} : { reason };
    await requestJson(this.#connection, { method: "POST", path, body });
  }

  history(options?: { readonly afterSeq?: number; readonly limit?: number }): Promise<RunEvent[]> {
    return this.#client.history(this.id, options);
  }
}

type ResultOptions = NonNullable<Parameters<RunHandle["result"]>[0]>;

function inputOf(input: unknown): Pick<WireStartRequest, "input" | "inputMeta"> {
  if (input === undefined) return {};
  // The server says how much it takes.
  const { value, meta } = encodePayload(input, Number.POSITIVE_INFINITY);
  return {
    input: value,
    ...(meta === undefined ? {} : { inputMeta: meta as unknown as WireStartRequest["inputMeta"] }),
  };
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
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isPlain = parsed !== null && `${parsed.search}${parsed.hash}${parsed.username}${parsed.password}` === "";
  if (isPlain && /^https?:$/.test(parsed.protocol)) return url.replace(/\/+$/, "");
  const shown = shownAddress(String(url));
  throw new DefinitionError(
    "URL_INVALID",
    `expected the address of a Varve server such as http://127.0.0.1:8787, but found ${JSON.stringify(shown)}`,
    { url: shown },
  );
}
