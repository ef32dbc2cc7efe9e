/** One request to a Varve server, and what its refusals mean. */

import type { WireProblem } from "../http/wire.ts";
import { isVarveError, StoreError, VarveError } from "../kernel/errors.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";
import type { Clock } from "../kernel/ports.ts";

/** The platform's `fetch`, or another that does the same. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

export interface FetchInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** A server and the way to it. */
export interface Connection {
  /** Where the app is mounted, without a slash at its end. */
  readonly url: string;
  readonly key: string | undefined;
  readonly fetch: Fetch;
  readonly clock: Pick<Clock, "monotonic" | "timer">;
}

export interface RequestOptions {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The caller's: its reason is thrown. */
  readonly signal?: AbortSignal | null;
  /** How long the answer may take to begin, milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

/**
 * The JSON that the server answers.
 *
 * @throws whatever the server refuses with, by its class; StoreError `SERVER_UNREACHABLE`, `SERVER_ANSWER_UNKNOWN`
 */
export async function requestJson<T>(connection: Connection, options: RequestOptions): Promise<T> {
  const { response, close } = await request(connection, { headers: { accept: "application/json" }, ...options });
  try {
    return (await response.json()) as T;
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw unknownAnswer(connection, response.status, cause);
  } finally {
    close();
  }
}

/** An answer whose body is still to be read. `close` must be called, and ends it. */
export async function request(
  connection: Connection,
  { method = "GET", path, body, headers = {}, signal = null, timeoutMs = TIMEOUT_MS }: RequestOptions,
): Promise<{ readonly response: Response; readonly close: () => void }> {
  const { url, key, clock } = connection;
  signal?.throwIfAborted();
  const ended = new AbortController();
  const end = () => ended.abort();
  signal?.addEventListener("abort", end);
  const cancelTimer = clock.timer(timeoutMs, end);
  const close = () => {
    cancelTimer();
    signal?.removeEventListener("abort", end);
    end();
  };
  try {
    const response = await connection.fetch(`${url}${path}`, {
      method,
      headers: {
        ...headers,
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: ended.signal,
    });
    if (!response.ok) throw await refusal(connection, response);
    cancelTimer();
    return { response, close };
  } catch (error) {
    close();
    signal?.throwIfAborted();
    throw isVarveError(error) ? error : unreachable(connection, error);
  }
}

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): boolean {
  return isVarveError(error) && error.name === "StoreError" && error.facts.retry === true;
}

async function refusal(connection: Connection, response: Response): Promise<Error> {
  const { status } = response;
  let problem: Partial<WireProblem>;
  try {
    problem = (await response.json()) as Partial<WireProblem>;
  } catch (cause) {
    return unknownAnswer(connection, status, cause);
  }
  const { code, detail, name, facts = {} } = problem ?? {};
  if (typeof code !== "string" || typeof detail !== "string") return unknownAnswer(connection, status);
  if (status === 503) return new StoreError(code, detail, { ...facts, status, retry: true });
  const failure: Failure = { name: name ?? "", message: detail, code, fields: { facts: facts as never } };
  const error = fromFailure(failure);
  return isVarveError(error) ? error : new VarveError(code, detail, { ...facts, status });
}

function unreachable({ url }: Connection, cause: unknown): StoreError {
  const found = cause instanceof Error ? deepest(cause).message : String(cause);
  return new StoreError(
    "SERVER_UNREACHABLE",
    `expected a Varve server at ${url}, but found: ${found}; check the address, and whether it runs`,
    { url, retry: true },
    { cause },
  );
}

/** `fetch` says little; its cause says more. */
function deepest(error: Error): Error {
  return error.cause instanceof Error && error.cause.message !== "" ? deepest(error.cause) : error;
}

function unknownAnswer({ url }: Connection, status: number, cause?: unknown): StoreError {
  return new StoreError(
    "SERVER_ANSWER_UNKNOWN",
    `expected ${url} to answer as a Varve server, but found the status ${status} without what it should say; is something else there, or a proxy before it?`,
    { url, status, retry: status >= 500 },
    { cause },
  );
}
