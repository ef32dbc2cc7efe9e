/** Asks again while a server is away, with growing waits, and gives up after so many times in a row. */

import type { Clock } from "../kernel/ports.ts";
import { isPassing } from "./request.ts";

/** The most failures in a row. With the waits between them: about half a minute. */
export const FAILURES_MAX = 10;

const WAIT_MS = { first: 200, max: 5_000 } as const;

export class Patience {
  readonly #clock: Pick<Clock, "timer">;
  readonly #signal: AbortSignal | null;
  #failures = 0;

  constructor(clock: Pick<Clock, "timer">, signal: AbortSignal | null) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** It went well: count anew. */
  restore(): void {
    this.#failures = 0;
  }

  /** Waits before the next attempt, or throws `error` when there is none. */
  async endure(error: unknown): Promise<void> {
    this.#failures++;
    if (!isPassing(error) || this.#failures >= FAILURES_MAX) throw error;
    await this.#wait(Math.min(WAIT_MS.first * 2 ** (this.#failures - 1), WAIT_MS.max));
  }

  async #wait(ms: number): Promise<void> {
    const signal = this.#signal;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.timer(ms, resolve);
      signal?.addEventListener(
        "abort",
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });
    signal?.throwIfAborted();
  }
}
