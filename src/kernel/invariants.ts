/**
 * What every well-formed history keeps, as named predicates. `varve db verify`, the contract suite and the simulator
 * check them; the live path does not pay for them.
 */
import { type EventType, FORMAT_VERSION, isTerminal, type RunEvent } from "./events.ts";

/** One rule of a well-formed history. */
export interface Invariant {
  readonly name: string;
  /** The rule in one sentence. */
  readonly rule: string;
  /** The first place that breaks it, in words; null if none does. */
  readonly broken: (history: readonly RunEvent[]) => string | null;
}

/** Events that may follow a terminal one. */
const AFTER_TERMINAL: ReadonlySet<EventType> = new Set(["attempt.late"]);

/** A rule about each event and the one before it. */
function each(
  name: string,
  rule: string,
  broken: (event: RunEvent, before: RunEvent | undefined) => boolean,
): Invariant {
  return {
    name,
    rule,
    broken: (history) => {
      const at = history.findIndex((event, i) => broken(event, history[i - 1]));
      return at < 0 ? null : place(history[at] as RunEvent);
    },
  };
}

function place(event: RunEvent): string {
  return `seq ${event.seq} (${event.type}${event.key === null ? "" : ` ${event.key}`})`;
}

/** What a rule holds of one key, and between which events. */
interface Kept<S> {
  state: S;
  /** Null: made again since the run was reopened, and nothing recorded of it yet. */
  readonly firstSeq: number | null;
  concludedBy: RunEvent | null;
}

/**
 * A rule about the events of one key, in order; `step` is given what it returned for the event before. `reopened`: what
 * is left of that when the run is reopened and the call is made again; without it nothing. `goesOn`: what becomes of it when
 * the call goes on.
 */
function perKey<S>(
  name: string,
  rule: string,
  step: (state: S | undefined, event: RunEvent) => S | "broken",
  reopened: (state: S) => S | undefined = () => undefined,
  goesOn: (state: S) => S = (state) => state,
): Invariant {
  return {
    name,
    rule,
    broken: (history) => {
      const keys = new Map<string, Kept<S>>();
      for (const event of history) {
        if (event.type === "run.reopened") reopen(keys, event.data.from, { reopened, goesOn });
        if (event.key === null) continue;
        const before = keys.get(event.key);
        const state = step(before?.state, event);
        if (state === "broken") return place(event);
        const concludedBy = CONCLUSIONS.has(event.type) ? event : (before?.concludedBy ?? null);
        keys.set(event.key, { state, firstSeq: before?.firstSeq ?? event.seq, concludedBy });
      }
      return null;
    },
  };
}

function reopen<S>(
  keys: Map<string, Kept<S>>,
  from: number,
  { reopened, goesOn }: { readonly reopened: (state: S) => S | undefined; readonly goesOn: (state: S) => S },
): void {
  for (const [key, { state, firstSeq, concludedBy }] of keys) {
    const endSeq = concludedBy?.seq ?? 0;
    const mayDiffer = concludedBy !== null && (FAILURES.has(concludedBy.type) || wasCancelled(concludedBy));
    if (firstSeq === null || (firstSeq <= from && endSeq !== from && !(mayDiffer && endSeq > from))) {
      keys.set(key, { state: goesOn(state), firstSeq, concludedBy });
      continue;
    }
    const left = reopened(state);
    if (left === undefined) keys.delete(key);
    else keys.set(key, { state: left, firstSeq: firstSeq > from ? null : firstSeq, concludedBy: null });
  }
}

/** Whether a scope came to its end after a cancel that reached what is within. */
function wasCancelled(event: RunEvent): boolean {
  return event.type === "scope.completed" && event.data.cancelled === true;
}

const CONCLUSIONS: ReadonlySet<EventType> = new Set([
  "step.completed",
  "step.failed",
  "timer.fired",
  "wait.completed",
  "wait.expired",
  "wait.failed",
  "child.completed",
  "child.failed",
  "child.cancelled",
  "start.completed",
  "start.failed",
  "scope.completed",
  "scope.failed",
  "kv.answered",
  "kv.failed",
  "lock.acquired",
  "lock.expired",
  "message.received",
  "message.expired",
  "breaker.admitted",
  "breaker.refused",
  "breaker.reported",
]);

/** What a cancel forbids. */
const BEGINNINGS: ReadonlySet<EventType> = new Set([
  "attempt.started",
  "lock.requested",
  "kv.requested",
  "message.awaited",
]);

/** What may follow the conclusion of its call. */
const AFTER_CONCLUSION: ReadonlySet<EventType> = new Set(["attempt.late", "lock.released"]);

/** What is made again when the run is reopened before it. */
const FAILURES: ReadonlySet<EventType> = new Set([
  "step.failed",
  "wait.failed",
  "child.failed",
  "child.cancelled",
  "start.failed",
  "scope.failed",
  "kv.failed",
  "lock.expired",
  "breaker.refused",
]);

