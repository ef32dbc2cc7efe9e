/**
 * Step keys: a call's identity in its run, `scope path / name # occurrence` (`order/charge`, `poll#4`, `ship[3]/label`).
 * Never a position in a list, so code that is added elsewhere moves no key.
 *
 * Grammar: the segments of a path are joined by `/`; `#n` is the n-th use of a name in its scope, left out for the
 * first; `[i]` is an item of a map. Those characters, and `%`, are percent-encoded where a name holds them.
 */
import { checkName } from "./text.ts";

/** The scope path of a run's top level. */
export const ROOT_SCOPE = "";

const SPECIAL = /[%/#[\]]/;
const ALL_SPECIAL = /[%/#[\]]/g;

/** The key of the `occurrence`-th (from 1) call named `name` in `scope`. */
export function callKey(scope: string, name: string, occurrence: number): string {
  const segment = SPECIAL.test(name) ? encodeSegment(name) : name;
  const own = occurrence === 1 ? segment : `${segment}#${occurrence}`;
  return scope === ROOT_SCOPE ? own : `${scope}/${own}`;
}

function encodeSegment(name: string): string {
  return name.replace(ALL_SPECIAL, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The key of the item at `index`, from 0, of the map with the key `map`. */
export function itemKey(map: string, index: number): string {
  return `${map}[${index}]`;
}

/** Whether a key is that of a map's item. */
export function isItemKey(key: string): boolean {
  return key.endsWith("]");
}

/** The scope in which the call with this key was made. */
export function scopeOfKey(key: string): string {
  const end = key.lastIndexOf("/");
  return end < 0 ? ROOT_SCOPE : key.slice(0, end);
}

/** Whether `scope` is `other` or lies within it. */
export function isWithin(scope: string, other: string): boolean {
  return other === ROOT_SCOPE || scope === other || scope.startsWith(`${other}/`);
}

/** Counts the uses of names in one scope. */
export class Occurrences {
  readonly #counts = new Map<string, number>();

  /** The next occurrence of `name`, from 1. Throws `NAME_INVALID` for a name that cannot be stored. */
  next(name: string): number {
    const used = this.#counts.get(name);
    if (used === undefined) checkName("the name of a call", name);
    const occurrence = (used ?? 0) + 1;
    this.#counts.set(name, occurrence);
    return occurrence;
  }
}
