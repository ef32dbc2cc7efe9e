/**
 * A worker: takes runs that are due, runs them, gives them back.
 *
 * Owns: its lease, the runs that it has claimed, copies of runs that it has parked. Called by the engine. It is the host
 * of its executions, and the claimant of its claim loop.
 *
 * I1 A worker id is one incarnation. When the lease is lost every run is dropped at once, and the worker goes on under
 *    another id, with another lease.
 * I2 A suspect has the worker for itself (`owned-runs.ts`).
 * I3 After `stop` nothing is claimed; what is owned ends, parks or is handed back.
 */
import * as errors from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { toFailure } from "../kernel/failure.ts";
import { type IdSource, idSource } from "../kernel/ids.ts";
import type { Limits } from "../kernel/limits.ts";
import { queueOf, servesQueue } from "../kernel/pool.ts";
import type { Clock, Logger, Random } from "../kernel/ports.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import { type Claim, UNCLEAN_ALONE_FROM, type WorkAhead } from "../log/port-claims.ts";
import type { InboxRow } from "../log/port-inbox.ts";
import type { ProgramId } from "../log/port-workers.ts";
import { type Claimant, ClaimLoop } from "./claim-loop.ts";
import { Execution } from "./execution.ts";
import { FreshRuns } from "./fresh-runs.ts";
import type { Asked, Host } from "./host.ts";
import { HotRuns } from "./hot-runs.ts";
import { type ClaimedRun, collect } from "./intake.ts";
import { Lease } from "./lease.ts";
import { LogClock } from "./log-clock.ts";
import { MailReader } from "./mail-reader.ts";
import type { LimitedRun, NewRun, NewRunLimits } from "./new-run.ts";
import { Notices } from "./notices.ts";
import type { SharedStore } from "./operations.ts";
import {
  type CheckedWorkerOptions,
  checkWorkerOptions,
  programKey,
  type WorkerOptions,
  type WorkerParts,
} from "./options.ts";
import { OwnedRuns } from "./owned-runs.ts";
import { Patience } from "./patience.ts";
import { replayedState, unreadable } from "./rebuild.ts";
import type { Program } from "./recorder.ts";
import { UnbegunRun } from "./unbegun-run.ts";

/** The lease of a worker in a process that owns its file: nobody can take its runs, so it needs no heartbeat. */
const OWNER_LEASE_MS = 100 * 365 * 86_400_000;

/** The wait before another lease is asked for. */
const STORE_RETRY_MS = 500;

/** How long a run that does not fit into a budget is left alone. */
const BUDGET_HAND_BACK_MS = 1_000;

/** How long `stop` waits for bodies by default, and then for the last writes. */
const STOP_MS = 10_000;

export class Worker implements Host<Execution>, Claimant {
  readonly #parts: WorkerParts;
  readonly #options: CheckedWorkerOptions;
  readonly #programs: readonly ProgramId[];
  readonly #newId: IdSource;
  readonly #logClock: LogClock;
  readonly #owned: OwnedRuns;
  readonly #hot: HotRuns;
  readonly #fresh: FreshRuns;
  readonly #notices: Notices;
  readonly #mail: MailReader;
  readonly #loop: ClaimLoop;
  /** Null: there are no lines. */
  readonly #patience: Patience | null;
  /** How long it may work, and the monotonic instant at which that is over; null: without bound. */
  readonly #budget: { readonly ms: number; readonly endsAt: number } | null;
  /** Bodies that wait for the lease to be renewed. */
  #blocked: (() => void)[] = [];
  #id: string;
  #lease: Lease | null = null;
  #started = false;
  #stopped: Promise<void> | null = null;

