/**
 * Varve's client: the engine's interface over HTTP, on every runtime that has `fetch`.
 *
 * @example
 * import { createClient } from "varve/client";
 *
 * const client = createClient({ url: "http://127.0.0.1:8787", key: process.env.VARVE_API_KEY });
 * const run = await client.start("greet", { name: "Ada" }, { idempotencyKey: "ada-1" });
 * console.log(await run.result({ timeout: "30s" }));
 */
import { type Client, type ClientOptions, createClientOf } from "../client/client.ts";
import type { Clock } from "../kernel/ports.ts";

export type { Client, ClientOptions } from "../client/client.ts";
export type { Fetch, FetchInit } from "../client/request.ts";

/** Unlike the engine's, its timers keep a process alive: somebody waits for what comes after them. */
const clock: Pick<Clock, "monotonic" | "timer"> = {
  monotonic: () => performance.now(),
  timer: (ms, fn) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A client of the server at `url`. Sends nothing by itself.
 *
 * @throws DefinitionError `URL_INVALID`
 */
export function createClient(options: ClientOptions): Client {
  return createClientOf({ fetch: (url, init) => fetch(url, init), ...options, clock });
}
