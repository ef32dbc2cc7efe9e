/** For how long the log keeps what is needed for a look back, and what takes the rest away, a little at a time. */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import type { Clock, Logger } from "../kernel/ports.ts";
import { DELIVERIES_KEPT_MS, type LogStore } from "../log/port.ts";

export interface RetentionOptions {
  /**
   * Webhook deliveries with their bodies, since the last decision about each. At least 7 days, because senders try for so
   * long. One that is gone and whose run is still there is not started again. @default "30d"
   */
  readonly deliveries?: Duration;
}

/** For deliveries: see {@link RetentionOptions}. */
const DELIVERIES_MS = { min: DELIVERIES_KEPT_MS, default: 30 * 86_400_000 } as const;

/** The most rows that one step deletes, and how long the next waits if it was not full. */
const STEP_ROWS_MAX = 500;
const STEP_EVERY_MS = 60_000;

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
  readonly store: Pick<LogStore, "pruneDeliveries">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly logger: Logger;
  readonly keptMs: number;
}

/** Prunes deliveries as others come in: where none come the table does not grow either. */
export class DeliverySweep {
  readonly #parts: SweepParts;
  /** Monotonic time. */
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /** One step, if it is time for one. It never fails: what could not be deleted is old enough to wait. */
  async step(now: number): Promise<void> {
    const { store, clock, logger, keptMs } = this.#parts;
    if (clock.monotonic() < this.#nextAt) return;
    this.#nextAt = clock.monotonic() + STEP_EVERY_MS;
    try {
      const pruned = await store.pruneDeliveries({ before: now - keptMs, limit: STEP_ROWS_MAX });
      if (pruned >= STEP_ROWS_MAX) this.#nextAt = Number.NEGATIVE_INFINITY;
    } catch (error) {
      logger.log("warn", "old webhook deliveries could not be deleted", { error: toFailure(error) });
    }
  }
}
