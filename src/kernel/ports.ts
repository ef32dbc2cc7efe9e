/**
 * The kernel's ports: the only ways by which time, randomness and the outside reach the engine (rule R10).
 * `runtime/` implements them for each runtime; `testing/` implements them for tests.
 */

/** Reads the time and wakes the engine. All values are milliseconds. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** A clock that only goes forward, from an arbitrary origin. Judges leases and budgets. */
  monotonic(): number;
  /**
   * Calls `fn` once after at least `ms`. The returned function cancels it. A timer never keeps a process or an
   * isolate alive by itself, and any `ms` is allowed: longer than a platform's limit means an early, harmless wake.
   */
  timer(ms: number, fn: () => void): () => void;
}

/**
 * Calls `fn` in a later macrotask, after every microtask that is queued now and every microtask those queue.
 * `setImmediate` where it exists (`runtime/drain.ts`).
 */
export type Drain = (fn: () => void) => void;

/** A source of random bytes, for ids, jitter and worker names. Never reaches workflow code. */
export interface Random {
  /** A float in [0, 1). */
  float(): number;
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
}

/** Severity of a log line, least first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where log lines go. The engine never writes to the console itself. */
export interface Logger {
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Sends requests out into the world, for webhooks of ours. */
export interface Outbound {
  /** Sends a POST, follows no redirect, and reads no body of the answer. */
  post(request: OutboundRequest): Promise<OutboundAnswer>;
}

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  /**
   * Whether an address may be connected to, asked at the moment of connecting; null: any may. Where names are resolved out of
   * our sight nobody asks.
   */
  readonly allows: ((address: string) => boolean) | null;
}

/** `refused`: the host came to an address that is not allowed, and nothing was sent. */
export type OutboundAnswer =
  | { readonly kind: "answer"; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: "refused"; readonly address: string };

/** Everything the engine takes from its surroundings. */
export interface Ports {
  readonly clock: Clock;
  readonly drain: Drain;
  readonly random: Random;
  readonly logger: Logger;
}
