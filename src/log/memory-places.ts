/**
 * The places of the log's reference that limits give to runs.
 *
 * Owns: all of them, and what was set of lines at run time. Called by `memory.ts`, which knows the runs.
 *
 * I1 A run holds all the places that it needs, or waits for all that it lacks: it takes none alone.
 * I2 No line holds more than it lets in. A place that ends is gone at once, and what becomes free is granted at once.
 */
import { type PlaceLimit, TURN_COST } from "../kernel/place-limit.ts";
import { byText } from "./memory-order.ts";
import { MemoryTurns, NO_KEY } from "./memory-turns.ts";
import type { OutlookPlace } from "./port-outlook.ts";
import {
  type LineSetting,
  LOOK_AHEAD,
  LOOK_AHEAD_OF_KEY,
  OPENINGS_MAX,
  PLACES_COUNTED_MAX,
  type PlaceFilter,
  type PlaceRow,
} from "./port-places.ts";

/** More than the limits of one run can be. */
const LIMITS_OF_RUN_MAX = 100;

type Place = { -readonly [K in keyof PlaceRow]: PlaceRow[K] };

/** A run that gives places back: all of them, or those that it holds while it is worked on. */
export interface Leaving {
  readonly runId: string;
  readonly all: boolean;
}

export class MemoryPlaces {
  /** By run, then by line. */
  readonly #places = new Map<string, Map<string, Place>>();
  /** By line. */
  readonly #lines = new Map<string, Set<Place>>();
  readonly #settings = new Map<string, LineSetting>();
  readonly #turns = new MemoryTurns();
  readonly #admitted: (runId: string) => void;

  /** @param admitted a run may have all its places now */
  constructor(admitted: (runId: string) => void) {
    this.#admitted = admitted;
  }

