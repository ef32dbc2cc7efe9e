/** What workflow code works with. One file a primitive implements it, over the recorder. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { BreakerOptions } from "../kernel/breaker.ts";
import type { Duration } from "../kernel/duration.ts";
import type { KeyedOptions } from "../kernel/keyed-values.ts";
import type { Schema, SignalMap, WorkflowRef } from "../kernel/workflow-ref.ts";
import type { Message } from "../triggers/subscription.ts";
import type { LogLine, RunFacts } from "../worker/recorder.ts";
import type { ChildOptions, ChildStartOptions, DetachedRun, NamedChildOptions } from "./child.ts";
import type { Kv, KvOf, KvScope } from "./kv.ts";
import type { LockOptions } from "./lock.ts";
import type { StepCallOptions, StepContext } from "./step-options.ts";
import type { IfStorable } from "./storable.ts";
import type { WaitOptions } from "./wait-for.ts";
import type { WaitForMessageOptions } from "./wait-for-message.ts";

/** What a signal of this name brings, as its schema makes it. */
export type SignalPayload<Signals extends SignalMap, N extends keyof Signals> = StandardSchemaV1.InferOutput<
  Signals[N]
>;

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
export interface Ctx<Env = unknown, Signals extends SignalMap = SignalMap> {
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
    options?: StepCallOptions<NoInfer<T>, Env>,
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
  scope<T>(name: string, body: ((scope: Ctx<Env, Signals>) => PromiseLike<T>) & IfStorable<T>): Promise<T>;

  /**
   * A scope that a cancel does not reach: what it holds ends as ever, and it may begin after the cancel. For what must be
   * put in order whatever happens.
   *
   * @throws whatever `body` throws
   * @example
   * try {
   *   await ctx.step("reserve", () => reserve());
   *   await ctx.waitFor("paid");
   * } finally {
   *   await ctx.shield("release", (shielded) => shielded.step("release", () => release()));
   * }
   */
  shield<T>(name: string, body: ((scope: Ctx<Env, Signals>) => PromiseLike<T>) & IfStorable<T>): Promise<T>;

  /**
   * Runs the compensations of the steps that have completed, the last first; they do not run again when the run fails.
   * A run that fails or is cancelled does this by itself. Await it: what it has not undone when its scope, or the run, ends
   * is not undone.
   *
   * @example if (!approved) await ctx.compensate();
   */
  compensate(): Promise<void>;

  /**
   * Waits for a signal: for one that has come in and that no other call has taken, or for the next one. The run leaves
   * memory meanwhile. Comes to the payload; to null when `timeout` is over first: never both.
   *
   * @throws what `match` throws
   * @example const approval = await ctx.waitFor("approval", { timeout: "2d" });
   */
  waitFor<N extends keyof Signals & string>(
    name: N,
    options: WaitOptions<SignalPayload<Signals, N>> & { readonly timeout: Duration },
  ): Promise<SignalPayload<Signals, N> | null>;
  waitFor<N extends keyof Signals & string>(
    name: N,
    options?: WaitOptions<SignalPayload<Signals, N>>,
  ): Promise<SignalPayload<Signals, N>>;

  /**
   * Waits for a message on a topic: one that is published once the call is recorded, or, with `since`, one from before.
   * Every call that waits for it is given it, in whichever run. Null: none came in time; a message that came first is
   * never lost to the time-out, nor both.
   *
   * @throws DefinitionError `TOPIC_INVALID`, `EXPRESSION_INVALID`, `DURATION_INVALID`, `OPTION_INVALID`
   * @example
   * const paid = await ctx.waitForMessage("payments.settled", {
   *   match: cel("message.payload.order == run.input.id"),
   *   timeout: "2d",
   * });
   */
  waitForMessage<Payload = unknown>(
    topic: string,
    options: WaitForMessageOptions & { readonly timeout: Duration },
  ): Promise<Message<Payload> | null>;
  waitForMessage<Payload = unknown>(topic: string, options?: WaitForMessageOptions): Promise<Message<Payload>>;

  /**
   * The signals of a name, one after the other, until the wait for the next one is over; without a `timeout` for ever.
   *
   * @example for await (const { sku } of ctx.signals("item", { timeout: "1h" })) await ctx.step("add", () => add(sku));
   */
  signals<N extends keyof Signals & string>(
    name: N,
    options?: WaitOptions<SignalPayload<Signals, N>>,
  ): AsyncIterable<SignalPayload<Signals, N>>;

