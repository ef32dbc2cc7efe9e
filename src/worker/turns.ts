/**
 * The rounds of all runs in this process.
 *
 * Owns: which runs have something to do. Each round comes at a macrotask, so that every microtask of the turns before
 * has run (rule R6); it closes the open turns and gives each run that has one its next outcome. One macrotask serves
 * all runs: a turn's microtasks are over at the next one, whoever asked for it.
 */
import type { Drain } from "../kernel/ports.ts";

/** What takes part in rounds. */
export interface TurnTaker {
  /** Returns whether a turn is open now, so that another round must close it. */
  round(): boolean;
}

export class Turns {
  readonly #drain: Drain;
  readonly #afterRound: (quiet: boolean) => void;
  #ready = new Set<TurnTaker>();
  #scheduled = false;

  /** @param afterRound called at the end of each round; `quiet`: no turn is open */
  constructor(drain: Drain, afterRound: (quiet: boolean) => void) {
    this.#drain = drain;
    this.#afterRound = afterRound;
  }

  /** `taker` takes part in the next round. */
  add(taker: TurnTaker): void {
    this.#ready.add(taker);
    this.schedule();
  }

  /** There will be a round, whether or not anybody takes part in it. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#drain(() => this.#round());
  }

  #round(): void {
    const takers = this.#ready;
    this.#ready = new Set();
    // Still scheduled: whoever becomes ready during the round waits for the next one.
    for (const taker of takers) {
      if (taker.round()) this.#ready.add(taker);
    }
    this.#scheduled = false;
    this.#afterRound(this.#ready.size === 0);
    if (this.#ready.size > 0) this.schedule();
  }
}
