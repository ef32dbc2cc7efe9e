/**
 * Random programs: what a simulated run does, as data. A later primitive is a new kind of command here, a case in
 * `interpreter.ts` that does it and one in `oracle.ts` that knows what it comes to.
 */
import type { Tolerance } from "../../src/ctx/ctx.ts";
import type { Prng } from "../../src/testing/prng.ts";

export type Program = readonly Command[];

export type Command =
  | StepCommand
  | { readonly do: "sleep"; readonly name: string; readonly ms: number }
  | { readonly do: "sleep-until"; readonly name: string; readonly ms: number }
  | { readonly do: Combinator; readonly branches: readonly Program[] }
  | { readonly do: "scope" | "shield"; readonly name: string; readonly body: Program }
  | WaitCommand
  | HearCommand
  | { readonly do: "child"; readonly name: string; readonly body: Program; readonly isAbandoned: boolean }
  | MapCommand
  | { readonly do: "update"; readonly name: string; readonly counter: Counter }
  | { readonly do: "keep"; readonly name: string; readonly value: ValueSpec }
  | LockCommand
  | { readonly do: "start"; readonly name: string; readonly body: Program }
  | { readonly do: "loop"; readonly times: number; readonly body: Program }
  | { readonly do: "try"; readonly body: Program; readonly onError: Program; readonly last: Program }
  | { readonly do: "undo" }
  | { readonly do: "guard"; readonly name: string; readonly body: Program }
  | { readonly do: "throw"; readonly message: string }
  | { readonly do: "ambient" };

/** Somebody sends the signal to the run, once or more, if the run can wait for ever. Its payload is its name. */
export interface WaitCommand {
  readonly do: "wait";
  readonly name: string;
  readonly signal: string;
  readonly timeoutMs: number | null;
}

/** Somebody publishes a message that says its name, if the run can wait for ever. It may have been published before. */
export interface HearCommand {
  readonly do: "hear";
  readonly name: string;
  readonly timeoutMs: number | null;
}

export interface MapCommand {
  readonly do: "map";
  readonly name: string;
  /** What each item does. */
  readonly items: readonly Program[];
  readonly concurrency: number;
  /** Null: nothing is said. */
  readonly tolerate: Tolerance | null;
}

/** Runs share it, and none waits for it for ever: who holds it may be parked for good. */
export interface LockCommand {
  readonly do: "lock";
  readonly name: LockName;
  readonly timeoutMs: number | null;
  readonly body: Program;
}

/** What counts the updates of all runs. */
export const COUNTERS = ["counter-a", "counter-b"] as const;
export type Counter = (typeof COUNTERS)[number];

/** How many runs may hold each lock at once. */
export const LOCK_SLOTS = { door: 1, hall: 2 } as const;
export type LockName = keyof typeof LOCK_SLOTS;

export interface StepCommand {
  readonly do: "step";
  readonly name: string;
  readonly value: ValueSpec;
  /** How many attempts fail before one completes; `"all"`: none completes. */
  readonly fails: number | "all";
  /** How long a body takes. */
  readonly ms: number;
  readonly attempts: number;
  /** The first attempt never ends, and times out. */
  readonly hangs: boolean;
  readonly once: boolean;
  /** Whether something undoes it should the run fail. */
  readonly isUndoable: boolean;
  /** For how long the breaker that guards it, and that runs share, stays open; with none nothing guards it. */
  readonly guardMs?: number;
  /** Whether runs share what it comes to. */
  readonly isCached?: boolean;
  /** Whether its attempts stand in line for a queue. */
  readonly isQueued?: boolean;
  /** What stands in for it when it has failed for good: nothing, a value, or what another step comes to. */
  readonly fallback: "none" | "value" | "step";
}

export const COMBINATORS = ["all", "all-settled", "race", "any"] as const;
export type Combinator = (typeof COMBINATORS)[number];

/** A value that a step returns: those that JSON does not have are made by the interpreter. */
export type ValueSpec =
  | { readonly kind: "json"; readonly json: unknown }
  | { readonly kind: "text"; readonly length: number }
  | { readonly kind: "odd"; readonly which: OddValue };

export const ODD_VALUES = [
  "undefined",
  "date",
  "map",
  "set",
  "bigint",
  "nan",
  "minus-zero",
  "surrogate",
  "bytes",
] as const;
export type OddValue = (typeof ODD_VALUES)[number];

/** How many commands a program has, those within others included. */
export function sizeOf(program: Program): number {
  return program.reduce(
    (sum, command) => sum + 1 + partsOf(command).reduce((inner, part) => inner + sizeOf(part), 0),
    0,
  );
}

export function partsOf(command: Command): readonly Program[] {
  switch (command.do) {
    case "scope":
    case "shield":
    case "child":
    case "lock":
    case "start":
    case "loop":
    case "guard":
      return [command.body];
    case "try":
      return [command.body, command.onError, command.last];
    case "map":
      return command.items;
    case "all":
    case "all-settled":
    case "race":
    case "any":
      return command.branches;
    default:
      return [];
  }
}

