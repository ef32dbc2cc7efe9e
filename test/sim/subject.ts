/** What the exhaustive lanes run: programs of the corpus, and the examples, under one interface. */
import type { Workflow } from "../../src/ctx/workflow.ts";
import type { StartOptions } from "../../src/engine/api-run.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import type { Queues } from "../../src/kernel/queues.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation } from "../../src/testing/simulation.ts";
import { type Case, changed, outside, TRIAGE_URL } from "../support/examples.ts";
import type { CorpusEntry } from "./corpus.ts";
import type { Deed, TimedDeed } from "./deeds.ts";
import { interpreter, type World } from "./interpreter.ts";
import { endingOf, fits, rootMessage } from "./oracle.ts";
import { COMBINATORS, type Program, partsOf } from "./program.ts";

/**
 * What the order of its events hangs on: nothing, because nothing is side by side; only pauses of a second and more, because
 * what is side by side lies far apart in time or begins and ends at once; or any crash.
 */
export type Order = "sequential" | "staggered" | "free";

export interface SubjectCode {
  readonly workflow: Workflow<never, unknown, never, never>;
  /** Workflows of whose runs it starts some. */
  readonly others?: readonly Workflow<never, unknown, never, never>[];
  readonly env: unknown;
}

export interface Subject {
  readonly name: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly startOptions: StartOptions;
  readonly deeds: readonly TimedDeed[];
  readonly order: Order;
  /** Whether two runs of it have the same values: those of some examples are made of the run's id and of the hour. */
  readonly hasFixedValues: boolean;
  readonly queues?: Queues;
  /** Its code in a process of `sim`, which tells the checker of every body. */
  code(sim: Simulation, proc: SimulatedProcess): SubjectCode;
  /** Readies the world for one life; what it returns puts everything back. */
  open(): () => void;
  /** Whether the run may end by this event. */
  isExpected(end: EventRow): boolean;
}

export function programSubject(entry: CorpusEntry): Subject {
  const { name, program, deadlineMs, delayMs, isFree = false } = entry;
  const deeds = deedsOf(entry);
  const ending = endingOf(program);
  const isCancelled = endsCancelled(deeds);
  const isExpected = ({ type, data }: EventRow) => {
    const { value, error } = JSON.parse(data ?? "{}") as {
      value?: unknown;
      error?: { message: string; code?: string };
    };
    if (isCancelled) return type === "run.cancelled";
    if (type === "run.completed") return ending.values.some((pattern) => fits(pattern, value));
    if (type !== "run.failed") return false;
    const isLate = deadlineMs !== undefined && error?.code === "RUN_DEADLINE";
    return isLate || ending.errors.some((pattern) => fits(pattern, rootMessage(error)));
  };
  return {
    name,
    workflow: "program",
    input: { program },
    startOptions: {
      ...(deadlineMs === undefined ? {} : { deadline: deadlineMs }),
      ...(delayMs === undefined ? {} : { delay: delayMs }),
    },
    deeds,
    order: isFree ? "free" : isSequential(program) ? "sequential" : "staggered",
    hasFixedValues: true,
    code: (sim, proc) => {
      const world = worldOf(sim, proc);
      return { workflow: interpreter(world, "1"), env: world };
    },
    open: () => () => {},
    isExpected,
  };
}

function deedsOf({ cancelAfterMs, deeds = [] }: CorpusEntry): readonly TimedDeed[] {
  return cancelAfterMs === undefined ? deeds : [{ do: "cancel", afterMs: cancelAfterMs }, ...deeds];
}

/** Whether the last of those that end a run, or let it go on, ends it. */
function endsCancelled(deeds: readonly Deed[]): boolean {
  const last = deeds.findLast((deed) => ["cancel", "terminate", "retry"].includes(deed.do));
  return last !== undefined && last.do !== "retry";
}

function isSequential(program: Program): boolean {
  const combinators: readonly string[] = COMBINATORS;
  return program.every((command) => {
    const isAtOnce = combinators.includes(command.do) || (command.do === "map" && command.concurrency > 1);
    return !isAtOnce && partsOf(command).every(isSequential);
  });
}

/** The world that tells a simulation's checker what bodies and code do. */
function worldOf({ checker }: Simulation, proc: SimulatedProcess): World {
  return {
    begin: (body) => checker.bodyStarts(proc, body),
    wait: (ms) => new Promise((resolve) => proc.after(ms, resolve)),
    given: (runId, key, value) => checker.given(proc, runId, key, value),
    lastAsked: (runId) => checker.lastAsked(proc, runId),
  };
}

export function exampleSubject({ name, workflow, input, expected, others = [], queues = {} }: Case): Subject {
  return {
    name: `example ${name}`,
    workflow: workflow.name,
    input,
    startOptions: {},
    deeds: [],
    // Its reads fail side by side, and an interrupted attempt is spared its wait.
    order: name === "nightly-report" ? "free" : "staggered",
    hasFixedValues: false,
    queues,
    code: ({ checker }, proc) => ({
      workflow: changed(workflow, {
        onBody: (runId, key, attempt) => void checker.bodyStarts(proc, { runId, key, attempt }),
      }),
      others,
      env: undefined,
    }),
    open: openOutside,
    isExpected: ({ type, data }) =>
      type === "run.completed" && holds((JSON.parse(data ?? "{}") as { value: unknown }).value, expected),
  };
}

/** The examples ask the world by `fetch`, and find their addresses in the environment. */
function openOutside(): () => void {
  const { fetch } = globalThis;
  const url = process.env["TRIAGE_URL"];
  globalThis.fetch = outside();
  process.env["TRIAGE_URL"] = TRIAGE_URL;
  return () => {
    globalThis.fetch = fetch;
    if (url === undefined) delete process.env["TRIAGE_URL"];
    else process.env["TRIAGE_URL"] = url;
  };
}

/** Whether `found` has everything that `expected` has. */
function holds(found: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(found, expected);
  if (typeof found !== "object" || found === null) return false;
  if (Array.isArray(expected) && (found as unknown[]).length !== expected.length) return false;
  return Object.entries(expected).every(([key, value]) => holds((found as Record<string, unknown>)[key], value));
}
