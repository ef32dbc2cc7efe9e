/**
 * The token buckets of the log's reference.
 *
 * Owns: until when each is used up. Called by `memory.ts` when a run is created.
 */
import type { RateTake } from "../kernel/place-limit.ts";

/** When what a take asks for can be had; null: now. */
export type Shortage = number | null;

export class MemoryBuckets {
  readonly #usedUntil = new Map<string, number>();

  /** Until when there is no token for it; null: there is one. `at`: when it would be taken. */
  shortage({ bucket, aheadMs }: RateTake, at: number): Shortage {
    const free = (this.#usedUntil.get(bucket) ?? Number.NEGATIVE_INFINITY) - aheadMs;
    return free > at ? Math.ceil(free) : null;
  }

  take({ bucket, intervalMs }: RateTake, at: number): void {
    const next = at + intervalMs;
    const found = this.#usedUntil.get(bucket);
    this.#usedUntil.set(bucket, found === undefined ? next : Math.max(found, next - intervalMs) + intervalMs);
  }
}
