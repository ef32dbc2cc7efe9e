/**
 * Small programs that do not run by themselves: others tell them something, hold them or end them, they start runs of
 * their own, and they put in order what they have done.
 *
 * What is done to a run comes when it has waited for a while, and long before it goes on: so a crash, and the lease that
 * runs out after it, does not decide what comes first.
 */
import { all, type CorpusEntry, guarded, hopeless, loop, race, scope, sleep, step, thrown } from "./corpus.ts";
import type { TimedDeed } from "./deeds.ts";
import type { Command, Program } from "./program.ts";

const wait = (name: string, signal: string, timeoutMs: number | null = null): Command => {
  return { do: "wait", name, signal, timeoutMs };
};
const child = (name: string, ...body: Command[]): Command => ({ do: "child", name, body, isAbandoned: false });
const abandoned = (name: string, ...body: Command[]): Command => ({ do: "child", name, body, isAbandoned: true });
const start = (name: string, ...body: Command[]): Command => ({ do: "start", name, body });
const shield = (name: string, ...body: Command[]): Command => ({ do: "shield", name, body });
/** The first attempt to undo it fails if its name has one letter. */
const undoable = (name: string, options: Parameters<typeof step>[1] = {}) =>
  step(name, { ...options, isUndoable: true });
/** Fails for good, and completes in the second attempt after a retry. Two crashes leave it an attempt. */
const mendable = (name: string) => step(name, { attempts: 4, fails: 5 });
const withFinally = (body: Program, last: Program) => guarded(body, [], last);

const at = (afterMs: number, what: "cancel" | "terminate" | "pause" | "resume" | "retry"): TimedDeed => {
  return { do: what, afterMs };
};
const signal = (afterMs: number, name: string, dedupeKey: string): TimedDeed => {
  return { do: "signal", afterMs, name, dedupeKey };
};

const SIGNALS: readonly CorpusEntry[] = [
  {
    name: "signal-before-the-wait",
    program: [sleep("nap", 25_000), wait("w", "go"), step("after")],
    deeds: [signal(10_000, "go", "1")],
  },
  { name: "signal-while-it-waits", program: [wait("w", "go"), step("after")], deeds: [signal(10_000, "go", "1")] },
  {
    name: "signal-after-the-wait",
    program: [wait("w", "go", 4_000), sleep("nap", 30_000), step("after")],
    deeds: [signal(15_000, "go", "1")],
  },
  { name: "signal-of-another-name", program: [wait("w", "go", 25_000)], deeds: [signal(10_000, "stop", "1")] },
  { name: "wait-that-times-out", program: [wait("w", "go", 2_000), step("after")] },
  { name: "wait-for-no-time", program: [wait("w", "go", 0), step("after")] },
  {
    name: "two-signals",
    program: [wait("v", "go"), wait("w", "go"), step("after")],
    deeds: [signal(10_000, "go", "1"), signal(20_000, "go", "2")],
  },
  {
    name: "two-signals-at-rest",
    program: [sleep("nap", 30_000), wait("v", "go"), wait("w", "go")],
    deeds: [signal(10_000, "go", "1"), signal(20_000, "go", "2")],
  },
  {
    name: "signal-sent-again",
    program: [wait("v", "go"), sleep("nap", 30_000), wait("w", "go", 2_000)],
    deeds: [signal(10_000, "go", "1"), signal(20_000, "go", "1")],
  },
  {
    name: "waits-side-by-side",
    program: [all([wait("v", "go"), step("a")], [wait("w", "go")])],
    deeds: [signal(10_000, "go", "1"), signal(20_000, "go", "2")],
  },
  {
    name: "wait-in-a-scope-and-again",
    program: [scope("ask", wait("v", "go")), sleep("nap", 20_000), wait("w", "go"), step("after")],
    deeds: [signal(10_000, "go", "1"), signal(50_000, "go", "2")],
  },
  {
    name: "wait-in-a-scope-and-never-again",
    program: [scope("ask", wait("v", "go")), step("a"), wait("w", "go", 2_000)],
    deeds: [signal(10_000, "go", "1")],
  },
  {
    name: "wait-against-time",
    program: [race([wait("w", "go")], [sleep("patience", 30_000)]), step("after")],
    deeds: [signal(10_000, "go", "1")],
  },
  {
    name: "waits-in-a-loop",
    program: [loop(2, wait("w", "go", 60_000), step("a"))],
    deeds: [signal(10_000, "go", "1"), signal(20_000, "go", "2")],
  },
];

