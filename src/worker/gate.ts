/**
 * The gate between one run's code and the log: what the code asks for, and what it is given.
 *
 * Owns: the turn that is open, and what the workflow function has come to. Called by the code (asks) and by the rounds of
 * `turns.ts` (is given).
 *
 * I1 Code runs in turns. A turn is opened by one outcome, belongs to the scope of that outcome, and ends at a macrotask
 *    (rule R6). A call of `ctx` elsewhere is a mistake that replay could not repeat.
 * I2 In replay no mail is drained, and nothing goes on beyond the log until that is exhausted.
 * I3 A call settles by an outcome, never in the turn that made it.
 * I4 When nothing but time or mail can move the run, it parks.
 */
import * as errors from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { callKey, itemKey, ROOT_SCOPE } from "../kernel/keys.ts";
import type { ResumeSigner } from "../kernel/resume.ts";
import { isConcluded } from "../kernel/state.ts";
import type { Bodies } from "./bodies.ts";
import { Call } from "./call.ts";
import type { RegisteredCompensations } from "./compensations.ts";
import type { Departure, Finish } from "./departure.ts";
import { callText, foreignAwait, misplacedCall, otherKind, requestText } from "./divergence.ts";
import type { DueTimes } from "./due-times.ts";
import type { Ledger } from "./ledger.ts";
import type { MailDrain } from "./mail-drain.ts";
import { damagedEvent } from "./rebuild.ts";
import type { CallRequest, LogLine, Program, Recorder, RunFacts } from "./recorder.ts";
import type { Leave } from "./row.ts";
import { Scope } from "./scope.ts";
import type { Standing } from "./standing.ts";
import type { TurnTaker } from "./turns.ts";

/** After a cancel, so many further calls of `ctx` are refused one by one; then the run ends without its code. */
const REFUSALS_MAX = 1_000;

/** The turn in which a cancel is given belongs to every scope. */
const ANY_SCOPE = Symbol("any scope");

interface GateParts {
  readonly bodies: Bodies;
  readonly times: DueTimes;
  readonly mail: MailDrain;
  readonly ledger: Ledger;
  readonly departure: Departure;
}

export class Gate implements Recorder, TurnTaker {
  readonly run: RunFacts;
  readonly root = new Scope(ROOT_SCOPE);
  readonly compensations: RegisteredCompensations;
  readonly #standing: Standing;
  readonly #parts: GateParts;
  /** Calls made after the cancel was given: to be refused. */
  readonly #refused: Call[] = [];
  #turn: string | typeof ANY_SCOPE | null = null;
  #now: number;
  #lastCall = "the start of the workflow function";
  #finish: Finish | null = null;
  #undo: (() => Promise<void>) | null = null;
  #refusals = 0;

  constructor(standing: Standing, parts: GateParts) {
    const { run, compensations, state } = standing;
    this.run = run;
    this.compensations = compensations;
    this.#standing = standing;
    this.#parts = parts;
    // Of a delayed run this is when it was to begin.
    this.#now = Math.max(run.createdAt, state.availableAt);
  }

