/**
 * One run in this worker, put together from its parts: `standing.ts` says which they are.
 *
 * Owns: its parts. Driven by `turns.ts` (round after round), by the writer (what is durable) and by the worker (claims, mail,
 * the end); the worker is its host.
 *
 * I1 A run that is taken back from memory is the run as its claim found it: the epoch before the claim and the head are its
 *    own.
 */
import { assert } from "../kernel/assert.ts";
import { decodePayload } from "../kernel/codec.ts";
import type { VarveError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import type { RunState } from "../kernel/state.ts";
import type { Claim } from "../log/port-claims.ts";
import { type InboxRow, WAKES_PAUSED } from "../log/port-inbox.ts";
import type { RunAppend } from "../log/port-write.ts";
import { Bodies } from "./bodies.ts";
import { Departure } from "./departure.ts";
import { callText } from "./divergence.ts";
import { DueTimes } from "./due-times.ts";
import { Family } from "./family.ts";
import { Gate } from "./gate.ts";
import type { Host } from "./host.ts";
import { Journal } from "./journal.ts";
import { Ledger } from "./ledger.ts";
import { MailDrain } from "./mail-drain.ts";
import { Operations } from "./operations.ts";
import { Places } from "./places.ts";
import { damagedEvent } from "./rebuild.ts";
import type { Program, RunFacts } from "./recorder.ts";
import { Replay } from "./replay.ts";
import type { RowLag } from "./row.ts";
import { Standing } from "./standing.ts";
import type { TurnTaker } from "./turns.ts";
import type { Source } from "./writer.ts";

export class Execution implements Source, TurnTaker {
  readonly run: RunFacts;
  readonly #program: Program;
  readonly #standing: Standing<Execution>;
  readonly #bodies: Bodies;
  readonly #places: Places;
  readonly #times: DueTimes;
  readonly #ledger: Ledger;
  readonly #mail: MailDrain;
  readonly #departure: Departure<Execution>;
  readonly #gate: Gate;

  private constructor(
    host: Host<Execution>,
    program: Program,
    journal: Journal,
    events: readonly RunEvent[],
    lag: RowLag,
  ) {
    const { id, workflow, version, tags, createdAt, trigger } = journal.state;
    this.run = { id, workflow, version, tags, createdAt, trigger };
    this.#program = program;
    const standing = new Standing<Execution>(
      this,
      host,
      this.run,
      journal,
      new Replay(this.run, journal.state, events),
    );
    const times = new DueTimes(standing);
    const family = new Family(host, journal);
    const places = new Places(journal, () => host.freed());
    const operations = new Operations(
      {
        store: host.store,
        clock: host.clock,
        random: host.random,
        // A run that its own write ends is nobody's any more: whether that write was taken, its answer says.
        lost: () => (this.#departure.isEnding ? undefined : host.lost(this)),
        refused: (error) => host.refused(this, error),
        isInLine: (place) => places.has(place),
        hasLeft: (key) => {
          places.end(key);
          standing.dirty();
        },
      },
      journal,
    );
    const bodies = new Bodies({
      clock: host.clock,
      env: host.env,
      log: (level, message, fields) => standing.writeLine(level, message, fields),
      settled: () => standing.ready(),
      late: (owner, attempt, outcome) => this.#ledger.recordLate(owner, attempt, outcome),
      blocked: (owner, ms) => host.blocked(`${callText(owner.kind, owner.key)} of run ${id}`, ms),
    });
    const ledger = new Ledger(standing, { bodies, family, operations, places });
    const departure = new Departure(standing, { bodies, family, places, times }, lag);
    const mail = new MailDrain(standing, { bodies, family, places, ledger, departure });
    this.#standing = standing;
    this.#bodies = bodies;
    this.#places = places;
    this.#times = times;
    this.#ledger = ledger;
    this.#mail = mail;
    this.#departure = departure;
    this.#gate = new Gate(standing, { bodies, times, mail, ledger, departure });
  }

  /** A run that is created and claimed in one write. Its code may begin before that write is durable. */
  static ofStart(host: Host<Execution>, program: Program, created: RunEvent): Execution {
    const journal = Journal.ofStart(created, host);
    return new Execution(host, program, journal, [], null);
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
    const lag = claim.wasStuck ? "release" : state.startedAt === null ? "start" : null;
    return new Execution(host, program, journal, events, lag);
  }

  get runId(): string {
    return this.run.id;
  }

  get epoch(): number {
    return this.#standing.journal.epoch;
  }

  /** The seq up to which the log has everything. */
  get head(): number {
    return this.#standing.journal.durableHead;
  }

  /** Whether its end is queued, or written. */
  get isOver(): boolean {
    return this.#standing.isOver;
  }

  /** Whether it waits for a lock. */
  get isInLine(): boolean {
    return this.#places.waits;
  }

  /** Whether something has come in for it that is not recorded. */
  get hasMail(): boolean {
    return !this.#mail.isEmpty;
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
    const standing = this.#standing;
    this.#mail.add(mail);
    const untouched = this.head === 1 && standing.state.head === 1;
    if (this.#mail.has("terminate") || (this.#mail.has("cancel") && (untouched || wasStuck))) {
      // Its code has not begun, or cannot be trusted to come this far: it need not be asked.
      this.#endWithoutCode();
      return;
    }
    if (standing.state.paused && !this.#mail.has(...WAKES_PAUSED)) {
      standing.phase = "live";
      this.#departure.leaveBy({ kind: "pause" });
      return;
    }
    this.#gate.begin(this.#program, this.#input());
  }

  #endWithoutCode(): void {
    const standing = this.#standing;
    standing.ready();
    standing.phase = "live";
    standing.mayShare = true;
    this.#mail.drain();
    if (!this.isOver) this.#departure.cancel();
  }

  #input(): unknown {
    try {
      return decodePayload(this.#standing.state.input);
    } catch (error) {
      throw damagedEvent({ runId: this.runId, seq: 1, type: "run.created" }, error);
    }
  }

  /** Invariant I1. */
  isCopyOf(claim: Claim): boolean {
    const isParked = this.#standing.phase === "parked" && !claim.wasStuck;
    return isParked && this.epoch === claim.epoch - 1 && this.head === claim.head;
  }

  /** Goes on with a parked copy under a new claim. */
  resume(claim: Claim, mail: readonly InboxRow[]): void {
    const standing = this.#standing;
    assert(standing.phase === "parked", "only a parked run is resumed");
    standing.journal.reclaim(claim.epoch);
    standing.phase = "live";
    this.#mail.add(mail);
    this.#mail.drain();
    this.#times.ring();
  }

  /** Mail has come in for a run that this worker owns. */
  receive(mail: readonly InboxRow[]): void {
    this.#mail.add(mail);
    if (this.#standing.isLive) this.#mail.drain();
    this.#standing.ready();
  }

  /** The worker stops: no new attempt begins, no outcome is given, and the run leaves when its bodies have ended. */
  stop(): void {
    this.#standing.isStopping = true;
    if (this.#standing.phase === "live") this.#ledger.interrupt(this.#bodies.abandonUnstarted());
    this.#standing.ready();
  }

  /** The worker waits no longer: bodies are aborted, and recorded as interrupted. */
  abandonBodies(reason: VarveError): void {
    if (this.#standing.phase === "live") this.#ledger.interrupt(this.#bodies.abandon(reason));
    this.#standing.ready();
  }

  /** The run is somebody else's: stop at once. */
  drop(reason: VarveError): void {
    this.#standing.phase = "gone";
    this.#bodies.abandon(reason);
    this.#times.wake(null);
    this.#standing.journal.drop();
    this.#standing.forgetCalls();
  }

  // ---- Rounds, and the writer ----

  round(): boolean {
    return this.#gate.round();
  }

  take(): RunAppend | null {
    return this.#departure.take();
  }

  written(availableAt: number | null): void {
    this.#departure.written(availableAt);
  }

  lost(): void {
    this.#standing.host.lost(this);
  }

  refused(error: Error): void {
    this.#standing.host.refused(this, error);
  }
}
