/**
 * The locks of the log's reference: for each name a line of places.
 *
 * Owns: all places. Called by `memory.ts`, which knows whose runs are.
 *
 * I1 No place waits whose turn it is: there are fewer before it in its line than may hold the lock at once.
 * I2 A place that has ended is remembered until its run ends: a request that arrives late, or again, takes no other.
 */
import { byText } from "./memory-order.ts";
import type { LockRequest, LockRow, LockVerdict } from "./port.ts";
import type { OutlookLock } from "./port-outlook.ts";

interface Place extends LockRow {
  slots: number;
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

  /** The call's place, granted if it is its turn. */
  request({ name, slots, operation: { runId, key } }: LockRequest, now: number): LockVerdict {
    const place = this.#places.get(runId)?.get(key) ?? this.#enter(name, runId, key, now);
    if (place.hasEnded) return "lost";
    place.slots = slots;
    if (this.#line(place.name).indexOf(place) < slots) place.grantedAt ??= now;
    return place.grantedAt === null ? "waiting" : "granted";
  }

  #enter(name: string, runId: string, key: string, now: number): Place {
    const ticket = ++this.#lastTicket;
    const place = { name, ticket, runId, key, slots: 0, requestedAt: now, grantedAt: null, hasEnded: false };
    const places = this.#places.get(runId) ?? new Map<string, Place>();
    this.#places.set(runId, places.set(key, place));
    this.#lines.set(name, [...this.#line(name), place]);
    return place;
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
    const granted = [...names].flatMap((name) => this.#moveUp(name));
    for (const place of granted) place.grantedAt = now;
    for (const { runId, keys } of endings) if (keys === null) this.#places.delete(runId);
    return granted.sort((a, b) => a.ticket - b.ticket);
  }

  #ending({ runId, keys }: EndingPlaces): Place[] {
    return [...(this.#places.get(runId)?.values() ?? [])].filter(({ key }) => keys === null || keys.includes(key));
  }

  /** Takes out of a line who has left it. Returns those that wait and whose turn it is. */
  #moveUp(name: string): Place[] {
    const line = this.#line(name).filter(({ hasEnded }) => !hasEnded);
    if (line.length === 0) this.#lines.delete(name);
    else this.#lines.set(name, line);
    return line.filter(({ slots, grantedAt }, before) => grantedAt === null && before < slots);
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
      .sort((a, b) => byText(a.name, b.name) || a.ticket - b.ticket)
      .slice(0, limit)
      .map(({ slots: _slots, hasEnded: _hasEnded, ...row }) => row);
  }
}
