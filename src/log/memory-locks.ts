/**
 * The locks of the log's reference, and the slots of steps' queues: for each name a line of places.
 *
 * Owns: all places. Called by `memory.ts`, which knows whose runs are, and what was set of queues.
 *
 * I1 No place waits whose turn it is: there are fewer before it in its line than may hold the lock at once.
 * I2 A place that has ended is remembered until its run ends, also if it was never asked for: a request that arrives late, or
 *    again, takes no other.
 */
import { queueLine } from "../kernel/queues.ts";
import { byText } from "./memory-order.ts";
import type { LockRequest, LockRow, LockVerdict } from "./port-locks.ts";
import type { OutlookLock } from "./port-outlook.ts";
import { type LineSetting, PLACES_COUNTED_MAX } from "./port-places.ts";

interface Place extends LockRow {
  slots: number;
  /** The order of the line, then by ticket. Who has a slot of a queue is before all that wait. */
  rank: number;
  grantedAt: number | null;
  hasEnded: boolean;
}

/** Places that end. `keys`: of these calls; null: all of the run's, because it ends itself. */
export interface EndingPlaces {
  readonly runId: string;
  readonly keys: readonly string[] | null;
}

export class MemoryLocks {
  #lastTicket = 0;
  /** By name, in order of arrival: those that have not ended. */
  readonly #lines = new Map<string, Place[]>();
  /** By run, then by the call's key: also those that have ended (I2). */
  readonly #places = new Map<string, Map<string, Place>>();

  readonly #settingOf: (line: string) => LineSetting | null;

  constructor(settingOf: (line: string) => LineSetting | null) {
    this.#settingOf = settingOf;
  }

  /** The call's place, granted if it is its turn. */
  request(request: LockRequest, now: number): LockVerdict {
    const { runId, key } = request.operation;
    const place = this.#places.get(runId)?.get(key) ?? this.#enter(request, now);
    if (place.hasEnded) return "lost";
    place.slots = request.slots;
    if (place.grantedAt === null && this.#line(place.name).indexOf(place) < this.#slotsOf(place))
      this.#grant(place, now);
    return place.grantedAt === null ? "waiting" : "granted";
  }

  #enter({ name, slots, queue, operation: { runId, key } }: LockRequest, now: number): Place {
    const ticket = ++this.#lastTicket;
    const rank = queue === undefined ? 0 : now - queue.headStartMs;
    const place: Place = {
      ...{ name, queue: queue?.name ?? null, slots, rank, ticket, runId, key },
      ...{ requestedAt: now, grantedAt: null, hasEnded: false },
    };
    const places = this.#places.get(runId) ?? new Map<string, Place>();
    this.#places.set(runId, places.set(key, place));
    this.#lines.set(name, [...this.#line(name), place].sort(inLine));
    return place;
  }

  #grant(place: Place, now: number): void {
    place.grantedAt = now;
    if (place.queue === null) return;
    place.rank = Number.MIN_SAFE_INTEGER;
    this.#lines.set(place.name, [...this.#line(place.name)].sort(inLine));
  }

  /** How many are let in where it stands. */
  #slotsOf({ queue, slots }: Place): number {
    const setting = queue === null ? null : this.#settingOf(queueLine(queue));
    return setting?.paused === true ? 0 : (setting?.slots ?? slots);
  }

  #line(name: string): readonly Place[] {
    return this.#lines.get(name) ?? [];
  }

  /** Ends places, and grants those whose turn it is then: returns these, in order of arrival. */
  end(endings: readonly EndingPlaces[], now: number): LockRow[] {
    const names = new Set<string>();
    for (const place of endings.flatMap((ending) => this.#ending(ending))) {
      place.hasEnded = true;
      names.add(place.name);
    }
    const granted = this.#open(names, now);
    for (const { runId, keys } of endings) if (keys === null) this.#places.delete(runId);
    return granted;
  }

  /** Something was set of a queue: grants as many slots of it as there are now. Returns these, in order of arrival. */
  openQueue(queue: string, now: number): LockRow[] {
    const names = [...this.#lines].flatMap(([name, line]) =>
      line.some((place) => place.queue === queue) ? [name] : [],
    );
    return this.#open(names, now);
  }

  #open(names: Iterable<string>, now: number): Place[] {
    const granted = [...names].flatMap((name) => this.#moveUp(name));
    for (const place of granted) this.#grant(place, now);
    return granted.sort((a, b) => a.ticket - b.ticket);
  }

  countSlots(queue: string): { held: number; waiting: number } {
    const places = [...this.#lines.values()].flat().filter((place) => place.queue === queue);
    const held = places.filter(({ grantedAt }) => grantedAt !== null).length;
    return { held: Math.min(held, PLACES_COUNTED_MAX), waiting: Math.min(places.length - held, PLACES_COUNTED_MAX) };
  }

  #ending({ runId, keys }: EndingPlaces): Place[] {
    const places = this.#places.get(runId) ?? new Map<string, Place>();
    if (keys === null) return [...places.values()];
    this.#places.set(runId, places);
    for (const key of keys) if (!places.has(key)) places.set(key, this.#endedBefore(runId, key));
    return keys.flatMap((key) => places.get(key) ?? []);
  }

  #endedBefore(runId: string, key: string): Place {
    return {
      ...{ name: "", queue: null, slots: 0, rank: 0, ticket: ++this.#lastTicket, runId, key },
      ...{ requestedAt: 0, grantedAt: null, hasEnded: true },
    };
  }

  /** Takes out of a line who has left it. Returns those that wait and whose turn it is. */
  #moveUp(name: string): Place[] {
    const line = this.#line(name).filter(({ hasEnded }) => !hasEnded);
    if (line.length === 0) this.#lines.delete(name);
    else this.#lines.set(name, line);
    return line.filter((place, before) => place.grantedAt === null && before < this.#slotsOf(place));
  }

  /** What a run waits for, in order of arrival. */
  waiting(runId: string): OutlookLock[] {
    return this.list({ name: null, runId, limit: Number.POSITIVE_INFINITY })
      .flatMap((place) => (place.grantedAt === null ? [{ ...place, grantedAt: null }] : []))
      .sort((a, b) => a.ticket - b.ticket);
  }

  list(page: { readonly name: string | null; readonly runId?: string; readonly limit: number }): LockRow[] {
    const { name, runId, limit } = page;
    const places = name === null ? [...this.#lines.values()].flat() : this.#line(name);
    return places
      .filter((place) => runId === undefined || place.runId === runId)
      .sort((a, b) => byText(a.name, b.name) || inLine(a, b))
      .slice(0, limit)
      .map(({ rank: _rank, hasEnded: _hasEnded, ...row }) => row);
  }
}

function inLine(a: Place, b: Place): number {
  return a.rank - b.rank || a.ticket - b.ticket;
}
