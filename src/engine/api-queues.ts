/** Queues as users of the engine, the HTTP layer and the client see them. */

/** A queue of runs and of steps, each counted apart, as it stands. */
export interface QueueInfo {
  readonly name: string;
  /** The most runs, and the most steps (for each key), that are worked on at once; null: nobody has said it here. */
  readonly concurrency: number | null;
  /** What this engine was given; null: it has no such queue. */
  readonly defined: number | null;
  /** Whether it lets nobody in. */
  readonly paused: boolean;
  /** How many runs have a place in it, and how many wait for one: counted up to 10,000. */
  readonly held: number;
  readonly waiting: number;
  /** How many living workers serve it. None: its runs wait. */
  readonly workers: number;
  /** How many attempts of steps have a slot in it, and how many wait for one: counted likewise. */
  readonly steps: { readonly held: number; readonly waiting: number };
}

/** What becomes of a queue, for all workers and until it is changed again. What is not given stays as it is. */
export interface QueueChange {
  /** From 1 to 10,000; null: what the engine was given. Runs and steps that are in stay in. */
  readonly concurrency?: number | null;
  readonly paused?: boolean;
}

/** The queues of runs and steps, changed while they work: what is set of one holds for both. */
export interface QueueControl {
  /** By name: those that this engine was given, and those that were changed. */
  list(): Promise<QueueInfo[]>;
  /**
   * @throws DefinitionError `LIMIT_INVALID`, `NAME_INVALID`
   * @example await engine.queues.set("heavy", { concurrency: 2 });
   */
  set(name: string, change: QueueChange): Promise<QueueInfo>;
  /** Lets no more runs and steps in; those that are in go on. */
  pause(name: string): Promise<QueueInfo>;
  resume(name: string): Promise<QueueInfo>;
}
