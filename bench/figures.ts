/** What is measured. Other scripts rely on the names of {@link Figures}. */

export interface Figures {
  readonly raw: RawFigures;
  readonly w1: ChainFigures;
  readonly w2: { readonly p50Ms: number; readonly p99Ms: number };
  readonly w3: { readonly ms: number };
  readonly w4: { readonly firstMs: number; readonly lastMs: number };
  readonly w5: { readonly resumeMs: number; readonly repeatedBodies: number };
  readonly w6: { readonly rssMb: number; readonly cpuPercent: number; readonly wakeLagMs: number };
  /** What an item takes of a map over few items, and over many. */
  readonly map: { readonly fewMs: number; readonly manyMs: number };
  readonly startMs: number;
}

export interface RawFigures {
  readonly rowsPerSecond: number;
  /** One commit of one row. */
  readonly commitMs: number;
}

export interface ChainFigures {
  readonly stepsPerSecond: number;
  readonly eventsPerStep: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One pass of the chain. */
export type ChainPass = Omit<ChainFigures, "eventsPerStep">;

/** What the chain writes: the raw ceiling writes the same. */
export interface ChainShape {
  readonly database: string;
  readonly eventsPerPass: number;
  readonly eventsPerStep: number;
  readonly eventsPerCommit: number;
}
