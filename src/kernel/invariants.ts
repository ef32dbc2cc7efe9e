/**
 * What every well-formed history keeps, as named predicates. `varve db verify`, the contract suite and the simulator
 * check them; the live path does not pay for them.
 */
import { type EventType, FORMAT_VERSION, isOutcome, isTerminal, type RunEvent } from "./events.ts";

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

/** A rule about the events of one key, in order; `broken` is given what it returned for the event before. */
function perKey<S>(
  name: string,
  rule: string,
  step: (state: S | undefined, event: RunEvent) => S | "broken",
): Invariant {
  return {
    name,
    rule,
    broken: (history) => {
      const states = new Map<string, S>();
      for (const event of history) {
        if (event.key === null) continue;
        const next = step(states.get(event.key), event);
        if (next === "broken") return place(event);
        states.set(event.key, next);
      }
      return null;
    },
  };
}

const CONCLUSIONS: ReadonlySet<EventType> = new Set([
  "step.completed",
  "step.failed",
  "timer.fired",
  "scope.completed",
  "scope.failed",
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
    rule: "At most one terminal event, and nothing but late outcomes after it.",
    broken: (history) => {
      const end = history.findIndex((event) => isTerminal(event.type));
      if (end < 0) return null;
      const after = history.slice(end + 1).find((event) => !AFTER_TERMINAL.has(event.type));
      return after === undefined ? null : place(after);
    },
  },
  {
    name: "claim-opens-epoch",
    rule: "The first event under a new epoch, and no other, says which worker writes: run.claimed, or run.created with a worker.",
    broken: (history) => {
      let epoch = history[0]?.epoch ?? 0;
      for (const event of history.slice(1)) {
        if ((event.epoch !== epoch) !== (event.type === "run.claimed")) return place(event);
        epoch = event.epoch;
      }
      return null;
    },
  },
  perKey<{ done: boolean }>(
    "one-conclusion",
    "A call concludes at most once, and nothing but late outcomes follows.",
    (state, event) => {
      if (state?.done) return AFTER_TERMINAL.has(event.type) ? state : "broken";
      return { done: CONCLUSIONS.has(event.type) };
    },
  ),
  perKey<{ attempt: number; open: boolean }>(
    "attempts-count-up",
    "Attempts of one step are 1, 2, 3 ...; each starts after the one before it has an outcome.",
    (state, event) => {
      if (event.type === "attempt.late") return state ?? "broken";
      if (event.type === "attempt.started") {
        if (state?.open || event.attempt !== (state?.attempt ?? 0) + 1) return "broken";
        return { attempt: event.attempt, open: true };
      }
      return { attempt: state?.attempt ?? 0, open: false };
    },
  ),
  perKey<{ started: boolean }>(
    "completion-was-attempted",
    "A step completes only in an attempt that was recorded first.",
    (state, event) => {
      if (event.type === "step.completed" && !state?.started) return "broken";
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
      for (const event of history) {
        const late = event.type === "attempt.late";
        if (event.scope !== null && event.scope !== "" && !late && !open.has(event.scope)) return place(event);
        if (event.type === "scope.started") open.add(event.key as string);
        if (event.type === "scope.completed" || event.type === "scope.failed") open.delete(event.key as string);
      }
      return null;
    },
  },
  {
    name: "cancel-is-obeyed",
    rule: "After cancel.requested no attempt starts.",
    broken: (history) => {
      const asked = history.findIndex((event) => event.type === "cancel.requested");
      const started = asked < 0 ? undefined : history.slice(asked).find((event) => event.type === "attempt.started");
      return started === undefined ? null : place(started);
    },
  },
];

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

/** The outcomes of a history in order: what replay gives to the code. */
export function outcomesOf(history: readonly RunEvent[]): RunEvent[] {
  return history.filter((event) => isOutcome(event.type));
}