/** All rules, in the order of `docs/FORMAT.md`. */
export const INVARIANTS: readonly Invariant[] = [
  each(
    "seq-is-dense",
    "Per run, seq is 1, 2, 3 ... without gap or repeat.",
    (event, before) => event.seq !== (before?.seq ?? 0) + 1,
  ),
  each(
    "one-run",
    "All events of a history name the same run.",
    (event, before) => before !== undefined && event.runId !== before.runId,
  ),
  each(
    "created-first",
    "run.created is the first event and no other.",
    (event) => (event.type === "run.created") !== (event.seq === 1),
  ),
  each(
    "position-grows",
    "Positions grow with seq.",
    (event, before) => before !== undefined && event.position !== 0 && event.position <= before.position,
  ),
  each(
    "epoch-never-falls",
    "Epochs never decrease.",
    (event, before) => before !== undefined && event.epoch < before.epoch,
  ),
  each("at-never-falls", "Instants never decrease.", (event, before) => before !== undefined && event.at < before.at),
  each(
    "format-known",
    "Every event was written under a known format version.",
    (event) => event.v < 1 || event.v > FORMAT_VERSION,
  ),
  {
    name: "terminal-is-last",
    rule: "Nothing but late outcomes follows a terminal event, unless the run is reopened.",
    broken: (history) => {
      let isOver = false;
      for (const event of history) {
        if (event.type === "run.reopened" ? !isOver : isOver && !AFTER_TERMINAL.has(event.type)) return place(event);
        isOver = isTerminal(event.type) || (isOver && event.type !== "run.reopened");
      }
      return null;
    },
  },
  {
    name: "claim-opens-epoch",
    rule: "The first event under a new epoch, and no other, says who writes: run.claimed, run.created with a worker, or run.reopened.",
    broken: (history) => {
      let epoch = history[0]?.epoch ?? 0;
      for (const event of history.slice(1)) {
        const opens = event.type === "run.claimed" || event.type === "run.reopened";
        if ((event.epoch !== epoch) !== opens) return place(event);
        epoch = event.epoch;
      }
      return null;
    },
  },
  perKey<{ done: boolean }>(
    "one-conclusion",
    "A call concludes at most once, and nothing but late outcomes and the release of its lock follows.",
    (state, event) => {
      if (state?.done) return AFTER_CONCLUSION.has(event.type) ? state : "broken";
      return { done: CONCLUSIONS.has(event.type) };
    },
  ),
  perKey<{ attempt: number; open: boolean }>(
    "attempts-count-up",
    "Attempts of one step are 1, 2, 3 ...; each starts after the one before it has an outcome.",
    (state, event) => {
      if (event.type === "attempt.late") return state ?? "broken";
      // A breaker may say so before an attempt begins, and while it is under way.
      if (event.type === "breaker.changed") return state ?? { attempt: 0, open: false };
      if (event.type !== "attempt.started") return { attempt: state?.attempt ?? 0, open: false };
      const isNext = event.attempt === (state?.attempt ?? 0) + 1;
      return isNext && state?.open !== true ? { attempt: event.attempt as number, open: true } : "broken";
    },
    ({ attempt }) => ({ attempt, open: false }),
  ),
  perKey<{ started: boolean }>(
    "completion-was-attempted",
    "A step completes only in an attempt that was recorded first, or by a value from the cache.",
    (state, event) => {
      if (event.type === "step.completed" && !state?.started && !event.data.cached) return "broken";
      return { started: state?.started === true || event.type === "attempt.started" };
    },
  ),
  perKey<{ dueAt: number | null }>(
    "timer-not-early",
    "A timer fires once, after it was armed and not before it is due.",
    (state, event) => {
      if (event.type === "timer.fired")
        return state?.dueAt != null && event.at >= state.dueAt ? { dueAt: null } : "broken";
      return { dueAt: event.type === "timer.armed" ? event.data.dueAt : (state?.dueAt ?? null) };
    },
  ),
  {
    name: "scope-is-open",
    rule: "An event within a scope lies between that scope's start and its conclusion.",
    broken: (history) => {
      const open = new Set<string>();
      const anew = new Map<string, number>();
      for (const event of history) {
        const { type, scope, key, seq } = event;
        const late = type === "attempt.late";
        if (scope !== null && scope !== "" && !late && !open.has(scope)) return place(event);
        if (type === "scope.started") open.add(key as string);
        if (type === "scope.completed" || type === "scope.failed") open.delete(key as string);
        if (type === "scope.failed" || wasCancelled(event)) anew.set(key as string, seq);
        if (type === "run.reopened") for (const [path, at] of anew) if (at >= event.data.from) open.add(path);
      }
      return null;
    },
  },
  {
    name: "signal-taken-once",
    rule: "A call takes a signal that was received before, of the name it waits for, and no other call has it.",
    broken: (history) => {
      const free = new Map<number, string>();
      const taken = new Map<number, { readonly name: string; readonly at: number }>();
      const names = new Map<string, string>();
      for (const event of history) {
        const { type, key, seq } = event;
        if (type === "signal.received") free.set(seq, event.data.name);
        if (type === "wait.started") names.set(key as string, event.data.signal);
        if (type === "run.reopened") {
          for (const [signal, { name, at }] of taken) if (at >= event.data.from) free.set(signal, name);
        }
        if (type !== "wait.completed") continue;
        const name = free.get(event.data.seq);
        const waited = names.get(key as string);
        if (name === undefined || (waited !== undefined && waited !== name)) return place(event);
        free.delete(event.data.seq);
        taken.set(event.data.seq, { name, at: seq });
      }
      return null;
    },
  },
  perKey<{ isIn: boolean; isAcquired: boolean }>(
    "lock-place-ends-once",
    "A lock is acquired, expires and is released only after it was asked for; its place ends once, released or expired, unless the run is reopened and asks for it anew.",
    (state = { isIn: false, isAcquired: false }, event) => {
      if (event.type === "lock.requested") return state.isIn ? "broken" : { isIn: true, isAcquired: false };
      if (!event.type.startsWith("lock.")) return state;
      if (!state.isIn) return "broken";
      const isAcquired = event.type === "lock.acquired";
      return { isIn: isAcquired, isAcquired: isAcquired || state.isAcquired };
    },
    () => undefined,
    // Its place has ended with the run: who still waited asks again.
    (state) => (state.isAcquired ? state : { isIn: false, isAcquired: false }),
  ),
  {
    name: "lock-covers-its-scope",
    rule: "A scope that runs under a lock begins when it was acquired, and ends with its release.",
    broken: (history) => {
      const held = new Set<string>();
      const locks = new Map<string, string>();
      for (const event of history) {
        const { type, key } = event;
        if (type === "lock.acquired") held.add(key as string);
        if (type === "lock.released") held.delete(key as string);
        if (type === "run.reopened") held.clear();
        const lock = type === "scope.started" ? event.data.lock : undefined;
        if (lock !== undefined && !held.has(lock)) return place(event);
        if (lock !== undefined) locks.set(key as string, lock);
        const isEnd = type === "scope.completed" || type === "scope.failed";
        if (isEnd && held.has(locks.get(key as string) ?? "")) return place(event);
      }
      return null;
    },
  },
  {
    name: "cancel-is-obeyed",
    rule: "After cancel.requested no attempt starts, no lock, no change of a shared value and no message is asked for, but in a shielded scope.",
    broken: (history) => {
      let asked = false;
      const shielded = new Set<string>();
      for (const event of history) {
        if (event.type === "cancel.requested") asked = true;
        if (event.type === "run.reopened") asked = false;
        if (event.type === "scope.started" && (event.data.shielded || isShielded(shielded, event.scope)))
          shielded.add(event.key as string);
        if (asked && BEGINNINGS.has(event.type) && !isShielded(shielded, event.scope)) return place(event);
      }
      return null;
    },
  },
  {
    name: "pause-is-obeyed",
    rule: "While a run is paused no attempt starts.",
    broken: (history) => {
      let isPaused = false;
      for (const event of history) {
        if (event.type === "run.paused") isPaused = true;
        if (["run.resumed", "cancel.requested", "run.reopened"].includes(event.type)) isPaused = false;
        if (isPaused && event.type === "attempt.started") return place(event);
      }
      return null;
    },
  },
];

