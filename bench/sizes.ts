/** How much each workload does. `full` is what the targets are stated for. */

export interface Sizes {
  /** How often the whole bench is run; the figures are medians. */
  readonly rounds: number;
  readonly chain: {
    readonly runs: number;
    readonly steps: number;
    readonly inFlight: number;
    /** Passes before the measured ones. */
    readonly warmUps: number;
    /** Each is followed by one of the raw ceiling. */
    readonly passes: number;
  };
  /** Each part of runs is followed by as many commits of a single row. */
  readonly latency: { readonly parts: number; readonly runsPerPart: number; readonly warmUps: number };
  readonly fanOut: { readonly steps: number; readonly runs: number; readonly warmUps: number };
  /** The first window begins one window into the history; the last ends with it. */
  readonly longHistory: { readonly steps: number; readonly window: number; readonly warmUpSteps: number };
  readonly resume: { readonly steps: number; readonly killAt: number };
  /** `many` is a multiple of `few`. */
  readonly map: {
    readonly few: number;
    readonly many: number;
    readonly concurrency: number;
    readonly pairs: number;
    readonly warmUps: number;
  };
  /** `inFlight`: how many are worked on at once, which is what the limits let in. */
  readonly limits: { readonly runs: number; readonly steps: number; readonly inFlight: number; readonly pairs: number };
  readonly idle: { readonly runs: number; readonly windowMs: number; readonly wakes: number };
  readonly replay: {
    /** Of the plain run that is held against as many scopes. */
    readonly steps: number;
    readonly stepsPerScope: number;
    /** Plain runs, in steps: two events each. */
    readonly lengths: readonly number[];
    readonly memoisedSteps: number;
    readonly warmUps: number;
    /** In each, every run is resumed once. */
    readonly parts: number;
  };
  readonly sleepers: {
    readonly runs: number;
    /** The time for the process to open the file, before its window begins. */
    readonly openingMs: number;
    readonly windowMs: number;
    /** Runs that become due one by one. */
    readonly wakes: number;
    /** Runs that become due at one instant. */
    readonly burst: number;
  };
}

export type SizeName = "full" | "quick" | "tiny";

export const SIZES: Readonly<Record<SizeName, Sizes>> = {
  full: {
    rounds: 3,
    chain: { runs: 500, steps: 10, inFlight: 100, warmUps: 10, passes: 25 },
    latency: { parts: 10, runsPerPart: 20, warmUps: 2_000 },
    fanOut: { steps: 1_000, runs: 20, warmUps: 5 },
    longHistory: { steps: 5_000, window: 500, warmUpSteps: 1_500 },
    resume: { steps: 5_000, killAt: 2_500 },
    map: { few: 1_000, many: 10_000, concurrency: 100, pairs: 5, warmUps: 10 },
    limits: { runs: 1_000, steps: 10, inFlight: 100, pairs: 9 },
    idle: { runs: 100_000, windowMs: 10_000, wakes: 20 },
    replay: {
      steps: 250,
      stepsPerScope: 100,
      lengths: [500, 5_000, 25_000],
      memoisedSteps: 25_000,
      warmUps: 3,
      parts: 15,
    },
    sleepers: { runs: 1_000_000, openingMs: 5_000, windowMs: 10_000, wakes: 20, burst: 10_000 },
  },
  quick: {
    rounds: 1,
    chain: { runs: 500, steps: 10, inFlight: 100, warmUps: 6, passes: 9 },
    latency: { parts: 5, runsPerPart: 20, warmUps: 1_000 },
    fanOut: { steps: 1_000, runs: 5, warmUps: 2 },
    longHistory: { steps: 2_500, window: 250, warmUpSteps: 500 },
    resume: { steps: 1_500, killAt: 1_000 },
    map: { few: 1_000, many: 10_000, concurrency: 100, pairs: 1, warmUps: 5 },
    limits: { runs: 500, steps: 10, inFlight: 100, pairs: 5 },
    idle: { runs: 10_000, windowMs: 2_000, wakes: 5 },
    replay: { steps: 250, stepsPerScope: 5, lengths: [500, 1_500], memoisedSteps: 25_000, warmUps: 2, parts: 9 },
    sleepers: { runs: 20_000, openingMs: 2_000, windowMs: 1_000, wakes: 5, burst: 500 },
  },
  /** For the test of the bench itself. */
  tiny: {
    rounds: 1,
    chain: { runs: 10, steps: 3, inFlight: 5, warmUps: 1, passes: 2 },
    latency: { parts: 2, runsPerPart: 3, warmUps: 1 },
    fanOut: { steps: 10, runs: 2, warmUps: 1 },
    longHistory: { steps: 40, window: 10, warmUpSteps: 5 },
    resume: { steps: 20, killAt: 10 },
    map: { few: 10, many: 20, concurrency: 5, pairs: 1, warmUps: 1 },
    limits: { runs: 10, steps: 2, inFlight: 5, pairs: 1 },
    idle: { runs: 50, windowMs: 100, wakes: 2 },
    replay: { steps: 5, stepsPerScope: 2, lengths: [10, 20], memoisedSteps: 100, warmUps: 1, parts: 2 },
    sleepers: { runs: 100, openingMs: 500, windowMs: 100, wakes: 2, burst: 20 },
  },
};