  /**
   * An address that sends the signal `name` to this run, once, without an API key: for mails and for foreign systems that
   * call back. Opened in a browser it asks before it sends, so a scanner of mails that opens it sends nothing; a POST
   * sends, with a JSON body as the payload. Every call gives another address, and replay gives the same ones. Whoever has
   * the address has the right, for as long as the run is under way: what a step returns is in the history, and is read
   * by whoever may read the run.
   *
   * @throws DefinitionError `RESUME_UNCONFIGURED` without `createEngine({ resume })`, `NAME_INVALID`
   * @example
   * const url = ctx.resumeUrl("approval");
   * await ctx.step("ask", ({ env }) => env.mail.send(approver, `Approve: ${url}`));
   * const approval = await ctx.waitFor("approval", { timeout: "2d" });
   */
  resumeUrl<N extends keyof Signals & string>(name: N): string;

  /**
   * Starts a run of another workflow and waits for its end. It has its own history, its own retries of steps, and may run
   * in another process. When this run is cancelled, so is the child, unless `onCancel` says otherwise.
   *
   * @throws RunFailedError `CHILD_FAILED` with the child's error as `cause`; RunCancelledError `CHILD_CANCELLED`;
   * LimitError `CHILD_DEPTH`, `CHILDREN_LIMIT`; ValidationError `INPUT_INVALID`; NotFoundError `WORKFLOW_UNKNOWN`
   * @example const label = await ctx.child(ship, parcel);
   */
  child<Input, Output>(
    workflow: WorkflowRef<Input, Output, never>,
    input: Input,
    options?: ChildOptions,
  ): Promise<Output>;
  child<Out extends Schema>(
    workflow: string,
    input: unknown,
    options: NamedChildOptions<Out>,
  ): Promise<StandardSchemaV1.InferOutput<Out>>;
  child(workflow: string, input?: unknown, options?: ChildOptions): Promise<unknown>;

  /**
   * Starts a run of another workflow that goes on by itself: nobody waits for its end, and no cancel reaches it.
   *
   * @throws as `child`, but for its end
   * @example const { id } = await ctx.start(remind, { orderId });
   */
  start<Input>(
    workflow: WorkflowRef<Input, unknown, never>,
    input: Input,
    options?: ChildStartOptions,
  ): Promise<DetachedRun>;
  start(workflow: string, input?: unknown, options?: ChildStartOptions): Promise<DetachedRun>;

  /**
   * Values that runs share, or that are this run's alone. Every read is recorded, so replay sees what the first pass saw;
   * every change takes effect once, also if the process dies in it. A change that a cancel or the end of its scope overtakes
   * may have taken effect or not.
   *
   * A run's own values stay as long as its history. Those of a tenant need the tag `tenant` on the run.
   *
   * @throws (its methods) DefinitionError `KV_SCOPE_INVALID`, `TENANT_MISSING`
   * @example
   * const limits = ctx.kv("tenant", { schema: z.object({ perDay: z.number() }) });
   * const { perDay } = (await limits.get("mail")) ?? { perDay: 100 };
   */
  kv<S extends Schema>(scope: KvScope, options: KeyedOptions<S>): KvOf<S>;
  kv(scope: KvScope): Kv;

  /**
   * Runs a part of the workflow while it holds a lock, which `slots` runs can hold at once: first come, first served. A
   * scope like others, that begins when the lock is granted. The run keeps the lock, in whatever process it goes on, until
   * the scope or the run ends; meanwhile it may sleep, wait and restart. A run that is `stuck` or paused keeps it as well.
   *
   * A run that fails under a lock and is retried asks for it again, and does all again that it did under it.
   *
   * @throws TimeoutError `LOCK_TIMEOUT` when it was not granted within `timeout`; whatever `body` throws
   * @example await ctx.lock(`account-${id}`, { timeout: "5m" }, async (held) => held.step("book", () => book(id)));
   */
  lock<T>(
    name: string,
    options: LockOptions,
    body: ((scope: Ctx<Env, Signals>) => PromiseLike<T>) & IfStorable<T>,
  ): Promise<T>;

  /**
   * Runs a part of the workflow behind a breaker that all runs share: too many failures open it, and while it is open the
   * part is not begun. A scope like others, named as the breaker is. For a single step there is its option `breaker`.
   *
   * @throws BreakerOpenError `BREAKER_OPEN`; whatever `body` throws
   * @example await ctx.breaker({ name: "bank", failures: 3 }, async (bank) => bank.child(transfer, order));
   */
  breaker<T>(options: BreakerOptions, body: ((scope: Ctx<Env, Signals>) => PromiseLike<T>) & IfStorable<T>): Promise<T>;

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
    body: ((item: Item, scope: Ctx<Env, Signals>, index: number) => PromiseLike<T>) & IfStorable<T>,
    options?: MapOptions & { readonly tolerate?: undefined },
  ): Promise<T[]>;
  map<Item, T>(
    name: string,
    items: readonly Item[],
    body: ((item: Item, scope: Ctx<Env, Signals>, index: number) => PromiseLike<T>) & IfStorable<T>,
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
