/**
 * What comes in for a run from outside of it, and its way into the log (rule R4).
 *
 * Owns: the mail that waits in memory. Called by the worker (mail has come in) and by the gate (the log is exhausted).
 *
 * I1 A message is recorded once, however often it comes.
 * I2 What mail has brought for a call is recorded also while nobody listens, as in a pause: it is told once.
 */
import { assertNever } from "../kernel/assert.ts";
import type { EventData, RunEvent } from "../kernel/events.ts";
import { isConcluded, type ReceivedSignal } from "../kernel/state.ts";
import type { InboxRow, MessageKind } from "../log/port-inbox.ts";
import type { Bodies } from "./bodies.ts";
import type { Departure } from "./departure.ts";
import type { Family } from "./family.ts";
import type { Ledger } from "./ledger.ts";
import { Mail, readMessage } from "./mail.ts";
import type { Places } from "./places.ts";
import type { GivenMessage } from "./recorder.ts";
import type { Standing } from "./standing.ts";

interface MailParts {
  readonly bodies: Bodies;
  readonly family: Family;
  readonly places: Places;
  readonly ledger: Ledger;
  readonly departure: Departure;
}

export class MailDrain {
  readonly #standing: Standing;
  readonly #parts: MailParts;
  readonly #mail = new Mail();

  constructor(standing: Standing, parts: MailParts) {
    this.#standing = standing;
    this.#parts = parts;
  }

  add(rows: readonly InboxRow[]): void {
    this.#mail.add(rows);
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#mail.isEmpty;
  }

  /** Whether a message of one of these kinds waits. */
  has(...kinds: readonly MessageKind[]): boolean {
    return this.#mail.has(...kinds);
  }

  /** Records what waits, in order of arrival. */
  drain(): void {
    for (const row of this.#mail.drain()) {
      if (this.#standing.isOver) return;
      this.#standing.journal.drain(row.id);
      this.#take(row);
      this.#standing.dirty();
    }
    // A resume or a cancel has ended the pause.
    if (!this.#standing.state.paused) this.#parts.ledger.resumed();
  }

  #take(row: InboxRow): void {
    const standing = this.#standing;
    const { state } = standing;
    const { family, places, ledger, departure } = this.#parts;
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
        departure.terminate(message.data);
        return;
      case "pause":
        if (!state.paused && !state.cancelRequested) standing.record("run.paused", { ...message.data, token });
        return;
      case "resume":
        if (state.paused) standing.record("run.resumed", { token });
        return;
      case "signal":
        if (!ledger.isFull())
          this.#hand(ledger.signal(standing.record("signal.received", { ...message.data, token }).seq));
        return;
      case "child":
        this.#tell(family.childEnded(message.data));
        return;
      case "lock":
        this.#tell(places.granted(message.data.key));
        places.slotGranted(message.data.key);
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
    const call = this.#standing.calls.get(key);
    if (call === undefined || isConcluded(call.state) || this.#standing.isCancelled(call)) return null;
    return this.#parts.ledger.append(call, "message.received", null, message);
  }

  /** To the first of the calls that wait for it, in the order in which they were made. */
  #hand(signal: ReceivedSignal): void {
    for (const call of this.#standing.calls.values()) if (call.receive(signal)) return;
  }

  /** Invariant I2. */
  #tell(outcome: RunEvent | null): void {
    if (outcome !== null) this.#standing.fresh.push(outcome);
    this.#standing.ready();
  }

  #requestCancel(data: EventData["cancel.requested"]): void {
    const standing = this.#standing;
    standing.fresh.push(standing.record("cancel.requested", data));
    this.#parts.places.cancelled((scope) => standing.calls.get(scope)?.isShielded === true);
    const error = standing.cancelled();
    const abort = this.#parts.bodies.cancel();
    standing.journal.afterDurable(() => {
      abort(error);
      standing.ready();
    });
  }
}
