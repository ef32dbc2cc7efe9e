/** One run, elsewhere. */
import type {
  AnySignals,
  ReasonOptions,
  RerunOptions,
  RunHandle,
  RunInfo,
  SignalOptions,
  StartedRun,
} from "../engine/api-run.ts";
import type { WireHistoryPage, WireRun, WireStartedRun } from "../http/wire.ts";
import { parseDuration } from "../kernel/duration.ts";
import { TimeoutError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import { checkPathName } from "../kernel/text.ts";
import type { Why } from "../kernel/why.ts";
import { decodeRun, outputOf } from "./decode-run.ts";
import { runPath } from "./paths.ts";
import { Patience } from "./patience.ts";
import { type Connection, requestJson } from "./request.ts";
import { valueFields } from "./value-fields.ts";

/** How long the server is asked to wait for a result, milliseconds. */
const RESULT_WAIT_MS = 25_000;

/** What is allowed for the way there and back on top of it. */
const RESULT_MARGIN_MS = 15_000;

const HISTORY_PAGE = 500;

type ResultOptions = NonNullable<Parameters<RunHandle["result"]>[0]>;

export class HttpRun<Output> implements RunHandle<Output, AnySignals> {
  readonly id: string;
  readonly #connection: Connection;

  constructor(connection: Connection, id: string) {
    this.id = id;
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

  cancel({ reason }: ReasonOptions = {}): Promise<void> {
    return this.#tell("cancel", { reason });
  }

  terminate({ reason }: ReasonOptions = {}): Promise<void> {
    return this.#tell("terminate", { reason });
  }

  pause({ reason }: ReasonOptions = {}): Promise<void> {
    return this.#tell("pause", { reason });
  }

  resume(): Promise<void> {
    return this.#tell("resume", {});
  }

  retry(): Promise<void> {
    return this.#tell("retry", {});
  }

  async signal(name: string, payload: unknown, { dedupeKey }: SignalOptions = {}): Promise<void> {
    const place = encodeURIComponent(checkPathName("the name of a signal", name));
    await this.#tell(`signals/${place}`, { ...valueFields("payload", payload), dedupeKey });
  }

  async rerun(options: RerunOptions = {}): Promise<StartedRun<Output, AnySignals>> {
    const { input, ...rest } = options;
    const edited = Object.hasOwn(options, "input") ? valueFields("input", input) : {};
    const { id, created, skipped = false } = await this.#post<WireStartedRun>("rerun", { ...rest, ...edited });
    return Object.assign(new HttpRun<Output>(this.#connection, id), { created, skipped });
  }

  async #tell(place: string, body: object): Promise<void> {
    await this.#post(place, body);
  }

  async #post<T>(place: string, body: object): Promise<T> {
    const path = `${runPath(this.id)}/${place}`;
    return await requestJson<T>(this.#connection, { method: "POST", path, body });
  }

  async why(): Promise<Why> {
    return await requestJson<Why>(this.#connection, { path: `${runPath(this.id)}/why` });
  }

  history(options?: HistoryOptions): Promise<RunEvent[]> {
    return readHistory(this.#connection, this.id, options);
  }
}

interface HistoryOptions {
  readonly afterSeq?: number;
  readonly limit?: number;
}

/** One run's events, page by page. */
export async function readHistory(
  connection: Connection,
  runId: string,
  { afterSeq = 0, limit = Number.POSITIVE_INFINITY }: HistoryOptions = {},
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  let after: number | null = afterSeq;
  while (after !== null && events.length < limit) {
    const size = Math.min(HISTORY_PAGE, limit - events.length);
    const path: string = `${runPath(runId)}/history?afterSeq=${after}&limit=${size}`;
    const page: WireHistoryPage = await requestJson<WireHistoryPage>(connection, { path });
    // The server has parsed them; a client of another version must not refuse types that it does not know.
    events.push(...(page.events as unknown as RunEvent[]));
    after = page.next;
  }
  return events;
}
