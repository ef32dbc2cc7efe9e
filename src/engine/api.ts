/** The engine as its users, the HTTP layer and the client see it. */
import type { Duration } from "../kernel/duration.ts";
import type { RunEvent } from "../kernel/events.ts";
import type { KeyedScope } from "../kernel/keyed.ts";
import type { KeyedOptions, KeyedValues, KeyedValuesOf } from "../kernel/keyed-values.ts";
import type { Ports } from "../kernel/ports.ts";
import type { Schema, WorkflowRef } from "../kernel/workflow-ref.ts";
import type { BusEventName, BusListener } from "../observe/bus.ts";
import type { WebhookRequest } from "../triggers/scheme.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { Deliveries, DeliveryOutcome } from "./api-deliveries.ts";
import type { ApiKeys } from "./api-keys.ts";
import type {
  ListMessagesOptions,
  MessageDetail,
  MessagePage,
  PublishedMessage,
  PublishOptions,
} from "./api-messages.ts";
import type { Notifications } from "./api-notifications.ts";
import type { QueueControl } from "./api-queues.ts";
import type { Resumes } from "./api-resumes.ts";
import type { RunHandle, StartedRun, StartOptions } from "./api-run.ts";
import type { BulkAction, BulkOptions, BulkResult, ListOptions, RunPage } from "./api-run-list.ts";
import type { Schedules } from "./api-schedules.ts";

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
