/** Small programs, each with a name: what the exhaustive lanes try at every point. */
import type { Tolerance } from "../../src/ctx/ctx.ts";
import type { TimedDeed } from "./deeds.ts";
import {
  type Command,
  type Counter,
  type LockName,
  ODD_VALUES,
  type Program,
  type StepCommand,
  type ValueSpec,
} from "./program.ts";

export interface CorpusEntry {
  readonly name: string;
  readonly program: Program;
  /** The run fails if it has not ended so long after its start. */
  readonly deadlineMs?: number;
  /** The run begins so much later. */
  readonly delayMs?: number;
  /** Its caller asks for its end so long after it was told that the start is durable. */
  readonly cancelAfterMs?: number;
  /** What else is done to it, in the order of time. */
  readonly deeds?: readonly TimedDeed[];
  /** Whether a crash may move what comes from outside past what it begins again. @default false */
  readonly isFree?: boolean;
}

/** More attempts than crashes use up: they count as attempts too. */
const ATTEMPTS = 8;

const json = (value: unknown): ValueSpec => ({ kind: "json", json: value });

function step(name: string, options: Partial<Omit<StepCommand, "do" | "name">> = {}): StepCommand {
  const base = {
    value: json(`${name} is done`),
    fails: 0,
    ms: 0,
    attempts: ATTEMPTS,
    hangs: false,
    once: false,
    isUndoable: false,
    fallback: "none" as const,
  };
  return { do: "step", name, ...base, ...options };
}

/** A step that fails for good. */
const hopeless = (name: string) => step(name, { fails: "all", attempts: 2 });
const sleep = (name: string, ms: number): Command => ({ do: "sleep", name, ms });
const sleepUntil = (name: string, ms: number): Command => ({ do: "sleep-until", name, ms });
const scope = (name: string, ...body: Command[]): Command => ({ do: "scope", name, body });
const map = (concurrency: number, tolerate: Tolerance | null, ...items: Program[]): Command => {
  return { do: "map", name: "each", items, concurrency, tolerate };
};
const update = (name: string, counter: Counter = "counter-a"): Command => ({ do: "update", name, counter });
const keep = (name: string, value: ValueSpec): Command => ({ do: "keep", name, value });
const lock = (name: LockName, timeoutMs: number | null, ...body: Command[]): Command => {
  return { do: "lock", name, timeoutMs, body };
};
const loop = (times: number, ...body: Command[]): Command => ({ do: "loop", times, body });
const guarded = (body: Program, onError: Program, last: Program): Command => ({ do: "try", body, onError, last });
const thrown = (message: string): Command => ({ do: "throw", message });
const all = (...branches: Program[]): Command => ({ do: "all", branches });
const allSettled = (...branches: Program[]): Command => ({ do: "all-settled", branches });
const race = (...branches: Program[]): Command => ({ do: "race", branches });
const any = (...branches: Program[]): Command => ({ do: "any", branches });
const ambient: Command = { do: "ambient" };

/**
 * In each entry what is side by side lies far enough apart in time, so that a crash which starts bodies again does not
 * decide who wins.
 */
