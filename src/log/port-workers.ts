/** What the storage port says of workers: their leases, and what they can run. */

/** A workflow version that a worker can run. */
export interface ProgramId {
  readonly workflow: string;
  readonly version: string;
}

/** A worker's row. */
export interface WorkerRow {
  readonly id: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  /** Null: it has not said what it can run. */
  readonly programs: readonly ProgramId[] | null;
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
}

export interface Heartbeat {
  /** False: the lease had ended. Whoever held it must stop at once and take a new id. */
  readonly alive: boolean;
  /** Owned runs that have inbox rows. */
  readonly mail: readonly string[];
}

/** The part of the log that holds workers. */
export interface WorkerStore {
  /** Registers a worker with a lease of `leaseMs`, and what it takes. Returns the database's clock. */
  openWorker(
    worker: string,
    leaseMs: number,
    programs?: readonly ProgramId[],
    queues?: readonly string[] | null,
  ): Promise<number>;
  heartbeat(worker: string, leaseMs: number): Promise<Heartbeat>;
  /**
   * Ends a worker's lease: what it still owns may be claimed at once. `forget`: nothing that it sent can still come in, so
   * its row goes too, unless it owns something.
   */
  closeWorker(worker: string, options?: { readonly forget: boolean }): Promise<void>;
  listWorkers(): Promise<WorkerRow[]>;
}
