/** For how long the log keeps what is needed for a look back, and what takes the rest away, a little at a time. */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import type { Clock, Logger } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import { DELIVERIES_KEPT_MS } from "../log/port-deliveries.ts";
import { SWEEP_MAX } from "../log/port-messages.ts";
import { Alarm } from "../worker/alarm.ts";

export interface RetentionOptions {
  /**
   * Webhook deliveries with their bodies, since the last decision about each. At least 7 days, because senders try for so
   * long. One that is gone and whose run is still there is not started again. @default "30d"
   */
  readonly deliveries?: Duration;
}

/** For deliveries: see {@link RetentionOptions}. */
const DELIVERIES_MS = { min: DELIVERIES_KEPT_MS, default: 30 * 86_400_000 } as const;

/** The most deliveries that one step deletes. */
const STEP_ROWS_MAX = 500;

/** When the first step is made, and how long the next waits: for one that was full, and for one that was not. */
const STEP_MS = { first: 60_000, full: 1_000, idle: 10 * 60_000 } as const;

/** @throws DefinitionError `RETENTION_INVALID`, `DURATION_INVALID` */
export function deliveriesMsOf({ deliveries }: RetentionOptions): number {
  if (deliveries === undefined) return DELIVERIES_MS.default;
  const ms = parseDuration(deliveries);
  if (ms >= DELIVERIES_MS.min) return ms;
  throw new DefinitionError(
    "RETENTION_INVALID",
    `expected retention.deliveries to be at least 7 days, for which senders repeat what was not answered, but found ${JSON.stringify(deliveries)}`,
    { field: "retention.deliveries" },
  );
}

export interface SweepParts {
  readonly store: Pick<LogStore, "pruneDeliveries" | "sweepMessages">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The database's clock. */
  readonly now: () => Promise<number>;
  /** For how long each is kept, milliseconds. */
  readonly deliveriesMs: number;
  readonly messagesMs: number;
}

/**
 * Takes away what is too old, a little at a time, whether or not anything new comes.
 *
 * Owns: when to look next. Called by the engine: from its first worker on it goes by itself; an isolate's ticks make a step.
 */
export class RetentionSweep {
  readonly #parts: SweepParts;
  readonly #alarm: Alarm;
  /** Monotonic time. */
  #nextAt = Number.NEGATIVE_INFINITY;
  #stepping: Promise<void> | null = null;
  #isRunning = false;

  constructor(parts: SweepParts) {
    this.#parts = parts;
    const monotonic = () => parts.clock.monotonic();
    this.#alarm = new Alarm(parts.clock, monotonic, () => {
      this.#stepping = this.step().then(() => this.#wait());
    });
  }

  /** From now on it goes by itself. A second call does nothing. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#alarm.set(this.#parts.clock.monotonic() + STEP_MS.first);
  }

  #wait(): void {
    if (this.#isRunning) this.#alarm.set(this.#nextAt);
  }

  /** Ends it. Resolves when the last step is over. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#alarm.set(null);
    await this.#stepping;
  }

  /** One step, if it is time for one. It never fails: what could not be deleted is old enough to wait. */
  async step(): Promise<void> {
    const { clock, logger } = this.#parts;
    if (clock.monotonic() < this.#nextAt) return;
    this.#nextAt = clock.monotonic() + STEP_MS.idle;
    try {
      if (await this.#isFull()) this.#nextAt = clock.monotonic() + STEP_MS.full;
    } catch (error) {
      logger.log("warn", "old webhook deliveries and messages could not be deleted; it is tried again", {
        error: toFailure(error),
      });
    }
  }

  /** Whether there may be more. */
  async #isFull(): Promise<boolean> {
    const { store, now, deliveriesMs, messagesMs } = this.#parts;
    const at = await now();
    const pruned = await store.pruneDeliveries({ before: at - deliveriesMs, limit: STEP_ROWS_MAX });
    const swept = await store.sweepMessages(at - messagesMs);
    return pruned >= STEP_ROWS_MAX || swept >= SWEEP_MAX;
  }
}