export const CORPUS: readonly CorpusEntry[] = [
  { name: "nothing", program: [] },
  { name: "ambient-only", program: [ambient] },
  { name: "throws-at-once", program: [thrown("at once")] },
  { name: "one-step", program: [step("a")] },
  { name: "one-slow-step", program: [step("a", { ms: 5_000 })] },
  { name: "three-steps", program: [step("a"), step("b"), step("c")] },
  { name: "ten-steps", program: Array.from({ length: 10 }, (_, i) => step(`s${i}`)) },
  { name: "one-name-thrice", program: [step("a"), step("a"), step("a", { fails: 1 })] },
  { name: "steps-and-ambient", program: [ambient, step("a"), ambient, sleep("nap", 300), ambient, step("b")] },
  ...ODD_VALUES.map((which) => ({
    name: `value-${which}`,
    program: [step("odd", { value: { kind: "odd", which } }), step("after")],
  })),
  {
    name: "value-of-json",
    program: [null, [], {}, "\u0000", -1.5].map((each, i) => step(`v${i}`, { value: json(each) })),
  },
  { name: "value-large", program: [step("large", { value: { kind: "text", length: 20_000 } }), step("after")] },
  { name: "sleep-nothing", program: [sleep("nap", 0), step("a")] },
  { name: "sleep-short", program: [step("a"), sleep("nap", 100), step("b")] },
  { name: "sleep-parks", program: [step("a"), sleep("nap", 2_000), step("b")] },
  { name: "sleep-long", program: [sleep("nap", 30_000), step("a"), sleep("nap", 30_000)] },
  { name: "sleep-until-past", program: [sleepUntil("then", -1_000), step("a")] },
  { name: "sleep-until-future", program: [step("a"), sleepUntil("then", 3_000), step("b")] },
  { name: "sleeps-side-by-side", program: [all([sleep("s", 300)], [sleep("m", 2_000)], [sleep("l", 9_000)])] },
  { name: "retry-once", program: [step("a", { fails: 1 }), step("b")] },
  { name: "retry-thrice-slowly", program: [step("a", { fails: 3, ms: 20 })] },
  { name: "gives-up", program: [step("a"), hopeless("b"), step("never")] },
  { name: "times-out", program: [step("a", { hangs: true }), step("b")] },
  { name: "once", program: [step("a"), step("charge", { once: true }), step("b")] },
  { name: "once-slowly", program: [step("charge", { once: true, ms: 400 }), sleep("nap", 2_000)] },
  { name: "all-at-once", program: [all([step("a")], [step("b")], [step("c")]), step("d")] },
  { name: "all-staggered", program: [all([step("a", { ms: 5_000 })], [step("b", { ms: 400 })], [step("c")])] },
  { name: "all-with-a-failure", program: [all([step("a"), hopeless("b")], [step("c", { ms: 5_000 })])] },
  { name: "all-settled", program: [allSettled([step("a")], [thrown("x")], [sleep("nap", 1_000), hopeless("b")])] },
  { name: "race-of-steps", program: [race([step("fast")], [step("slow", { ms: 5_000 })]), step("after")] },
  { name: "race-against-time", program: [race([step("slow", { ms: 5_000 })], [sleep("patience", 1_000)]), step("b")] },
  { name: "race-lost-to-an-error", program: [race([hopeless("a")], [sleep("nap", 9_000)]), step("after")] },
  { name: "any-but-the-first", program: [any([hopeless("a")], [sleep("nap", 2_000), step("b")])] },
  { name: "any-of-none", program: [any([thrown("x")], [hopeless("a")]), step("after")] },
  { name: "scope", program: [scope("pack", step("a"), step("b")), step("after")] },
  {
    name: "scope-in-scope",
    program: [scope("outer", step("a"), scope("inner", sleep("nap", 500), step("b"))), step("a")],
  },
  { name: "scope-fails", program: [guarded([scope("pack", step("a"), thrown("no"))], [step("undo")], [])] },
  { name: "scopes-side-by-side", program: [all([scope("x", step("a"), step("b"))], [scope("y", sleep("nap", 900))])] },
  {
    name: "scope-leaves-a-step-open",
    program: [scope("pack", race([step("slow", { ms: 5_000 })], [step("fast")])), sleep("nap", 1_000), step("after")],
  },
  { name: "update", program: [update("u"), step("a"), update("u"), update("v", "counter-b")] },
  {
    name: "updates-side-by-side",
    program: [all([update("u")], [sleep("m", 300), update("v")], [sleep("l", 2_000), update("w", "counter-b")])],
  },
  { name: "keep", program: [keep("k", json({ a: [1] })), keep("l", { kind: "odd", which: "map" }), step("a")] },
  {
    name: "keep-side-by-side",
    program: [all([keep("k", json(1))], [sleep("m", 2_000), keep("l", json(2))]), step("after")],
  },
  { name: "lock", program: [lock("door", null, step("a"), sleep("stay", 2_000), step("b")), step("after")] },
  { name: "lock-twice", program: [loop(2, lock("door", 2_000, update("u"))), step("after")] },
  { name: "lock-in-lock", program: [lock("door", null, lock("hall", 2_000, step("a")), step("b"))] },
  {
    name: "lock-in-line",
    program: [all([lock("door", null, sleep("stay", 9_000))], [sleep("first", 300), lock("door", null, step("a"))])],
  },
  {
    name: "lock-with-slots",
    program: [
      // Alike, as a crash can let both get in line at once.
      all([lock("hall", null, sleep("s", 9_000))], [sleep("m", 300), lock("hall", null, sleep("s", 9_000))]),
      step("after"),
    ],
  },
  {
    name: "lock-times-out",
    program: [
      all([lock("door", null, sleep("stay", 30_000))], [sleep("first", 300), lock("door", 5_000, step("never"))]),
      step("after"),
    ],
  },
  { name: "lock-that-fails", program: [guarded([lock("door", null, step("a"), thrown("no"))], [step("undo")], [])] },
  {
    name: "lock-left-with-its-scope",
    program: [
      lock("door", null, scope("try", race([lock("door", null, step("never"))], [sleep("patience", 2_000)]))),
      lock("door", 30_000, step("after")),
    ],
  },
  { name: "guarded", program: [step("a", { guardMs: 3_600_000, fails: 1 }), step("b", { guardMs: 3_600_000 })] },
  { name: "guarded-opens", program: [step("a", { guardMs: 3_600_000, fails: 7 }), step("b", { guardMs: 3_600_000 })] },
  { name: "cached", program: [step("a", { isCached: true }), step("a", { isCached: true }), step("b")] },
  { name: "cached-and-failing", program: [step("a", { isCached: true, fails: 2 }), step("a", { isCached: true })] },
  {
    name: "cancelled-in-line",
    program: [
      all([lock("door", null, sleep("stay", 300_000))], [sleep("first", 300), lock("door", null, step("never"))]),
    ],
    cancelAfterMs: 40_000,
  },
  {
    name: "cancelled-under-a-lock",
    program: [lock("door", null, step("a"), sleep("nap", 300_000), step("never"))],
    cancelAfterMs: 40_000,
  },
  { name: "map-of-none", program: [map(1, null), map(2, "all"), step("after")] },
  { name: "map", program: [map(3, null, [step("a")], [step("b"), step("c")], []), step("after")] },
  { name: "map-one-by-one", program: [map(1, null, [step("a"), sleep("nap", 300)], [step("a")], [step("a")])] },
  {
    name: "map-two-at-a-time",
    program: [map(2, null, [step("a", { ms: 5_000 })], [step("b", { ms: 400 })], [sleep("nap", 2_000)], [step("d")])],
  },
  {
    name: "map-fails",
    program: [
      guarded([map(2, null, [step("a", { ms: 5_000 })], [hopeless("b")], [step("never")])], [step("undo")], []),
    ],
  },
  { name: "map-fails-for-good", program: [map(1, null, [step("a")], [thrown("no")], [step("never")])] },
  {
    name: "map-tolerates",
    program: [map(2, "50%", [hopeless("a")], [step("b", { ms: 5_000 })], [thrown("no")], [step("d")]), step("after")],
  },
  {
    name: "map-tolerates-no-more",
    program: [
      guarded(
        [map(1, 1, [thrown("a")], [step("b")], [hopeless("c")], [step("never")])],
        [step("undo")],
        [step("last")],
      ),
    ],
  },
  {
    name: "maps-of-maps",
    program: [
      loop(
        2,
        map(
          2,
          null,
          [map(2, "all", [step("a", { ms: 400 })], [thrown("no")])],
          [sleep("nap", 2_000), scope("s", step("b"))],
        ),
      ),
    ],
  },
  {
    name: "map-left-behind",
    program: [
      scope(
        "pack",
        race([map(1, null, [step("a", { ms: 400 })], [step("slow", { ms: 60_000 })])], [sleep("nap", 9_000)]),
      ),
      step("after"),
    ],
  },
  { name: "loop-of-steps", program: [loop(3, step("a"), ambient)] },
  { name: "loop-of-sleeps", program: [loop(3, sleep("nap", 400))] },
  { name: "loop-of-scopes", program: [loop(2, scope("round", step("a"), sleep("nap", 300)))] },
  { name: "try-that-succeeds", program: [guarded([step("a")], [step("never")], [step("finally")])] },
  { name: "try-and-compensate", program: [step("a"), guarded([hopeless("b")], [step("undo")], [step("finally")])] },
  {
    name: "try-in-try",
    program: [guarded([guarded([thrown("in")], [hopeless("a")], [step("b")])], [step("c")], [sleep("nap", 100)])],
  },
  {
    name: "everything-nested",
    program: [
      scope("one", loop(2, all([step("a")], [scope("two", guarded([hopeless("b")], [step("c")], [ambient]))]))),
      allSettled([sleep("nap", 2_000)], [race([step("d")], [sleep("e", 9_000)])]),
    ],
  },
  { name: "deadline-kept", program: [step("a"), sleep("nap", 1_000)], deadlineMs: 60_000 },
  { name: "deadline-asleep", program: [step("a"), sleep("nap", 30_000), step("never")], deadlineMs: 4_000 },
  { name: "deadline-in-a-body", program: [step("a", { ms: 30_000 }), step("never")], deadlineMs: 4_000 },
  { name: "delayed", program: [step("a")], delayMs: 3_000 },
  { name: "cancelled-asleep", program: [step("a"), sleep("nap", 30_000), step("never")], cancelAfterMs: 4_000 },
  { name: "cancelled-in-a-body", program: [step("a", { ms: 30_000 }), step("never")], cancelAfterMs: 4_000 },
  { name: "cancelled-before-it-began", program: [step("never")], delayMs: 30_000, cancelAfterMs: 4_000 },
  {
    name: "cancelled-in-a-map",
    program: [map(2, "all", [sleep("nap", 30_000)], [step("a", { ms: 30_000 })], [step("never")], [step("nor-this")])],
    cancelAfterMs: 4_000,
  },
  {
    name: "cancelled-and-goes-on",
    program: [guarded([scope("pack", sleep("nap", 30_000))], [step("never")], [step("nor-this")])],
    cancelAfterMs: 4_000,
  },
];

export { all, guarded, hopeless, loop, race, scope, sleep, step, thrown };