  /** Begins with the code. */
  begin(program: Program, input: unknown): void {
    this.#standing.ready();
    this.#turn = ROOT_SCOPE;
    this.#runCode(program, input).then(
      (value) => this.#finished({ kind: "value", value }),
      (error) => this.#finished({ kind: "error", error }),
    );
  }

  /** Not an async function: the code must run up to its first await within this very turn. */
  #runCode(program: Program, input: unknown): Promise<unknown> {
    try {
      return program.run(this, input);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #finished(finish: Finish): void {
    const { phase } = this.#standing;
    if (phase === "gone" || phase === "over") return;
    if (this.#turn === null) this.#standing.fault ??= foreignAwait(this.run, "the function's end", this.#lastCall);
    else this.#finish = finish;
    this.#standing.ready();
  }

  // ---- The code: what it asks for (Recorder) ----

  now(): number {
    return this.#now;
  }

  get isCancelled(): boolean {
    return this.#standing.isCancelGiven;
  }

  undoBy(undo: () => Promise<void>): void {
    this.#undo = undo;
  }

  queueSlots(queue: string): number | null {
    return this.#standing.host.queueSlots(queue);
  }

  get resumes(): ResumeSigner | null {
    return this.#standing.host.resumes;
  }

  readonly log: LogLine = (level, message, fields) => {
    const { phase, journal, replay } = this.#standing;
    const write = () => journal.afterDurable(() => this.#standing.writeLine(level, message, fields));
    if (phase === "live") write();
    else if (phase === "replay") replay.line(write);
  };

  ask(request: CallRequest): Promise<unknown> {
    const call = this.#place(request);
    if (call === null) return new Promise(() => {});
    const { key } = call;
    const standing = this.#standing;
    this.#lastCall = callText(request.kind, key);
    standing.host.asked?.(this.run.id, key, request.kind, standing.phase !== "replay");
    const recorded = standing.state.calls.get(key);
    if (recorded !== undefined && recorded.kind !== request.kind) {
      standing.fault ??= otherKind(this.run, key, recorded.kind, request.kind);
      return call.promise;
    }
    standing.calls.add(call);
    standing.mayShare ||= request.isSharing === true;
    if (standing.isCancelGiven && !call.isShielded) this.#refused.push(call);
    else if (standing.phase === "live") this.#parts.ledger.goOn(call);
    else {
      standing.replay.asked(key);
      // What the log concludes is settled by it. Kept until then, each call of a long history would outlive its turn.
      if (recorded === undefined || !isConcluded(recorded)) standing.replay.hold(() => this.#parts.ledger.goOn(call));
    }
    return call.promise;
  }

  /** The call with its key; null when it was made where no call may be made, which ends the run. */
  #place(request: CallRequest): Call | null {
    const standing = this.#standing;
    if (standing.phase === "gone" || standing.phase === "over") return null;
    const scope = request.scope as Scope;
    if (this.#turn !== ANY_SCOPE) {
      const asked = { what: requestText(request), scope: scope.path, scopeEnded: scope.ended };
      const misplaced = misplacedCall(this.run, asked, this.#turn, this.#lastCall);
      if (misplaced !== null) {
        standing.fault ??= misplaced;
        standing.ready();
        return null;
      }
    }
    return new Call(this.#parts.ledger, request, keyOf(request));
  }

  // ---- What it is given: one outcome a round ----

  /** Closes the open turn and gives the next outcome. Returns whether a turn is open now. */
  round(): boolean {
    this.#turn = null;
    const standing = this.#standing;
    if (standing.leave !== null || (standing.phase !== "live" && standing.phase !== "replay")) return false;
    if (standing.fault !== null) return this.#failBy(standing.fault);
    if (this.#refuseNext()) return true;
    if (standing.phase === "replay" && this.#replayNext()) return true;
    if (!standing.isLive) return false;
    if (standing.fault !== null) return this.#failBy(standing.fault);
    if (this.#finish !== null && !this.#mustTidy() && !this.#owesCancel) return this.#end(this.#finish);
    if (standing.state.paused) this.#restPaused();
    else if (!standing.isStopping && this.#giveNext()) return true;
    else this.#rest();
    return false;
  }

  #failBy(fault: errors.VarveError): false {
    this.#parts.departure.failBy(fault);
    return false;
  }

  #end(finish: Finish): false {
    this.#parts.departure.finish(finish);
    return false;
  }

  /** True: a recorded outcome was given. False: the log is exhausted and the run is live, or it is stuck. */
  #replayNext(): boolean {
    const standing = this.#standing;
    const { calls, replay } = standing;
    const { departure, mail, times } = this.#parts;
    const outcome = replay.next(() => [...calls.values()]);
    if (outcome instanceof errors.ReplayDivergedError) {
      departure.leaveBy({ kind: "stuck", error: outcome });
      return false;
    }
    if (outcome !== null) return this.#giveRecorded(outcome);
    standing.phase = "live";
    replay.releaseLines();
    mail.drain();
    if (standing.state.paused || standing.isOver) return false;
    if (this.#finish === null || this.#mustTidy()) replay.release();
    times.checkDeadline();
    return false;
  }

  /** What the log holds of it may have been damaged: then this run is stuck, and the others of the round go on. */
  #giveRecorded(outcome: RunEvent): boolean {
    try {
      this.#give(outcome);
      return true;
    } catch (error) {
      this.#turn = null;
      this.#parts.departure.leaveBy({ kind: "stuck", error: damagedEvent(outcome, error) });
      return false;
    }
  }

  #giveNext(): boolean {
    const outcome = this.#standing.fresh.shift();
    if (outcome !== undefined) {
      this.#give(outcome);
      return true;
    }
    return false;
  }

  #give(outcome: RunEvent): void {
    this.#now = Math.max(this.#now, outcome.at);
    if (outcome.type === "cancel.requested") {
      this.#giveCancel();
      return;
    }
    const { calls } = this.#standing;
    const call = calls.get(outcome.key as string);
    if (call === undefined) return;
    this.#turn = outcome.type === "scope.started" ? call.key : call.request.scope.path;
    const settlement = call.request.given(outcome, call);
    if (settlement.kind === "open") return;
    calls.delete(call);
    if (settlement.kind === "resolve") call.resolve(settlement.value);
    else call.reject(settlement.error);
  }

  // ---- A cancel ----

  #giveCancel(): void {
    const standing = this.#standing;
    this.#turn = ANY_SCOPE;
    standing.isCancelGiven = true;
    // A scope that has begun ends as its function does, after what is within it: its own end is given then.
    const isReached = (call: Call) => !call.isShielded && !(call.request.kind === "scope" && call.isBegun);
    const calls = [...standing.calls.values()].filter(isReached);
    for (const call of calls) standing.calls.delete(call);
    for (const call of calls) {
      standing.calls.get(call.request.scope.path)?.leave(call);
      this.#parts.ledger.giveUpSlot(call);
    }
    for (const call of calls) call.reject(standing.cancelled());
    if (!this.#hasUnheardOfCancel) return;
    this.#finish = null;
    const cancelled: Finish = { kind: "value", value: undefined };
    this.#undo?.().then(
      () => this.#finished(cancelled),
      (error) => this.#finished({ kind: "error", error }),
    );
  }

  /** Before any further outcome, in replay as live: what is refused is in no log that could say when it was. */
  #refuseNext(): boolean {
    const standing = this.#standing;
    if (standing.isStopping) return false;
    const refused = this.#refused.shift();
    if (refused === undefined || this.#refusals++ >= REFUSALS_MAX) return false;
    this.#turn = ANY_SCOPE;
    standing.calls.delete(refused);
    refused.reject(standing.cancelled());
    return true;
  }

  /** Whether the function has returned what the run does not come to, and something is to be undone. */
  get #hasUnheardOfCancel(): boolean {
    return this.#finish?.kind === "value" && this.compensations.hasWithin(ROOT_SCOPE);
  }

  get #owesCancel(): boolean {
    const { state, isCancelGiven } = this.#standing;
    return state.cancelRequested && !isCancelGiven && this.#hasUnheardOfCancel;
  }

  /** Whether a cancelled run has something shielded under way: it ends after that, also if its function did not wait. */
  #mustTidy(): boolean {
    if (!this.#standing.isCancelGiven) return false;
    for (const call of this.#standing.calls.values()) if (call.isShielded) return true;
    return false;
  }

  // ---- Nothing is to be given ----

  /** The run waits for its bodies, for time or mail, or it cannot go on. */
  #rest(): void {
    const { host, isCancelGiven, isStopping } = this.#standing;
    const { bodies, departure, times } = this.#parts;
    if (isCancelGiven && !this.#mustTidy()) {
      departure.cancel();
      return;
    }
    const dueAt = times.next;
    if (dueAt !== null && dueAt <= host.now() && !isStopping) times.ring();
    else if (bodies.size > 0) times.wake(dueAt);
    else if (isStopping) departure.leaveBy(this.#handBack(dueAt));
    else if (!this.#canBeMoved()) departure.failBy(foreignAwait(this.run, "nothing to wait for", this.#lastCall));
    else if (dueAt !== null && dueAt - host.now() <= host.parkAfterMs) times.wake(dueAt);
    else departure.leaveBy({ kind: "park", availableAt: dueAt });
  }

  /** A paused run lets its bodies end, and leaves. On resume it is replayed: outcomes that were not given are given then. */
  #restPaused(): void {
    const { bodies, departure, times } = this.#parts;
    times.wake(null);
    if (bodies.size === 0) departure.leaveBy({ kind: "pause" });
  }

  /** Whether anything but the code can settle one of its calls. */
  #canBeMoved(): boolean {
    for (const call of this.#standing.calls.values()) if (call.canBeMoved) return true;
    return false;
  }

  /** A run that only waits is parked as ever; one that could go on is handed to whoever can. */
  #handBack(dueAt: number | null): Leave {
    const { calls, fresh, host } = this.#standing;
    const onlyWaits = fresh.length === 0 && [...calls.values()].every((call) => call.canBeMoved);
    if (onlyWaits) return { kind: "park", availableAt: dueAt };
    return { kind: "hand-back", availableAt: Math.floor(host.now()) + host.handBackMs };
  }
}

/** A map has counted the use of its name; any other call does so by being made. */
function keyOf({ scope, name, item }: CallRequest): string {
  if (item === undefined) return callKey(scope.path, name, scope.next("call", name));
  return itemKey(callKey(scope.path, name, item.occurrence), item.index);
}