function isShielded(shielded: ReadonlySet<string>, scope: string | null): boolean {
  return scope !== null && shielded.has(scope);
}

/** Data that holds no value of a user, or a short one, and that the rules look at. */
const LOOKED_AT: ReadonlySet<EventType> = new Set([
  "timer.armed",
  "run.reopened",
  "scope.started",
  "wait.started",
  "wait.completed",
]);

const NO_DATA = {};

/** An event with as much of its data as the rules look at: a long history takes little memory without the rest. */
export function withoutValues(event: RunEvent): RunEvent {
  if (LOOKED_AT.has(event.type)) return event;
  return { ...event, data: partLookedAt(event) } as RunEvent;
}

function partLookedAt(event: RunEvent): object {
  if (event.type === "signal.received") return { name: event.data.name };
  if (event.type === "step.completed" && event.data.cached) return { cached: true };
  if (wasCancelled(event)) return { cancelled: true };
  return NO_DATA;
}

/** A rule that a history breaks. */
export interface Violation {
  readonly invariant: string;
  readonly rule: string;
  readonly place: string;
}

/** Every rule that `history`, all events of one run in order, breaks. */
export function violations(history: readonly RunEvent[]): Violation[] {
  return INVARIANTS.flatMap(({ name, rule, broken }) => {
    const found = broken(history);
    return found === null ? [] : [{ invariant: name, rule, place: found }];
  });
}
