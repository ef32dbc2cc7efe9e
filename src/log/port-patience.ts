/** What the storage port says of runs that hold places and that nobody takes: they let others go first. */
import type { ProgramId } from "./port-workers.ts";

/** So much later a run that was passed over gets in line again, if no worker comes that takes it. */
export const ASIDE_MS = 3_600_000;

/** The most runs that one call passes over, and that it lets get in line again. */
export const PASSED_MAX = 500;

/** So many waiting runs are looked at for it. */
export const PASSED_LOOKED_MAX = 10_000;

/** Who passes runs over that nobody takes. */
export interface PassRequest {
  /** What the caller takes: nothing of it is passed over. */
  readonly programs: readonly ProgramId[];
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
  /** For so long a run that is admitted may hold its places though nobody takes it, while others wait for them. */
  readonly patienceMs: number;
}

/** What {@link PatienceStore.passOver} has done. */
export interface PassVerdict {
  /** How many runs have left their lines to others. */
  readonly passed: number;
  /** How many that had, and that the caller takes, get in line again. */
  readonly returned: number;
}

/** The part of the log that passes runs over. */
export interface PatienceStore {
  /**
   * Lets no line wait for a worker that nobody runs. A run that has been admitted for `patienceMs`, that no living worker
   * takes, nor the caller, and in whose lines runs wait that one might take, gives its places back, and leaves its lines for
   * {@link ASIDE_MS}; those that wait in them and have the same program and queue leave with it. They keep their ranks, and
   * what they have begun keeps its places for life. Those that were passed over before and that the caller takes get in
   * line again. At most {@link PASSED_MAX} of each.
   */
  passOver(request: PassRequest): Promise<PassVerdict>;
}
