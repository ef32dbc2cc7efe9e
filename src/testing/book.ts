/**
 * What the checker knows of one run: its events, who holds it, what its calls have come to. It judges each event by those
 * before it.
 */
import { PAYLOAD_BYTES_MAX, utf8Bytes } from "../kernel/codec.ts";
import { type EventRow, parseEvent } from "../kernel/events.ts";
import { isWithin, ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import type { AppendedEvent } from "../log/port-write.ts";
import type { PredicateName } from "./predicates.ts";

/** Looks at a promise. `what` is asked for only if it is broken. */
export type Expect = (predicate: PredicateName, holds: boolean, what: () => string) => void;

interface CallBook {
  firstSeq: number;
  /** The outcome, and its place; null: none. */
  outcome: string | null;
  endSeq: number;
  attempt: number;
  isOpen: boolean;
  /** Attempts that a stopping worker handed back, or that were made before a retry: they do not count. */
  forgiven: number;
  /** It has let go of the lock that it waited for, or held. */
  isReleased: boolean;
  dueAt: number | null;
  value: string | null;
}

/** Events with which a run is over. */
export const TERMINAL = new Set(["run.completed", "run.failed", "run.cancelled"]);
const OUTCOMES =
  /^(step|wait|child|start|scope|kv|lock|message|breaker)\.(completed|failed|expired|cancelled|answered|acquired|received|admitted|refused|reported)$|^timer\.fired$/;
const BEGINNINGS = new Set([
  "attempt.started",
  "timer.armed",
  "scope.started",
  "wait.started",
  "child.started",
  "kv.requested",
  "lock.requested",
  "message.awaited",
]);

/** Those that say until when, and what comes then. */
const BEGINS_WITH_TIME = new Set(["timer.armed", "wait.started", "lock.requested", "message.awaited"]);
const ENDS_BY_TIME = new Set(["timer.fired", "wait.expired", "lock.expired", "message.expired"]);

/** The key of a call that asks for a lock. */
const LOCK = /\.lock(#\d+)?$/;

/** The key of a step that undoes another one. */
const COMPENSATION = /^((?:.+\/)?compensate(?:#\d+)?)\/([^/#]+)$/;

/** What the log says of a child. */
interface ChildBook {
  readonly key: string;
  /** The type and data of its end as its parent has it; null: not yet. */
  end: { readonly type: string; readonly data: string | null } | null;
}

type Fields = {
  readonly retryAt?: number;
  readonly dueAt?: number;
  readonly reason?: string;
  readonly shielded?: true;
  readonly kept?: true;
  readonly compensates?: true;
  readonly from?: number;
  readonly seq?: number;
  readonly token?: string;
  readonly runId?: string;
  readonly cached?: true;
};

export class RunBook {
  readonly events: EventRow[] = [];
  epoch: number;
  owner: string | null;
  isOver = false;
  /** By key. */
  readonly calls = new Map<string, CallBook>();
  readonly #expect: Expect;
  readonly #clock: { now(): number };
  /** Messages that it has recorded. */
  readonly tokens = new Set<string>();
  /** Runs that it waits for, by their ids. */
  readonly children = new Map<string, ChildBook>();
  #isCancelRequested = false;
  /** When it was paused; null: it is not. */
  #pausedAt: number | null = null;
  /** Keys of scopes that have an outcome. */
  readonly #closed = new Set<string>();
  readonly #shielded = new Set<string>();
  /** Signals by seq: whether a call has taken it. */
  readonly #signals = new Map<number, boolean>();
  /** Steps that have begun to be undone, in order: their keys, and in which scope. */
  #undone: { readonly step: string; readonly scope: string }[] = [];

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
    const mayFollow = type === "run.reopened" ? this.isOver : !this.isOver || type === "attempt.late";
    this.#expect("terminal-last", mayFollow, () => `${place()} comes after the end`);
    this.#expect("epoch-never-falls", row.epoch >= (before?.epoch ?? 0), () => `${place()} has epoch ${row.epoch}`);
    this.#expect("instant-never-falls", row.at >= (before?.at ?? 0), () => `${place()} is earlier than the one before`);
    this.#expect("event-readable", isReadable(row), () => `${place()} cannot be read`);
    const fields = fieldsOf(row);
    if (this.#isCancelRequested && type !== "run.reopened") {
      const isShielded = fields.shielded === true || this.isShielded(row.scope);
      const isObeyed = (!BEGINNINGS.has(type) || isShielded) && (!TERMINAL.has(type) || type === "run.cancelled");
      this.#expect("cancel-obeyed", isObeyed, () => `${place()} comes after the cancel`);
    }
    if (this.#pausedAt !== null)
      this.#expect("pause-obeyed", !BEGINNINGS.has(type), () => `${place()} comes in a pause`);
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
    this.#followOfRun(row, fields, place);
    if (key !== null) this.#followOfCall(row, fields, place);
  }

  /** Whether a scope around it has an outcome. */
  isClosed(scope: string): boolean {
    for (const closed of this.#closed) if (isWithin(scope, closed)) return true;
    return false;
  }

  /** Whether a cancel does not reach what is within. */
  isShielded(scope: string | null): boolean {
    for (const shielded of this.#shielded) if (scope !== null && isWithin(scope, shielded)) return true;
    return false;
  }

  #followOfRun(row: EventRow, fields: Fields, place: () => string): void {
    const { type, key, seq } = row;
    if (TERMINAL.has(type)) this.isOver = true;
    if (type === "cancel.requested") this.#isCancelRequested = true;
    if (type === "run.paused") this.#pausedAt = row.at;
    if (["run.resumed", "cancel.requested", "run.reopened"].includes(type)) this.#pausedAt = null;
    if (type === "scope.started" && fields.shielded === true) this.#shielded.add(key as string);
    if (type === "scope.completed" || type === "scope.failed") this.#closed.add(key as string);
    if (type === "run.reopened") this.#reopen(fields.from ?? 0);
    const { token } = fields;
    if (token !== undefined) {
      this.#expect("message-once", !this.tokens.has(token), () => `${place()} is ${token} again`);
      this.tokens.add(token);
    }
    if (type === "signal.received") this.#signals.set(seq, false);
    if (type === "wait.completed") {
      const isFree = this.#signals.get(fields.seq ?? 0) === false;
      this.#expect("signal-once", isFree, () => `${place()} takes a signal that another one has, or nobody sent`);
      this.#signals.set(fields.seq ?? 0, true);
    }
    if (type === "child.started") this.children.set(fields.runId as string, { key: key as string, end: null });
    if (/^child\.(completed|failed|cancelled)$/.test(type)) {
      const child = [...this.children.values()].findLast((each) => each.key === key);
      if (child !== undefined) child.end = { type, data: row.data };
    }
  }

  /** As the log's format has it: what was made after `from`, and what failed from there on, is made again. */
  #reopen(from: number): void {
    this.isOver = false;
    this.#isCancelRequested = false;
    for (const [key, call] of this.calls) {
      // Who still waited for a lock has lost its place with the run's end.
      const isVoid = call.firstSeq > from || (call.outcome === null && LOCK.test(key));
      const mayDiffer = /\.(failed|cancelled)$/.test(call.outcome ?? "") || wasCancelled(call);
      if (!isVoid && call.endSeq !== from && !(mayDiffer && call.endSeq > from)) continue;
      this.#closed.delete(key);
      Object.assign(call, {
        outcome: null,
        endSeq: 0,
        isOpen: false,
        dueAt: null,
        value: null,
        forgiven: call.attempt,
        isReleased: false,
      });
      if (isVoid) call.firstSeq = Number.POSITIVE_INFINITY;
    }
    this.#undone = [];
    for (const [seq, row] of this.events.entries()) {
      // A wait that is made again gives its signal back.
      if (row.type === "wait.completed" && this.calls.get(row.key as string)?.outcome === null && seq + 1 >= from)
        this.#signals.set(fieldsOf(row).seq ?? 0, false);
    }
  }

  #followOfCall(row: EventRow, fields: Fields, place: () => string): void {
    const { type, attempt, data, seq } = row;
    const key = row.key as string;
    const call = this.calls.get(key) ?? {
      firstSeq: Number.POSITIVE_INFINITY,
      outcome: null,
      endSeq: 0,
      attempt: 0,
      isOpen: false,
      forgiven: 0,
      isReleased: false,
      dueAt: null,
      value: null,
    };
    this.calls.set(key, call);
    if (type !== "attempt.late") call.firstSeq = Math.min(call.firstSeq, seq);
    if (type === "attempt.started") {
      const isNext = attempt === call.attempt + 1 && !call.isOpen && call.outcome === null;
      this.#expect("attempts-count-up", isNext, () => `${place()} is attempt ${attempt} after ${call.attempt}`);
      if (call.dueAt !== null)
        this.#expect(
          "retry-not-early",
          row.at >= call.dueAt,
          () => `${place()} is ${(call.dueAt ?? 0) - row.at} ms early`,
        );
      Object.assign(call, { attempt, isOpen: true, dueAt: null });
      this.#mayUndo(key, place);
    } else if (type === "attempt.failed") Object.assign(call, { isOpen: false, dueAt: fields.retryAt ?? null });
    else if (type === "attempt.interrupted") {
      Object.assign(call, { isOpen: false, dueAt: null });
      if (fields.reason === "stopped") call.forgiven++;
    } else if (BEGINS_WITH_TIME.has(type)) call.dueAt = fields.dueAt ?? null;
    if (ENDS_BY_TIME.has(type)) {
      const now = this.#clock.now();
      const dueAt = call.dueAt ?? Number.POSITIVE_INFINITY;
      this.#expect("timer-not-early", row.at >= dueAt && now >= dueAt, () => `${place()} is early`);
      // The log may have been asked before the pause whether a message came first, and its answer is recorded at once.
      const wasDue = type === "message.expired" && dueAt <= (this.#pausedAt ?? 0);
      const isObeyed = this.#pausedAt === null || wasDue;
      this.#expect("pause-obeyed", isObeyed, () => `${place()} comes in a pause`);
    }
    if (type === "lock.released") call.isReleased = true;
    if (!OUTCOMES.test(type)) return;
    const isFirst = call.outcome === null && !call.isReleased;
    this.#expect("one-outcome", isFirst, () => `${place()} is a second outcome, or of a lock that was let go of`);
    call.outcome = type;
    call.endSeq = seq;
    call.isOpen = false;
    call.value = fields.cached === true ? withoutMark(data) : data;
  }

  /** An attempt may be the first to undo a step: one that has completed, after all that completed later and are undone with it. */
  #mayUndo(key: string, place: () => string): void {
    const [, scope, name] = COMPENSATION.exec(key) ?? [];
    if (scope === undefined || name === undefined) return;
    const step = decodeURIComponent(name);
    if (this.#undone.some((each) => each.step === step && each.scope === scope)) return;
    const completedAt = (each: string) => this.calls.get(each)?.endSeq ?? 0;
    const isNext = this.#undone.every((each) =>
      each.scope === scope ? completedAt(each.step) > completedAt(step) : each.step !== step,
    );
    const before = () => this.#undone.map((each) => `${each.scope}/${each.step}`).join();
    const isRight = completedAt(step) > 0 && isNext;
    this.#expect("compensations-in-reverse", isRight, () => `${place()} follows those of ${before()}`);
    this.#undone.push({ step, scope });
  }
}

/** Whether it is a scope that came to its end after a cancel that reached it. */
function wasCancelled({ outcome, value }: CallBook): boolean {
  if (outcome !== "scope.completed" || value?.includes('"cancelled":true') !== true) return false;
  return (JSON.parse(value) as { readonly cancelled?: true }).cancelled === true;
}

/** A value from the cache as any other. */
function withoutMark(data: string | null): string {
  const { cached: _, ...payload } = JSON.parse(data ?? "{}");
  return JSON.stringify(payload);
}

function fieldsOf({ data }: EventRow): Fields {
  return JSON.parse(data ?? "{}") as Fields;
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
