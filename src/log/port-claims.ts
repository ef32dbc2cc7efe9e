/** What the storage port says of claims: which runs are due, who takes them, and what they go on with. */
import type { EventRow } from "../kernel/events.ts";
import type { ProgramId } from "./port-workers.ts";

export interface ClaimRequest {
  readonly worker: string;
  /**
   * Numbers the worker's claims, upwards: one that is not later than the last does nothing. Else a claim that is late on
   * its way, or that something sends again, would give a worker runs that it does not know of, and keep them from others
   * for as long as it lives.
   */
  readonly turn: number;
  readonly programs: readonly ProgramId[];
  /** The queues that it serves: it takes no run of another. Null: all. @default null */
  readonly queues?: readonly string[] | null;
  readonly limit: number;
  /** Whether the worker owns nothing else, and so takes one suspect (see {@link UNCLEAN_ALONE_FROM}). */
  readonly alone: boolean;
  /** Whether runs with limits that are due get in line first: what {@link WorkAhead.linesDue} says. @default false */
  readonly linesDue?: boolean;
}

/** From this many unclean claims on, a run is claimed only by a worker that owns nothing else. */
export const UNCLEAN_ALONE_FROM = 2;

/** The unclean claims while alone that park a run as `stuck`. */
export const UNCLEAN_ALONE_MAX = 5;

/** A run that was claimed. */
export interface Claim {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  /** The new epoch. */
  readonly epoch: number;
  readonly head: number;
  /** Unclean claims before this one. */
  readonly uncleanBefore: number;
  /** Whether it was `stuck` before. */
  readonly wasStuck: boolean;
  /** Whether its inbox has rows. */
  readonly hasMail: boolean;
}

/** A run as the worker that holds it knows it. */
export type HeldRun = Pick<Claim, "runId" | "epoch">;

export interface ClaimVerdict {
  /** Nothing was done, because a claim with this turn or a later one has been there. */
  readonly isVoid: boolean;
  readonly claims: readonly Claim[];
  /** Runs that were parked as `stuck` because they kept killing their workers. */
  readonly poisoned: readonly string[];
}

/** The code in a run's `stuck` when its claims kept ending uncleanly. Only a person releases such a run. */
export const POISONED = "RUN_POISONED";

/** When a worker is needed next. */
export interface WorkAhead {
  /**
   * The earliest instant at which a run of the asked programs can be claimed; null: none is in sight. Of runs that must
   * be claimed alone only those count that are not due yet.
   */
  readonly dueAt: number | null;
  /** Whether a run is due that must be claimed alone. */
  readonly suspectDue: boolean;
  /** Whether a run with limits, of whichever program, is to get in line: a claim does it. */
  readonly linesDue: boolean;
  /** The database's clock. */
  readonly now: number;
}

/** The part of the log that gives runs to workers. */
export interface ClaimStore {
  /** Takes due runs, and runs whose owner's lease has ended, for a worker whose own lease has not. */
  claim(request: ClaimRequest): Promise<ClaimVerdict>;
  /**
   * Lets go of runs that `worker` owns and does not know of: the answer to their claim was lost. They may be claimed at
   * once, under another epoch, and that claim does not count as unclean. Returns how many. `turn`: as of a claim. `known`:
   * what it does know of. A run that it knows of under an older epoch is one that it has left, and has claimed again.
   */
  disown(worker: string, turn: number, known: readonly HeldRun[]): Promise<number>;
  /**
   * Claimed runs' events by run id, in order of seq, without those within completed scopes; but the last one in any case,
   * because what a run's next owner writes follows it.
   */
  load(claims: readonly Pick<Claim, "runId" | "head">[]): Promise<ReadonlyMap<string, readonly EventRow[]>>;
  /** `queues`: those that the worker serves; null: all. @default null */
  workAhead(worker: string, programs: readonly ProgramId[], queues?: readonly string[] | null): Promise<WorkAhead>;
  /** Makes runs claimable again that are `stuck` for another reason than {@link POISONED}. Returns how many. */
  releaseStuck(programs: readonly ProgramId[]): Promise<number>;
}
