/**
 * What the calls of one run queue: their events, their bodies, what they ask of the store and of other runs.
 *
 * Owns: nothing but whether it has warned of a long history; what it does is queued in the run's journal. Called by the
 * run's calls and its mail.
 *
 * I1 In replay nothing is appended and no body starts: what concludes a call is held until the log is exhausted.
 * I2 A call is concluded once.
 * I3 A concluded scope is one outcome: what its function left open is closed with it, here as on resume.
 */
import { assert } from "../kernel/assert.ts";
import { encodePayload, type Payload } from "../kernel/codec.ts";
import { ClosedError, LimitError } from "../kernel/errors.ts";
import { type EventData, type EventType, isRunWide, type RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import { type CallState, isClosed, isConcluded, type ReceivedSignal } from "../kernel/state.ts";
import type { Attempt, Bodies, BodyOwner, Task } from "./bodies.ts";
import type { Call, CallHost } from "./call.ts";
import { callText } from "./divergence.ts";
import type { Family } from "./family.ts";
import type { Operations } from "./operations.ts";
import type { Places } from "./places.ts";
import type { Body, BodyOutcome, NewChild, Operation, QueueSlot, RunFacts } from "./recorder.ts";
import type { Standing } from "./standing.ts";

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

interface LedgerParts {
  readonly bodies: Bodies;
  readonly family: Family;
  readonly operations: Operations;
  readonly places: Places;
}

export class Ledger implements CallHost {
  readonly run: RunFacts;
  readonly #standing: Standing;
  readonly #parts: LedgerParts;
  /** Calls that would have begun a body while the run was paused. */
  #stalled: Set<Call> | null = null;
  #warnedOfLength = false;

  constructor(standing: Standing, parts: LedgerParts) {
    this.run = standing.run;
    this.#standing = standing;
    this.#parts = parts;
  }

  // ---- What a call needs to know ----

  clock(): number {
    return this.#standing.host.now();
  }

  random(): number {
    return this.#standing.host.random.float();
  }

  encode(value: unknown): Payload {
    return encodePayload(value, this.#standing.host.limits.payloadBytesMax);
  }

  signals(name: string): readonly ReceivedSignal[] {
    const { signals } = this.#standing.state;
    return signals === null ? [] : [...signals.values()].filter((signal) => signal.name === name && !signal.isTaken);
  }

  signal(seq: number): ReceivedSignal {
    const signal = this.#standing.state.signals?.get(seq);
    assert(signal !== undefined, "a call takes a signal that was received");
    return signal;
  }

  childId(key: string): string | null {
    return this.#parts.family.childOf(key);
  }

  versionOf(workflow: string): string | null {
    return this.#standing.host.versionOf(workflow);
  }

  callState(call: Call): CallState {
    return this.#standing.journal.callState(call.request.kind, call.key);
  }

  isCancelled(call: Call): boolean {
    return this.#standing.isCancelled(call);
  }

  waiting(): void {
    this.#standing.ready();
  }

  // ---- Events ----

  startRun(call: Call, child: NewChild, record: (runId: string) => void): void {
    this.#parts.family.start(call.key, child, record);
  }

  record<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void {
    this.append(call, type, attempt, data);
  }

  conclude<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void {
    const endsScope = type === "scope.completed" || type === "scope.failed";
    if (!endsScope && isConcluded(call.state)) return;
    const write = () => {
      // A scope that runs again, though it has concluded, has come to the end that the log has.
      if (isConcluded(call.state)) return;
      const { places } = this.#parts;
      if (endsScope && this.#mayAppend(call)) places.scopeEnds(call.key);
      const outcome = this.append(call, type, attempt, data);
      if (outcome !== null) this.#standing.fresh.push(outcome);
      if (outcome?.type === "lock.expired") places.end(call.key);
      if (endsScope && outcome !== null) this.#abandonWithin(call);
      this.#standing.ready();
    };
    if (this.#standing.phase === "replay") this.#standing.replay.hold(write);
    else write();
  }

  /** Null: the run has no room for it, is not this worker's to write, or begins nothing new after a cancel. */
  append<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): RunEvent | null {
    if (!this.#mayAppend(call) || this.isFull()) return null;
    if (this.#standing.isCancelled(call) && BEGINNINGS.has(type)) return null;
    const scope = isRunWide(type) ? ROOT_SCOPE : call.request.scope.path;
    const event = this.#standing.journal.record(type, call.key, scope, attempt, data);
    this.#standing.dirty();
    return event;
  }

  /** A call that a cancel has rejected is closed with its scope too. */
  #mayAppend(call: Call): boolean {
    const { isLive, state } = this.#standing;
    return isLive && !call.isClosed && !isClosed(state, call.key);
  }

  /** Whether the history has as many events as it may; then the run ends for it. */
  isFull(): boolean {
    const { host, run } = this.#standing;
    const { head } = this.#standing.state;
    const { historyEventsMax: max, historyEventsWarn } = host.limits;
    if (head >= historyEventsWarn && !this.#warnedOfLength) {
      this.#warnedOfLength = true;
      host.long(run.id, head);
    }
    if (head < max) return false;
    this.#standing.fault ??= new LimitError(
      "HISTORY_LIMIT",
      `expected a history of at most ${max} events, and run ${run.id} has as many; split its work into several runs, or raise limits.historyEventsMax`,
      { runId: run.id, max },
    );
    this.#standing.ready();
    return true;
  }

  // ---- The end of a scope ----

  /** Invariant I3, at once, in replay too: no turn may be opened in a scope whose function has returned. */
  closeScope(scope: Call): boolean {
    const { key } = scope;
    const { calls, compensations } = this.#standing;
    const open = calls.takeWithin(key);
    for (const call of open) {
      call.isClosed = true;
      scope.leave(call);
    }
    // The code is not told any more what they have come to, but it can be undone.
    const unheard = open.filter(({ request, state }) => request.isUndoable === true && state.status === "completed");
    unheard.sort((a, b) => a.state.endSeq - b.state.endSeq);
    for (const call of unheard) call.request.given(this.#outcomeAt(call.state.endSeq), call);
    compensations.closeWithin(key);
    return open.length > 0;
  }

  /** An outcome that has not been given. */
  #outcomeAt(seq: number): RunEvent {
    const { replay, fresh } = this.#standing;
    const outcome = replay.outcomeAt(seq) ?? fresh.find((event) => event.seq === seq);
    assert(outcome !== undefined, "what is recorded is given, or is still to be given");
    return outcome;
  }

  #abandonWithin({ key: scope, left, leavesOpen }: Call): void {
    const { bodies, family } = this.#parts;
    if (left !== null) {
      for (const call of left) this.giveUpSlot(call);
      const children = left.filter(({ request }) => request.kind === "child").map(({ key }) => key);
      family.leave(children, `the scope "${scope}" of its parent has ended`);
    }
    if (!leavesOpen) return;
    this.#standing.journal.afterDurable(() => {
      const message = `the scope "${scope}" has ended and does not wait for this step`;
      bodies.abandonWithin(scope, new ClosedError("SCOPE_OVER", message, { scope }));
      this.#standing.ready();
    });
  }

  // ---- Bodies, and what runs share ----

  /** Lets a call go on of which the log says nothing more. */
  goOn(call: Call): void {
    const standing = this.#standing;
    if (standing.calls.get(call.key) !== call || standing.isStopping || standing.isCancelled(call)) return;
    // Mail has brought what it comes to, which is about to be given.
    if (isConcluded(call.state)) return;
    call.request.live(call);
  }

  /** The run is not paused, or not any more, though it has not left: what the pause has kept from beginning begins. */
  resumed(): void {
    const stalled = this.#stalled ?? [];
    this.#stalled = null;
    for (const call of stalled) this.goOn(call);
  }

  mayBegin(call: Call, timeoutMs: number | null): boolean {
    const { key, request } = call;
    const { host, run, isStopping, state } = this.#standing;
    if (isStopping) return false;
    if (state.paused) {
      this.#stalled ??= new Set();
      this.#stalled.add(call);
      return false;
    }
    if (host.hasTimeFor(timeoutMs, () => `${callText(request.kind, key)} of run ${run.id}`)) return true;
    // Not `stop`: what was begun in the same turn has time enough, and is not to be interrupted again and again.
    this.#standing.isStopping = true;
    this.#standing.ready();
    return false;
  }

  runBody(call: Call, body: Body): void {
    this.#begin(call, body);
  }

  operate<T>(call: Call, operation: Operation<T>): void {
    this.#begin(call, this.#parts.operations.task(call.key, operation));
  }

  #begin(call: Call, task: Task): void {
    const standing = this.#standing;
    if (standing.phase !== "live" || standing.fault !== null || call.isClosed || standing.isCancelled(call)) return;
    const { key, request, isShielded } = call;
    const start = this.#parts.bodies.add({ kind: request.kind, key, scope: request.scope.path, isShielded }, task);
    standing.journal.afterDurable(() => {
      if (standing.phase === "live") standing.host.startBody(start);
    });
  }

  enterQueue(call: Call, { attempt, line, slots, queue }: QueueSlot, granted: () => void): void {
    const { places } = this.#parts;
    const place = slotKey(call.key, attempt);
    places.enterQueue(call.key, place, granted);
    this.operate(call, {
      entersLine: true,
      place,
      run: (shared) => shared.enterLine(line, slots, queue),
      done: (answer) => {
        if (answer === "granted") places.slotGranted(place);
        // Mail may have brought its turn first.
        else if (places.isAwaited(place)) call.waitForMail();
      },
    });
  }

  leaveQueue(call: Call, attempt: number): void {
    this.#parts.places.leaveQueue(call.key, slotKey(call.key, attempt));
  }

  /** Nobody waits for it any more: whoever has asked for a slot for it, perhaps in another worker, needs none. */
  giveUpSlot({ key, request, state }: Call): void {
    if (request.isQueued !== true || isConcluded(state)) return;
    const { phase, replay } = this.#standing;
    const leave = () => {
      this.#parts.places.leaveQueue(key, slotKey(key, state.attemptOpen ? state.attempt : state.attempt + 1));
      this.#standing.dirty();
    };
    if (phase === "replay") replay.hold(leave);
    else leave();
  }

  // ---- Attempts that nobody waits for any more ----

  /** The worker stops, and has given them up: they will be made again elsewhere. */
  interrupt(abandoned: readonly Attempt[]): void {
    for (const { owner, attempt } of abandoned) {
      // The end of its scope is on its way to the log, and aborts it in any case.
      if (isClosed(this.#standing.state, owner.key)) continue;
      this.#standing.journal.record("attempt.interrupted", owner.key, owner.scope, attempt, { reason: "stopped" });
      this.#parts.places.leaveQueue(owner.key);
      this.#standing.dirty();
    }
  }

  recordLate({ key, scope }: BodyOwner, attempt: number, outcome: BodyOutcome): void {
    const { phase, leave, journal } = this.#standing;
    if ((phase !== "live" && phase !== "over") || (leave !== null && leave.kind !== "end")) return;
    try {
      if (outcome.kind === "error") throw outcome.error;
      const value = outcome.kind === "value" ? outcome.value : undefined;
      const data = { value: this.encode(value) };
      journal.record("attempt.late", key, scope, attempt, data);
    } catch (error) {
      journal.record("attempt.late", key, scope, attempt, { error: toFailure(error) });
    }
    this.#standing.dirty();
  }
}

/** The key of the slot of an attempt: no call that asks for a lock has one that ends like this. */
function slotKey(step: string, attempt: number): string {
  return `${step}@${attempt}`;
}
