/** What a run must have before it may be worked on: places in lines, and tokens of buckets. */

/**
 * How long a place is held. `life`: from the run's admission to its end. `work`: while the run is worked on; it is given
 * back when the run waits. `newest`: as `life`, and whoever was in that line before is cancelled.
 */
export type PlaceHold = "life" | "work" | "newest";

/** One more of priority goes before whoever has waited for so long, milliseconds. */
export const PRIORITY_HEAD_START_MS = 60_000;

/** A line in which a run needs a place. */
export interface PlaceLimit {
  /**
   * Names the line: `queue/<name>`, `workflow/<name>`, `key/<workflow>/<number>/<key>`, `singleton/<workflow>/<key>`. Slashes
   * and percent signs of a workflow's name are percent-encoded where something follows.
   */
  readonly line: string;
  /** How many may hold a place at once. */
  readonly slots: number;
  /** The order of the line: whoever has less goes first. */
  readonly rank: number;
  readonly hold: PlaceHold;
  /** Those of different keys take turns; absent: as all that have none. */
  readonly fair?: FairShare;
}

/** On whose turn a run is admitted. */
export interface FairShare {
  readonly key: string;
  /** How far its admission puts off the next turn of its key: less for more weight. */
  readonly cost: number;
}

/** The cost of a turn of weight 1. Whole numbers, which every database adds up alike. */
export const TURN_COST = 1_000_000;

/** A bucket of which a start takes a token. It is full after a quiet time, and gets another token every `intervalMs`. */
export interface RateTake {
  /** Names the bucket: `rate/<workflow>/<key>`, `throttle/<workflow>/<key>`. The workflow is encoded as in a line. */
  readonly bucket: string;
  readonly intervalMs: number;
  /** How much may be taken at once, in time: a token more than `aheadMs / intervalMs`. */
  readonly aheadMs: number;
  /** When there is no token: the run begins later, or it is not created. */
  readonly delays: boolean;
}