/** Whom nobody sends signals does not wait for them for ever. */
function withTimeouts(program: Program): Program {
  return program.map((command) => {
    if (command.do === "wait" || command.do === "hear") return { ...command, timeoutMs: command.timeoutMs ?? 2_000 };
    if ("body" in command) {
      const { body } = command;
      if (command.do !== "try") return { ...command, body: withTimeouts(body) };
      const { onError, last } = command;
      return { ...command, body: withTimeouts(body), onError: withTimeouts(onError), last: withTimeouts(last) };
    }
    if ("branches" in command) return { ...command, branches: command.branches.map(withTimeouts) };
    if ("items" in command) return { ...command, items: command.items.map(withTimeouts) };
    return command;
  });
}

/** What a run of the program itself waits for, but not the runs that it starts. */
export function waitsOf(program: Program): (WaitCommand | HearCommand)[] {
  return program.flatMap((command) => {
    if (command.do === "wait" || command.do === "hear") return [command];
    return command.do === "child" || command.do === "start" ? [] : partsOf(command).flatMap(waitsOf);
  });
}

/** How many items of a map may fail before it does. */
export function failuresMaxOf({ items, tolerate }: MapCommand): number {
  if (tolerate === "all") return items.length;
  if (typeof tolerate === "string") return Math.floor((items.length * Number.parseInt(tolerate, 10)) / 100);
  return tolerate ?? 0;
}

/** How often each kind is drawn. */
type Weights = Readonly<Record<Command["do"], number>>;

const WEIGHTS: Weights = {
  step: 10,
  sleep: 2,
  "sleep-until": 1,
  all: 2,
  "all-settled": 1,
  race: 1,
  any: 1,
  scope: 2,
  shield: 0.5,
  wait: 1.5,
  child: 1,
  map: 1.5,
  update: 1,
  keep: 0.5,
  lock: 1,
  start: 0.5,
  loop: 1,
  try: 1.5,
  throw: 0.3,
  ambient: 1,
  // Only in programs that are to have them: others stay as they are.
  hear: 0,
  undo: 0,
  guard: 0,
};

const DEPTH_MAX = 3;

/** What programs have more or less of than any other. */
export interface Bias {
  readonly weights?: Partial<Weights>;
  /** The share of plain steps behind a breaker. @default 0.15 */
  readonly guarded?: number;
  /** The share of plain steps that stand in line for a queue. @default none */
  readonly queued?: number;
}

/** A program of about `size` commands. */
export function randomProgram(prng: Prng, size: number, bias: Bias = {}): Program {
  return new Generator(prng, bias).program(size, 0, false);
}

class Generator {
  readonly #prng: Prng;
  readonly #weights: Weights;
  readonly #guarded: number;
  readonly #queued: number;
  #names = 0;
  /** In how many parts that run beside others, and may be left behind by them, the present command lies. */
  #beside = 0;

  constructor(prng: Prng, { weights, guarded = 0.15, queued = 0 }: Bias) {
    this.#prng = prng;
    this.#weights = { ...WEIGHTS, ...weights };
    this.#guarded = guarded;
    this.#queued = queued;
  }

  program(size: number, depth: number, mayThrow: boolean): Program {
    const commands: Command[] = [];
    for (let left = size; left > 0; ) {
      const command = this.#command(Math.min(left, 8), depth, mayThrow);
      commands.push(command);
      left -= sizeOf([command]);
    }
    return commands;
  }

