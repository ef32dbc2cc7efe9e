/**
 * What the checker knows of one run: its events, who holds it, what its calls have come to. It judges each event by those
 * before it.
 */
import { PAYLOAD_BYTES_MAX, utf8Bytes } from "../kernel/codec.ts";
import { type EventRow, parseEvent } from "../kernel/events.ts";
import { ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import type { AppendedEvent } from "../log/port.ts";
import type { PredicateName } from "./predicates.ts";

/** Looks at a promise. `what` is asked for only if it is broken. */
export type Expect = (predicate: PredicateName, holds: boolean, what: () => string) => void;

interface CallBook {
  attempt: number;
  isOpen: boolean;
  outcomes: number;
  /** Attempts that a stopping worker handed back: they do not count. */
  forgiven: number;
  dueAt: number | null;
  value: string | null;
}

/** Events with which a run is over. */
export const TERMINAL = new Set(["run.completed", "run.failed", "run.cancelled"]);
const OUTCOMES = new Set(["step.completed", "step.failed", "timer.fired", "scope.completed", "scope.failed"]);
const BEGINNINGS = new Set(["attempt.started", "timer.armed", "scope.started"]);

export class RunBook {
  readonly events: EventRow[] = [];
  epoch: number;
  owner: string | null;
  isOver = false;
  /** By key. */
  readonly calls = new Map<string, CallBook>();
  readonly #expect: Expect;
  readonly #clock: { now(): number };
  #isCancelRequested = false;
  /** Keys of scopes that have an outcome. */
  readonly #closed = new Set<string>();

  /** @param owner who claimed the run in the write that made it */
  constructor(owner: string | null, expect: Expect, clock: { now(): number }) {
    this.owner = owner;
    this.epoch = owner === null ? 0 : 1;
    this.#expect = expect;
    this.#clock = clock;
  }

  /** The next row of the run: looks at it, and takes it into the this. */
  follow(row: EventRow): void {
    const { runId, type, key } = row;
    const before = this.events.at(-1);
    const place = () => `seq ${row.seq} (${type} ${key ?? ""}) of run ${runId}`;
    this.#expect(
      "seq-dense",
      row.seq === this.events.length + 1 && row.position > (before?.position ?? 0),
      () => `${place()} does not follow`,
    );
    this.#expect("created-first", (type === "run.created") === (row.seq === 1), () => `${place()} is out of place`);
    this.#expect("terminal-last", !this.isOver || type === "attempt.late", () => `${place()} comes after the end`);
    this.#expect("epoch-never-falls", row.epoch >= (before?.epoch ?? 0), () => `${place()} has epoch ${row.epoch}`);
    this.#expect("instant-never-falls", row.at >= (before?.at ?? 0), () => `${place()} is earlier than the one before`);
    this.#expect("event-readable", isReadable(row), () => `${place()} cannot be read`);
    if (this.#isCancelRequested) {
      const isObeyed = !BEGINNINGS.has(type) && (!TERMINAL.has(type) || type === "run.cancelled");
      this.#expect("cancel-obeyed", isObeyed, () => `${place()} comes after the cancel`);
    }
    // From the inside out, and not through all that are over: a map has thousands of them.
    for (let scope = row.scope ?? ROOT_SCOPE; scope !== ROOT_SCOPE; scope = scopeOfKey(scope)) {
      const isSilent = type === "attempt.late" || !this.#closed.has(scope);
      this.#expect("closed-scope-silent", isSilent, () => `${place()} lies within "${scope}", which is over`);
    }
    if (/^(step|scope|run)\.completed$/.test(type)) {
      const bytes = utf8Bytes(row.data ?? "");
      this.#expect("value-within-limit", bytes <= PAYLOAD_BYTES_MAX, () => `${place()} has ${bytes} bytes`);
    }
    this.events.push(row);
    if (TERMINAL.has(type)) this.isOver = true;
    if (type === "cancel.requested") this.#isCancelRequested = true;
    if (type === "scope.completed" || type === "scope.failed") this.#closed.add(key as string);
    if (key !== null) this.#followOfCall(row, place);
  }

  #followOfCall(row: EventRow, place: () => string): void {
    const { type, attempt, data } = row;
    const key = row.key as string;
    const call = this.calls.get(key) ?? {
      attempt: 0,
      isOpen: false,
      outcomes: 0,
      forgiven: 0,
      dueAt: null,
      value: null,
    };
    this.calls.set(key, call);
    const fields = JSON.parse(data ?? "{}") as { retryAt?: number; dueAt?: number; reason?: string };
    if (type === "attempt.started") {
      const isNext = attempt === call.attempt + 1 && !call.isOpen && call.outcomes === 0;
      this.#expect("attempts-count-up", isNext, () => `${place()} is attempt ${attempt} after ${call.attempt}`);
      if (call.dueAt !== null)
        this.#expect(
          "retry-not-early",
          row.at >= call.dueAt,
          () => `${place()} is ${(call.dueAt ?? 0) - row.at} ms early`,
        );
      Object.assign(call, { attempt, isOpen: true, dueAt: null });
    } else if (type === "attempt.failed") Object.assign(call, { isOpen: false, dueAt: fields.retryAt ?? null });
    else if (type === "attempt.interrupted") {
      Object.assign(call, { isOpen: false, dueAt: null });
      if (fields.reason === "stopped") call.forgiven++;
    } else if (type === "timer.armed") call.dueAt = fields.dueAt ?? null;
    if (type === "timer.fired") {
      const now = this.#clock.now();
      const dueAt = call.dueAt ?? Number.POSITIVE_INFINITY;
      this.#expect("timer-not-early", row.at >= dueAt && now >= dueAt, () => `${place()} is early`);
    }
    if (!OUTCOMES.has(type)) return;
    this.#expect("one-outcome", call.outcomes === 0, () => `${place()} is a second outcome`);
    call.outcomes++;
    call.isOpen = false;
    call.value = data;
  }
}

function isReadable(row: EventRow): boolean {
  try {
    parseEvent(row);
    return true;
  } catch {
    return false;
  }
}

/** Whether a row holds what was sent, byte for byte, at its place. */
export function isSame(row: EventRow | undefined, sent: AppendedEvent | undefined, seq: number): boolean {
  return (
    row !== undefined &&
    sent !== undefined &&
    row.seq === seq &&
    row.type === sent.type &&
    row.v === sent.v &&
    row.key === sent.key &&
    row.scope === sent.scope &&
    row.attempt === sent.attempt &&
    row.at === sent.at &&
    row.data === sent.data
  );
}
