/**
 * How a run is written, and how it leaves this worker's hands: parked, paused, handed back, stuck or ended.
 *
 * Owns: the leave within the write that is under way. Driven by the writer (what is durable) and by the run's other parts.
 *
 * I1 One write of a run is under way at a time.
 * I2 A run leaves with a write, and has left once that is durable: until then its claim holds.
 * I3 What stays in memory of a parked run is a copy that is good only while epoch and head are its own (rule R8).
 */

import { encodePayload } from "../kernel/codec.ts";
import * as errors from "../kernel/errors.ts";
import type { EventData } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import type { RunAppend } from "../log/port-write.ts";
import type { Bodies } from "./bodies.ts";
import type { DueTimes } from "./due-times.ts";
import type { Family } from "./family.ts";
import type { Places } from "./places.ts";
import { type Leave, leavingRow, type RowLag, stayingRow } from "./row.ts";
import type { Standing } from "./standing.ts";

/** The most unfinished steps that the end of a run names. */
const UNFINISHED_NAMED_MAX = 100;

/** What the workflow function came to. */
export type Finish =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown };

interface DepartureParts {
  readonly bodies: Bodies;
  readonly family: Family;
  readonly places: Places;
  readonly times: DueTimes;
}

export class Departure<Execution = unknown> {
  readonly #standing: Standing<Execution>;
  readonly #parts: DepartureParts;
  /** The leave within the write that is under way; undefined: no write is. */
  #writing: Leave | null | undefined = undefined;
  #lag: RowLag;

  constructor(standing: Standing<Execution>, parts: DepartureParts, lag: RowLag) {
    this.#standing = standing;
    this.#parts = parts;
    this.#lag = lag;
  }

  // ---- The writer: what is durable ----

  /** Whether a write is under way with which the run is over. */
  get isEnding(): boolean {
    return this.#writing?.kind === "end";
  }

  /** What there is to write; null if nothing is, or a write is under way. */
  take(): RunAppend | null {
    const { phase, leave, journal, run } = this.#standing;
    if (this.#writing !== undefined || phase === "gone") return null;
    if (journal.isEmpty && leave === null) return null;
    const { firstSeq, events, drained, beyond, hasOutcome } = journal.take();
    const { state, epoch } = journal;
    const row = leave === null ? stayingRow(state, hasOutcome, this.#lag) : leavingRow(state, leave, hasOutcome);
    this.#writing = leave;
    if (row.startedAt !== null) this.#lag = null;
    return { runId: run.id, epoch, firstSeq, events, drained, beyond, row };
  }

  /** What was taken is durable. `availableAt`: what the run's row says. */
  written(availableAt: number | null): void {
    const left = this.#writing;
    this.#writing = undefined;
    const { phase, host, journal } = this.#standing;
    if (phase === "gone") return;
    host.publish(journal.written());
    journal.release();
    if (left !== null && left !== undefined) this.#left(left, availableAt);
    else this.#standing.ready();
  }

  #left(leave: Leave, availableAt: number | null): void {
    const standing = this.#standing;
    const { host, execution } = standing;
    const { bodies } = this.#parts;
    standing.leave = null;
    if (leave.kind === "end") {
      if (bodies.size > 0) bodies.abandon(runOver());
      if (this.#isLimited) host.freed();
      host.ended(execution);
      return;
    }
    standing.phase = leave.kind === "park" ? "parked" : "gone";
    if (this.#isLimited) host.freed();
    if (leave.kind === "stuck") host.stuck(execution, leave.error);
    host.released(execution, availableAt, leave.kind === "park");
  }

  /** Whether it needed a place in a line before it was claimed. */
  get #isLimited(): boolean {
    return this.#standing.state.limits !== null;
  }

  // ---- What makes it leave ----

  leaveBy(leave: Leave): void {
    this.#standing.leave = leave;
    if (this.#isLimited && leave.kind !== "hand-back")
      this.#standing.journal.reachBeyond().places = leave.kind === "end" ? "end" : "yield";
    this.#parts.times.wake(null);
    this.#standing.dirty();
  }

  /** In replay the code is at fault, and fixed code resumes the run. Live, the fault is the run's end. */
  failBy(fault: errors.VarveError): void {
    if (this.#standing.phase === "replay" || fault instanceof errors.ReplayDivergedError)
      this.leaveBy({ kind: "stuck", error: fault });
    else if (this.#standing.state.cancelRequested) this.cancel();
    else this.#end("run.failed", { error: toFailure(fault) });
  }

  /** The code has come to its end. */
  finish(finish: Finish): void {
    if (this.#standing.state.cancelRequested) this.cancel();
    else if (finish.kind === "error") this.#end("run.failed", { error: toFailure(finish.error) });
    else this.#complete(finish.value);
  }

  #complete(value: unknown): void {
    const { calls, journal, host } = this.#standing;
    const unfinished = [...calls.values()].filter(({ request }) => request.kind === "step").map(({ key }) => key);
    const named = unfinished.slice(0, UNFINISHED_NAMED_MAX);
    try {
      const output = encodePayload(value, host.limits.payloadBytesMax);
      this.#end("run.completed", unfinished.length === 0 ? output : { ...output, unfinished: named });
    } catch (error) {
      this.#end("run.failed", { error: toFailure(error) });
      return;
    }
    if (unfinished.length === 0) return;
    journal.afterDurable(() => {
      const message = `the run ended while ${unfinished.length} of its steps had no outcome: was one not awaited?`;
      this.#standing.writeLine("warn", message, { steps: named });
    });
  }

  /** A cancel was asked for, and what it lets go on has ended. */
  cancel(): void {
    const { cancelReason } = this.#standing.state;
    this.#end("run.cancelled", cancelReason === null ? {} : { reason: cancelReason });
  }

  /** Ends the run at once, without its code. */
  terminate(data: EventData["run.cancelled"]): void {
    this.#end("run.cancelled", { ...data, terminated: true });
  }

  #end<T extends "run.completed" | "run.failed" | "run.cancelled">(type: T, data: EventData[T]): void {
    const standing = this.#standing;
    standing.record(type, data);
    this.#parts.family.runIsOver();
    this.#parts.places.runIsOver(standing.mayShare);
    standing.phase = "over";
    this.#parts.bodies.runIsOver();
    standing.forgetCalls();
    this.leaveBy({ kind: "end" });
  }
}

function runOver(): errors.ClosedError {
  return new errors.ClosedError("RUN_OVER", "the run has ended and does not wait for this step");
}
