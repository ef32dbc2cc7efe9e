/**
 * The part of a run that is already in the log: the outcomes still to be given, and what the code has asked for.
 *
 * I1 Outcomes are given in the order of the log, each only if the code has asked for it (rule R7).
 * I2 What the code asks for beyond the log is held, in order, until the log is exhausted.
 * I3 A log line is written again only if the turn that wrote it left nothing in the log: then nobody saw it.
 */
import type { ReplayDivergedError } from "../kernel/errors.ts";
import { isOutcome, type RunEvent } from "../kernel/events.ts";
import { scopeOfKey } from "../kernel/keys.ts";
import { isHiddenScope, type RunState, runsAgain } from "../kernel/state.ts";
import type { Call } from "./call.ts";
import { callNotAsked, outcomeNotAsked } from "./divergence.ts";
import type { RunFacts } from "./recorder.ts";

export class Replay {
  readonly #run: RunFacts;
  readonly #state: RunState;
  readonly #outcomes: readonly RunEvent[];
  readonly #asked = new Set<string>();
  readonly #held: (() => void)[] = [];
  /** The log lines of the open turn. */
  #lines: (() => void)[] = [];
  #turnIsRecorded = false;
  #next = 0;

  constructor(run: RunFacts, state: RunState, events: readonly RunEvent[]) {
    this.#run = run;
    this.#state = state;
    this.#outcomes = events.filter((event) => isGiven(event, state));
  }

  asked(key: string): void {
    this.#asked.add(key);
    this.#turnIsRecorded ||= this.#state.calls.has(key);
  }

  /** The code writes a log line. */
  line(write: () => void): void {
    this.#lines.push(write);
  }

  /** Keeps what the code wants done for when the log is exhausted. */
  hold(action: () => void): void {
    this.#held.push(action);
  }

  /** The next outcome, or why the code cannot be given it; null when the log is exhausted. */
  next(waiting: () => readonly Call[]): RunEvent | ReplayDivergedError | null {
    const outcome = this.#outcomes[this.#next];
    if (outcome === undefined) return this.#unasked(waiting);
    if (outcome.key !== null && !this.#asked.has(outcome.key)) {
      return outcomeNotAsked(this.#run, outcome, waiting().map(asAsked));
    }
    this.#next++;
    this.#lines = [];
    this.#turnIsRecorded = false;
    return outcome;
  }

  /** The outcome with this seq, if it is still to be given. */
  outcomeAt(seq: number): RunEvent | undefined {
    return this.#outcomes.find((outcome, index) => index >= this.#next && outcome.seq === seq);
  }

  /** A call that the log has begun must have been asked for by the time that the log is exhausted. */
  #unasked(waiting: () => readonly Call[]): ReplayDivergedError | null {
    for (const call of this.#state.calls.values()) {
      if (call.status === "open" && !this.#asked.has(call.key)) {
        return callNotAsked(this.#run, call, waiting().map(asAsked));
      }
    }
    return null;
  }

  /** The log lines that nobody has seen; no more after that. */
  releaseLines(): void {
    if (!this.#turnIsRecorded) for (const write of this.#lines) write();
    this.#lines = [];
  }

  /** What was held, in order. */
  release(): void {
    for (const action of this.#held.splice(0)) action();
  }
}

/**
 * Only what concludes a call counts, and of it only the last: the run may have been reopened. A completed scope is one
 * outcome, so that its start is not given; and nothing is given that a call within such a scope came to.
 */
function isGiven(event: RunEvent, state: RunState): boolean {
  if (!isOutcome(event.type)) return false;
  if (event.key === null) return event.seq === state.cancelSeq;
  const call = state.calls.get(event.key);
  if (call === undefined || isHiddenScope(state, scopeOfKey(event.key))) return false;
  if (event.type === "scope.started") return event.seq === call.firstSeq && runsAgain(call);
  return event.seq === call.endSeq;
}

function asAsked(call: Call): { key: string; kind: Call["request"]["kind"] } {
  return { key: call.key, kind: call.request.kind };
}