const FAMILIES: readonly CorpusEntry[] = [
  { name: "child", program: [child("kid", step("a"), step("b")), step("after")] },
  { name: "child-that-sleeps", program: [child("kid", sleep("nap", 2_000), step("a")), step("after")] },
  { name: "child-that-fails", program: [child("kid", step("a"), hopeless("b")), step("never")] },
  { name: "child-that-throws", program: [guarded([child("kid", thrown("no"))], [step("instead")], [])] },
  { name: "child-in-a-scope", program: [scope("pack", child("kid", step("a")), step("b")), step("after")] },
  { name: "child-of-a-child", program: [child("kid", step("a"), child("grandkid", step("b"))), step("after")] },
  { name: "children-in-a-loop", program: [loop(2, child("kid", step("a")))] },
  {
    name: "children-side-by-side",
    program: [all([child("one", step("a"))], [child("two", sleep("nap", 9_000), step("a"))]), step("after")],
  },
  {
    name: "child-that-lost-a-race",
    program: [race([child("kid", sleep("nap", 90_000), step("never"))], [sleep("patience", 9_000)])],
  },
  {
    name: "child-that-lost-a-race-in-a-scope",
    program: [
      scope("race", race([child("kid", sleep("nap", 90_000), step("never"))], [sleep("patience", 9_000)])),
      sleep("nap", 9_000),
      step("after"),
    ],
  },
  {
    name: "child-cancelled-with-its-parent",
    program: [child("kid", child("grandkid", sleep("nap", 90_000)), step("never")), step("nor-this")],
    cancelAfterMs: 10_000,
  },
  {
    name: "child-abandoned-by-its-parent",
    program: [abandoned("kid", sleep("nap", 30_000), step("a")), step("never")],
    cancelAfterMs: 10_000,
  },
  {
    name: "child-abandoned-in-a-race",
    program: [race([abandoned("kid", sleep("nap", 30_000), step("a"))], [sleep("patience", 9_000)]), step("after")],
  },
  { name: "start", program: [start("side", step("a"), sleep("nap", 9_000), step("b")), step("after")] },
  { name: "start-of-one-that-fails", program: [start("side", hopeless("a")), step("after")] },
  { name: "start-in-a-scope", program: [scope("pack", start("side", step("a")), step("b")), step("after")] },
  {
    name: "start-by-one-that-is-cancelled",
    program: [start("side", sleep("nap", 30_000), step("a")), sleep("nap", 90_000)],
    cancelAfterMs: 10_000,
  },
];

const CONTROL: readonly CorpusEntry[] = [
  {
    name: "shield-at-the-end-of-a-cancelled-run",
    program: [withFinally([sleep("nap", 90_000)], [shield("tidy", step("a"), sleep("pause", 2_000), step("b"))])],
    cancelAfterMs: 10_000,
  },
  {
    name: "cancelled-in-a-shield",
    program: [shield("tidy", step("a"), sleep("nap", 30_000), step("b")), step("never")],
    cancelAfterMs: 10_000,
  },
  {
    name: "cancelled-in-a-body-in-a-shield",
    program: [shield("tidy", step("a", { ms: 30_000 }), step("b")), step("never")],
    cancelAfterMs: 10_000,
    isFree: true,
  },
  {
    name: "cancelled-beside-a-shield",
    program: [
      all([shield("tidy", sleep("nap", 30_000), step("a")), step("never")], [sleep("nap", 90_000), step("nor-this")]),
    ],
    cancelAfterMs: 10_000,
  },
  {
    name: "signal-in-a-shield",
    program: [shield("ask", wait("w", "go"), step("a")), step("never")],
    deeds: [at(10_000, "cancel"), signal(20_000, "go", "1")],
  },
  {
    name: "child-in-a-shield",
    program: [shield("ask", child("kid", sleep("nap", 30_000), step("a"))), step("never")],
    cancelAfterMs: 10_000,
  },
  {
    name: "scope-in-a-shield",
    program: [shield("tidy", scope("inner", sleep("nap", 30_000), step("a"))), step("never")],
    cancelAfterMs: 10_000,
  },
  {
    name: "paused-asleep",
    program: [step("a"), sleep("nap", 20_000), step("b")],
    deeds: [at(10_000, "pause"), at(40_000, "resume")],
  },
  {
    name: "paused-before-it-began",
    program: [step("a")],
    delayMs: 20_000,
    deeds: [at(10_000, "pause"), at(40_000, "resume")],
  },
  {
    name: "paused-in-a-body",
    program: [step("a", { ms: 20_000 }), step("b")],
    deeds: [at(10_000, "pause"), at(50_000, "resume")],
    isFree: true,
  },
  {
    name: "paused-between-attempts-of-another",
    program: [all([step("a", { ms: 20_000 })], [wait("w", "go", 15_000), step("b")]), step("after")],
    deeds: [at(10_000, "pause"), at(50_000, "resume")],
    isFree: true,
  },
  {
    name: "signal-in-a-pause",
    program: [wait("w", "go"), step("a")],
    deeds: [at(10_000, "pause"), signal(20_000, "go", "1"), at(30_000, "resume")],
  },
  {
    name: "child-ends-in-a-pause",
    program: [child("kid", sleep("nap", 20_000), step("a")), step("after")],
    deeds: [at(10_000, "pause"), at(50_000, "resume")],
  },
  {
    name: "paused-twice",
    program: [sleep("nap", 20_000), step("a"), sleep("nap", 40_000), step("b")],
    deeds: [at(10_000, "pause"), at(30_000, "resume"), at(50_000, "pause"), at(90_000, "resume")],
  },
  {
    name: "cancelled-in-a-pause",
    program: [withFinally([sleep("nap", 90_000)], [shield("tidy", step("a"))])],
    deeds: [at(10_000, "pause"), at(20_000, "cancel")],
  },
  {
    name: "terminated-asleep",
    program: [withFinally([sleep("nap", 90_000)], [shield("tidy", step("never"))])],
    deeds: [at(10_000, "terminate")],
  },
  {
    name: "terminated-in-a-body",
    program: [undoable("aa"), step("b", { ms: 90_000 }), step("never")],
    deeds: [at(10_000, "terminate")],
    isFree: true,
  },
  {
    name: "terminated-in-a-pause",
    program: [sleep("nap", 90_000)],
    deeds: [at(10_000, "pause"), at(20_000, "terminate")],
  },
  {
    name: "terminated-with-a-child",
    program: [child("kid", sleep("nap", 90_000), step("never"))],
    deeds: [at(10_000, "terminate")],
  },
];

