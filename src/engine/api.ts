/** The engine as its users, the HTTP layer and the client see it. */
import type { Duration } from "../kernel/duration.ts";
import type { RunEvent, Tags } from "../kernel/events.ts";
import type { KeyedScope } from "../kernel/keyed.ts";
import type { KeyedOptions, KeyedValues, KeyedValuesOf } from "../kernel/keyed-values.ts";
import type { Ports } from "../kernel/ports.ts";
import type { ResumeTicket } from "../kernel/resume.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { WaitingFor, Why } from "../kernel/why.ts";
import type { Schema, WorkflowRef } from "../kernel/workflow-ref.ts";
import type { BusEventName, BusListener } from "../observe/bus.ts";
import type { DecisionReason } from "../triggers/decide.ts";
import type { RefusalReason, WebhookRequest } from "../triggers/scheme.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { Schedules } from "./api-schedules.ts";

export interface StartOptions {
  /** A start with a used key makes no run but returns the one that has it. The key belongs to the workflow. */
  readonly idempotencyKey?: string;
  /** The run begins so much later. */
  readonly delay?: Duration;
  /** Labels for filters: at most 32, texts of 1 to 256 characters. */
  readonly tags?: Tags;
  /** The run fails if it has not ended so long after its start. */
  readonly deadline?: Duration;
  /** A queue of `createEngine({ queues })`. @default that of the workflow */
  readonly queue?: string;
  /** Whoever has more goes first, from -1,000 to 1,000, if the run has to wait for others. @default that of the workflow */
  readonly priority?: number;
}

/** A run as it stands, with its values decoded. Instants are milliseconds since the epoch. */
export interface RunInfo<Output = unknown> {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly status: RunStatus;
  readonly tags: Tags;
  readonly idempotencyKey: string | null;
  /** The run that started it; null: none did. */
  readonly parentId: string | null;
  /** With status `completed`. */
  readonly output: Output | undefined;
  /** With status `failed`. */
  readonly error: Error | undefined;
  /** With status `cancelled`, if a reason was given. */
  readonly cancelReason?: string;
  /** With status `stuck`: why, and what to do. */
  readonly stuck: { readonly code: string; readonly message: string } | undefined;
  /**
   * The first thing that it waits for; null: nothing, or it began to wait too far back in its history (the last 32 events are
   * looked at). `why` says all of it. A breaker is told by `why` alone: here it is a `retry`.
   */
  readonly waitingFor: WaitingFor | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** When it goes on by itself; null: not, or it is running, or it waits in line for a place. */
  readonly availableAt: number | null;
  readonly deadlineAt: number | null;
  /** The worker that has it. */
  readonly worker: string | null;
  /** How many events its history has. */
  readonly events: number;
}

/** A message to a run: how it was meant. */
export interface ReasonOptions {
  /** Shown in the run's history. */
  readonly reason?: string;
}

export interface SignalOptions {
  /** Another signal to this run with the same key does nothing: so a signal whose answer was lost can be sent again. */
  readonly dedupeKey?: string;
}

/** What signals a run takes that is known by its id only. */
export type AnySignals = Readonly<Record<string, unknown>>;