  /** @param budget how long it may work, for an isolate's request or cron event */
  constructor(parts: WorkerParts, options: WorkerOptions = {}, budget: { readonly ms: number } | null = null) {
    const { store, ports, programs } = parts;
    this.#parts = parts;
    this.#options = checkWorkerOptions(options);
    this.#programs = [...programs.values()].map(({ workflow, version }) => ({ workflow, version }));
    this.#newId = idSource("w", ports);
    this.#id = this.#incarnation();
    this.#logClock = new LogClock(ports.clock);
    this.#notices = new Notices(parts.bus, ports.logger, parts.limits);
    this.#owned = new OwnedRuns(ports.clock);
    this.#mail = new MailReader({
      ...{ store, logger: ports.logger },
      give: (runId, mail) => this.#give(runId, mail),
    });
    this.#hot = new HotRuns(this.#options.hotRunsMax);
    this.#fresh = new FreshRuns(this.#options.hotRunsMax);
    const { pollMsMax, queues } = this.#options;
    const patience = { store, ports, programs: this.#programs, queues, changed: () => parts.freed() };
    this.#patience = parts.hasLines ? new Patience(patience) : null;
    this.#loop = new ClaimLoop(store, ports, this, { programs: this.#programs, queues, pollMsMax });
    this.#budget = budget === null ? null : { ms: budget.ms, endsAt: ports.clock.monotonic() + budget.ms };
  }

  #incarnation(): string {
    return `${this.#options.label}/${this.#newId()}`;
  }

  get id(): string {
    return this.#id;
  }

  get activeRuns(): number {
    return this.#owned.size;
  }

  get ownedRuns(): Claimant["ownedRuns"] {
    return [...this.#owned.values()].map(({ runId, epoch }) => ({ runId, epoch }));
  }

  /** Whether it owns the run, and the run's end is not queued. */
  isAt(runId: string): boolean {
    return this.#owned.get(runId)?.isOver === false;
  }

  /** Registers it and begins to take runs. */
  async start(): Promise<void> {
    await this.#register();
    await this.#parts.store.releaseStuck(this.#programs);
    this.#goToWork();
    this.#patience?.start();
  }

  #goToWork(): void {
    this.#started = true;
    this.#parts.bus.emit("worker.started", { worker: this.#id });
    this.#loop.start();
  }

  async #register(): Promise<void> {
    const { store, ports } = this.#parts;
    const leaseMs = store.exclusive ? OWNER_LEASE_MS : this.#options.leaseMs;
    const sentAt = ports.clock.monotonic();
    this.sync(await store.openWorker(this.#id, leaseMs, this.#programs, this.#options.queues));
    if (store.exclusive) return;
    const lease = { worker: this.#id, leaseMs, sentAt };
    this.#lease = new Lease(store, ports, lease, {
      renewed: (mail) => this.#renewed(mail),
      lost: () => void this.#lose(),
      delayed: (ms) => this.#notices.blocked(this.#runningSteps(), ms),
    });
  }

  /** What may have held the thread: the steps under way. */
  #runningSteps(): string {
    const steps = [...this.#owned.values()].flatMap((execution) => execution.runningSteps());
    return steps.length === 0 ? "no step of this worker" : `one of: ${steps.slice(0, 10).join(", ")}`;
  }

  // ---- Claimant ----

  get mayClaim(): boolean {
    return this.#started && this.#stopped === null && this.#hasLease && !this.#isOutOfTime;
  }

  get #hasLease(): boolean {
    return this.#parts.store.exclusive || this.#lease?.isAlive === true;
  }

  get #isOutOfTime(): boolean {
    return this.#budget !== null && this.clock.monotonic() >= this.#budget.endsAt;
  }

  get room(): number {
    return this.#owned.hasOneAlone ? 0 : Math.max(0, this.#options.concurrency - this.#owned.size);
  }

  get mayTakeSuspect(): boolean {
    return !this.#owned.hasOneAlone;
  }

  sync(now: number): void {
    // A clock of this machine is read, not remembered.
    if (!this.#parts.store.localClock) this.#logClock.sync(now);
  }

  poisoned(runIds: readonly string[]): void {
    this.#notices.poisoned(runIds);
  }

  arrived(): void {
    this.#parts.arrived();
  }

  /** Goes on with claimed runs: from a copy in memory, or from the log. */
  async begin(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return;
    const worker = this.#id;
    let runs: readonly ClaimedRun[];
    try {
      runs = await collect(this.#parts.store, { hot: this.#hot, fresh: this.#fresh }, claims);
    } catch (error) {
      if (worker !== this.#id) throw error;
      if (errors.isVarveError(error, "STORE_CORRUPT")) return await this.#findUnreadable(claims, error);
      for (const claim of claims) this.#giveBack(claim);
      throw error;
    }
    // The lease may have been lost meanwhile: then these claims are a dead worker's.
    if (worker !== this.#id) return;
    for (const run of runs) this.#beginRun(run);
  }

  /** A cell that the client cannot read fails the read of all: alone, each run but the damaged ones can be read. */
  async #findUnreadable(claims: readonly Claim[], error: errors.VarveError): Promise<void> {
    const [first, ...others] = claims;
    if (first !== undefined && others.length === 0) this.#parkUnreadable(first, error);
    else for (const claim of claims) await this.begin([claim]);
  }

  #beginRun({ claim, copy, created, history, mail }: ClaimedRun): void {
    try {
      if (copy !== null) this.#own(copy, claim).resume(claim, mail);
      else if (created !== null) this.#replay(claim, { state: evolve(null, created), events: [created] }, mail);
      else this.#replay(claim, replayedState(claim, history), mail);
    } catch (error) {
      const execution = this.#owned.get(claim.runId);
      if (execution !== undefined) this.#owned.remove(execution);
      this.#parkUnreadable(claim, error);
    }
  }

  #replay(claim: Claim, { state, events }: ReturnType<typeof replayedState>, mail: readonly InboxRow[]): void {
    const program = this.#parts.programs.get(programKey(claim));
    if (program === undefined)
      throw new errors.NotFoundError("WORKFLOW_UNKNOWN", `${programKey(claim)} is not registered here`);
    const execution = Execution.ofClaim(this, program, claim, state, events);
    this.#own(execution, claim).begin(mail, claim.wasStuck);
  }

  #own(execution: Execution, claim: Claim): Execution {
    this.#owned.add(execution, { isSuspect: claim.uncleanBefore >= UNCLEAN_ALONE_FROM });
    return execution;
  }

  #parkUnreadable(claim: Claim, error: unknown): void {
    const cause = unreadable(claim.runId, error);
    const leave = { kind: "stuck", error: cause } as const;
    this.#parts.writer.mark(new UnbegunRun(claim, leave, () => this.#notices.stuck(claim.runId, cause)));
  }

  /** A claim that the store did not let it begin with: kept, it would be nobody's for as long as this worker lives. */
  #giveBack(claim: Claim): void {
    const leave = { kind: "hand-back", availableAt: Math.floor(this.now()) + STORE_RETRY_MS } as const;
    this.#parts.writer.mark(new UnbegunRun(claim, leave, () => this.#loop.dueAt(leave.availableAt)));
  }

  // ---- Starts and mail from this process ----

  /** Whether a run that is due now can be claimed in the write that creates it. */
  canTake({ limits, ...program }: Pick<NewRun, "workflow" | "version" | "limits">): boolean {
    const { isEmptying, isInDoubt } = this.#loop;
    if (!this.mayClaim || this.room === 0 || isEmptying || isInDoubt) return false;
    const serves = servesQueue(this.#options.queues, queueOf(limits?.places ?? null));
    return serves && this.#parts.programs.has(programKey(program));
  }

  /** Takes a run that is created and claimed in one write. The caller queues the start, and begins. */
  take(program: Program, created: RunEvent): Execution {
    const execution = Execution.ofStart(this, program, created);
    this.#owned.add(execution, { isSuspect: false });
    return execution;
  }

  /** A run has been created that is to be claimed as soon as there is room. */
  created(created: RunEvent): void {
    this.#fresh.keep(created);
    this.#loop.nudge();
  }

  /** A run will be due then. */
  dueAt(at: number): void {
    this.#loop.dueAt(at);
  }

  /** A run of this process has mail. */
  async mailArrived(runId: string): Promise<void> {
    if (this.#owned.has(runId)) {
      await this.#mail.read([runId]);
      return;
    }
    // A claim that is under way may take the run and not have seen its mail.
    const look = this.#loop.idle();
    this.#loop.nudge();
    void look.then(() => (this.#owned.has(runId) ? this.#mail.read([runId]) : undefined));
  }

  #give(runId: string, mail: readonly InboxRow[]): void {
    const execution = this.#owned.get(runId);
    if (execution !== undefined) execution.receive(mail);
    // It has left since it was asked for, and its mail has made it claimable again.
    else if (mail.length > 0) this.#loop.nudge();
  }

  /** Runs of this process may have been granted locks, or been admitted. */
  async locksGranted(): Promise<void> {
    this.#loop.nudge();
    const inLine = [...this.#owned.values()].filter((execution) => execution.isInLine);
    if (inLine.length > 0) await this.#mail.read(inLine.map(({ runId }) => runId));
  }

  /** Any run of this process may have been told something. */
  async mayHaveMail(): Promise<void> {
    if (this.#owned.size > 0) await this.#mail.read([...this.#owned.keys()]);
  }

  // ---- The lease ----

  #renewed(mail: readonly string[]): void {
    for (const start of this.#blocked.splice(0)) start();
    // A claim that found the lease in doubt has not been made.
    this.#loop.roomGrew();
    const owned = mail.filter((runId) => this.#owned.has(runId));
    if (owned.length > 0) void this.#mail.read(owned);
  }

  /** Invariant I1. */
  async #lose(): Promise<void> {
    const lost = [...this.#owned.values()];
    const worker = this.#id;
    this.#id = this.#incarnation();
    this.#lease = null;
    this.#owned.clear();
    this.#blocked = [];
    this.#hot.clear();
    for (const execution of lost) execution.drop(leaseLost(worker));
    this.#notices.lost(worker, lost.length);
    while (this.#stopped === null && !(await this.#registerAgain())) {
      await new Promise<void>((resolve) => this.clock.timer(STORE_RETRY_MS, resolve));
    }
  }

  async #registerAgain(): Promise<boolean> {
    try {
      await this.#register();
      this.#loop.nudge();
      return true;
    } catch (error) {
      this.logger.log("warn", "the worker could not take up another lease; it tries again", {
        worker: this.#id,
        error: toFailure(error),
      });
      return false;
    }
  }

  // ---- The end ----

  /**
   * Stops: bodies that run may end within `deadlineMs`, then they are aborted and their runs handed back. A second call
   * waits no longer.
   */
  stop(deadlineMs: number = STOP_MS): Promise<void> {
    if (this.#stopped !== null) this.#owned.hurry();
    else this.#stopped = this.#stop(deadlineMs);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { store, bus, writer } = this.#parts;
    const handedBack = this.#owned.size;
    await this.#loop.stop();
    await this.#patience?.stop();
    for (const execution of [...this.#owned.values()]) execution.stop();
    if (!(await this.#owned.isEmptyWithin(deadlineMs))) {
      const reason = new errors.ClosedError(
        "WORKER_STOPPED",
        "the worker stops and does not wait for this step; another attempt follows",
      );
      for (const execution of [...this.#owned.values()]) execution.abandonBodies(reason);
      await this.#owned.isEmptyWithin(STOP_MS);
    }
    for (const execution of [...this.#owned.values()]) execution.drop(leaseLost(this.#id));
    this.#owned.clear();
    this.#hot.clear();
    this.#lease?.end();
    await writer.settled(STOP_MS);
    try {
      await store.closeWorker(this.#id, { forget: writer.isIdle });
    } catch (error) {
      this.logger.log("warn", "the worker could not end its lease; it ends by itself", {
        worker: this.#id,
        error: toFailure(error),
      });
    }
    bus.emit("worker.stopped", { worker: this.#id, handedBack });
  }

  /** For a worker with a budget: does what is due until nothing is, or the budget is over. */
  async tick(): Promise<{ more: boolean; nextAt: number | null; worked: boolean }> {
    const { store } = this.#parts;
    await this.#patience?.look();
    const before = await store.workAhead(this.#id, this.#programs, this.#options.queues);
    // Nobody registers who finds nothing to do: an idle tick costs one read, and leaves no row behind.
    if (!isDue(before)) return { more: false, nextAt: before.dueAt, worked: false };
    await this.#register();
    this.#goToWork();
    while (!this.#isOutOfTime) {
      await this.#loop.idle();
      if (this.#owned.size === 0) break;
      const leftMs = this.#budget === null ? STOP_MS : this.#budget.endsAt - this.clock.monotonic();
      await this.#owned.isEmptyWithin(Math.max(0, leftMs));
      // Something may have become due while runs were under way.
      this.#loop.nudge();
    }
    await this.stop(0);
    const after = await store.workAhead(this.#id, this.#programs, this.#options.queues);
    return { more: isDue(after), nextAt: after.dueAt, worked: true };
  }

  // ---- Host: what executions ask ----

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

  get store(): SharedStore {
    return this.#parts.store;
  }

  get resumes(): ResumeSigner | null {
    return this.#parts.resumes;
  }

  get parkAfterMs(): number {
    return this.#options.parkAfterMs;
  }

  get handBackMs(): number {
    return this.#budget === null || this.#stopped !== null ? 0 : BUDGET_HAND_BACK_MS;
  }

  get asked(): Asked | undefined {
    return this.#parts.asked;
  }

  newRunId(): string {
    return this.#parts.newRunId();
  }

  limitsOf(run: LimitedRun): NewRunLimits | null {
    return this.#parts.limitsOf(run);
  }

  queueSlots(queue: string): number | null {
    return this.#parts.queueSlots(queue);
  }

  versionOf(workflow: string): string | null {
    return this.#parts.versionOf(workflow);
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

  hasTimeFor(timeoutMs: number | null, where: () => string): boolean {
    if (this.#budget === null || this.clock.monotonic() + (timeoutMs ?? 0) < this.#budget.endsAt) return true;
    if (timeoutMs !== null && timeoutMs >= this.#budget.ms)
      this.#notices.budgetTooSmall(timeoutMs, this.#budget.ms, where());
    return false;
  }

  startBody(start: () => void): void {
    if (this.#hasLease) start();
    else this.#blocked.push(start);
  }

  // ---- Host: what executions tell ----

  publish(events: readonly RunEvent[]): void {
    this.#parts.bus.publish(events);
    if (this.#owned.gotSomewhere(events)) this.#loop.nudge();
  }

  reached(runIds: readonly string[], dueAt: number | null): void {
    this.#parts.reached(runIds, dueAt);
  }

  freed(): void {
    this.#parts.freed();
  }

  released(execution: Execution, availableAt: number | null, keepsCopy: boolean): void {
    this.#disown(execution);
    if (keepsCopy && this.#stopped === null) this.#hot.keep(execution);
    if (availableAt !== null) this.#loop.dueAt(availableAt);
    // What came in after the write that let go of it has made it claimable again.
    if (execution.hasMail) this.#loop.nudge();
  }

  ended(execution: Execution): void {
    this.#disown(execution);
  }

  lost(execution: Execution): void {
    execution.drop(leaseLost(this.#id));
    this.#disown(execution);
  }

  refused(execution: Execution, error: Error): void {
    const { runId, epoch, head, run } = execution;
    this.logger.log("error", "the database refused what a run had to write", { runId, error: toFailure(error) });
    this.lost(execution);
    const { workflow, version } = run;
    this.#parkUnreadable(
      { runId, workflow, version, epoch, head, uncleanBefore: 0, wasStuck: false, hasMail: false },
      error,
    );
  }

  #disown(execution: Execution): void {
    this.#owned.remove(execution);
    this.#loop.roomGrew();
  }

  stuck(execution: Execution, error: errors.VarveError): void {
    this.#notices.stuck(execution.runId, error);
  }

  long(runId: string, events: number): void {
    this.#notices.long(runId, events);
  }

  blocked(where: string, ms: number): void {
    this.#notices.blocked(where, ms);
  }
}

/** Whether there is something to claim now. */
function isDue({ dueAt, suspectDue, now }: WorkAhead): boolean {
  return suspectDue || (dueAt !== null && dueAt <= now);
}

function leaseLost(worker: string): errors.LeaseLostError {
  return new errors.LeaseLostError("LEASE_LOST", "this worker no longer has the run; another may be at it already", {
    worker,
  });
}
