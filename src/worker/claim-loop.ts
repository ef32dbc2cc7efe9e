/**
 * The worker's loop: looks at what is ahead, claims what is due, and waits.
 *
 * Owns: when to look next. Everything else only nudges it. It claims for a {@link Claimant}, which says how much room it
 * has and goes on with what was claimed.
 *
 * I1 One look at a time. A nudge during a look is another look after it, so nothing that becomes due is missed.
 * I2 An alarm is only ever moved earlier: a look too many is harmless, a look too few is a run that waits for ever.
 * I3 A claim whose answer was lost may have been made: before the next one, the worker lets go of what it owns unknowingly.
 *    Else those runs would wait for its death. One that is still on its way then comes to nothing: claims are numbered.
 * I4 A suspect is claimed by an empty worker, alone; now and then the worker is emptied for one. A worker that is empty
 *    anyhow takes the next at once: after two quick deaths of a process all its runs are suspects.
 */

import { toFailure } from "../kernel/failure.ts";
import type { Logger, Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { Claim, ClaimVerdict, HeldRun } from "../log/port-claims.ts";
import type { ProgramId } from "../log/port-workers.ts";
import { Alarm } from "./alarm.ts";

/** For whom runs are claimed. */
export interface Claimant {
  /** The worker's id, which changes when its lease is lost. */
  readonly id: string;
  /** Whether it may claim at all. */
  readonly mayClaim: boolean;
  /** Runs that it owns. */
  readonly activeRuns: number;
  /** Which, as far as it knows. */
  readonly ownedRuns: readonly HeldRun[];
  /** How many runs it would take. */
  readonly room: number;
  /** Whether it has room for a suspect once it is empty. */
  readonly mayTakeSuspect: boolean;
  /** The database's clock. */
  now(): number;
  /** The database said what time it is. */
  sync(now: number): void;
  /** Goes on with what was claimed. */
  begin(claims: readonly Claim[]): Promise<void>;
  poisoned(runIds: readonly string[]): void;
  /** Runs with limits have got in line: one may have taken the place of others. */
  arrived(): void;
}

export interface ClaimLoopOptions {
  readonly programs: readonly ProgramId[];
  /** The queues that it serves; null: all. */
  readonly queues: readonly string[] | null;
  /** The longest time between two looks at a database that others write, milliseconds. */
  readonly pollMsMax: number;
}

/** The most runs of one claim, so that a claim never holds the thread for long. */
const CLAIM_MAX = 200;

/** The first wait between two looks at a database that others write; doubled while a look finds nothing. */
const POLL_MS_MIN = 25;

/** The wait after the store failed to answer. */
const STORE_RETRY_MS = 500;

/** After a suspect had the worker for itself, so much time passes before the worker is emptied for another. */
const SUSPECT_PAUSE_MS = 10_000;

export class ClaimLoop {
  readonly #store: LogStore;
  readonly #ports: Ports;
  readonly #claimant: Claimant;
  readonly #options: ClaimLoopOptions;
  readonly #dueAlarm: Alarm;
  readonly #pollAlarm: Alarm;
  #pollMs: number = POLL_MS_MIN;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #running = false;
  #backlog = false;
  #emptying = false;
  #inDoubt = false;
  /** Numbers claims: one that arrives after a later one does nothing. */
  #turn = 0;
  #suspectWaits = false;
  #suspectAfter = 0;

  constructor(store: LogStore, ports: Ports, claimant: Claimant, options: ClaimLoopOptions) {
    this.#store = store;
    this.#ports = ports;
    this.#claimant = claimant;
    this.#options = options;
    const { clock } = ports;
    this.#dueAlarm = new Alarm(
      clock,
      () => claimant.now(),
      () => this.nudge(),
    );
    this.#pollAlarm = new Alarm(
      clock,
      () => clock.monotonic(),
      () => void this.#poll(),
    );
  }

  /** Whether the worker takes nothing more until it is empty, for the sake of a suspect. */
  get isEmptying(): boolean {
    return this.#emptying;
  }

  /** Resolves when no look is under way. */
  async idle(): Promise<void> {
    while (this.#looking !== null) await this.#looking;
  }

  /** Whether it does not know what its last claim has taken. */
  get isInDoubt(): boolean {
    return this.#inDoubt;
  }

  start(): void {
    this.#running = true;
    this.nudge();
  }

  /** Looks no more. Resolves when the last look is over. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#dueAlarm.set(null);
    this.#pollAlarm.set(null);
    await this.#looking;
  }

  /** There may be something to claim. */
  nudge(): void {
    if (!this.#running) return;
    if (this.#looking !== null) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = null;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.nudge();
    });
  }

  /** Something will be due then. */
  dueAt(at: number): void {
    if (!this.#running) return;
    if (at <= this.#claimant.now()) this.nudge();
    else this.#dueAlarm.setEarlier(at);
  }

  /** The worker has more room than before. */
  roomGrew(): void {
    const isEmptyForSuspect = this.#suspectWaits && this.#claimant.activeRuns === 0;
    if (this.#backlog || this.#emptying || isEmptyForSuspect) this.nudge();
  }

  async #look(): Promise<void> {
    try {
      await this.#claimDue();
    } catch (error) {
      this.#logger.log("warn", "the worker could not look for work; it tries again", {
        worker: this.#claimant.id,
        error: toFailure(error),
      });
      if (this.#running) this.#dueAlarm.setEarlier(this.#claimant.now() + STORE_RETRY_MS);
    }
    this.#schedulePoll();
  }

  get #logger(): Logger {
    return this.#ports.logger;
  }

  async #claimDue(): Promise<void> {
    const { programs, queues } = this.#options;
    const claimant = this.#claimant;
    while (this.#running && claimant.mayClaim) {
      if (this.#inDoubt) await this.#settleDoubt();
      const ahead = await this.#store.workAhead(claimant.id, programs, queues);
      claimant.sync(ahead.now);
      this.#suspectWaits = ahead.suspectDue;
      // Another has taken it, or its own end has: the worker is not emptied for what is not there.
      if (!ahead.suspectDue) this.#emptying = false;
      if (ahead.suspectDue && (await this.#takeSuspect())) continue;
      if (ahead.suspectDue) this.#dueAlarm.setEarlier(claimant.now() + SUSPECT_PAUSE_MS);
      const { dueAt } = ahead;
      if (dueAt === null || dueAt > ahead.now) {
        this.#backlog = false;
        if (dueAt !== null && this.#running) this.#dueAlarm.setEarlier(dueAt);
        return;
      }
      const limit = Math.min(this.#emptying ? 0 : claimant.room, CLAIM_MAX);
      this.#backlog = limit === 0;
      if (this.#backlog) return;
      const { linesDue } = ahead;
      const { claims, poisoned } = await this.#claim(limit, false, linesDue);
      claimant.poisoned(poisoned);
      if (linesDue) claimant.arrived();
      // Others were faster: the next poll sees what they left.
      if (claims.length === 0 && !linesDue) return;
      this.#pollMs = POLL_MS_MIN;
      await claimant.begin(claims);
    }
  }

  async #claim(limit: number, alone: boolean, linesDue = false): Promise<ClaimVerdict> {
    const worker = this.#claimant.id;
    try {
      const { programs, queues } = this.#options;
      const request = { worker, turn: ++this.#turn, programs, queues, limit, alone, linesDue };
      const verdict = await this.#store.claim(request);
      // The lease may have been lost meanwhile: then these claims are a dead worker's, and whoever lives may take them.
      if (worker !== this.#claimant.id) return { ...verdict, claims: [] };
      // Something on the way has sent it twice, and this is the answer to the second.
      if (verdict.isVoid) this.#inDoubt = true;
      return verdict;
    } catch (error) {
      this.#inDoubt = true;
      throw error;
    }
  }

  /** Invariant I3. */
  async #settleDoubt(): Promise<void> {
    const { id, ownedRuns } = this.#claimant;
    const runs = await this.#store.disown(id, ++this.#turn, ownedRuns);
    this.#inDoubt = false;
    if (runs > 0)
      this.#logger.log("warn", "the answer to a claim was lost; what it took is let go", { worker: id, runs });
  }

  /** Invariant I4. True: what is ahead has changed. */
  async #takeSuspect(): Promise<boolean> {
    const claimant = this.#claimant;
    const { clock } = this.#ports;
    if (!claimant.mayTakeSuspect) return false;
    if (claimant.activeRuns > 0) {
      this.#emptying ||= clock.monotonic() >= this.#suspectAfter;
      return false;
    }
    const { claims, poisoned } = await this.#claim(1, true);
    this.#emptying = false;
    this.#suspectAfter = clock.monotonic() + SUSPECT_PAUSE_MS;
    claimant.poisoned(poisoned);
    await claimant.begin(claims);
    return claims.length + poisoned.length > 0;
  }

  // ---- A database that others write too ----

  #schedulePoll(): void {
    if (!this.#running || this.#store.exclusive) return;
    this.#pollAlarm.set(this.#ports.clock.monotonic() + this.#pollMs);
    this.#pollMs = Math.min(this.#pollMs * 2, this.#options.pollMsMax);
  }

  /** A file can tell that nobody wrote: then there is nothing to look at, and the next poll can come soon. */
  async #poll(): Promise<void> {
    if (!this.#running) return;
    const changed = await this.#store.changed().catch(() => true);
    if (changed) {
      this.nudge();
      return;
    }
    this.#pollMs = POLL_MS_MIN;
    this.#schedulePoll();
  }
}