/** One run, by its id. `Sent`: what its signals carry, by name. */
export interface RunHandle<Output = unknown, Sent = AnySignals> {
  readonly id: string;
  /**
   * The run as it stands.
   *
   * @throws NotFoundError `RUN_NOT_FOUND`
   */
  status(): Promise<RunInfo<Output>>;
  /**
   * What the run comes to, waiting for its end.
   *
   * @throws RunFailedError with the error as `cause`; RunCancelledError; TimeoutError `RESULT_TIMEOUT` after `timeout`;
   * NotFoundError `RUN_NOT_FOUND`
   * @example const receipt = await run.result({ timeout: "5s" });
   */
  result(options?: { readonly timeout?: Duration; readonly signal?: AbortSignal }): Promise<Output>;
  /**
   * Asks for the run's end. When this resolves the request is durable: no step body starts after it in the run's
   * history, but in scopes that are shielded. Running bodies are aborted.
   *
   * @throws ConflictError `RUN_OVER`, NotFoundError `RUN_NOT_FOUND`, LimitError `INBOX_FULL`
   */
  cancel(options?: ReasonOptions): Promise<void>;
  /**
   * Ends the run as cancelled without asking its code: nothing is put in order, and no compensation runs.
   *
   * @throws as `cancel`
   */
  terminate(options?: ReasonOptions): Promise<void>;
  /**
   * Holds the run: bodies that run may end, and nothing else begins until `resume`. Signals are kept meanwhile, timers
   * that become due fire on resume, and a deadline goes on to count. A second pause does nothing.
   *
   * @throws as `cancel`
   */
  pause(options?: ReasonOptions): Promise<void>;
  /**
   * Lets a paused run go on. Does nothing to one that is not paused.
   *
   * @throws as `cancel`
   */
  resume(): Promise<void>;
  /**
   * Tells the run something: `ctx.waitFor(name)` comes to `payload`. When this resolves the signal is durable; it is kept
   * until a call takes it, also if none waits yet.
   *
   * @throws ValidationError `SIGNAL_INVALID` for a payload that does not fit the workflow's schema; DefinitionError
   * `SIGNAL_UNKNOWN` for a name that it does not declare; PayloadError; else as `cancel`
   * @example await run.signal("approval", { by: "ada" }, { dedupeKey: "click-17" });
   */
  signal<N extends keyof Sent & string>(name: N, payload: Sent[N], options?: SignalOptions): Promise<void>;
  /**
   * Lets a run go on that has failed or was cancelled, where it failed: steps that failed run again, with attempts
   * counted anew, and what had completed before is kept. After a cancel it goes on as if nobody had asked for it. A run
   * whose compensations have begun starts over.
   *
   * @throws ConflictError `RUN_NOT_OVER` for a run that has not failed and was not cancelled, `SINGLETON_BUSY` while another
   * run of its singleton is under way; NotFoundError
   */
  retry(): Promise<void>;
  /**
   * Starts another run of the same workflow and version, with the same tags, and the same input or another, which is
   * checked if the workflow is registered here.
   *
   * @throws NotFoundError `RUN_NOT_FOUND`; ValidationError `INPUT_INVALID`; ConflictError `IDEMPOTENCY_CONFLICT`
   * @example const again = await run.rerun({ input: { id: "o-2" } });
   */
  rerun(options?: RerunOptions): Promise<StartedRun<Output, Sent>>;
  /**
   * What the run waits for, since when, and what can be done about it.
   *
   * @throws NotFoundError `RUN_NOT_FOUND`
   * @example for (const { kind, text } of (await run.why()).waitsFor) console.log(kind, text);
   */
  why(): Promise<Why>;
  /** Its events, in order. */
  history(options?: { readonly afterSeq?: number; readonly limit?: number }): Promise<RunEvent[]>;
}

export interface RerunOptions extends Pick<StartOptions, "idempotencyKey" | "delay" | "deadline"> {
  /** @default the run's own input */
  readonly input?: unknown;
}

/** A run that a start made, or found in its place. */
export interface StartedRun<Output = unknown, Sent = AnySignals> extends RunHandle<Output, Sent> {
  /** False: the run existed under the idempotency key, or was skipped. */
  readonly created: boolean;
  /** No run was made: this one is under way, and its workflow is a singleton that skips starts until it has ended. */
  readonly skipped: boolean;
}

/** What became of a webhook request. */
export type DeliveryOutcome =
  | DecidedOutcome
  /** It asked whether we are there, and is to be answered with this text. Nothing was stored. */
  | { readonly kind: "answered"; readonly text: string }
  /** Nothing was stored. The sender should be told no more than that. */
  | { readonly kind: "refused"; readonly reason: RefusalReason | "unknown-hook"; readonly detail: string };

