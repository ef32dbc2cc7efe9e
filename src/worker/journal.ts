/**
 * What one run has queued, and what of it is durable.
 *
 * Owns: the run's folded state, the events not yet written, the effects that wait for them. Called by the run's
 * execution (records, effects) and, through it, by the writer (take, written).
 *
 * I1 Every event is folded when it is queued, so `state` is the truth that the log will have.
 * I2 An event's text never changes once it is queued: a write that is sent again has the same bytes.
 * I3 An effect runs after everything queued before it is durable (rule R5), in the order in which effects were asked.
 * I4 The first event of a claim is `run.claimed`, unless the run was created by its claim.
 */
import { assert } from "../kernel/assert.ts";
import { checkSize } from "../kernel/codec.ts";
import {
  dataText,
  type EventData,
  type EventType,
  FORMAT_VERSION,
  isOutcome,
  type RunEvent,
} from "../kernel/events.ts";
import { evolve, newCall } from "../kernel/evolve.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import type { Limits } from "../kernel/limits.ts";
import type { CallKind, CallState, RunState } from "../kernel/state.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type { AppendedEvent, Beyond, ChildStart } from "../log/port-write.ts";

/** What a write takes of a run's queue. */
export interface QueuedEvents {
  readonly firstSeq: number;
  readonly events: readonly AppendedEvent[];
  readonly drained: readonly number[];
  readonly beyond: Beyond | null;
  /** Whether an outcome is among them: then the claim has got somewhere. */
  readonly hasOutcome: boolean;
}

/** What is queued for others, to be written with the events that are queued. */
class Outgoing implements Beyond {
  shares = false;
  readonly children: ChildStart[] = [];
  readonly tells: InboxMessage[] = [];
  readonly unlocks: string[] = [];
  readonly settled: string[] = [];
  places: Beyond["places"] = null;
}

interface Effect {
  readonly afterSeq: number;
  readonly run: () => void;
}

/** What a journal takes from its surroundings. */
export interface JournalHost {
  /** The worker's id. */
  readonly worker: string;
  readonly limits: Pick<Limits, "payloadBytesMax">;
  now(): number;
}

export class Journal {
  readonly state: RunState;
  readonly #host: JournalHost;
  #epoch: number;
  #announced: boolean;
  #queued: RunEvent[] = [];
  #texts: AppendedEvent[] = [];
  #drained: number[] = [];
  #outgoing: Outgoing | null = null;
  /** Whether an outcome is queued. */
  #hasOutcome = false;
  #taken: readonly RunEvent[] | null = null;
  #durableHead: number;
  #effects: Effect[] = [];

  /** @param claim `announced`: whether the log says which worker writes under its epoch */
  constructor(state: RunState, claim: { readonly epoch: number; readonly announced: boolean }, host: JournalHost) {
    this.state = state;
    this.#host = host;
    this.#epoch = claim.epoch;
    this.#announced = claim.announced;
    this.#durableHead = state.head;
  }

