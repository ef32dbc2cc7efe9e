/** What a run must have a place in before it may be worked on: a line, and how many it lets in. */

/**
 * How long a place is held. `life`: from the run's admission to its end. `work`: while the run is worked on; it is given
 * back when the run waits. `newest`: as `life`, and whoever was in that line before is cancelled.
 */
export type PlaceHold = "life" | "work" | "newest";

/** One of the limits that a run obeys. */
export interface PlaceLimit {
  /** Names the line: `queue/<name>`, `workflow/<name>`, `key/<workflow>/<number>/<key>`, `singleton/<workflow>/<key>`. */
  readonly line: string;
  /** How many may hold a place at once. */
  readonly slots: number;
  /** The order of the line: whoever has less goes first. */
  readonly rank: number;
  readonly hold: PlaceHold;
}
