/**
 * A run's places in line for locks, held or waited for.
 *
 * Owns: nothing; what it does is queued in the run's journal. Called by the run's execution.
 *
 * I1 A place ends with the write that says so: of its release, of its time-out, or of the run's end. Never because a worker
 *    died.
 * I2 A lock is released with the conclusion of the scope that runs under it, and of any scope around that.
 */
import type { RunEvent } from "../kernel/events.ts";
import { isWithin, scopeOfKey } from "../kernel/keys.ts";
import type { Journal } from "./journal.ts";

export class Places {
  readonly #journal: Journal;
  readonly #freed: () => void;

  /** @param freed the end of a place is durable: somebody else's turn may have come */
  constructor(journal: Journal, freed: () => void) {
    this.#journal = journal;
    this.#freed = freed;
  }

  /** Whether it is in a line and holds no lock there. */
  get waits(): boolean {
    return this.#all().some(([key]) => this.#isWaiting(key));
  }

  /** It is the turn of the call under `key`: its outcome; null if it has left the line. */
  granted(key: string): RunEvent | null {
    const { locks } = this.#journal.state;
    if (locks?.has(key) !== true || !this.#isWaiting(key)) return null;
    return this.#journal.record("lock.acquired", key, scopeOfKey(key), null, {});
  }

  #isWaiting(key: string): boolean {
    return this.#journal.state.calls.get(key)?.status === "open";
  }

  /** A scope is about to conclude. */
  scopeEnds(ending: string): void {
    for (const [key, { scope }] of this.#all()) {
      if (scope === ending || isWithin(scopeOfKey(key), ending)) this.#release(key);
    }
  }

  /** A cancel was recorded: nothing begins any more under what it reaches. */
  cancelled(isShielded: (scope: string) => boolean): void {
    for (const [key, { scope }] of this.#all()) {
      if (scope === null && !isShielded(scopeOfKey(key))) this.#release(key);
    }
  }

  /** The run's end is queued. `mayShare`: it may have more than places. */
  runIsOver(mayShare: boolean): void {
    if (this.#all().length > 0) this.#journal.afterDurable(this.#freed);
    // The store ends all that the run has beyond itself, if it is told to look.
    if (mayShare || this.#journal.state.scoped) this.#journal.reachBeyond();
  }

  /** The end of a place is recorded, or its call has left the line before it was in it. */
  end(key: string): void {
    this.#journal.reachBeyond().unlocks.push(key);
    this.#journal.afterDurable(this.#freed);
  }

  #release(key: string): void {
    this.#journal.record("lock.released", key, scopeOfKey(key), null, {});
    this.end(key);
  }

  #all() {
    return [...(this.#journal.state.locks ?? [])];
  }
}