const SECOND_CHANCES: readonly CorpusEntry[] = [
  { name: "compensations-of-a-failure", program: [undoable("aa"), step("b"), undoable("cc"), thrown("no")] },
  { name: "compensation-that-fails-once", program: [undoable("a"), hopeless("b")] },
  { name: "compensations-of-a-cancel", program: [undoable("aa"), sleep("nap", 90_000)], cancelAfterMs: 10_000 },
  {
    name: "compensations-of-a-cancel-that-is-caught",
    program: [undoable("aa"), guarded([sleep("nap", 90_000)], [], [])],
    cancelAfterMs: 10_000,
  },
  {
    name: "compensations-across-scopes",
    program: [scope("one", undoable("aa"), step("b")), sleep("nap", 2_000), undoable("cc"), thrown("no")],
  },
  {
    name: "compensation-in-a-scope-that-fails",
    program: [undoable("aa"), guarded([scope("one", undoable("bb"), thrown("no"))], [step("c")], []), thrown("nor so")],
  },
  {
    name: "compensations-in-the-order-of-completion",
    program: [all([undoable("aa", { ms: 20_000 })], [undoable("bb")]), thrown("no")],
  },
  { name: "compensations-of-nothing", program: [scope("one", undoable("aa")), sleep("nap", 2_000), step("after")] },
  {
    name: "compensations-of-a-child",
    program: [undoable("aa"), guarded([child("kid", undoable("bb"), thrown("no"))], [step("instead")], [])],
  },
  { name: "fallback-value", program: [step("a", { fails: "all", attempts: 2, fallback: "value" }), step("after")] },
  { name: "fallback-step", program: [step("a", { fails: "all", attempts: 2, fallback: "step" }), step("after")] },
  {
    name: "retried",
    program: [step("a"), mendable("b"), step("after")],
    deeds: [at(20_000, "retry")],
  },
  {
    name: "retried-in-a-scope",
    program: [scope("done", step("a")), scope("pack", step("b"), mendable("c")), step("after")],
    deeds: [at(20_000, "retry")],
  },
  {
    name: "retried-after-compensations",
    program: [undoable("aa"), mendable("b"), step("after")],
    deeds: [at(20_000, "retry")],
  },
  {
    name: "retried-after-a-cancel",
    program: [step("a"), sleep("nap", 30_000), step("after")],
    deeds: [at(10_000, "cancel"), at(20_000, "retry")],
  },
  {
    name: "retried-with-a-child-under-way",
    program: [all([child("kid", sleep("nap", 90_000), step("a"))], [sleep("patience", 9_000), mendable("b")])],
    deeds: [at(40_000, "retry")],
  },
  {
    name: "retried-after-its-child-failed",
    program: [child("kid", step("a"), hopeless("b")), step("never")],
    deeds: [at(20_000, "retry")],
  },
];

export const TOGETHER: readonly CorpusEntry[] = [...SIGNALS, ...FAMILIES, ...CONTROL, ...SECOND_CHANCES];