  /** The journal of a run that does not exist yet: `created`, its first event, is queued. */
  static ofStart(created: RunEvent, host: JournalHost): Journal {
    const journal = new Journal(evolve(null, created), { epoch: created.epoch, announced: true }, host);
    journal.#durableHead = 0;
    journal.#queue(created, dataText(created.data));
    return journal;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The seq up to which the log has everything. */
  get durableHead(): number {
    return this.#durableHead;
  }

  get isEmpty(): boolean {
    return this.#queued.length === 0 && this.#drained.length === 0 && this.#outgoing === null;
  }

  /** Goes on under a new claim, with nothing queued. */
  reclaim(epoch: number): void {
    assert(this.isEmpty && this.#durableHead === this.state.head, "a run is claimed again with events in its queue");
    this.#epoch = epoch;
    this.#announced = false;
  }

  /** What the events say of a call, those that are only queued included. */
  callState(kind: CallKind, key: string): CallState {
    return this.state.calls.get(key) ?? newCall(kind, key);
  }

  /** @throws PayloadError `PAYLOAD_TOO_LARGE`; then nothing was queued. */
  record<T extends EventType>(
    type: T,
    key: string | null,
    scope: string,
    attempt: number | null,
    data: EventData[T],
  ): RunEvent {
    if (!this.#announced) {
      this.#announced = true;
      this.#push("run.claimed", null, ROOT_SCOPE, null, { worker: this.#host.worker });
    }
    return this.#push(type, key, scope, attempt, data);
  }

  /** Notes that the events queued so far consume an inbox row. */
  drain(id: number): void {
    this.#drained.push(id);
  }

  /** What the events queued so far do to others; written with them, though it be nothing. */
  reachBeyond(): Outgoing {
    this.#outgoing ??= new Outgoing();
    return this.#outgoing;
  }

  afterDurable(run: () => void): void {
    if (this.state.head <= this.#durableHead && this.#effects.length === 0) run();
    else this.#effects.push({ afterSeq: this.state.head, run });
  }

  #push<T extends EventType>(
    type: T,
    key: string | null,
    scope: string,
    attempt: number | null,
    data: EventData[T],
  ): RunEvent {
    const { state } = this;
    const text = dataText(data);
    // Failures have bounds of their own; only a user's value can be too large.
    if (text !== null && "value" in data) checkSize(() => what(type, key), text, this.#host.limits.payloadBytesMax);
    const event = {
      runId: state.id,
      seq: state.head + 1,
      epoch: this.#epoch,
      v: FORMAT_VERSION,
      position: 0,
      type,
      key,
      scope: state.scoped || type === "scope.started" ? scope : null,
      attempt,
      at: Math.max(state.at, Math.floor(this.#host.now())),
      // The code must be given what replay will be given: the stored form, read again (rule R5).
      data: text !== null && isOutcome(type) ? JSON.parse(text) : data,
    } as RunEvent;
    this.#queue(event, text);
    evolve(state, event);
    return event;
  }

  #queue(event: RunEvent, text: string | null): void {
    const { type, v, key, scope, attempt, at } = event;
    this.#queued.push(event);
    this.#texts.push({ type, v, key, scope, attempt, at, data: text });
    if (isOutcome(type)) this.#hasOutcome = true;
  }

  /** Hands the queue to the writer. Until `written` or the run is dropped, nothing more is taken. */
  take(): QueuedEvents {
    assert(this.#taken === null, "a run has one write in flight");
    const events = this.#texts;
    const drained = this.#drained;
    const beyond = this.#outgoing;
    this.#taken = this.#queued;
    this.#queued = [];
    this.#texts = [];
    this.#drained = [];
    this.#outgoing = null;
    const hasOutcome = this.#hasOutcome;
    this.#hasOutcome = false;
    return { firstSeq: this.#durableHead + 1, events, drained, beyond, hasOutcome };
  }

  /** What was taken is durable. Returns it, for the bus; effects are released by `release`. */
  written(): readonly RunEvent[] {
    const events = this.#taken ?? [];
    this.#taken = null;
    this.#durableHead += events.length;
    return events;
  }

  /** Runs the effects whose events are durable. */
  release(): void {
    let count = 0;
    while (count < this.#effects.length && (this.#effects[count] as Effect).afterSeq <= this.#durableHead) count++;
    if (count === 0) return;
    const due = this.#effects;
    this.#effects = due.slice(count);
    for (let i = 0; i < count; i++) (due[i] as Effect).run();
  }

  /** Forgets everything that is not durable: the run belongs to somebody else. */
  drop(): void {
    this.#queued = [];
    this.#texts = [];
    this.#drained = [];
    this.#outgoing = null;
    this.#hasOutcome = false;
    this.#taken = null;
    this.#effects = [];
  }
}

function what(type: EventType, key: string | null): string {
  return key === null ? `the data of ${type}` : `the value of "${key}" (${type})`;
}
