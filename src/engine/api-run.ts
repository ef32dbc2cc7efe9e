/** Runs as users of the engine, the HTTP layer and the client see them. */
import type { Duration } from "../kernel/duration.ts";
import type { RunEvent, Tags } from "../kernel/events.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { WaitingFor, Why } from "../kernel/why.ts";

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
   * history, but in scopes that are shielded. Running bodies are aborted. A run that is stuck, or was parked as poison, ends
   * without its code, as by `terminate`.
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
   * Lets a paused run go on, and has one that was parked as poison (`RUN_POISONED`) tried again, alone and as often as
   * before. Does nothing to any other.
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
