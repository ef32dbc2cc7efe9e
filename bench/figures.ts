/** What is measured. Other scripts rely on the names of {@link Figures}. */

export interface Figures {
  readonly raw: RawFigures;
  readonly w1: ChainFigures;
  readonly w2: { readonly p50Ms: number; readonly p99Ms: number };
  readonly w3: { readonly ms: number };
  readonly w4: { readonly firstMs: number; readonly lastMs: number };
  readonly w5: { readonly resumeMs: number; readonly repeatedBodies: number };
  readonly w6: { readonly rssMb: number; readonly cpuPercent: number; readonly wakeLagMs: number };
  readonly w7: ReplayFigures;
  readonly w8: SleepersFigures;
  /** Steps a second of a workflow without limits, and of the same with them. */
  readonly w9: { readonly plainPerSecond: number; readonly limitedPerSecond: number };
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

/** What a resume takes, from the first look of a worker to the start of the next body, in a process that has done so before. */
export interface ReplayFigures {
  /** A run that has done nothing before: what any resume takes. */
  readonly emptyMs: number;
  readonly plainMs: number;
  /** As many completed scopes as there are plain steps. */
  readonly scopedMs: number;
  /** For each length of a plain history, beyond what an empty run takes, microseconds. */
  readonly usPerEvent: readonly number[];
  /** The reference: the same code, given as many outcomes from memory. */
  readonly memoisedMs: number;
}

export interface SleepersFigures {
  /** The file. */
  readonly diskMb: number;
  /** The call of `createEngine`. */
  readonly openMs: number;
  /** Of the process that waits, with nothing due. */
  readonly rssMb: number;
  readonly cpuPercent: number;
  /** From the instant for which a run sleeps to the start of its next body: of those that wake up one by one. */
  readonly wakeLagMs: number;
  readonly wakeLagMsMax: number;
  /** The same for the last of those that are due at one instant. */
  readonly burstMs: number;
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
