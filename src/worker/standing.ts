/**
 * Where one run stands in this worker: what its parts share. They are the gate (`gate.ts`: its code), the ledger
 * (`ledger.ts`: what its calls queue), its mail (`mail-drain.ts`), its times (`due-times.ts`) and its departure
 * (`departure.ts`: how it is written, and how it leaves).
 *
 * Owns: the run's calls, and the outcomes that wait to be given to the code.
 *
 * I1 A run that has left appends nothing and tells nothing, whatever still comes in.
 */
import * as errors from "../kernel/errors.ts";
import type { EventData, EventType, RunEvent } from "../kernel/events.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import type { RunState } from "../kernel/state.ts";
import type { Call } from "./call.ts";
import { RegisteredCompensations } from "./compensations.ts";
import type { Host } from "./host.ts";
import type { Journal } from "./journal.ts";
import { OpenCalls } from "./open-calls.ts";
import type { LogLine, RunFacts } from "./recorder.ts";
import type { Replay } from "./replay.ts";
import type { Leave } from "./row.ts";

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

/** @typeParam Execution the run as the worker has it */
export class Standing<Execution = unknown> {
  readonly execution: Execution;
  readonly host: Host<Execution>;
  readonly run: RunFacts;
  readonly journal: Journal;
  readonly replay: Replay;
  readonly compensations = new RegisteredCompensations();
  readonly calls = new OpenCalls();
  /** Outcomes that are queued and not yet given, in order. */
  readonly fresh: RunEvent[] = [];
  phase: Phase = "replay";
  /** How it is about to leave this worker's hands; null: it stays. */
  leave: Leave | null = null;
  /** What ends it, or has it parked, in the next round. */
  fault: errors.VarveError | null = null;
  /** The code has been told that the run is cancelled. */
  isCancelGiven = false;
  /** The worker stops, or has no time left: nothing new begins. */
  isStopping = false;
  /** Whether it may have changed what runs share. */
  mayShare = false;

  constructor(execution: Execution, host: Host<Execution>, run: RunFacts, journal: Journal, replay: Replay) {
    this.execution = execution;
    this.host = host;
    this.run = run;
    this.journal = journal;
    this.replay = replay;
  }

  get state(): RunState {
    return this.journal.state;
  }

  /** Whether it is new what it does, and it stays. */
  get isLive(): boolean {
    return this.phase === "live" && this.leave === null;
  }

  /** Whether its end is queued, or written. */
  get isOver(): boolean {
    return this.phase === "over";
  }

  /** It has something to do in the next round. */
  ready(): void {
    this.host.ready(this.execution);
  }

  /** It has something to write. */
  dirty(): void {
    this.host.dirty(this.execution);
  }

  record<T extends EventType>(type: T, data: EventData[T]): RunEvent {
    return this.journal.record(type, null, ROOT_SCOPE, null, data);
  }

  /** Nothing is given to its calls any more. */
  forgetCalls(): void {
    this.calls.clear();
    this.fresh.length = 0;
  }

  writeLine(level: Parameters<LogLine>[0], message: string, fields?: Parameters<LogLine>[2]): void {
    const { id: runId, workflow } = this.run;
    this.host.logger.log(level, message, { runId, workflow, ...fields });
  }

  /** Whether a cancel has been asked for that reaches the call: nothing new begins then. */
  isCancelled(call: Call): boolean {
    return this.state.cancelRequested && !call.isShielded;
  }

  /** What a call is told that a cancel has reached. */
  cancelled(): errors.CancelledError {
    const { cancelReason: reason } = this.state;
    const message = `the run was cancelled${reason === null ? "" : `: ${reason}`}`;
    return new errors.CancelledError("RUN_CANCELLED", message, { runId: this.run.id, reason });
  }
}
