/**
 * Whose turn it is in the lines of the log's reference to which runs with a fairness key have come.
 *
 * Owns: the turns of their keys. Called by `memory-places.ts`, which knows who waits.
 *
 * I1 The key with the least turn is next; what it is given puts its next turn off by its cost. So of keys that always have
 *    somebody waiting none is more than a turn ahead of its weight.
 * I2 A key saves up nothing while nobody of it waits, or can be admitted: it goes on from the turn that was taken last.
 */
import { byText } from "./memory-order.ts";

/** The key of all runs that have none. */
export const NO_KEY = "";

/** How many keys are forgotten when one is admitted. */
const FORGOTTEN_AT_ONCE = 2;

interface Turns {
  /** Which was taken last. */
  last: number;
  readonly byKey: Map<string, number>;
}

export class MemoryTurns {
  readonly #lines = new Map<string, Turns>();

  /** Whether runs take turns in a line. */
  has(line: string): boolean {
    return this.#lines.has(line);
  }

  /** Somebody gets in line. `waits`: somebody of the key did already. */
  arrive(line: string, key: string, waits: boolean): void {
    if (key === NO_KEY && !this.has(line)) return;
    const turns = this.#lines.get(line) ?? { last: 0, byKey: new Map([[NO_KEY, 0]]) };
    this.#lines.set(line, turns);
    const turn = turns.byKey.get(key) ?? turns.last;
    turns.byKey.set(key, waits ? turn : Math.max(turn, turns.last));
  }

  /** Somebody is admitted. `waiting`: the keys of which somebody still waits. */
  grant(line: string, key: string, cost: number, waiting: ReadonlySet<string>): void {
    const turns = this.#lines.get(line);
    if (turns === undefined) return;
    turns.last = Math.max(turns.last, turns.byKey.get(key) ?? 0);
    turns.byKey.set(key, turns.last + cost);
    const isPast = (other: string) =>
      !waiting.has(other) && (waiting.size === 0 || (turns.byKey.get(other) ?? 0) <= turns.last);
    const past = [...turns.byKey.keys()].filter((other) => other !== key && other !== NO_KEY && isPast(other));
    for (const each of this.inOrder(line, past).slice(0, FORGOTTEN_AT_ONCE)) turns.byKey.delete(each);
  }

  /** Nobody is in the line any more. */
  forget(line: string): void {
    this.#lines.delete(line);
  }

  /** Keys of a line, those first whose turn is next. */
  inOrder(line: string, keys: Iterable<string>): string[] {
    const { byKey, last } = this.#lines.get(line) ?? { byKey: new Map<string, number>(), last: 0 };
    const turnOf = (key: string) => byKey.get(key) ?? last;
    return [...keys].sort((a, b) => turnOf(a) - turnOf(b) || byText(a, b));
  }
}
