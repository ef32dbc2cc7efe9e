/** What the storage port says of lines, and of the places that runs with limits have in them. */
import type { PlaceLimit } from "../kernel/place-limit.ts";

/** A run's place in a line. */
export interface PlaceRow extends PlaceLimit {
  readonly runId: string;
  readonly requestedAt: number;
  /** Null: it waits. */
  readonly grantedAt: number | null;
}

/** What was set of a line at run time. */
export interface LineSetting {
  readonly line: string;
  /** How many it lets in; null: as many as the places in it say. */
  readonly slots: number | null;
  /** Whether it admits nobody. */
  readonly paused: boolean;
}

/** `fairKey`: only those that wait on the turns of this key; null: of those that have none. */
export type PlaceFilter =
  | { readonly runId: string }
  | { readonly line: string; readonly fairKey?: string | null | undefined };

/**
 * From so many waiting runs at the head of a line the first that has room in all of its lines is admitted. Where runs take
 * turns, from so many keys whose turn it is.
 */
export const LOOK_AHEAD = 64;

/** So many of each of those keys are looked at. */
export const LOOK_AHEAD_OF_KEY = 4;

/** The most runs that a change of a line admits. */
export const OPENINGS_MAX = 1_000;

export const PLACES_COUNTED_MAX = 10_000;

/** Counted up to {@link PLACES_COUNTED_MAX}. */
export interface PlaceCounts {
  readonly held: number;
  readonly waiting: number;
}

/** The most runs that get in line with one claim. */
export const ARRIVALS_MAX = 500;

/** The part of the log that holds lines. Places are taken and given back by writes and claims. */
export interface PlaceStore {
  /** Places of runs with limits: of one run, or of one line in its order; who holds one comes first. */
  listPlaces(page: PlaceFilter & { readonly limit: number }): Promise<PlaceRow[]>;
  /** How many runs have a place in a line, and how many wait for one; and the same of the slots of steps, if it is a queue's. */
  countPlaces(line: string): Promise<PlaceCounts & { readonly steps: PlaceCounts }>;
  /** What was set of a line; null: nothing. */
  getLine(line: string): Promise<LineSetting | null>;
  /** All lines of which something was set, in order. */
  listLines(page: { readonly after: string | null; readonly limit: number }): Promise<LineSetting[]>;
  /** Sets what a line lets in, and admits whom there is room for then; of a queue also the steps that wait for its slots. */
  setLine(setting: LineSetting): Promise<void>;
}