/** What was decided about a delivery, now or when it came for the first time, and recorded. */
export type DecidedOutcome = DecidedFacts &
  (
    | {
        readonly kind: "accepted";
        readonly decision: "started" | "signalled";
        /** The run that it started, or told. */
        readonly run: StartedRun;
        readonly reason: null;
        /** For how long its hook lets the sender wait for the run's result, milliseconds; null: not at all. */
        readonly resultWithinMs: number | null;
      }
    | {
        readonly kind: "accepted";
        readonly decision: "ignored";
        readonly run: null;
        readonly reason: DecisionReason;
        readonly resultWithinMs: null;
      }
    /** What it holds is not what its hook takes. */
    | { readonly kind: "invalid"; readonly reason: DecisionReason }
  );

interface DecidedFacts {
  readonly deliveryId: string;
  /** 0: the request itself; else the number of its replay. */
  readonly replay: number;
  /** Whether it had been decided about before. */
  readonly isRepeat: boolean;
}

export type DeliveryDecision = "started" | "signalled" | "ignored" | "invalid";

/** A webhook delivery as it was decided about. */
export interface DeliveryInfo {
  readonly hook: string;
  /** The sender's id of it. */
  readonly id: string;
  /** 0: the request itself; else the number of its replay. */
  readonly replay: number;
  /** When it came, or was replayed: milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly decision: DeliveryDecision;
  /** The run that it started, or told. */
  readonly runId: string | null;
  /** Why nothing came of it. */
  readonly reason: DecisionReason | null;
  /** The length of its body, bytes. */
  readonly bytes: number;
}

