import type { Clock } from "../kernel/ports.ts";

/** One timer that is always set for one instant, or for none. */
export class Alarm {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #ring: () => void;
  #dueAt: number | null = null;
  #cancel: (() => void) | null = null;

  /** @param now the clock in which instants are given */
  constructor(clock: Clock, now: () => number, ring: () => void) {
    this.#clock = clock;
    this.#now = now;
    this.#ring = ring;
  }

  /** Rings at `dueAt` and at no other instant; null: not at all. */
  set(dueAt: number | null): void {
    if (dueAt === this.#dueAt) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#dueAt = dueAt;
    if (dueAt === null) return;
    this.#cancel = this.#clock.timer(Math.max(0, dueAt - this.#now()), () => {
      this.#dueAt = null;
      this.#cancel = null;
      this.#ring();
    });
  }

  /** Rings at `dueAt` if that is earlier than what it is set for. */
  setEarlier(dueAt: number): void {
    if (this.#dueAt === null || dueAt < this.#dueAt) this.set(dueAt);
  }
}
