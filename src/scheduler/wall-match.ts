/**
 * The next time on a wall that fits a pattern. This is all that croner is asked for: it walks a pattern of seven fields of
 * numbers in UTC, as a function of its arguments. It knows nothing of zones, and its own reading of texts is not used.
 */
import { Cron } from "croner";
import type { Wall } from "./instants.ts";

/** No wall time beyond the year 9999 is looked for: so far a search of what never fits takes some 10 ms. */
const WALL_MAX = Date.UTC(10_000, 0, 1) - 1;

/** Readers of patterns that are kept; each holds a list of 10,000 years. */
const READERS_MAX = 64;

const readers = new Map<string, Cron>();

/** The first wall time after `after` that fits; null if there is none until the end of the year 9999. */
export function nextWall(pattern: string, after: Wall): Wall | null {
  if (after >= WALL_MAX) return null;
  return readerOf(pattern).nextRun(new Date(after))?.getTime() ?? null;
}

/** Whether `wall`, to the second, fits. */
export function isWallMatch(pattern: string, wall: Wall): boolean {
  return readerOf(pattern).match(new Date(wall));
}

function readerOf(pattern: string): Cron {
  const known = readers.get(pattern);
  if (known !== undefined) return known;
  // Made without a function, it starts no timer.
  const reader = new Cron(pattern, { mode: "7-part", utcOffset: 0 });
  if (readers.size >= READERS_MAX) readers.clear();
  readers.set(pattern, reader);
  return reader;
}
