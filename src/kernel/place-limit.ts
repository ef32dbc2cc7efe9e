/** What a run must have before it may be worked on: places in lines, and tokens of buckets. */

/**
 * How long a place is held. `life`: from the run's admission to its end. `work`: while the run is worked on; it is given
 * back when the run waits. `newest`: as `life`, and whoever was in that line before is cancelled.
 */
export type PlaceHold = "life" | "work" | "newest";

/** A line in which a run needs a place. */
export interface PlaceLimit {
  /** Names the line: `queue/<name>`, `workflow/<name>`, `key/<workflow>/<number>/<key>`, `singleton/<workflow>/<key>`. */
  readonly line: string;
  /** How many may hold a place at once. */
  readonly slots: number;
  /** The order of the line: whoever has less goes first. */
  readonly rank: number;
  readonly hold: PlaceHold;
}

/** A bucket of which a start takes a token. It is full after a quiet time, and gets another token every `intervalMs`. */
export interface RateTake {
  /** Names the bucket: `rate/<workflow>/<key>`, `throttle/<workflow>/<key>`. */
  readonly bucket: string;
  readonly intervalMs: number;
  /** How much may be taken at once, in time: a token more than `aheadMs / intervalMs`. */
  readonly aheadMs: number;
  /** When there is no token: the run begins later, or it is not created. */
  readonly delays: boolean;
}
