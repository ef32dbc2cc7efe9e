/** What the poison lane and its processes tell each other. */

/** How a run ends its process. */
export const POISONS = ["exit", "memory", "loop"] as const;

export type Poison = (typeof POISONS)[number];

export interface PoisonSetup {
  readonly db: string;
  /** Innocent runs to be started. A repeated start is the same run. */
  readonly innocents: number;
}

export type PoisonTold =
  | { readonly told: "alive" }
  /** Nothing is left that could go on. */
  | { readonly told: "idle" };
