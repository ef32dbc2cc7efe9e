/**
 * Zones: from instants to what the zone's wall shows, and back. The offsets come from `Intl.DateTimeFormat`, which every
 * runtime has; where they change is found by bisection and kept, so a question costs a look into a map.
 */

import { DefinitionError } from "../kernel/errors.ts";
import { shownValue } from "../kernel/text.ts";
import type { Wall } from "./instants.ts";

/** Where a zone's offset changes: the wall jumps over a gap, or back into a fold. */
export interface Transition {
  /** The first instant with the new offset. */
  readonly at: number;
  /** Milliseconds by which the wall was ahead of UTC before it. */
  readonly before: number;
  readonly after: number;
}

export interface Zone {
  readonly name: string;
  /** Milliseconds by which the wall is ahead of UTC at `instant`. */
  offsetAt(instant: number): number;
  /** The first transition after `after` and not after `until`. */
  transitionWithin(after: number, until: number): Transition | null;
}

/** What a wall time is in a zone. */
export type WallInstants =
  | { readonly kind: "once"; readonly at: number }
  /** It does not exist: the wall jumps over it at `at`. */
  | { readonly kind: "gap"; readonly at: number }
  | { readonly kind: "fold"; readonly first: number; readonly second: number };

export const DAY_MS = 86_400_000;

/** How far a wall has ever jumped, at most: Kwajalein and Apia left out a day. */
export const JUMP_MS_MAX = 24 * 3_600_000;

/** Transitions are looked for in pieces of this length: no zone has had two within one since 1970. */
const PIECE_MS = 2 * DAY_MS;

/** Pieces that are kept for a zone: about 11 years of days that are asked for. */
const PIECES_MAX = 2_048;

/** Zones that are kept. */
const ZONES_MAX = 128;

const zones = new Map<string, Zone>();

/**
 * The zone of that name.
 *
 * @throws DefinitionError `SCHEDULE_INVALID`
 */
export function requireZone(field: string, name: unknown): Zone {
  const known = typeof name === "string" ? zones.get(name) : undefined;
  if (known !== undefined) return known;
  const zone = openZone(field, name);
  if (zones.size >= ZONES_MAX) zones.clear();
  zones.set(zone.name, zone);
  return zone;
}

function openZone(field: string, name: unknown): Zone {
  // Some runtimes take "+01:00" and some do not: an offset is no zone, and has no summer.
  if (typeof name !== "string" || !/^[A-Za-z]/.test(name)) throw invalidZone(field, name);
  try {
    return makeZone(name, formatOf(name));
  } catch (cause) {
    throw invalidZone(field, name, cause);
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const date = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const time = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", { timeZone, ...date, ...time });
}

function invalidZone(field: string, name: unknown, cause?: unknown): DefinitionError {
  return new DefinitionError(
    "SCHEDULE_INVALID",
    `expected ${field} to be the name of an IANA time zone that this runtime knows, but found ${shownValue(name)}; write it like "Europe/Berlin", "America/New_York" or "UTC"`,
    { field, position: 0, hint: 'a name such as "Europe/Berlin"' },
    { cause },
  );
}

interface Piece {
  /** The offset at its begin. */
  readonly offset: number;
  readonly transition: Transition | null;
}

function makeZone(name: string, format: Intl.DateTimeFormat): Zone {
  const pieces = new Map<number, Piece>();

  const pieceOf = (index: number): Piece => {
    const known = pieces.get(index);
    if (known !== undefined) return known;
    const piece = readPiece(format, index * PIECE_MS);
    if (pieces.size >= PIECES_MAX) pieces.clear();
    pieces.set(index, piece);
    return piece;
  };

  return {
    name,
    offsetAt(instant) {
      const { offset, transition } = pieceOf(Math.floor(instant / PIECE_MS));
      return transition !== null && instant >= transition.at ? transition.after : offset;
    },
    transitionWithin(after, until) {
      for (let index = Math.floor(after / PIECE_MS); index * PIECE_MS < until; index++) {
        const { transition } = pieceOf(index);
        if (transition !== null && transition.at > after) return transition.at <= until ? transition : null;
      }
      return null;
    },
  };
}

/** The piece from `start` on; a transition at its very end belongs to it. */
function readPiece(format: Intl.DateTimeFormat, start: number): Piece {
  const offset = offsetBy(format, start);
  let before = start;
  let at = start + PIECE_MS;
  const after = offsetBy(format, at);
  if (after === offset) return { offset, transition: null };
  // Transitions happen at full seconds.
  while (at - before > 1_000) {
    const middle = before + Math.floor((at - before) / 2_000) * 1_000;
    if (offsetBy(format, middle) === offset) before = middle;
    else at = middle;
  }
  return { offset, transition: { at, before: offset, after: offsetBy(format, at) } };
}

function offsetBy(format: Intl.DateTimeFormat, instant: number): number {
  const fields: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(instant)) fields[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1_000) * 1_000;
}

/** When the wall of `zone` shows `wall`. */
export function instantsOfWall(zone: Zone, wall: Wall): WallInstants {
  const earlier = wall - zone.offsetAt(wall - JUMP_MS_MAX);
  const later = wall - zone.offsetAt(wall + JUMP_MS_MAX);
  const found = [earlier, later].filter((instant) => instant + zone.offsetAt(instant) === wall);
  const [first, second] = found;
  if (first === undefined) {
    const low = Math.min(earlier, later);
    return { kind: "gap", at: zone.transitionWithin(low - 1, low + 2 * JUMP_MS_MAX)?.at ?? low };
  }
  if (second === undefined || second === first) return { kind: "once", at: first };
  return { kind: "fold", first: Math.min(first, second), second: Math.max(first, second) };
}
