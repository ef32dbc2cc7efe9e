/**
 * The scheduler's loop: looks which schedules need somebody, has them settled, and waits.
 *
 * Owns: when to look next. Everything else only nudges it. Any process may have one: the fence of a change makes it once.
 *
 * I1 One look at a time; a nudge during a look is another look after it.
 * I2 The wait is never longer than a bound, because the clock may jump while nothing else happens. A process that has the
 *    log for itself and no schedules does not wait at all: it makes them itself.
 */
import { toFailure } from "../kernel/failure.ts";
import type { Clock, Logger } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { SchedulesAhead } from "../log/port-schedules.ts";

export interface LoopParts {
  readonly store: Pick<LogStore, "schedulesAhead" | "exclusive">;
  readonly clock: Pick<Clock, "timer">;
  readonly logger: Logger;
  /** The workflows whose schedules this process decides. */
  readonly workflows: readonly string[];
  /** Decides what is due of a schedule. */
  settle(id: string): Promise<unknown>;
}

/** Schedules that one read brings; there may be more. */
const DUE_MAX = 100;

/** How often a database is looked at that others write too, and how often when nobody else does, milliseconds. */
const LOOK_MS_MAX = { shared: 1_000, exclusive: 30_000 } as const;

/** The wait after the store failed to answer. */
const STORE_RETRY_MS = 500;

export class ScheduleLoop {
  readonly #parts: LoopParts;
  #isRunning = false;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #cancelTimer = () => {};
  /** Whether firings wait for runs to end. */
  #waits = false;

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#isRunning = true;
    this.nudge();
  }

  /** Looks no more. Resolves when the last look is over. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancelTimer();
    await this.#looking;
  }

  /** A schedule was changed. */
  nudge(): void {
    if (!this.#isRunning) return;
    this.#cancelTimer();
    if (this.#looking !== null) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = null;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.nudge();
    });
  }

  /** A run of this process has ended. */
  runEnded(): void {
    if (this.#waits) this.nudge();
  }

  /** Settles schedules until none is due, or `isOver`. Returns what is ahead then. */
  async settleDue(isOver: () => boolean): Promise<SchedulesAhead> {
    const { store, workflows } = this.#parts;
    const refused = new Set<string>();
    for (;;) {
      const ahead = await store.schedulesAhead(workflows, DUE_MAX);
      this.#waits = ahead.waits;
      const due = ahead.due.filter((id) => !refused.has(id));
      if (due.length === 0) return ahead;
      for (const id of due) {
        if (isOver()) return ahead;
        if (!(await this.#isSettled(id))) refused.add(id);
      }
    }
  }

  /** One schedule that cannot be decided must not hold up the others. */
  async #isSettled(id: string): Promise<boolean> {
    const { logger, settle } = this.#parts;
    try {
      await settle(id);
      return true;
    } catch (error) {
      logger.log("warn", "a schedule could not be decided; it is tried again", { id, error: toFailure(error) });
      return false;
    }
  }

  async #look(): Promise<void> {
    let waitMs: number | null = STORE_RETRY_MS;
    try {
      waitMs = this.#waitMs(await this.settleDue(() => !this.#isRunning));
    } catch (error) {
      const { logger } = this.#parts;
      logger.log("warn", "schedules could not be looked at; it is tried again", { error: toFailure(error) });
    }
    if (!this.#isRunning || waitMs === null) return;
    this.#cancelTimer = this.#parts.clock.timer(waitMs, () => this.nudge());
  }

  /** How long until the next look; null: until a nudge. */
  #waitMs({ nextAt, now }: SchedulesAhead): number | null {
    const { exclusive } = this.#parts.store;
    if (exclusive && nextAt === null) return null;
    const dueMs = nextAt === null ? Number.POSITIVE_INFINITY : Math.max(0, nextAt - now);
    return Math.min(dueMs, exclusive ? LOOK_MS_MAX.exclusive : LOOK_MS_MAX.shared);
  }
}
