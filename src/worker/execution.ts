/**
 * One run in this worker: its code, and the gate between the code and the log.
 *
 * Owns: the run's calls and the outcomes that wait to be given to the code. Driven by `turns.ts` (round after round), by
 * the writer (what is durable) and by the worker (claims, mail, the end); the worker is its host.
 *
 * I1 Code runs in turns. A turn is opened by one outcome, belongs to the scope of that outcome, and ends at a macrotask
 *    (rule R6). A call of `ctx` elsewhere is a mistake that replay could not repeat.
 * I2 In replay nothing is appended, no body starts and no mail is drained.
 * I3 A call settles by an outcome, never in the turn that made it.
 * I4 When nothing but time or mail can move the run, it parks: its claim is released, and what stays in memory is a copy
 *    that is good only while epoch and head are its own (rule R8).
 * I5 A concluded scope is one outcome: what its function left open is closed with it, here as on resume.
 * I6 A run that has left appends nothing and tells nothing, whatever still comes in.
 */
import { assert, assertNever } from "../kernel/assert.ts";
import { decodePayload, encodePayload, type Payload } from "../kernel/codec.ts";
import * as errors from "../kernel/errors.ts";
import { type EventData, type EventType, isRunWide, type RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import { callKey, itemKey, ROOT_SCOPE } from "../kernel/keys.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import { type CallState, isClosed, type ReceivedSignal, type RunState } from "../kernel/state.ts";
import { type Claim, type InboxRow, type RunAppend, WAKES_PAUSED } from "../log/port.ts";
import { Alarm } from "./alarm.ts";
import { type Attempt, Bodies, type BodyOwner, type Task } from "./bodies.ts";
import { Call, type CallHost } from "./call.ts";
import { RegisteredCompensations } from "./compensations.ts";
import { callText, foreignAwait, misplacedCall, otherKind, requestText } from "./divergence.ts";
import { Family } from "./family.ts";
import type { Host } from "./host.ts";
import { Journal } from "./journal.ts";
import { Mail, readMessage } from "./mail.ts";
import { OpenCalls } from "./open-calls.ts";
import { Operations } from "./operations.ts";
import { Places } from "./places.ts";
import { damagedEvent } from "./rebuild.ts";
import type {
  Body,
  BodyOutcome,
  CallRequest,
  GivenMessage,
  LogLine,
  NewChild,
  Operation,
  Program,
  QueueSlot,
  Recorder,
  RunFacts,
} from "./recorder.ts";
import { Replay } from "./replay.ts";
import { type Leave, leavingRow, stayingRow } from "./row.ts";
import { Scope } from "./scope.ts";
import type { TurnTaker } from "./turns.ts";
import type { Source } from "./writer.ts";

/** After a cancel, so many further calls of `ctx` are refused one by one; then the run ends without its code. */
const REFUSALS_MAX = 1_000;

/** The most unfinished steps that the end of a run names. */
const UNFINISHED_NAMED_MAX = 100;

/** Events with which something begins. */
const BEGINNINGS: ReadonlySet<EventType> = new Set([
  "attempt.started",
  "timer.armed",
  "scope.started",
  "wait.started",
  "child.started",
  "start.completed",
  "kv.requested",
  "lock.requested",
  "lock.acquired",
  "message.awaited",
]);

type Phase =
  /** The log's outcomes are being given. */
  | "replay"
  /** The log is exhausted: this is new. */
  | "live"
  /** The claim is released, and this is a copy. */
  | "parked"
  /** The terminal event is queued or written; late outcomes may follow. */
  | "over"
  /** The run is somebody else's. */
  | "gone";

/** What the workflow function came to. */
type Finish = { readonly kind: "value"; readonly value: unknown } | { readonly kind: "error"; readonly error: unknown };

/** The turn in which a cancel is given belongs to every scope. */
const ANY_SCOPE = Symbol("any scope");

export class Execution implements Recorder, CallHost, Source, TurnTaker {
  readonly run: RunFacts;
  readonly root = new Scope(ROOT_SCOPE);
  readonly compensations = new RegisteredCompensations();
  readonly #host: Host<Execution>;
  readonly #program: Program;
  readonly #journal: Journal;
  readonly #replay: Replay;
  readonly #bodies: Bodies;
  readonly #family: Family;
  readonly #operations: Operations;
  readonly #places: Places;
  readonly #alarm: Alarm;
  readonly #mail = new Mail();
  readonly #calls = new OpenCalls();
  /** Outcomes that are queued and not yet given, in order. */
  readonly #fresh: RunEvent[] = [];
  /** Calls made after the cancel was given: to be refused. */
  readonly #refused: Call[] = [];
  #phase: Phase = "replay";
  #turn: string | typeof ANY_SCOPE | null = null;
  #now: number;
  #lastCall = "the start of the workflow function";
  #finish: Finish | null = null;
  #undo: (() => Promise<void>) | null = null;
  #fault: errors.VarveError | null = null;
  #cancelGiven = false;
  #refusals = 0;
  #stopping = false;
  #leave: Leave | null = null;
  /** The leave within the write that is under way; undefined: no write is. */
  #writing: Leave | null | undefined = undefined;
  /** Whether the run's row knows when it was started. */
  #begun: boolean;
  #warnedOfLength = false;
  /** Whether it may have changed what runs share. */
  #mayShare = false;

  private constructor(
    host: Host<Execution>,
    program: Program,
    journal: Journal,
    events: readonly RunEvent[],
    begun: boolean,
  ) {
    const { id, workflow, version, tags, createdAt, trigger } = journal.state;
    this.run = { id, workflow, version, tags, createdAt, trigger };
    this.#host = host;
    this.#program = program;
    this.#journal = journal;
    this.#begun = begun;
    // Of a delayed run this is when it was to begin.
    this.#now = Math.max(createdAt, journal.state.availableAt);
    this.#replay = new Replay(this.run, journal.state, events);
    this.#family = new Family(host, journal);
    this.#places = new Places(journal, () => host.freed());
    this.#operations = new Operations(
      {
        store: host.store,
        clock: host.clock,
        random: host.random,
        lost: () => host.lost(this),
        refused: (error) => host.refused(this, error),
        isInLine: (place) => this.#places.has(place),
        hasLeft: (key) => {
          this.#places.end(key);
          host.dirty(this);
        },
      },
      journal,
    );
    this.#alarm = new Alarm(
      host.clock,
      () => host.now(),
      () => this.#ring(),
    );
    this.#bodies = new Bodies({
      clock: host.clock,
      env: host.env,
      log: (level, message, fields) => this.#writeLine(level, message, fields),
      settled: () => host.ready(this),
      late: (owner, attempt, outcome) => this.#recordLate(owner, attempt, outcome),
      blocked: (owner, ms) => host.blocked(`${callText(owner.kind, owner.key)} of run ${id}`, ms),
    });
  }

  /** A run that is created and claimed in one write. Its code may begin before that write is durable. */
  static ofStart(host: Host<Execution>, program: Program, created: RunEvent): Execution {
    const journal = Journal.ofStart(created, host);
    return new Execution(host, program, journal, [], true);
  }

  /** A claimed run. `state` and `events`: what the log has of it. */
  static ofClaim(
    host: Host<Execution>,
    program: Program,
    claim: Claim,
    state: RunState,
    events: readonly RunEvent[],
  ): Execution {
    const journal = new Journal(state, { epoch: claim.epoch, announced: false }, host);
    return new Execution(host, program, journal, events, state.startedAt !== null && !claim.wasStuck);
  }

  get runId(): string {
    return this.run.id;
  }

  get epoch(): number {
    return this.#journal.epoch;
  }

  /** The seq up to which the log has everything. */
  get head(): number {
    return this.#journal.durableHead;
  }

  /** Whether its end is queued, or written. */
  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** Whether it waits for a lock. */
  get isInLine(): boolean {
    return this.#places.waits;
  }

  /** The steps whose bodies run, in words. */
  runningSteps(): string[] {
    return this.#bodies.keys().map((key) => `${callText("step", key)} of run ${this.runId}`);
  }

  // ---- The worker: claims, mail, the end of its work ----

  /**
   * Begins with the code. `mail` is drained once the log is exhausted.
   *
   * @throws StoreError `EVENT_UNREADABLE`
   */
  begin(mail: readonly InboxRow[], wasStuck: boolean): void {
    this.#mail.add(mail);
    const untouched = this.head === 1 && this.#journal.state.head === 1;
    if (this.#mail.has("terminate") || (this.#mail.has("cancel") && (untouched || wasStuck))) {
      // Its code has not begun, or cannot be trusted to come this far: it need not be asked.
      this.#endWithoutCode();
      return;
    }
    if (this.#journal.state.paused && !this.#mail.has(...WAKES_PAUSED)) {
      this.#phase = "live";
      this.#leaveBy({ kind: "pause" });
      return;
    }
    const input = this.#input();
    this.#host.ready(this);
    this.#turn = ROOT_SCOPE;
    this.#runCode(input).then(
      (value) => this.#finished({ kind: "value", value }),
      (error) => this.#finished({ kind: "error", error }),
    );
  }

  #endWithoutCode(): void {
    this.#host.ready(this);
    this.#phase = "live";
    this.#mayShare = true;
    this.#drainMail();
    if (!this.isOver) this.#end("run.cancelled", this.#cancelReason());
  }

  #input(): unknown {
    try {
      return decodePayload(this.#journal.state.input);
    } catch (error) {
      throw damagedEvent({ runId: this.runId, seq: 1, type: "run.created" }, error);
    }
  }

  /** Not an async function: the code must run up to its first await within this very turn. */
  #runCode(input: unknown): Promise<unknown> {
    try {
      return this.#program.run(this, input);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whether this parked copy is the run as the claim found it. */
  isCopyOf(claim: Claim): boolean {
    return this.#phase === "parked" && !claim.wasStuck && this.epoch === claim.epoch - 1 && this.head === claim.head;
  }

  /** Goes on with a parked copy under a new claim. */
  resume(claim: Claim, mail: readonly InboxRow[]): void {
    assert(this.#phase === "parked", "only a parked run is resumed");
    this.#journal.reclaim(claim.epoch);
    this.#phase = "live";
    this.#mail.add(mail);
    this.#drainMail();
    this.#ring();
  }

  /** Mail has come in for a run that this worker owns. */
  receive(mail: readonly InboxRow[]): void {
    this.#mail.add(mail);
    if (this.#phase === "live" && this.#leave === null) this.#drainMail();
    this.#host.ready(this);
  }

  /** The worker stops: no new attempt begins, no outcome is given, and the run leaves when its bodies have ended. */
  stop(): void {
    this.#stopping = true;
    if (this.#phase === "live") this.#interrupt(this.#bodies.abandonUnstarted());
    this.#host.ready(this);
  }

  /** The worker waits no longer: bodies are aborted, and recorded as interrupted. */
  abandonBodies(reason: errors.VarveError): void {
    if (this.#phase === "live") this.#interrupt(this.#bodies.abandon(reason));
    this.#host.ready(this);
  }

  #interrupt(abandoned: readonly Attempt[]): void {
    for (const { owner, attempt } of abandoned) {
      this.#journal.record("attempt.interrupted", owner.key, owner.scope, attempt, { reason: "stopped" });
      this.#places.leaveQueue(owner.key);
      this.#host.dirty(this);
    }
  }

  /** The run is somebody else's: stop at once. */
  drop(reason: errors.VarveError): void {
    this.#phase = "gone";
    this.#bodies.abandon(reason);
    this.#alarm.set(null);
    this.#journal.drop();
    this.#calls.clear();
    this.#fresh.length = 0;
  }

  // ---- The writer: what is durable ----

  /** What there is to write; null if nothing is, or a write is under way. */
  take(): RunAppend | null {
    if (this.#writing !== undefined || this.#phase === "gone") return null;
    if (this.#journal.isEmpty && this.#leave === null) return null;
    const { firstSeq, events, drained, beyond, hasOutcome } = this.#journal.take();
    const { state } = this.#journal;
    const row =
      this.#leave === null ? stayingRow(state, hasOutcome, this.#begun) : leavingRow(state, this.#leave, hasOutcome);
    this.#writing = this.#leave;
    this.#begun ||= row.kind === "move" && row.startedAt !== null;
    return { runId: this.runId, epoch: this.epoch, firstSeq, events, drained, beyond, row };
  }

  /** What was taken is durable. `availableAt`: what the run's row says. */
  written(availableAt: number | null): void {
    const left = this.#writing;
    this.#writing = undefined;
    if (this.#phase === "gone") return;
    this.#host.publish(this.#journal.written());
    this.#journal.release();
    if (left !== null && left !== undefined) this.#left(left, availableAt);
    else this.#host.ready(this);
  }

  lost(): void {
    this.#host.lost(this);
  }

  refused(error: Error): void {
    this.#host.refused(this, error);
  }

  #left(leave: Leave, availableAt: number | null): void {
    this.#leave = null;
    if (leave.kind === "end") {
      if (this.#bodies.size > 0) this.#bodies.abandon(runOver());
      if (this.#isLimited) this.#host.freed();
      this.#host.ended(this);
      return;
    }
    this.#phase = leave.kind === "park" ? "parked" : "gone";
    if (this.#isLimited) this.#host.freed();
    if (leave.kind === "stuck") this.#host.stuck(this, leave.error);
    this.#host.released(this, availableAt, leave.kind === "park");
  }

  // ---- The code: what it asks for (Recorder) ----

  now(): number {
    return this.#now;
  }

  get isCancelled(): boolean {
    return this.#cancelGiven;
  }

  undoBy(undo: () => Promise<void>): void {
    this.#undo = undo;
  }

  get resumes(): ResumeSigner | null {
    return this.#host.resumes;
  }

  readonly log: LogLine = (level, message, fields) => {
    const write = () => this.#journal.afterDurable(() => this.#writeLine(level, message, fields));
    if (this.#phase === "live") write();
    else if (this.#phase === "replay") this.#replay.line(write);
  };

  #writeLine(level: Parameters<LogLine>[0], message: string, fields?: Parameters<LogLine>[2]): void {
    this.#host.logger.log(level, message, { runId: this.runId, workflow: this.run.workflow, ...fields });
  }

  ask(request: CallRequest): Promise<unknown> {
    const call = this.#place(request);
    if (call === null) return new Promise(() => {});
    const { key } = call;
    this.#lastCall = callText(request.kind, key);
    this.#host.asked?.(this.runId, key, request.kind);
    const recorded = this.#journal.state.calls.get(key);
    if (recorded !== undefined && recorded.kind !== request.kind) {
      this.#fault ??= otherKind(this.run, key, recorded.kind, request.kind);
      return call.promise;
    }
    this.#calls.add(call);
    this.#mayShare ||= request.isSharing === true;
    if (this.#cancelGiven && !call.isShielded) this.#refused.push(call);
    else if (this.#phase === "live") this.#goOn(call);
    else {
      this.#replay.asked(key);
      // What the log concludes is settled by it. Kept until then, each call of a long history would outlive its turn.
      if (recorded === undefined || !isConcluded(recorded)) this.#replay.hold(() => this.#goOn(call));
    }
    return call.promise;
  }

  /** The call with its key; null when it was made where no call may be made, which ends the run. */
  #place(request: CallRequest): Call | null {
    if (this.#phase === "gone" || this.#phase === "over") return null;
    const scope = request.scope as Scope;
    if (this.#turn !== ANY_SCOPE) {
      const asked = { what: requestText(request), scope: scope.path, scopeEnded: scope.ended };
      const misplaced = misplacedCall(this.run, asked, this.#turn, this.#lastCall);
      if (misplaced !== null) {
        this.#fault ??= misplaced;
        this.#host.ready(this);
        return null;
      }
    }
    return new Call(this, request, keyOf(request));
  }

  /** Lets a call go on of which the log says nothing more. */
  #goOn(call: Call): void {
    if (this.#calls.get(call.key) !== call || this.#stopping || this.#isCancelled(call)) return;
    // Mail has brought what it comes to, which is about to be given.
    if (isConcluded(call.state)) return;
    call.request.live(call);
  }

  /** Whether a cancel has been asked for that reaches it: nothing new begins then. */
  #isCancelled(call: Call): boolean {
    return this.#journal.state.cancelRequested && !call.isShielded;
  }

  #finished(finish: Finish): void {
    if (this.#phase === "gone" || this.#phase === "over") return;
    if (this.#turn === null) this.#fault ??= foreignAwait(this.run, "the function's end", this.#lastCall);
    else this.#finish = finish;
    this.#host.ready(this);
  }

  // ---- The gate: one outcome a round ----

  /** Closes the open turn and gives the next outcome. Returns whether a turn is open now. */
  round(): boolean {
    this.#turn = null;
    if (this.#leave !== null || this.#phase === "gone" || this.#phase === "over" || this.#phase === "parked")
      return false;
    if (this.#fault !== null) return this.#failBy(this.#fault);
    if (this.#refuseNext()) return true;
    if (this.#phase === "replay" && this.#replayNext()) return true;
    if (this.#phase !== "live" || this.#leave !== null) return false;
    if (this.#fault !== null) return this.#failBy(this.#fault);
    if (this.#finish !== null && !this.#mustTidy() && !this.#owesCancel) return this.#endBy(this.#finish);
    if (this.#journal.state.paused) this.#restPaused();
    else if (!this.#stopping && this.#giveNext()) return true;
    else this.#rest();
    return false;
  }

  /** True: a recorded outcome was given. False: the log is exhausted and the run is live, or it is stuck. */
  #replayNext(): boolean {
    const outcome = this.#replay.next(() => [...this.#calls.values()]);
    if (outcome instanceof errors.ReplayDivergedError) {
      this.#leaveBy({ kind: "stuck", error: outcome });
      return false;
    }
    if (outcome !== null) return this.#giveRecorded(outcome);
    this.#phase = "live";
    this.#replay.releaseLines();
    this.#drainMail();
    if (this.#journal.state.paused || this.isOver) return false;
    if (this.#finish === null || this.#mustTidy()) this.#replay.release();
    this.#checkDeadline();
    return false;
  }

  /** What the log holds of it may have been damaged: then this run is stuck, and the others of the round go on. */
  #giveRecorded(outcome: RunEvent): boolean {
    try {
      this.#give(outcome);
      return true;
    } catch (error) {
      this.#turn = null;
      this.#leaveBy({ kind: "stuck", error: damagedEvent(outcome, error) });
      return false;
    }
  }

  #giveNext(): boolean {
    const outcome = this.#fresh.shift();
    if (outcome !== undefined) {
      this.#give(outcome);
      return true;
    }
    return false;
  }

  /** Before any further outcome, in replay as live: what is refused is in no log that could say when it was. */
  #refuseNext(): boolean {
    if (this.#stopping) return false;
    const refused = this.#refused.shift();
    if (refused === undefined || this.#refusals++ >= REFUSALS_MAX) return false;
    this.#turn = ANY_SCOPE;
    this.#calls.delete(refused);
    refused.reject(this.#cancelled());
    return true;
  }

  #give(outcome: RunEvent): void {
    this.#now = Math.max(this.#now, outcome.at);
    if (outcome.type === "cancel.requested") {
      this.#giveCancel();
      return;
    }
    const call = this.#calls.get(outcome.key as string);
    if (call === undefined) return;
    this.#turn = outcome.type === "scope.started" ? call.key : call.request.scope.path;
    const settlement = call.request.given(outcome, call);
    if (settlement.kind === "open") return;
    this.#calls.delete(call);
    if (settlement.kind === "resolve") call.resolve(settlement.value);
    else call.reject(settlement.error);
  }

  #giveCancel(): void {
    this.#turn = ANY_SCOPE;
    this.#cancelGiven = true;
    // A scope that has begun ends as its function does, after what is within it: its own end is given then.
    const isReached = (call: Call) => !call.isShielded && !(call.request.kind === "scope" && call.isBegun);
    const calls = [...this.#calls.values()].filter(isReached);
    for (const call of calls) this.#calls.delete(call);
    for (const call of calls) call.reject(this.#cancelled());
    if (!this.#hasUnheardOfCancel) return;
    this.#finish = null;
    const cancelled: Finish = { kind: "value", value: undefined };
    this.#undo?.().then(
      () => this.#finished(cancelled),
      (error) => this.#finished({ kind: "error", error }),
    );
  }

  /** Whether the function has returned what the run does not come to, and something is to be undone. */
  get #hasUnheardOfCancel(): boolean {
    return this.#finish?.kind === "value" && this.compensations.hasWithin(ROOT_SCOPE);
  }

  get #owesCancel(): boolean {
    return this.#journal.state.cancelRequested && !this.#cancelGiven && this.#hasUnheardOfCancel;
  }

  /** Nothing is to be given: the run waits for its bodies, for time or mail, or it cannot go on. */
  #rest(): void {
    if (this.#cancelGiven && !this.#mustTidy()) {
      this.#end("run.cancelled", this.#cancelReason());
      return;
    }
    const dueAt = this.#dueAt();
    if (dueAt !== null && dueAt <= this.#host.now() && !this.#stopping) this.#ring();
    else if (this.#bodies.size > 0) this.#alarm.set(dueAt);
    else if (this.#stopping) this.#leaveBy(this.#handBack(dueAt));
    else if (!this.#canBeMoved()) this.#failBy(foreignAwait(this.run, "nothing to wait for", this.#lastCall));
    else if (dueAt !== null && dueAt - this.#host.now() <= this.#host.parkAfterMs) this.#alarm.set(dueAt);
    else this.#leaveBy({ kind: "park", availableAt: dueAt });
  }

  /** A paused run lets its bodies end, and leaves. On resume it is replayed: outcomes that were not given are given then. */
  #restPaused(): void {
    this.#alarm.set(null);
    if (this.#bodies.size === 0) this.#leaveBy({ kind: "pause" });
  }

  /** Whether a cancelled run has something shielded under way: it ends after that, also if its function did not wait. */
  #mustTidy(): boolean {
    if (!this.#cancelGiven) return false;
    for (const call of this.#calls.values()) if (call.isShielded) return true;
    return false;
  }

  /** Whether anything but the code can settle one of its calls. */
  #canBeMoved(): boolean {
    for (const call of this.#calls.values()) if (call.canBeMoved) return true;
    return false;
  }

  /** A run that only waits is parked as ever; one that could go on is handed to whoever can. */
  #handBack(dueAt: number | null): Leave {
    const onlyWaits = this.#fresh.length === 0 && [...this.#calls.values()].every((call) => call.canBeMoved);
    if (onlyWaits) return { kind: "park", availableAt: dueAt };
    return { kind: "hand-back", availableAt: Math.floor(this.#host.now()) + this.#host.handBackMs };
  }

  #leaveBy(leave: Leave): void {
    this.#leave = leave;
    if (this.#isLimited && leave.kind !== "hand-back")
      this.#journal.reachBeyond().places = leave.kind === "end" ? "end" : "yield";
    this.#alarm.set(null);
    this.#host.dirty(this);
  }

  /** Whether it needed a place in a line before it was claimed. */
  get #isLimited(): boolean {
    return this.#journal.state.limits !== null;
  }

  // ---- Time ----

  #dueAt(): number | null {
    let dueAt = this.#journal.state.deadlineAt;
    for (const { waitsUntil } of this.#calls.values()) {
      if (waitsUntil !== null && (dueAt === null || waitsUntil < dueAt)) dueAt = waitsUntil;
    }
    return dueAt;
  }

  #ring(): void {
    if (this.#phase === "live" && this.#leave === null && !this.#stopping && !this.#journal.state.paused) {
      const now = this.#host.now();
      for (const call of [...this.#calls.values()]) call.fire(now);
      this.#checkDeadline();
    }
    this.#host.ready(this);
  }

  #checkDeadline(): void {
    const { deadlineAt } = this.#journal.state;
    if (deadlineAt === null || this.#host.now() < deadlineAt) return;
    const deadline = new Date(deadlineAt).toISOString();
    this.#fault ??= new errors.TimeoutError(
      "RUN_DEADLINE",
      `expected run ${this.runId} to end by its deadline ${deadline}`,
      {
        runId: this.runId,
        deadlineAt,
      },
    );
  }

  // ---- Mail ----

  #drainMail(): void {
    for (const row of this.#mail.drain()) {
      if (this.isOver) return;
      this.#journal.drain(row.id);
      this.#take(row);
      this.#host.dirty(this);
    }
  }

  #take(row: InboxRow): void {
    const { state } = this.#journal;
    const { token } = row;
    // It came twice: a network may bring it again when the first is long recorded.
    if (state.tokens?.has(token)) return;
    const message = readMessage(row);
    switch (message.kind) {
      case "cancel":
        // A second cancel changes nothing.
        if (!state.cancelRequested) this.#requestCancel({ ...message.data, token });
        return;
      case "terminate":
        this.#end("run.cancelled", { ...message.data, terminated: true });
        return;
      case "pause":
        if (!state.paused && !state.cancelRequested) this.#record("run.paused", { ...message.data, token });
        return;
      case "resume":
        if (state.paused) this.#record("run.resumed", { token });
        return;
      case "signal":
        if (!this.#isFull()) this.#hand(this.signal(this.#record("signal.received", { ...message.data, token }).seq));
        return;
      case "child":
        this.#tell(this.#family.childEnded(message.data));
        return;
      case "lock":
        this.#tell(this.#places.granted(message.data.key));
        this.#places.slotGranted(message.data.key);
        return;
      case "message":
        this.#tell(this.#given(message.data.key, message.data.message));
        return;
      default:
        assertNever(message, "kind of message");
    }
  }

  /** A message for a call that waits for one; null: nobody waits any more, or the call has learned it already. */
  #given(key: string, message: GivenMessage): RunEvent | null {
    const call = this.#calls.get(key);
    if (call === undefined || isConcluded(call.state) || this.#isCancelled(call)) return null;
    return this.#append(call, "message.received", null, message);
  }

  #record<T extends EventType>(type: T, data: EventData[T]): RunEvent {
    return this.#journal.record(type, null, ROOT_SCOPE, null, data);
  }

  /** To the first of the calls that wait for it, in the order in which they were made. */
  #hand(signal: ReceivedSignal): void {
    for (const call of this.#calls.values()) if (call.receive(signal)) return;
  }

  /** What mail has brought for a call is recorded also while nobody listens, as in a pause: it is told once. */
  #tell(outcome: RunEvent | null): void {
    if (outcome !== null) this.#fresh.push(outcome);
    this.#host.ready(this);
  }

  #requestCancel(data: EventData["cancel.requested"]): void {
    this.#fresh.push(this.#record("cancel.requested", data));
    this.#places.cancelled((scope) => this.#calls.get(scope)?.isShielded === true);
    const error = this.#cancelled();
    const abort = this.#bodies.cancel();
    this.#journal.afterDurable(() => {
      abort(error);
      this.#host.ready(this);
    });
  }

  #cancelReason(): EventData["run.cancelled"] {
    const { cancelReason } = this.#journal.state;
    return cancelReason === null ? {} : { reason: cancelReason };
  }

  #cancelled(): errors.CancelledError {
    const { cancelReason: reason } = this.#journal.state;
    const message = `the run was cancelled${reason === null ? "" : `: ${reason}`}`;
    return new errors.CancelledError("RUN_CANCELLED", message, { runId: this.runId, reason });
  }

  // ---- Calls: what they queue (CallHost) ----

  clock(): number {
    return this.#host.now();
  }

  random(): number {
    return this.#host.random.float();
  }

  encode(value: unknown): Payload {
    return encodePayload(value, this.#host.limits.payloadBytesMax);
  }

  signals(name: string): readonly ReceivedSignal[] {
    const { signals } = this.#journal.state;
    return signals === null ? [] : [...signals.values()].filter((signal) => signal.name === name && !signal.isTaken);
  }

  signal(seq: number): ReceivedSignal {
    const signal = this.#journal.state.signals?.get(seq);
    assert(signal !== undefined, "a call takes a signal that was received");
    return signal;
  }

  childId(key: string): string | null {
    return this.#family.childOf(key);
  }

  versionOf(workflow: string): string | null {
    return this.#host.versionOf(workflow);
  }

  startRun(call: Call, child: NewChild, record: (runId: string) => void): void {
    this.#family.start(call.key, child, record);
  }

  callState(call: Call): CallState {
    return this.#journal.callState(call.request.kind, call.key);
  }

  waiting(): void {
    this.#host.ready(this);
  }

  record<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void {
    this.#append(call, type, attempt, data);
  }

  conclude<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void {
    const endsScope = type === "scope.completed" || type === "scope.failed";
    if (!endsScope && isConcluded(call.state)) return;
    const write = () => {
      // A scope that runs again, though it has concluded, has come to the end that the log has.
      if (isConcluded(call.state)) return;
      if (endsScope && this.#mayAppend(call)) this.#places.scopeEnds(call.key);
      const outcome = this.#append(call, type, attempt, data);
      if (outcome !== null) this.#fresh.push(outcome);
      if (outcome?.type === "lock.expired") this.#places.end(call.key);
      if (call.leavesOpen && outcome !== null) this.#abandonWithin(call.key);
      this.#host.ready(this);
    };
    if (this.#phase === "replay") this.#replay.hold(write);
    else write();
  }

  /** Invariant I5, at once, in replay too: no turn may be opened in a scope whose function has returned. */
  closeScope({ key }: Call): boolean {
    const open = this.#calls.takeWithin(key);
    for (const call of open) call.isClosed = true;
    // The code is not told any more what they have come to, but it can be undone.
    const unheard = open.filter(({ request, state }) => request.isUndoable === true && state.status === "completed");
    unheard.sort((a, b) => a.state.endSeq - b.state.endSeq);
    for (const call of unheard) call.request.given(this.#outcomeAt(call.state.endSeq), call);
    this.compensations.closeWithin(key);
    return open.length > 0;
  }

  /** An outcome that has not been given. */
  #outcomeAt(seq: number): RunEvent {
    const outcome = this.#replay.outcomeAt(seq) ?? this.#fresh.find((event) => event.seq === seq);
    assert(outcome !== undefined, "what is recorded is given, or is still to be given");
    return outcome;
  }

  #abandonWithin(scope: string): void {
    this.#family.scopeIsOver(scope);
    this.#journal.afterDurable(() => {
      const message = `the scope "${scope}" has ended and does not wait for this step`;
      this.#bodies.abandonWithin(scope, new errors.ClosedError("SCOPE_OVER", message, { scope }));
      this.#host.ready(this);
    });
  }

  /** Null: the run has no room for it, is not this worker's to write, or begins nothing new after a cancel. */
  #append<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): RunEvent | null {
    if (!this.#mayAppend(call) || this.#isFull()) return null;
    if (this.#isCancelled(call) && BEGINNINGS.has(type)) return null;
    const scope = isRunWide(type) ? ROOT_SCOPE : call.request.scope.path;
    const event = this.#journal.record(type, call.key, scope, attempt, data);
    this.#host.dirty(this);
    return event;
  }

  /** A call that a cancel has rejected is closed with its scope too. */
  #mayAppend(call: Call): boolean {
    const { state } = this.#journal;
    return this.#phase === "live" && this.#leave === null && !call.isClosed && !isClosed(state, call.key);
  }

  #isFull(): boolean {
    const { head } = this.#journal.state;
    const { historyEventsMax: max, historyEventsWarn } = this.#host.limits;
    if (head >= historyEventsWarn && !this.#warnedOfLength) {
      this.#warnedOfLength = true;
      this.#host.long(this.runId, head);
    }
    if (head < max) return false;
    this.#fault ??= new errors.LimitError(
      "HISTORY_LIMIT",
      `expected a history of at most ${max} events, and run ${this.runId} has as many; split its work into several runs, or raise limits.historyEventsMax`,
      { runId: this.runId, max },
    );
    this.#host.ready(this);
    return true;
  }

  mayBegin({ key, request }: Call, timeoutMs: number | null): boolean {
    if (this.#stopping || this.#journal.state.paused) return false;
    if (this.#host.hasTimeFor(timeoutMs, () => `${callText(request.kind, key)} of run ${this.runId}`)) return true;
    // Not `stop`: what was begun in the same turn has time enough, and is not to be interrupted again and again.
    this.#stopping = true;
    this.#host.ready(this);
    return false;
  }

  runBody(call: Call, body: Body): void {
    this.#begin(call, body);
  }

  operate<T>(call: Call, operation: Operation<T>): void {
    this.#begin(call, this.#operations.task(call.key, operation));
  }

  enterQueue(call: Call, { attempt, line, slots, queue }: QueueSlot, granted: () => void): void {
    const place = slotKey(call.key, attempt);
    this.#places.enterQueue(call.key, place, granted);
    this.operate(call, {
      entersLine: true,
      place,
      run: (shared) => shared.enterLine(line, slots, queue),
      done: (answer) => (answer === "granted" ? this.#places.slotGranted(place) : call.waitForMail()),
    });
  }

  leaveQueue(call: Call, attempt: number): void {
    this.#places.leaveQueue(call.key, slotKey(call.key, attempt));
  }

  queueSlots(queue: string): number | null {
    return this.#host.queueSlots(queue);
  }

  #begin(call: Call, task: Task): void {
    if (this.#phase !== "live" || this.#fault !== null || call.isClosed || this.#isCancelled(call)) return;
    const { key, request, isShielded } = call;
    const start = this.#bodies.add({ kind: request.kind, key, scope: request.scope.path, isShielded }, task);
    this.#journal.afterDurable(() => {
      if (this.#phase === "live") this.#host.startBody(start);
    });
  }

  #recordLate(owner: BodyOwner, attempt: number, outcome: BodyOutcome): void {
    if ((this.#phase !== "live" && this.#phase !== "over") || (this.#leave !== null && this.#leave.kind !== "end"))
      return;
    const { key, scope } = owner;
    try {
      if (outcome.kind === "error") throw outcome.error;
      const value = outcome.kind === "value" ? outcome.value : undefined;
      const data = { value: this.encode(value) };
      this.#journal.record("attempt.late", key, scope, attempt, data);
    } catch (error) {
      this.#journal.record("attempt.late", key, scope, attempt, { error: toFailure(error) });
    }
    this.#host.dirty(this);
  }

  // ---- The end ----

  #endBy(finish: Finish): false {
    if (this.#journal.state.cancelRequested) this.#end("run.cancelled", this.#cancelReason());
    else if (finish.kind === "error") this.#end("run.failed", { error: toFailure(finish.error) });
    else this.#complete(finish.value);
    return false;
  }

  #complete(value: unknown): void {
    const unfinished = [...this.#calls.values()].filter(({ request }) => request.kind === "step").map(({ key }) => key);
    const named = unfinished.slice(0, UNFINISHED_NAMED_MAX);
    try {
      const output = this.encode(value);
      this.#end("run.completed", unfinished.length === 0 ? output : { ...output, unfinished: named });
    } catch (error) {
      this.#end("run.failed", { error: toFailure(error) });
      return;
    }
    if (unfinished.length === 0) return;
    this.#journal.afterDurable(() => {
      const message = `the run ended while ${unfinished.length} of its steps had no outcome: was one not awaited?`;
      this.#writeLine("warn", message, { steps: named });
    });
  }

  #end<T extends "run.completed" | "run.failed" | "run.cancelled">(type: T, data: EventData[T]): void {
    this.#record(type, data);
    this.#family.runIsOver();
    this.#places.runIsOver(this.#mayShare);
    this.#phase = "over";
    this.#bodies.runIsOver();
    this.#calls.clear();
    this.#fresh.length = 0;
    this.#leaveBy({ kind: "end" });
  }

  /** In replay the code is at fault, and fixed code resumes the run. Live, the fault is the run's end. */
  #failBy(fault: errors.VarveError): false {
    if (this.#phase === "replay" || fault instanceof errors.ReplayDivergedError)
      this.#leaveBy({ kind: "stuck", error: fault });
    else if (this.#journal.state.cancelRequested) this.#end("run.cancelled", this.#cancelReason());
    else this.#end("run.failed", { error: toFailure(fault) });
    return false;
  }
}

function isConcluded({ status }: CallState): boolean {
  return status === "completed" || status === "failed";
}

/** A map has counted the use of its name; any other call does so by being made. */
function keyOf({ scope, name, item }: CallRequest): string {
  if (item === undefined) return callKey(scope.path, name, scope.next("call", name));
  return itemKey(callKey(scope.path, name, item.occurrence), item.index);
}

/** The key of the slot of an attempt: no call that asks for a lock has one that ends like this. */
function slotKey(step: string, attempt: number): string {
  return `${step}@${attempt}`;
}

function runOver(): errors.ClosedError {
  return new errors.ClosedError("RUN_OVER", "the run has ended and does not wait for this step");
}