  /** The run gets in line for the places that it lacks. */
  arrive(runId: string, limits: readonly PlaceLimit[], now: number): void {
    const places = this.#places.get(runId) ?? new Map<string, Place>();
    this.#places.set(runId, places);
    for (const limit of limits) {
      if (places.has(limit.line)) continue;
      const { line } = limit;
      const place: Place = { ...limit, runId, requestedAt: now, grantedAt: null };
      const key = keyOf(place);
      this.#turns.arrive(
        line,
        key,
        this.#waitingIn(line).some((other) => keyOf(other) === key),
      );
      places.set(line, place);
      this.#lines.set(line, (this.#lines.get(line) ?? new Set()).add(place));
    }
  }

  /** The runs that a newer one is to take the place of, in the lines of the newest in which it waits. */
  superseded(newest: string): string[] {
    const waiting = [...(this.#places.get(newest)?.values() ?? [])].filter(
      ({ hold, grantedAt }) => hold === "newest" && grantedAt === null,
    );
    return waiting
      .flatMap(({ line }) => [...(this.#lines.get(line) ?? [])])
      .filter(({ runId }) => byText(runId, newest) < 0)
      .sort((a, b) => Number(a.grantedAt === null) - Number(b.grantedAt === null) || byRank(a, b))
      .map(({ runId }) => runId);
  }

  /** Grants a run what it waits for, if there is room in all of it. */
  admit(runId: string, now: number): void {
    const waiting = [...(this.#places.get(runId)?.values() ?? [])].filter(({ grantedAt }) => grantedAt === null);
    if (waiting.every((place) => this.#hasRoom(place))) for (const place of waiting) this.#grant(place, now);
    this.#admitted(runId);
  }

  #grant(place: Place, now: number): void {
    place.grantedAt = now;
    const { line, fair } = place;
    this.#turns.grant(line, keyOf(place), fair?.cost ?? TURN_COST, new Set(this.#waitingIn(line).map(keyOf)));
  }

  #waitingIn(line: string): Place[] {
    return [...(this.#lines.get(line) ?? [])].filter(({ grantedAt }) => grantedAt === null);
  }

  /** Whether the run waits for a place. */
  isInLine(runId: string): boolean {
    return [...(this.#places.get(runId)?.values() ?? [])].some(({ grantedAt }) => grantedAt === null);
  }

  #hasRoom({ line, slots }: Place): boolean {
    const setting = this.#settings.get(line);
    const room = setting?.paused === true ? 0 : (setting?.slots ?? slots);
    return this.#heldIn(line) < room;
  }

  #heldIn(line: string): number {
    return [...(this.#lines.get(line) ?? [])].filter(({ grantedAt }) => grantedAt !== null).length;
  }

  /** Ends places, and then admits the next in each of their lines. */
  leave(runs: readonly Leaving[], now: number): void {
    const ending = runs.flatMap(({ runId, all }) =>
      [...(this.#places.get(runId)?.values() ?? [])].filter(({ hold }) => all || hold === "work"),
    );
    ending.sort((a, b) => byText(a.runId, b.runId) || byText(a.line, b.line));
    for (const place of ending) this.#remove(place);
    for (const { line } of ending) this.open(line, now);
  }

  /** Ends what a run has or waits for in lines, as far as `ends` says, and then admits the next in each of them. */
  stepAside(runId: string, ends: (place: PlaceRow) => boolean, now: number): void {
    const ending = [...(this.#places.get(runId)?.values() ?? [])].filter(ends);
    ending.sort((a, b) => byText(a.line, b.line));
    for (const place of ending) this.#remove(place);
    for (const { line } of ending) this.open(line, now);
  }

  #remove(place: Place): void {
    const { runId, line } = place;
    this.#places.get(runId)?.delete(line);
    if (this.#places.get(runId)?.size === 0) this.#places.delete(runId);
    this.#lines.get(line)?.delete(place);
    if (this.#lines.get(line)?.size !== 0) return;
    this.#lines.delete(line);
    this.#turns.forget(line);
  }

  /** There may be room in a line: admits the first at its head that has room in all of its lines. */
  open(line: string, now: number): void {
    const [first] = this.#waitingIn(line).sort((a, b) => byText(keyOf(a), keyOf(b)) || byRank(a, b));
    if (first === undefined || !this.#hasRoom(first)) return;
    const next = this.#headOf(line).find(({ runId }) => this.#couldEnter(runId));
    if (next !== undefined) this.admit(next.runId, now);
  }

  /** Those that are looked at, in order. Where runs take turns: the first of each key, key after key. */
  #headOf(line: string): Place[] {
    const waiting = this.#waitingIn(line).sort(byRank);
    if (!this.#turns.has(line)) return waiting.slice(0, LOOK_AHEAD);
    const keys = this.#turns.inOrder(line, new Set(waiting.map(keyOf))).slice(0, LOOK_AHEAD);
    return keys.flatMap((key) => waiting.filter((place) => keyOf(place) === key).slice(0, LOOK_AHEAD_OF_KEY));
  }

  #couldEnter(runId: string): boolean {
    const places = [...(this.#places.get(runId)?.values() ?? [])];
    return places.every((place) => place.grantedAt !== null || this.#hasRoom(place));
  }

  count(line: string): { held: number; waiting: number } {
    const held = this.#heldIn(line);
    const waiting = (this.#lines.get(line)?.size ?? 0) - held;
    return { held: Math.min(held, PLACES_COUNTED_MAX), waiting: Math.min(waiting, PLACES_COUNTED_MAX) };
  }

  setting(line: string): LineSetting | null {
    const found = this.#settings.get(line);
    return found === undefined || !isSet(found) ? null : found;
  }

  settings({ after, limit }: { readonly after: string | null; readonly limit: number }): LineSetting[] {
    return [...this.#settings.values()]
      .filter((setting) => isSet(setting) && (after === null || byText(setting.line, after) > 0))
      .sort((a, b) => byText(a.line, b.line))
      .slice(0, limit);
  }

  set(setting: LineSetting, now: number): void {
    this.#settings.set(setting.line, { ...setting });
    const waiting = this.#waitingIn(setting.line).length;
    for (let i = 0; i < Math.min(waiting, OPENINGS_MAX); i++) this.open(setting.line, now);
  }

  outlook(runId: string): OutlookPlace[] {
    return this.list({ runId }, LIMITS_OF_RUN_MAX).map((place) => {
      const { slots = null, paused = false } = this.setting(place.line) ?? {};
      return { ...place, held: this.#heldIn(place.line), slotsSet: slots, paused };
    });
  }

  list(filter: PlaceFilter, limit: number): PlaceRow[] {
    const places =
      "runId" in filter ? (this.#places.get(filter.runId)?.values() ?? []) : (this.#lines.get(filter.line) ?? []);
    const isAsked = (place: Place) =>
      !("line" in filter) ||
      filter.fairKey === undefined ||
      (place.grantedAt === null && keyOf(place) === (filter.fairKey ?? NO_KEY));
    return [...places]
      .filter(isAsked)
      .sort(
        (a, b) => byText(a.line, b.line) || Number(a.grantedAt === null) - Number(b.grantedAt === null) || byRank(a, b),
      )
      .slice(0, limit)
      .map((place) => ({ ...place }));
  }
}

function isSet({ slots, paused }: LineSetting): boolean {
  return slots !== null || paused;
}

function byRank(a: Place, b: Place): number {
  return a.rank - b.rank || byText(a.runId, b.runId);
}

function keyOf({ fair }: Pick<PlaceRow, "fair">): string {
  return fair?.key ?? NO_KEY;
}
