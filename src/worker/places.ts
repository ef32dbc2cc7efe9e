/**
 * A run's places in line for locks and for the queues of its steps, held or waited for.
 *
 * Owns: which step waits for which slot; all else that it does is queued in the run's journal. Called by the run's execution.
 *
 * I1 A place ends with the write that says so: of its release, of its time-out, or of the run's end. Never because a worker
 *    died.
 * I2 A slot ends with the attempt that has it. Nothing in the log says that it is held: whoever takes the run over asks for it
 *    again, under the same key, or gives it up as it concludes the step, or it ends with the run.
 * I3 A lock is released with the conclusion of the scope that runs under it, and of any scope around that.
 */
import type { RunEvent } from "../kernel/events.ts";
import { isWithin, scopeOfKey } from "../kernel/keys.ts";
import type { Journal } from "./journal.ts";

/** A step's place in line for its queue. */
interface Slot {
  readonly place: string;
  /** Goes on with the step once; null: it has gone on. */
  granted: (() => void) | null;
}

export class Places {
  readonly #journal: Journal;
  /** By the key of the step. */
  readonly #slots = new Map<string, Slot>();
  readonly #freed: () => void;

  /** @param freed the end of a place is durable: somebody else's turn may have come */
  constructor(journal: Journal, freed: () => void) {
    this.#journal = journal;
    this.#freed = freed;
  }

  /** Whether it is in a line and holds no lock there. */
  get waits(): boolean {
    return (
      this.#all().some(([key]) => this.#isWaiting(key)) ||
      [...this.#slots.values()].some(({ granted }) => granted !== null)
    );
  }

  /** Whether a place of this key is, or is to be, in a line. */
  has(place: string): boolean {
    return this.#journal.state.locks?.has(place) === true || this.#slotOf(place) !== undefined;
  }

  #slotOf(place: string): Slot | undefined {
    for (const slot of this.#slots.values()) if (slot.place === place) return slot;
    return undefined;
  }

  /** The step gets in line for its queue. `granted` is called once it is its turn. */
  enterQueue(step: string, place: string, granted: () => void): void {
    this.#slots.set(step, { place, granted });
  }

  /** Whether a step stands in line there, and has not gone on. */
  isAwaited(place: string): boolean {
    return this.#slotOf(place)?.granted != null;
  }

  /** It is this place's turn. Whoever is told so twice goes on once. */
  slotGranted(place: string): void {
    const slot = this.#slotOf(place);
    const granted = slot?.granted;
    if (slot !== undefined) slot.granted = null;
    granted?.();
  }

  /** The attempt of this step has ended, or will not begin. `place`: its slot, which a worker before this one may have asked for. */
  leaveQueue(step: string, place: string | undefined = this.#slots.get(step)?.place): void {
    if (place === undefined) return;
    this.#slots.delete(step);
    this.end(place);
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
    for (const step of [...this.#slots.keys()]) if (isWithin(scopeOfKey(step), ending)) this.leaveQueue(step);
  }

  /** A cancel was recorded: nothing begins any more under what it reaches. */
  cancelled(isShielded: (scope: string) => boolean): void {
    for (const [key, { scope }] of this.#all()) {
      if (scope === null && !isShielded(scopeOfKey(key))) this.#release(key);
    }
    for (const step of [...this.#slots.keys()]) if (!isShielded(scopeOfKey(step))) this.leaveQueue(step);
  }

  /** The run's end is queued. `mayShare`: it may have more than places. */
  runIsOver(mayShare: boolean): void {
    // A worker before this one may have asked for a slot that nobody has asked for again.
    if (mayShare || this.#all().length > 0) this.#journal.afterDurable(this.#freed);
    // Of what has happened within completed scopes nothing is known.
    if (mayShare || this.#journal.state.scoped) this.#journal.reachBeyond().shares = true;
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
