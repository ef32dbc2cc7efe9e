/**
 * Sees to it that no line waits for a worker that nobody runs (`LogStore.passOver`).
 *
 * Owns: when to look. A worker has one, if its engine knows limits: it looks when it starts, so that what was passed over
 * for want of such a worker gets in line again, and then at intervals.
 */
import { toFailure } from "../kernel/failure.ts";
import type { Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import { PASSED_MAX } from "../log/port-patience.ts";
import type { ProgramId } from "../log/port-workers.ts";

/** Two beats of a cron that wakes isolates once a minute: their workers live in between only. */
const PATIENCE_MS = 120_000;

/** How often it looks, milliseconds. */
const LOOK_MS = 30_000;

export interface PatienceParts {
  readonly store: LogStore;
  readonly ports: Pick<Ports, "clock" | "logger">;
  readonly programs: readonly ProgramId[];
  readonly queues: readonly string[] | null;
  /** Runs have been admitted, or get in line. */
  readonly changed: () => void;
}

export class Patience {
  readonly #parts: PatienceParts;
  #isRunning = false;
  #cancelTimer = () => {};
  #looking: Promise<void> | null = null;

  constructor(parts: PatienceParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#isRunning = true;
    this.#looking = this.look().finally(() => {
      this.#looking = null;
      if (this.#isRunning) this.#cancelTimer = this.#parts.ports.clock.timer(LOOK_MS, () => this.start());
    });
  }

  /** Looks no more. Resolves when the last look is over. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancelTimer();
    await this.#looking;
  }

  /** Looks once. What the store does not answer is looked at again later. */
  async look(): Promise<void> {
    const { store, ports, programs, queues, changed } = this.#parts;
    try {
      for (;;) {
        const { passed, returned } = await store.passOver({ programs, queues, patienceMs: PATIENCE_MS });
        if (passed > 0)
          ports.logger.log("warn", "runs that no worker takes were passed over in their lines", { runs: passed });
        if (passed + returned > 0) changed();
        if (Math.max(passed, returned) < PASSED_MAX) return;
      }
    } catch (error) {
      ports.logger.log("warn", "lines could not be looked at; it is tried again", { error: toFailure(error) });
    }
  }
}
