/**
 * A worker: takes runs that are due, runs them, gives them back.
 *
 * Owns: its lease, the runs that it has claimed, copies of runs that it has parked. Called by the engine. One loop reads
 * what is ahead, claims, and waits; everything else only nudges it.
 *
 * I1 A worker id is one incarnation. When the lease is lost every run is dropped at once, and the worker goes on under
 *    another id, with another lease.
 * I2 From its third unclean claim on a run is alone in its worker until it records an outcome.
 * I3 After `stop` nothing is claimed; what is owned ends, parks or is handed back.
 */
import * as errors from "../kernel/errors.ts";
import { isOutcome, parseEvent, type RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { toFailure } from "../kernel/failure.ts";
import { type IdSource, idSource } from "../kernel/ids.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Clock, Logger, Ports, Random } from "../kernel/ports.ts";
import type { RunState } from "../kernel/state.ts";
import type { Claim, InboxRow, LogStore, ProgramId } from "../log/port.ts";
import { UNCLEAN_ALONE_FROM } from "../log/port.ts";
import type { Bus } from "../observe/bus.ts";
import { Alarm } from "./alarm.ts";
import { Execution } from "./execution.ts";
import type { Host } from "./host.ts";
import { HotRuns } from "./hot-runs.ts";
import { Lease } from "./lease.ts";
import { LogClock } from "./log-clock.ts";
import type { Program } from "./recorder.ts";
import { StuckRun } from "./stuck-run.ts";
import type { Turns } from "./turns.ts";
import type { Writer } from "./writer.ts";

export interface WorkerOptions {
  /** The most runs that it owns at a time. A run that waits is not owned. @default 100 */
  readonly concurrency?: number;
  /** How long its lease lasts without a heartbeat, milliseconds. @default 15_000 */
  readonly leaseMs?: number;
  /** The most parked runs of which a copy stays in memory. @default 1_000 */
  readonly hotRunsMax?: number;
  /** A wait shorter than this keeps the run in memory, and its claim, milliseconds. @default 250 */
  readonly parkAfterMs?: number;
  /** The longest time between two looks at a database that others write, milliseconds. @default 1_000 */
  readonly pollMsMax?: number;
  /** Names the worker's place in its id, such as `host:pid`. @default "worker" */
  readonly label?: string;
}

export const WORKER_DEFAULTS = {
  concurrency: 100,
  leaseMs: 15_000,
  hotRunsMax: 1_000,
  parkAfterMs: 250,
  pollMsMax: 1_000,
  label: "worker",
} as const satisfies Required<WorkerOptions>;

/** What a worker shares with the rest of its engine. */
export interface WorkerParts {
  readonly store: LogStore;
  readonly ports: Ports;
  readonly turns: Turns;
  readonly writer: Writer;
  readonly bus: Bus;
  readonly programs: ReadonlyMap<string, Program>;
  readonly limits: Limits;
  readonly env: unknown;
  readonly asked: Host["asked"];
}

/** The key of a program in `WorkerParts.programs`. */
export function programKey({ workflow, version }: ProgramId): string {
  return `${workflow}@${version}`;
}

/** A budget within which a worker must be done: an isolate's request or cron event. */
export interface Budget {
  /** Milliseconds from now. */
  readonly ms: number;
}

/** Lease of a worker in a process that owns its file: nobody can take its runs, so it needs no heartbeat. */
const OWNER_LEASE_MS = 100 * 365 * 86_400_000;

/** The most runs of one claim, so that a claim never holds the thread for long. */
const CLAIM_MAX = 200;

/** The first wait between two looks at a database that others write; doubled while nothing is found. */
const POLL_MS_MIN = 25;

/** The wait after the store failed to answer. */
const STORE_RETRY_MS = 500;

/** After a suspect had the worker for itself, so much time passes before the worker is emptied for another. */
const SUSPECT_PAUSE_MS = 10_000;

/** How long a run that does not fit into a budget is left alone. */
const BUDGET_HAND_BACK_MS = 1_000;

/** How long `stop` waits for bodies by default. */
export const STOP_MS = 10_000;

export class Worker implements Host {
  readonly #parts: WorkerParts;
  readonly #options: Required<WorkerOptions>;
  readonly #programs: readonly ProgramId[];
  readonly #newId: IdSource;
  readonly #logClock: LogClock;
  readonly #owned = new Map<string, Execution>();
  readonly #hot: HotRuns;
  readonly #alarm: Alarm;
  readonly #budgetEndsAt: number | null;
  /** Bodies that wait for the lease to be renewed. */
  #blocked: (() => void)[] = [];
  #id: string;
  #lease: Lease | null = null;
  #alone: Execution | null = null;
  #suspectAfter = 0;
  #emptying = false;
  #pollMs: number = POLL_MS_MIN;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  /** Whether more is due than could be claimed. */
  #backlog = false;
  #started = false;
  #stopped: Promise<void> | null = null;
  #stopNow: (() => void) | null = null;
  #emptied: (() => void) | null = null;

  constructor(parts: WorkerParts, options: WorkerOptions = {}, budget: Budget | null = null) {
    this.#parts = parts;
    this.#options = { ...WORKER_DEFAULTS, ...options };
    this.#programs = [...parts.programs.values()].map(({ workflow, version }) => ({ workflow, version }));
    this.#newId = idSource("w", parts.ports);
    this.#id = this.#incarnation();
    this.#logClock = new LogClock(parts.ports.clock);
    this.#hot = new HotRuns(this.#options.hotRunsMax);
    this.#alarm = new Alarm(
      parts.ports.clock,
      () => this.now(),
      () => this.nudge(),
    );
    this.#budgetEndsAt = budget === null ? null : parts.ports.clock.monotonic() + budget.ms;
  }

  #incarnation(): string {
    return `${this.#options.label}/${this.#newId()}`;
  }

  get id(): string {
    return this.#id;
  }

  /** The runs that it owns. */
  get activeRuns(): number {
    return this.#owned.size;
  }

  /** Registers it and begins to take runs. */
  async start(): Promise<void> {
    await this.#register();
    await this.#parts.store.releaseStuck(this.#programs);
    this.#started = true;
    this.#parts.bus.emit("worker.started", { worker: this.#id });
    this.nudge();
  }

  async #register(): Promise<void> {
    const { store, ports } = this.#parts;
    const leaseMs = store.exclusive ? OWNER_LEASE_MS : this.#options.leaseMs;
    const sentAt = ports.clock.monotonic();
    await store.openWorker(this.#id, leaseMs);
    if (!store.localClock) this.#logClock.sync(await store.now());
    if (store.exclusive) return;
    this.#lease = new Lease(
      store,
      ports,
      { worker: this.#id, leaseMs, sentAt },
      {
        renewed: (mail) => this.#renewed(mail),
        lost: () => void this.#lose(),
        delayed: (ms) => this.blocked("the worker's heartbeat", ms),
      },
    );
  }

  // ---- The loop: look, claim, wait ----

  /** There may be something to do. */
  nudge(): void {
    if (!this.#started || this.#stopped !== null) return;
    if (this.#looking !== null) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = null;
      if (this.#lookAgain) {
        this.#lookAgain = false;
        this.nudge();
      }
    });
  }

  async #look(): Promise<void> {
    try {
      const nextAt = await this.#claimDue();
      if (this.#stopped === null && nextAt !== null) this.#alarm.set(nextAt);
    } catch (error) {
      this.logger.log("warn", "the worker could not look for work", { worker: this.#id, error: toFailure(error) });
      this.#alarm.set(this.now() + STORE_RETRY_MS);
    }
  }

  /** Claims what is due. Returns when to look again; null: when nudged. */
  async #claimDue(): Promise<number | null> {
    const { store } = this.#parts;
    for (;;) {
      if (this.#lease !== null && !this.#lease.isAlive) return null;
      const ahead = await store.workAhead(this.#id, this.#programs);
      if (!store.localClock) this.#logClock.sync(ahead.now);
      if (ahead.suspectDue && (await this.#takeSuspect())) continue;
      const room = this.#room();
      const isDue = ahead.dueAt !== null && ahead.dueAt <= ahead.now;
      this.#backlog = isDue && room === 0;
      if (!isDue || room === 0) return this.#nextLook(isDue ? null : ahead.dueAt, ahead.suspectDue);
      const limit = Math.min(room, CLAIM_MAX);
      const { claims, poisoned } = await store.claim({
        worker: this.#id,
        programs: this.#programs,
        limit,
        alone: false,
      });
      this.#reportPoisoned(poisoned);
      await this.#begin(claims);
      this.#pollMs = POLL_MS_MIN;
      // Others were faster, or what is due is poison: a look at once would find the same.
      if (claims.length === 0) return this.#nextLook(null, ahead.suspectDue);
    }
  }

  #room(): number {
    if (this.#alone !== null || this.#emptying || this.#outOfTime) return 0;
    return Math.max(0, this.#options.concurrency - this.#owned.size);
  }

  get #outOfTime(): boolean {
    return this.#budgetEndsAt !== null && this.clock.monotonic() >= this.#budgetEndsAt;
  }

  #nextLook(dueAt: number | null, suspectDue: boolean): number | null {
    const instants = dueAt === null ? [] : [dueAt];
    if (suspectDue) instants.push(this.now() + SUSPECT_PAUSE_MS);
    if (!this.#parts.store.exclusive) {
      instants.push(this.now() + this.#pollMs);
      this.#pollMs = Math.min(this.#pollMs * 2, this.#options.pollMsMax);
    }
    return instants.length === 0 ? null : Math.min(...instants);
  }

  /** A suspect is claimed when the worker is empty; now and then it is emptied for one. */
  async #takeSuspect(): Promise<boolean> {
    if (this.#alone !== null || this.#outOfTime) return false;
    const { store, ports } = this.#parts;
    if (this.#owned.size > 0) {
      this.#emptying = ports.clock.monotonic() >= this.#suspectAfter;
      return false;
    }
    const { claims, poisoned } = await store.claim({
      worker: this.#id,
      programs: this.#programs,
      limit: 1,
      alone: true,
    });
    this.#emptying = false;
    this.#suspectAfter = ports.clock.monotonic() + SUSPECT_PAUSE_MS;
    this.#reportPoisoned(poisoned);
    await this.#begin(claims);
    return claims.length + poisoned.length > 0;
  }

  #reportPoisoned(runIds: readonly string[]): void {
    for (const runId of runIds) {
      const message = "its claims kept ending without a result: its code probably ends the process";
      this.#parts.bus.emit("run.stuck", { runId, code: "RUN_POISONED", message });
      this.logger.log("error", "a run was parked as stuck", { runId, code: "RUN_POISONED", reason: message });
    }
  }

  /** Goes on with claimed runs: from a copy in memory, or from the log. */
  async #begin(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return;
    const { store } = this.#parts;
    const worker = this.#id;
    const copies = new Map<string, Execution>();
    for (const claim of claims) {
      const copy = this.#hot.take(claim.runId);
      if (copy?.isCopyOf(claim)) copies.set(claim.runId, copy);
      else copy?.drop(staleCopy());
    }
    const cold = claims.filter(({ runId }) => !copies.has(runId));
    const mailed = claims.filter(({ hasMail }) => hasMail).map(({ runId }) => runId);
    const histories = cold.length === 0 ? new Map<string, never[]>() : await store.load(cold);
    const mail = mailed.length === 0 ? [] : await store.readInbox(mailed);
    // The lease may have been lost meanwhile: then these claims are a dead worker's.
    if (worker !== this.#id) return;
    for (const claim of claims) {
      const own = mail.filter(({ runId }) => runId === claim.runId);
      const copy = copies.get(claim.runId);
      if (copy !== undefined) this.#resume(copy, claim, own);
      else this.#replay(claim, (histories.get(claim.runId) ?? []).map(lazyEvent), own);
    }
  }

  #resume(copy: Execution, claim: Claim, mail: readonly InboxRow[]): void {
    this.#own(copy, claim);
    copy.resume(claim, mail);
  }

  #replay(claim: Claim, rows: readonly (() => RunEvent)[], mail: readonly InboxRow[]): void {
    const program = this.#parts.programs.get(programKey(claim));
    try {
      if (program === undefined)
        throw new errors.NotFoundError("WORKFLOW_UNKNOWN", `${programKey(claim)} is not registered here`);
      const events = rows.map((read) => read());
      const state = events.reduce<RunState | null>(evolve, null);
      if (state === null) throw new errors.StoreError("HISTORY_INVALID", `run ${claim.runId} has no events`);
      const execution = Execution.ofClaim(this, program, claim, state, events);
      this.#own(execution, claim);
      execution.begin(mail, claim.wasStuck);
    } catch (error) {
      this.#parkUnreadable(claim, error);
    }
  }

  #parkUnreadable(claim: Claim, error: unknown): void {
    const cause = errors.isVarveError(error)
      ? error
      : new errors.StoreError(
          "HISTORY_INVALID",
          `expected the history of run ${claim.runId} to be readable, but: ${String(error)}`,
          {},
          { cause: error },
        );
    this.#parts.writer.mark(new StuckRun(claim, cause, () => this.#reportStuck(claim.runId, cause)));
  }

  #own(execution: Execution, claim: Pick<Claim, "uncleanBefore">): void {
    this.#owned.set(execution.runId, execution);
    if (claim.uncleanBefore >= UNCLEAN_ALONE_FROM) this.#alone = execution;
  }

  // ---- Starts and mail from this process ----

  /** Whether a run that is due now can be claimed in the write that creates it. */
  canTake(program: ProgramId): boolean {
    const isOpen = this.#started && this.#stopped === null && (this.#lease === null || this.#lease.isAlive);
    return isOpen && this.#room() > 0 && this.#parts.programs.has(programKey(program));
  }

  /** Takes a run that is created and claimed in one write, and begins with its code. The caller queues the start. */
  take(program: Program, created: RunEvent): Execution {
    const execution = Execution.ofStart(this, program, created);
    this.#owned.set(execution.runId, execution);
    return execution;
  }

  /** A run will be due then. */
  dueAt(at: number): void {
    if (at <= this.now()) this.nudge();
    else this.#alarm.setEarlier(at);
  }

  /** A run of this process has mail. */
  async mailArrived(runId: string): Promise<void> {
    const execution = this.#owned.get(runId);
    if (execution === undefined) this.nudge();
    else execution.receive(await this.#parts.store.readInbox([runId]));
  }

  #renewed(mail: readonly string[]): void {
    for (const start of this.#blocked.splice(0)) start();
    const owned = mail.filter((runId) => this.#owned.has(runId));
    if (owned.length === 0) return;
    this.#parts.store.readInbox(owned).then(
      (rows) => {
        for (const runId of owned) this.#owned.get(runId)?.receive(rows.filter((row) => row.runId === runId));
      },
      (error) =>
        this.logger.log("warn", "the mail of runs could not be read; the next heartbeat tries again", {
          error: toFailure(error),
        }),
    );
  }

  /** Invariant I1. */
  async #lose(): Promise<void> {
    const { bus } = this.#parts;
    const lost = [...this.#owned.values()];
    const worker = this.#id;
    this.#id = this.#incarnation();
    this.#lease = null;
    this.#owned.clear();
    this.#alone = null;
    this.#emptying = false;
    this.#blocked = [];
    this.#hot.clear();
    for (const execution of lost) execution.drop(leaseLost(worker));
    bus.emit("worker.lost", { worker, runs: lost.length });
    this.logger.log("warn", "the worker's lease ended; its runs go on elsewhere, or here under another id", {
      worker,
      runs: lost.length,
    });
    this.#checkEmpty();
    await this.#registerAgain();
  }

  async #registerAgain(): Promise<void> {
    for (;;) {
      if (this.#stopped !== null) return;
      try {
        await this.#register();
        this.nudge();
        return;
      } catch (error) {
        this.logger.log("warn", "the worker could not take up a new lease; it tries again", {
          worker: this.#id,
          error: toFailure(error),
        });
        await new Promise<void>((resolve) => this.clock.timer(STORE_RETRY_MS, resolve));
      }
    }
  }

  // ---- The end ----

  /**
   * Stops: bodies that run may end within `deadlineMs`, then they are aborted and their runs handed back. A second call
   * waits no longer.
   */
  stop(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    if (this.#stopped !== null) this.#stopNow?.();
    else this.#stopped = this.#stop(options.deadlineMs ?? STOP_MS);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { store, bus, writer } = this.#parts;
    this.#alarm.set(null);
    const handedBack = this.#owned.size;
    await this.#looking;
    for (const execution of [...this.#owned.values()]) execution.stop();
    if (!(await this.#emptyWithin(deadlineMs))) {
      const reason = new errors.ClosedError(
        "WORKER_STOPPED",
        "the worker stops and does not wait for this step; another attempt follows",
      );
      for (const execution of [...this.#owned.values()]) execution.abandonBodies(reason);
      await this.#emptyWithin(STOP_MS);
    }
    for (const execution of [...this.#owned.values()]) execution.drop(leaseLost(this.#id));
    this.#owned.clear();
    this.#hot.clear();
    this.#lease?.end();
    await writer.settled();
    try {
      await store.closeWorker(this.#id);
    } catch (error) {
      this.logger.log("warn", "the worker could not end its lease; it ends by itself", {
        worker: this.#id,
        error: toFailure(error),
      });
    }
    bus.emit("worker.stopped", { worker: this.#id, handedBack });
  }

  /** Whether no run is owned any more, within so much time. */
  async #emptyWithin(ms: number): Promise<boolean> {
    if (this.#owned.size === 0) return true;
    return await new Promise<boolean>((resolve) => {
      const cancel = this.clock.timer(ms, () => resolve(false));
      this.#stopNow = () => {
        cancel();
        resolve(false);
      };
      this.#emptied = () => {
        cancel();
        resolve(true);
      };
    });
  }

  #checkEmpty(): void {
    if (this.#owned.size === 0) this.#emptied?.();
  }

  /** For a worker with a budget: does what is due until nothing is, or the budget is over. */
  async tick(): Promise<{ more: boolean; nextAt: number | null }> {
    await this.start();
    await this.#done();
    await this.stop({ deadlineMs: 0 });
    const ahead = await this.#parts.store.workAhead(this.#id, this.#programs);
    return { more: (ahead.dueAt !== null && ahead.dueAt <= ahead.now) || ahead.suspectDue, nextAt: ahead.dueAt };
  }

  /** Resolves when nothing is owned and nothing is due, or the budget is over. */
  async #done(): Promise<void> {
    for (;;) {
      await this.#looking;
      if (this.#outOfTime || (this.#owned.size === 0 && this.#looking === null)) return;
      const leftMs = this.#budgetEndsAt === null ? STOP_MS : this.#budgetEndsAt - this.clock.monotonic();
      if (this.#owned.size > 0) await this.#emptyWithin(leftMs);
      // Something may have become due while runs were under way.
      if (!this.#outOfTime) this.nudge();
    }
  }

  // ---- Host: what executions ask and tell ----

  get worker(): string {
    return this.#id;
  }

  get clock(): Clock {
    return this.#parts.ports.clock;
  }

  get random(): Random {
    return this.#parts.ports.random;
  }

  get logger(): Logger {
    return this.#parts.ports.logger;
  }

  get limits(): Limits {
    return this.#parts.limits;
  }

  get env(): unknown {
    return this.#parts.env;
  }

  get parkAfterMs(): number {
    return this.#options.parkAfterMs;
  }

  get handBackMs(): number {
    return this.#budgetEndsAt === null || this.#stopped !== null ? 0 : BUDGET_HAND_BACK_MS;
  }

  get asked(): Host["asked"] {
    return this.#parts.asked;
  }

  now(): number {
    return this.#logClock.now();
  }

  ready(execution: Execution): void {
    this.#parts.turns.add(execution);
  }

  dirty(execution: Execution): void {
    this.#parts.writer.mark(execution);
  }

  hasTimeFor(timeoutMs: number | null): boolean {
    if (this.#budgetEndsAt === null) return true;
    return this.clock.monotonic() + (timeoutMs ?? 0) < this.#budgetEndsAt;
  }

  startBody(start: () => void): void {
    if (this.#lease === null || this.#lease.isAlive) start();
    else this.#blocked.push(start);
  }

  publish(events: readonly RunEvent[]): void {
    this.#parts.bus.publish(events);
    if (this.#alone === null) return;
    const runId = this.#alone.runId;
    if (!events.some((event) => event.runId === runId && isOutcome(event.type))) return;
    this.#alone = null;
    this.nudge();
  }

  released(execution: Execution, availableAt: number | null, keepsCopy: boolean): void {
    this.#disown(execution);
    if (keepsCopy && this.#stopped === null) this.#hot.keep(execution);
    if (availableAt !== null) this.#alarm.setEarlier(availableAt);
  }

  ended(execution: Execution): void {
    this.#disown(execution);
  }

  #disown(execution: Execution): void {
    if (this.#owned.get(execution.runId) === execution) this.#owned.delete(execution.runId);
    if (this.#alone === execution) this.#alone = null;
    this.#checkEmpty();
    if (this.#backlog || this.#emptying) this.nudge();
  }

  lost(execution: Execution): void {
    execution.drop(leaseLost(this.#id));
    this.#disown(execution);
  }

  refused(execution: Execution, error: Error): void {
    const { runId, epoch, head } = execution;
    const { workflow, version } = execution.run;
    execution.drop(leaseLost(this.#id));
    this.#disown(execution);
    const claim = { runId, workflow, version, epoch, head, uncleanBefore: 0, wasStuck: false, hasMail: false };
    this.logger.log("error", "the database refused what a run had to write", { runId, error: toFailure(error) });
    this.#parkUnreadable(claim, error);
  }

  stuck(execution: Execution, error: errors.VarveError): void {
    this.#reportStuck(execution.runId, error);
  }

  #reportStuck(runId: string, { code, message }: errors.VarveError): void {
    this.#parts.bus.emit("run.stuck", { runId, code, message });
    this.logger.log("error", "a run is stuck", { runId, code, reason: message });
  }

  long(runId: string, events: number): void {
    const max = this.limits.historyEventsMax;
    this.#parts.bus.emit("history.long", { runId, events, max });
    this.logger.log("warn", `the history of a run has ${events} events; at ${max} the run fails`, {
      runId,
      events,
      max,
    });
  }

  blocked(where: string, ms: number): void {
    this.#parts.bus.emit("thread.blocked", { ms, where });
    this.logger.log("warn", `synchronous code held the thread for ${Math.round(ms)} ms`, { where, ms: Math.round(ms) });
  }
}

function lazyEvent(row: Parameters<typeof parseEvent>[0]): () => RunEvent {
  return () => parseEvent(row);
}

function leaseLost(worker: string): errors.LeaseLostError {
  return new errors.LeaseLostError("LEASE_LOST", "this worker no longer has the run; another may be at it already", {
    worker,
  });
}

function staleCopy(): errors.ClosedError {
  return new errors.ClosedError("RUN_EVICTED", "the run went on elsewhere");
}
