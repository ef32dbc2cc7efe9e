/** What workflow code works with. One file a primitive implements it, over the recorder. */
import type { Duration } from "../kernel/duration.ts";
import type { RetryOptions } from "../kernel/retry.ts";
import type { LogLine, RunFacts } from "../worker/recorder.ts";
import type { IfStorable } from "./storable.ts";

/** What a step's body is given. */
export interface StepContext<Env = unknown> {
  /** The step's key in its run, such as `order/charge#2`. */
  readonly key: string;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** The same for every attempt of this step, and for no other: give it to the foreign system as its idempotency key. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt times out, the run ends or is cancelled, or this worker no longer has the run. */
  readonly signal: AbortSignal;
  /** What `createEngine({ env })` was given: clients, bindings, secrets. */
  readonly env: Env;
  /** Writes a log line with the run and the step beside it. */
  readonly log: LogLine;
  readonly run: RunFacts;
}

export interface StepOptions {
  /** How often and when a failed attempt is repeated. @default 5 attempts, exponential from 1 s to 1 m, full jitter */
  readonly retry?: RetryOptions;
  /** The most that one attempt may take. @default no bound */
  readonly timeout?: Duration;
  /** The most that all attempts and the waits between them may take. @default no bound */
  readonly deadline?: Duration;
  /**
   * The body is started at most once: if the process dies in it, the step fails with `OutcomeUnknownError` and is not
   * repeated. Excludes `retry`. @default false
   */
  readonly once?: boolean;
}

export interface MapOptions {
  /** How many items are under way at a time, from 1 to 10,000: what a crash may make begin again. @default 100 */
  readonly concurrency?: number;
}

export interface ToleratingMapOptions extends MapOptions {
  /** How many items may fail before the map does. */
  readonly tolerate: Tolerance;
}

/** So many items, so many of a hundred (a whole number, rounded down to whole items), or all of them. */
export type Tolerance = number | `${number}%` | "all";

/** What an item came to, in a map that tolerates failures. */
export type Settled<T> =
  | { readonly status: "completed"; readonly value: T }
  | { readonly status: "failed"; readonly error: Error };

/**
 * The context of a workflow function. Only its calls may be awaited in the function; everything else (a fetch, a timer,
 * a file) belongs into the body of a step.
 */
export interface Ctx<Env = unknown> {
  readonly run: RunFacts;

  /**
   * Runs `body` and records what it returns; after that it never runs again, in any process. A body runs at least once:
   * if the process dies before the record is durable, another attempt follows.
   *
   * The code sees the recorded form of the value: what comes back is equal to what was returned, and shares nothing
   * with it.
   *
   * @throws StepFailedError when the last attempt failed; its `cause` is the error. OutcomeUnknownError with `once`.
   * @example const order = await ctx.step("load", ({ env }) => env.orders.get(id));
   */
  step<T>(
    name: string,
    body: ((step: StepContext<Env>) => T | PromiseLike<T>) & IfStorable<T>,
    options?: StepOptions,
  ): Promise<T>;

  /**
   * Waits. The run leaves memory meanwhile; a million sleeping runs cost rows only.
   *
   * @throws DefinitionError `DURATION_INVALID`
   * @example await ctx.sleep("cool-off", "1h30m");
   */
  sleep(name: string, duration: Duration): Promise<void>;

  /**
   * Waits until an instant; not at all if it has passed.
   *
   * @param instant a Date, ISO 8601 with a zone, or milliseconds since the epoch
   * @throws DefinitionError `INSTANT_INVALID`
   * @example await ctx.sleepUntil("launch", "2027-01-01T00:00:00Z");
   */
  sleepUntil(name: string, instant: Date | string | number): Promise<void>;

  /**
   * Runs a part of the workflow under keys of its own. Once it has completed it is one outcome: on resume its function is
   * not run again and its events are not read, so a long run stays quick to resume. It hands data out by its return value
   * only, and its calls go through the context that it is given.
   *
   * @throws whatever `body` throws
   * @example const total = await ctx.scope("page", async (page) => page.step("fetch", () => fetchPage(1)));
   */
  scope<T>(name: string, body: ((scope: Ctx<Env>) => PromiseLike<T>) & IfStorable<T>): Promise<T>;

  /**
   * Runs `body` for each item of a list, so many at a time, and gives what they return in the order of the items. Each item
   * is a scope, so it has a context of its own, with keys such as `ship[3]/label`, and once it has completed it is one
   * outcome: on resume it is not run again. At most 10,000 items; each takes two events of the run's history, and those
   * of its own calls.
   *
   * Once an item has failed no other begins; those under way come to their end, and then the map fails with the error of
   * the item that failed first. With `tolerate` it gives what each item came to, and fails only if more of them fail than
   * it says: then too no other begins.
   *
   * @throws whatever the first item that fails throws; with `tolerate` MapFailedError `MAP_FAILED`, its `cause` is that
   * error, and its `facts` name the first that failed. DefinitionError `MAP_INVALID`, `OPTION_INVALID`; LimitError
   * `MAP_ITEMS_LIMIT`
   * @example
   * const labels = await ctx.map("ship", parcels, (parcel, scope) => scope.step("label", () => print(parcel)), { concurrency: 4 });
   * const sent = await ctx.map("send", readers, (reader, scope) => send(scope, reader), { tolerate: "5%" });
   * const bounced = readers.filter((_, i) => sent[i]?.status === "failed");
   */
  map<Item, T>(
    name: string,
    items: readonly Item[],
    body: ((item: Item, scope: Ctx<Env>, index: number) => PromiseLike<T>) & IfStorable<T>,
    options?: MapOptions & { readonly tolerate?: undefined },
  ): Promise<T[]>;
  map<Item, T>(
    name: string,
    items: readonly Item[],
    body: ((item: Item, scope: Ctx<Env>, index: number) => PromiseLike<T>) & IfStorable<T>,
    options: ToleratingMapOptions,
  ): Promise<Settled<T>[]>;

  /** The time that replay repeats: the instant of the last outcome that the code was given. Never goes back. */
  now(): Date;
  /** A float in [0, 1) that replay repeats. Not a secret: it derives from the run's id. */
  random(): number;
  /** A UUID that replay repeats. Not a secret: it derives from the run's id. */
  uuid(): string;
  /** Writes a log line, once: not again in replay. */
  readonly log: LogLine;
}