/** The same with what was sent. */
export interface Delivery extends DeliveryInfo {
  /** By lower-case name, without those that are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface DeliveryListOptions {
  readonly hook?: string;
  readonly decision?: DeliveryDecision;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface DeliveryPage {
  /** Newest first. */
  readonly deliveries: readonly DeliveryInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

/** A request to a hook about which nothing was decided, and why. */
export interface RefusedRequest {
  /** As it was asked for. */
  readonly hook: string;
  readonly at: number;
  /** `undecided`: its hook's own code failed, or the database. */
  readonly reason: RefusalReason | "unknown-hook" | "undecided";
  readonly detail: string;
}

/** The webhook deliveries that were decided about. They are kept for the time of the option `retention.deliveries`. */
export interface Deliveries {
  /** Newest first. */
  list(options?: DeliveryListOptions): Promise<DeliveryPage>;
  /** One with its content; `replay`: one of its replays. Null: there is none, or it is no longer kept. */
  get(hook: string, id: string, options?: { readonly replay?: number }): Promise<Delivery | null>;
  /**
   * Decides about a delivery once more, over its stored bytes and with the hook as it is now. The decision is another one,
   * beside the first; what it starts is another run. Replays at the same moment are one.
   *
   * @throws NotFoundError `DELIVERY_NOT_FOUND`, `HOOK_UNKNOWN`
   * @example const outcome = await engine.deliveries.replay("github", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
   */
  replay(hook: string, id: string): Promise<DecidedOutcome>;
  /** The last 100 requests about which nothing was decided, newest first: of this process, since it began. */
  refused(): Promise<readonly RefusedRequest[]>;
}

export interface ListOptions {
  readonly workflow?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  readonly tags?: Tags;
  readonly idempotencyKey?: string;
  /** The run that started them. */
  readonly parentId?: string;
  /** Created at or after. */
  readonly createdFrom?: Date | number;
  readonly createdBefore?: Date | number;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

/** What can be done to many runs at once. */
export type BulkAction = "cancel" | "terminate" | "pause" | "resume" | "retry";

export interface BulkOptions extends Omit<ListOptions, "limit" | "cursor">, ReasonOptions {
  /** @default those that can take it: runs that are under way; for `retry` those that failed or were cancelled */
  readonly status?: RunStatus | readonly RunStatus[];
  /** Ids, instead of a filter. */
  readonly ids?: readonly string[];
  /** The most runs that it is done to. @default 10_000 */
  readonly limit?: number;
}

/** What came of it. Done again with the same filter it does what is left. */
export interface BulkResult {
  /** Runs that it was done to. */
  readonly done: number;
  /** Runs that could not take it: ones that had ended meanwhile, or for which too many messages wait. */
  readonly skipped: number;
  /** Whether more runs fit the filter than `limit`. */
  readonly more: boolean;
}

export interface RunPage {
  /** Newest first. */
  readonly runs: readonly RunInfo[];
  /**
   * Gives the next page; null: this is the last. A page looks through 100,000 runs at most, so with a filter that few of many
   * runs fit it may be shorter than asked for, even empty, and have a cursor all the same.
   */
  readonly cursor: string | null;
}

/** A worker that was started by `engine.work`. */
export interface WorkerHandle {
  /** Its id in the log. Changes when its lease is lost. */
  readonly id: string;
  /** The runs that it has at the moment. */
  readonly activeRuns: number;
  /**
   * Stops it: bodies that run may end within `deadline`, then they are aborted and their runs handed to other workers.
   * A second call waits no longer.
   */
  stop(options?: { readonly deadline?: Duration }): Promise<void>;
}

/** What one `tick` did. */
export interface TickResult {
  /** Whether runs are due that it did not get to. */
  readonly more: boolean;
  /** When the next run is due, milliseconds since the epoch; null: none is in sight. */
  readonly nextAt: number | null;
}

/** What a key of the HTTP API may be used for. */
export type ApiScope = "runs:read" | "runs:write";

/** A key of the HTTP API, without its secret. */
export interface ApiKey {
  readonly id: string;
  /** Whose it is, or what for. */
  readonly name: string;
  readonly scopes: readonly ApiScope[];
  readonly createdAt: number;
  /** Null: it is good. */
  readonly revokedAt: number | null;
}

/** A key that was just made. */
export interface NewApiKey extends ApiKey {
  /** `varve_<id>_<secret>`, sent as `Authorization: Bearer ...`. Shown now and never again. */
  readonly token: string;
}

/** The keys of the HTTP API. They live in the log's database, so every process over it knows them. */
export interface ApiKeys {
  /**
   * Makes a key.
   *
   * @throws DefinitionError `SCOPE_INVALID`, LimitError `API_KEYS_LIMIT`
   * @example const { token } = await engine.keys.create({ name: "ci", scopes: ["runs:write"] });
   */
  create(options: { readonly name: string; readonly scopes: readonly ApiScope[] }): Promise<NewApiKey>;
  /** All keys, also the revoked ones, oldest first. */
  list(): Promise<ApiKey[]>;
  /**
   * Ends a key, for this process at once and for others over the same database within seconds.
   *
   * @throws NotFoundError `API_KEY_NOT_FOUND`
   */
  revoke(id: string): Promise<ApiKey>;
  /** The key that `token` is of; null: there is none, or it is revoked. */
  verify(token: string): Promise<ApiKey | null>;
}

/** The tokens at the end of the addresses that `ctx.resumeUrl` makes. For whoever serves them without `varve/http`. */
export interface Resumes {
  /**
   * What a token is good for. Looks at its signature alone, and asks nothing of the log.
   *
   * @throws NotFoundError `RESUME_UNKNOWN` for a token that none of our secrets has signed
   */
  requireTicket(token: string): ResumeTicket;
  /**
   * Sends the signal of a token, once: again it does nothing, and resolves as before.
   *
   * @throws as `requireTicket`, and as `run.signal`
   * @example await engine.resumes.redeem(token, { by: "ada" });
   */
  redeem(token: string, payload?: unknown): Promise<ResumeTicket>;
}

/** `delivered`: the receiver has taken it. `dead`: nobody tries any more; it is kept for 30 days and can be retried. */
export type NotificationStatus = "pending" | "delivered" | "dead";

/** An outgoing webhook: one event, to one endpoint. Instants are milliseconds since the epoch. */
export interface NotificationInfo {
  /** What the receiver gets as `webhook-id`: the same at each sending. */
  readonly id: string;
  readonly endpoint: string;
  /** The event's, in the log. */
  readonly position: number;
  readonly runId: string;
  /** The event's place in its run. */
  readonly seq: number;
  /** The event's. */
  readonly type: string;
  readonly status: NotificationStatus;
  /** How often it was sent. */
  readonly tries: number;
  readonly createdAt: number;
  /** When it was sent first; null: not yet. */
  readonly firstAt: number | null;
  /** When it is sent next; null: it is not pending. */
  readonly dueAt: number | null;
  readonly endedAt: number | null;
  /** What the last try came to. */
  readonly note: string | null;
}

export interface NotificationListOptions {
  /** @default all */
  readonly endpoint?: string;
  /** @default any */
  readonly status?: NotificationStatus;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface NotificationPage {
  /** Latest event first. */
  readonly notifications: readonly NotificationInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

/** Where outgoing webhooks are sent to. */
export interface EndpointInfo {
  readonly name: string;
  /** The last position of the log that was looked at for it. */
  readonly position: number;
  /** The receiver asked for no request before then. */
  readonly restUntil: number | null;
  /** Since when nothing is sent, because it answered 410. */
  readonly disabledAt: number | null;
}

/** Outgoing webhooks: what became of them. They live in the log's database, so every process over it knows them. */
export interface Notifications {
  /** The endpoints that the log knows, by name. */
  endpoints(): Promise<EndpointInfo[]>;
  /** @throws DefinitionError `OPTION_INVALID`, `LIMIT_INVALID` */
  list(options?: NotificationListOptions): Promise<NotificationPage>;
  /**
   * Sends the notification about a position again, whatever became of it; without a position up to 1,000 of those that
   * are dead. Returns how many.
   *
   * @throws NotFoundError `ENDPOINT_NOT_FOUND`, `NOTIFICATION_NOT_FOUND`
   * @example await engine.notifications.retry("billing");
   */
  retry(endpoint: string, position?: number): Promise<number>;
  /**
   * Sends to an endpoint again that was disabled, or asked for rest.
   *
   * @throws NotFoundError `ENDPOINT_NOT_FOUND`
   */
  enable(endpoint: string): Promise<void>;
}

/** A workflow that an engine can run. */
export interface WorkflowInfo {
  readonly name: string;
  /** In the order of registration: a start by name takes the last. */
  readonly versions: readonly string[];
}

export interface LocksOptions {
  /** @default all */
  readonly name?: string;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
}

/** A run's place in line for a lock. Instants are milliseconds since the epoch. */
export interface LockInfo {
  readonly name: string;
  readonly runId: string;
  /** The key of its call. */
  readonly step: string;
  readonly requestedAt: number;
  /** Null: it waits. */
  readonly grantedAt: number | null;
}

export interface PublishOptions {
  /**
   * Names the message on its topic: one that is published again, while it is kept, is the same one, and what it says then
   * does not count. So publish again what was not answered.
   *
   * @default a new one
   */
  readonly id?: string;
  /** When it happened. @default now */
  readonly at?: Date | number;
  /** Labels that expressions see: at most 32, texts of 1 to 256 characters. */
  readonly tags?: Tags;
}

/** A message that was published, now or before. */
export interface PublishedMessage {
  readonly topic: string;
  readonly id: string;
  /** Its order among all messages. */
  readonly position: number;
  /** False: it had been published before. */
  readonly created: boolean;
}

/** A message as it is kept. Instants are milliseconds since the epoch. */
export interface MessageInfo {
  readonly topic: string;
  readonly id: string;
  readonly position: number;
  readonly payload: unknown;
  readonly tags: Tags;
  readonly at: number;
  readonly publishedAt: number;
  /** Null: what becomes of it is not decided yet. */
  readonly dispatchedAt: number | null;
}

/** What became of a message for one that listened. */
export interface MessageDecision {
  /** The subscription, as `<workflow>/<name>`, or the key of the call that waited. */
  readonly subject: string;
  /**
   * `debounced`, `batched`: taken together with others; `runId` is the run that came of it, once there is one. `invalid`: an
   * expression, a key or an input could not be made.
   */
  readonly decision: "started" | "filtered" | "debounced" | "batched" | "woke" | "cancelled" | "invalid";
  /** Why it started nothing. */
  readonly reason: string | null;
  readonly runId: string | null;
}

export interface MessageDetail extends MessageInfo {
  /** In the order in which they were made; at most 1,000. None: nobody listened. */
  readonly decisions: readonly MessageDecision[];
  /** Whether there are more. */
  readonly more: boolean;
}

export interface ListMessagesOptions {
  /** @default all */
  readonly topic?: string;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface MessagePage {
  /** Newest first. */
  readonly messages: readonly MessageInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

/** A queue of runs and of steps, each counted apart, as it stands. */
export interface QueueInfo {
  readonly name: string;
  /** The most runs, and the most steps (for each key), that are worked on at once; null: nobody has said it here. */
  readonly concurrency: number | null;
  /** What this engine was given; null: it has no such queue. */
  readonly defined: number | null;
  /** Whether it lets nobody in. */
  readonly paused: boolean;
  /** How many runs have a place in it, and how many wait for one: counted up to 10,000. */
  readonly held: number;
  readonly waiting: number;
  /** How many living workers serve it. None: its runs wait. */
  readonly workers: number;
  /** How many attempts of steps have a slot in it, and how many wait for one: counted likewise. */
  readonly steps: { readonly held: number; readonly waiting: number };
}

/** What becomes of a queue, for all workers and until it is changed again. What is not given stays as it is. */
export interface QueueChange {
  /** From 1 to 10,000; null: what the engine was given. Runs and steps that are in stay in. */
  readonly concurrency?: number | null;
  readonly paused?: boolean;
}

/** The queues of runs and steps, changed while they work: what is set of one holds for both. */
export interface QueueControl {
  /** By name: those that this engine was given, and those that were changed. */
  list(): Promise<QueueInfo[]>;
  /**
   * @throws DefinitionError `LIMIT_INVALID`, `NAME_INVALID`
   * @example await engine.queues.set("heavy", { concurrency: 2 });
   */
  set(name: string, change: QueueChange): Promise<QueueInfo>;
  /** Lets no more runs and steps in; those that are in go on. */
  pause(name: string): Promise<QueueInfo>;
  resume(name: string): Promise<QueueInfo>;
}

/** How the engine is. */
export interface Health {
  /** For how long the database has refused writes, milliseconds; null: it takes them. */
  readonly storeFailingMs: number | null;
}

export interface Engine {
  /** The keys of the HTTP API. */
  readonly keys: ApiKeys;
  /** Queues: listed, paused, resumed, resized. */
  readonly queues: QueueControl;
  /** The addresses that `ctx.resumeUrl` has made. */
  readonly resumes: Resumes;
  /** When workflows run by themselves. */
  readonly schedules: Schedules;
  /** Webhook deliveries that were decided about. */
  readonly deliveries: Deliveries;
  /** Outgoing webhooks: what became of them. */
  readonly notifications: Notifications;
  /** The time, the log lines and the randomness of the engine, for what is built on it. */
  readonly ports: Pick<Ports, "clock" | "logger" | "random">;
  /** Starts a run of a registered workflow by its name. */
  start(workflow: string, input?: unknown, options?: StartOptions): Promise<StartedRun>;
  /** Starts a run. When this resolves the run is durable. */
  start<Input, Output, Sent>(
    workflow: WorkflowRef<Input, Output, Sent>,
    input: Input,
    options?: StartOptions,
  ): Promise<StartedRun<Output, Sent>>;
  /** A handle of a run, typed by its workflow. Asks nothing of the log. */
  run<Output, Sent>(workflow: WorkflowRef<never, Output, Sent>, id: string): RunHandle<Output, Sent>;
  run(id: string): RunHandle;
  list(options?: ListOptions): Promise<RunPage>;
  /**
   * Does the same to all runs that fit a filter, newest first. An error, such as of the database, may come when it is
   * done to some of them: done again it does what is left.
   *
   * @throws DefinitionError for a filter that is wrong
   * @example await engine.bulk("cancel", { workflow: "import", status: ["pending", "waiting"], reason: "wrong file" });
   */
  bulk(action: BulkAction, options: BulkOptions): Promise<BulkResult>;
  /** One run's events, in order. */
  history(runId: string, options?: { readonly afterSeq?: number; readonly limit?: number }): Promise<RunEvent[]>;
  /**
   * The log from a position on, and then as it grows, until `signal` is aborted or the engine is closed. Misses nothing.
   *
   * @example for await (const event of engine.tail({ after: lastPosition })) show(event);
   */
  tail(options?: {
    readonly after?: number;
    readonly runId?: string;
    readonly signal?: AbortSignal;
  }): AsyncIterable<RunEvent>;
  /**
   * Values that runs share, from outside: what `ctx.kv` of the same scope sees. An update whose answer was lost rejects with a
   * `StoreError`, and may have been done.
   *
   * @throws DefinitionError `KV_SCOPE_INVALID`; its methods as those of `ctx.kv`, and StoreError
   * @example await engine.kv({ tenant: "acme" }).set("plan", "gold");
   */
  kv<S extends Schema>(scope: KeyedScope, options: KeyedOptions<S>): KeyedValuesOf<S>;
  kv(scope: KeyedScope): KeyedValues;
  /**
   * Publishes a message. When this resolves it is durable: each subscription of a workflow that means it starts a run, each
   * `ctx.waitForMessage` that means it is given it, once, whatever crashes.
   *
   * @param topic segments of letters, digits, `-` and `_`, joined by dots
   * @throws DefinitionError `TOPIC_INVALID`, `NAME_INVALID`, `OPTION_INVALID`; PayloadError; StoreError, and then it may
   * have been published: with an `id` it is safe to publish again
   * @example await engine.publish("orders.paid", { order: "o-1" }, { id: event.id });
   */
  publish(topic: string, payload?: unknown, options?: PublishOptions): Promise<PublishedMessage>;
  /** Messages that are kept, newest first. */
  messages(options?: ListMessagesOptions): Promise<MessagePage>;
  /**
   * A message, and what became of it: why it started a run, or why it did not.
   *
   * @throws NotFoundError `MESSAGE_NOT_FOUND`
   */
  message(topic: string, id: string): Promise<MessageDetail>;
  /** Who holds locks and who waits for them, by name and in order of arrival. */
  locks(options?: LocksOptions): Promise<LockInfo[]>;
  /** The log's last position, 0 for an empty log: `tail` from there gives what is new. */
  lastPosition(): Promise<number>;
  /** The registered workflows, by name. */
  workflows(): readonly WorkflowInfo[];
  /**
   * How the engine is, as far as it knows without asking the database.
   *
   * @throws ClosedError `ENGINE_CLOSED`
   */
  health(): Health;
  /** Listens to what happens in this process, best effort. Returns what ends it. */
  on<N extends BusEventName>(name: N, listener: BusListener<N>): () => void;
  /**
   * Takes a webhook request for a hook: verifies it over its raw bytes, and does what the hook decides, once however often it
   * comes. What its hook's own code throws, other than a ValidationError, is thrown, and nothing is decided.
   *
   * @throws LimitError `INBOX_FULL` when the run that it is for takes no more signals; StoreError
   */
  deliver(hook: string, request: Omit<WebhookRequest, "receivedAt">): Promise<DeliveryOutcome>;
  /**
   * Starts a worker in this process. `queues` makes it one of a pool: it takes runs of these queues alone, in which it names
   * runs that are in none as "default".
   *
   * @throws DefinitionError `NO_LOOPS`, `OPTION_INVALID`, `NAME_INVALID`, `QUEUE_UNKNOWN`
   * @example await engine.work({ queues: ["heavy"], concurrency: 4 });
   */
  work(options?: WorkerOptions): Promise<WorkerHandle>;
  /**
   * Does what is due within a budget, and returns: for isolates, which a request or a cron event wakes. `queues`: runs of these
   * alone, as `work` takes them.
   *
   * @throws DefinitionError `BUDGET_INVALID`, `OPTION_INVALID`, `NAME_INVALID`, `QUEUE_UNKNOWN`
   * @example await engine.tick({ budgetMs: 10_000 });
   */
  tick(options: { readonly budgetMs: number; readonly queues?: readonly string[] }): Promise<TickResult>;
  /** Stops its workers and lets go of the database. */
  close(options?: { readonly deadline?: Duration }): Promise<void>;
}
