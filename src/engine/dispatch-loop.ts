/**
 * The loop that dispatches messages: looks at what is ahead, dispatches it, and waits.
 *
 * Owns: when to look next. Called by the engine; everything else only nudges it.
 *
 * I1 One look at a time. A nudge during a look is another look after it.
 * I2 What is decided is decided by the log: a look that dies, or is made twice, harms nothing, and is repaired by the next
 *    look of any process.
 */
import { toFailure } from "../kernel/failure.ts";
import type { Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import { Alarm } from "../worker/alarm.ts";
import { type Dispatched, type DispatchParts, dispatchMessage, fireGathering } from "./dispatch.ts";
import { captureEnds } from "./run-ends.ts";

export interface DispatchLoopParts extends DispatchParts {
  readonly store: LogStore;
  readonly ports: Ports;
  /** Puts what the engine's workflows listen to into the log: before anything is dispatched by it. */
  readonly register: () => Promise<void>;
  /** Runs were told something, or started. */
  readonly reached: (runIds: readonly string[], started: boolean) => void;
}

/** How many messages are looked at at once. */
const PAGE = 50;

/** The wait between two looks at a database that others write: for what others have published, or left behind and died. */
const POLL_MS = 2_000;

/** The same where nothing listens. */
const IDLE_POLL_MS = 10_000;

/** The wait after the store failed to answer. */
const STORE_RETRY_MS = 500;

/** The wait for what is due by this process's clock and was not by the log's: one that is ahead must not look without end. */
const EARLY_MS = 500;

export class DispatchLoop {
  readonly #parts: DispatchLoopParts;
  readonly #dueAlarm: Alarm;
  readonly #pollAlarm: Alarm;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  /** Whether it looks by itself when time has come. */
  #works = false;
  #closed = false;
  #dueAt: number | null = null;

  constructor(parts: DispatchLoopParts) {
    this.#parts = parts;
    const { clock } = parts.ports;
    const nudge = () => this.nudge();
    this.#dueAlarm = new Alarm(clock, () => clock.now(), nudge);
    this.#pollAlarm = new Alarm(clock, () => clock.monotonic(), nudge);
  }

  /** From now on it looks by itself. */
  start(): void {
    this.#works = true;
    this.nudge();
  }

  /** There may be something to dispatch. */
  nudge(): void {
    if (this.#closed) return;
    if (this.#looking !== null) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#tryToLook().finally(() => {
      this.#looking = null;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.nudge();
    });
  }

  /** Looks no more. Resolves when the last look is over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#dueAlarm.set(null);
    this.#pollAlarm.set(null);
    await this.#looking;
  }

  get #pollMs(): number {
    return this.listens ? POLL_MS : IDLE_POLL_MS;
  }

  /** Whether a workflow listens to anything. */
  get listens(): boolean {
    return [...this.#parts.listeners.values()].some(({ subscriptions }) => subscriptions.length > 0);
  }

  async #tryToLook(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      this.#parts.ports.logger.log("warn", "messages could not be dispatched; it is tried again", {
        error: toFailure(error),
      });
      if (this.#works && !this.#closed) this.#dueAlarm.setEarlier(this.#parts.ports.clock.now() + STORE_RETRY_MS);
    }
    if (this.#closed || !this.#works) return;
    if (!this.#parts.store.exclusive) this.#pollAlarm.set(this.#parts.ports.clock.monotonic() + this.#pollMs);
    if (this.#dueAt === null) return;
    const now = this.#parts.ports.clock.now();
    this.#dueAlarm.setEarlier(this.#dueAt > now ? this.#dueAt : now + EARLY_MS);
  }

  /**
   * Dispatches all that is there and due. Returns when something will be due next; null: nothing is in sight.
   *
   * @throws StoreError; what was not done is done by the next look
   */
  async look(): Promise<number | null> {
    const { store } = this.#parts;
    if (this.listens) await this.#parts.register();
    // An engine over a log that has no messages pays one small read.
    if (!(await store.dispatchAhead({ after: 0, limit: 1 })).isUsed) return null;
    await this.#parts.register();
    await captureEnds(store);
    for (let after = 0; ; ) {
      const { messages, due, dueAt, subscriptions } = await store.dispatchAhead({ after, limit: PAGE });
      for (const message of messages) this.#tell(await dispatchMessage(this.#parts, message, subscriptions));
      let fired = 0;
      for (const gathering of due) {
        const done = await fireGathering(this.#parts, gathering, subscriptions);
        this.#tell(done);
        if (done !== "left") fired++;
      }
      this.#dueAt = dueAt;
      // What a dispatch gathers may be due at once, and a full page may have another one behind it.
      if (messages.length === 0 && fired === 0) return dueAt;
      after = messages.at(-1)?.position ?? after;
    }
  }

  #tell(done: Dispatched): void {
    if (done === "left" || (done.told.length === 0 && !done.starts)) return;
    this.#parts.reached(done.told, done.starts);
  }
}