  #command(room: number, depth: number, mayThrow: boolean): Command {
    const kind = this.#prng.weighted(this.#weights);
    const nests = depth < DEPTH_MAX && room >= 3;
    const name = `${kind}-${++this.#names}`;
    switch (kind) {
      case "sleep":
      case "sleep-until":
        return { do: kind, name, ms: this.#prng.pick([0, 1, 100, 300, 2_000, 30_000]) };
      case "all":
      case "all-settled":
      case "race":
      case "any":
        if (!nests) break;
        return { do: kind, branches: this.#branches(room - 1, depth + 1, true) };
      case "scope":
      case "shield":
        if (!nests) break;
        return { do: kind, name, body: this.program(this.#part(room - 1), depth + 1, mayThrow) };
      case "wait":
        return {
          do: "wait",
          name,
          signal: `signal-${this.#names}`,
          timeoutMs: this.#prng.pick([null, 0, 300, 30_000]),
        };
      case "hear":
        return { do: "hear", name, timeoutMs: this.#prng.pick([null, 0, 300, 30_000]) };
      case "update":
        return { do: "update", name, counter: this.#prng.pick(COUNTERS) };
      case "keep":
        return { do: "keep", name, value: this.#value() };
      case "lock": {
        if (!nests) break;
        const lock = this.#prng.pick(Object.keys(LOCK_SLOTS) as LockName[]);
        const timeoutMs = this.#prng.pick([0, 300, 2_000, 30_000]);
        return { do: "lock", name: lock, timeoutMs, body: this.program(this.#part(room / 2), depth + 1, mayThrow) };
      }
      case "map":
        if (!nests) break;
        return this.#map(name, room - 1, depth + 1, mayThrow);
      case "child": {
        if (!nests) break;
        const body = this.#other(this.#part(room / 2), depth + 1, mayThrow);
        return { do: "child", name, body, isAbandoned: this.#prng.chance(0.2) };
      }
      case "start": {
        if (!nests) break;
        return { do: "start", name, body: this.#other(this.#part(room / 2), depth + 1, true) };
      }
      case "loop": {
        if (!nests) break;
        const body = withTimeouts(this.program(this.#part(room / 2), depth + 1, false));
        return { do: "loop", times: this.#prng.int(1, 3), body };
      }
      case "try":
        if (!nests) break;
        return {
          do: "try",
          body: this.program(this.#part(room / 2), depth + 1, true),
          onError: this.program(1, depth + 1, false),
          last: this.#prng.chance(0.5) ? this.program(1, depth + 1, false) : [],
        };
      case "undo":
        // What a compensation has begun must be awaited.
        if (this.#beside > 0) break;
        return { do: "undo" };
      case "guard":
        if (!nests) break;
        return { do: "guard", name, body: this.program(this.#part(room / 2), depth + 1, mayThrow) };
      case "throw":
        if (mayThrow) return { do: "throw", message: `thrown ${this.#names}` };
        break;
      case "ambient":
        return { do: "ambient" };
      case "step":
        break;
    }
    return this.#step(mayThrow);
  }

  /** Its items may fail where it may fail, or where it tolerates that all of them do. */
  #map(name: string, room: number, depth: number, mayThrow: boolean): MapCommand {
    const tolerate = this.#prng.pick<Tolerance | null>([null, null, 0, 1, "50%", "all"]);
    const items = this.#branches(room, depth, mayThrow || tolerate === "all");
    return { do: "map", name, items, concurrency: this.#prng.int(1, 3), tolerate };
  }

  #branches(room: number, depth: number, mayThrow: boolean): Program[] {
    const count = this.#prng.int(2, Math.max(2, Math.min(5, room)));
    const each = Math.max(1, Math.floor(room / count));
    this.#beside++;
    const branches = Array.from({ length: count }, () => this.program(this.#prng.int(1, each), depth, mayThrow));
    this.#beside--;
    return branches;
  }

  /** Of a run of its own. */
  #other(size: number, depth: number, mayThrow: boolean): Program {
    const beside = this.#beside;
    this.#beside = 0;
    const body = withTimeouts(this.program(size, depth, mayThrow));
    this.#beside = beside;
    return body;
  }

  #part(room: number): number {
    return this.#prng.int(1, Math.max(1, Math.floor(room)));
  }

  #step(mayFail: boolean): StepCommand {
    const prng = this.#prng;
    const once = prng.chance(0.05);
    const isHopeless = mayFail && prng.chance(0.1);
    const fails = once ? 0 : isHopeless ? "all" : prng.chance(0.25) ? prng.int(1, 3) : 0;
    const isUndoable = !once && !isHopeless && prng.chance(0.15);
    const isPlain = !once && !isHopeless && !isUndoable;
    const isGuarded = isPlain && prng.chance(this.#guarded);
    const isCached = isPlain && !isGuarded && prng.chance(0.15);
    const isQueued = this.#queued > 0 && isPlain && prng.chance(this.#queued);
    const fallback = isHopeless ? prng.pick(["none", "none", "value", "step"] as const) : "none";
    return {
      do: "step",
      name: `${once ? "once" : isHopeless ? "hopeless" : isUndoable ? "undoable" : "step"}-${++this.#names}`,
      value: this.#value(),
      fails,
      ms: prng.pick([0, 0, 0, 1, 20, 400, 5_000]),
      // More than crashes use up: they count as attempts too.
      attempts: isHopeless ? prng.int(1, 3) : 60,
      hangs: !once && prng.chance(0.04),
      once,
      isUndoable,
      ...(isGuarded ? { guardMs: 1_000 } : {}),
      ...(isCached ? { isCached } : {}),
      ...(isQueued ? { isQueued } : {}),
      fallback,
    };
  }

  #value(): ValueSpec {
    const prng = this.#prng;
    if (prng.chance(0.15)) return { kind: "odd", which: prng.pick(ODD_VALUES) };
    if (prng.chance(0.05)) return { kind: "text", length: prng.int(1_000, 20_000) };
    const json = prng.pick([
      null,
      true,
      0,
      2 ** 53 - 1,
      -1.5,
      "",
      "\u0000",
      "é",
      [],
      {},
      [1, [2]],
      { a: { b: [null] } },
    ]);
    return { kind: "json", json };
  }
}
