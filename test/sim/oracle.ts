/**
 * What a program comes to, known from the program alone: nothing of the engine is imported here. What depends on time, such
 * as who wins a race, is a choice of several.
 */
import { type Command, failuresMaxOf, type MapCommand, type Program, type StepCommand } from "./program.ts";
import { canonical, FALLBACK, specified } from "./values.ts";

/** What a value may be. */
export type Pattern =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any-of"; readonly of: readonly Pattern[] }
  | { readonly kind: "list"; readonly of: readonly Pattern[] };

/** How a program may end: by a value, by an error's message, or by either. */
export interface Ending {
  readonly values: readonly Pattern[];
  readonly errors: readonly Pattern[];
}

const text = (value: string): Pattern => ({ kind: "text", text: value });
const list = (of: readonly Pattern[]): Pattern => ({ kind: "list", of });
const anyOf = (of: readonly Pattern[]): Pattern => ({ kind: "any-of", of });

/** Whether `value`, as the interpreter gives it, is as the pattern has it. */
export function fits(pattern: Pattern, value: unknown): boolean {
  if (pattern.kind === "text") return value === pattern.text;
  if (pattern.kind === "any-of") return pattern.of.some((each) => fits(each, value));
  return (
    Array.isArray(value) && value.length === pattern.of.length && pattern.of.every((each, i) => fits(each, value[i]))
  );
}

/** What an error says that others may be wrapped around: a child's failure carries what its function threw. */
export function rootMessage(error: { readonly message: string; readonly cause?: unknown } | undefined): string {
  const cause = error?.cause as { readonly message: string } | undefined;
  return cause === undefined ? (error?.message ?? "") : rootMessage(cause);
}

/** How `program` may end. */
export function endingOf(program: Program): Ending {
  const parts: Pattern[] = [];
  const errors: Pattern[] = [];
  for (const command of program) {
    const ending = endingOfCommand(command);
    errors.push(...ending.errors);
    if (ending.values.length === 0) return { values: [], errors };
    parts.push(anyOf(ending.values));
  }
  return { values: [list(parts)], errors };
}

const value = (pattern: Pattern): Ending => ({ values: [pattern], errors: [] });

function endingOfCommand(command: Command): Ending {
  switch (command.do) {
    case "step":
      return endingOfStep(command);
    case "sleep":
    case "sleep-until":
      return value(text("slept"));
    case "ambient":
      return value(text("ambient"));
    case "throw":
      return { values: [], errors: [text(command.message)] };
    case "start":
      return value(text("started"));
    case "scope":
    case "shield":
    case "child":
      return endingOf(command.body);
    case "wait": {
      const { name, signal, timeoutMs } = command;
      const got = text(`${name} got ${signal}`);
      return { values: timeoutMs === null ? [got] : [got, text("none")], errors: [] };
    }
    case "hear": {
      const heard = text(`heard ${command.name}`);
      return { values: command.timeoutMs === null ? [heard] : [heard, text("none")], errors: [] };
    }
    case "update":
      return value(text("counted"));
    case "keep":
      return value(text(canonical(specified(command.value) ?? null)));
    case "undo":
      return value(text("undone"));
    case "guard": {
      const { values, errors } = endingOf(command.body);
      return { values: [...values, text("refused")], errors };
    }
    case "lock": {
      const { values, errors } = endingOf(command.body);
      return { values: command.timeoutMs === null ? values : [...values, text("locked out")], errors };
    }
    case "map":
      return endingOfMap(command);
    case "loop": {
      const { values, errors } = endingOf(command.body);
      return { values: values.length === 0 ? [] : [list(Array(command.times).fill(anyOf(values)))], errors };
    }
    case "try": {
      const body = endingOf(command.body);
      const onError = endingOf(command.onError);
      const last = endingOf(command.last);
      const caught = body.errors.map((error) => list([text("caught"), error, anyOf(onError.values)]));
      const values = [...body.values, ...caught].map((each) => list([each, anyOf(last.values)]));
      return { values, errors: [...onError.errors, ...last.errors] };
    }
    case "all":
      return endingOfAll(command.branches.map(endingOf));
    case "all-settled":
      return value(list(command.branches.map(endingOf).map(settled)));
    case "race":
      // Caught by the interpreter, so that what comes after it does not depend on who won.
      return value(anyOf(command.branches.map(endingOf).map(settled)));
    case "any":
      return value(endingOfAny(command.branches.map(endingOf)));
  }
}

function endingOfStep({ name, value: spec, fails, once, fallback, guardMs }: StepCommand): Ending {
  if (fails === "all") {
    const values = fallback === "none" ? [] : [text(canonical(FALLBACK))];
    // The fallback's own attempts can all be lost to crashes.
    return { values, errors: fallback === "value" ? [] : [text(`failed ${name}`)] };
  }
  const completed = text(canonical(specified(spec)));
  const lost = text(fallback === "none" ? "unknown" : canonical(FALLBACK));
  const others = [...(once ? [lost] : []), ...(guardMs === undefined ? [] : [text("refused")])];
  return { values: [completed, ...others], errors: once && fallback === "step" ? [text(`failed ${name}`)] : [] };
}

function endingOfAll(branches: readonly Ending[]): Ending {
  const errors = branches.flatMap((branch) => branch.errors);
  const isSure = branches.some((branch) => branch.values.length === 0);
  return { values: isSure ? [] : [list(branches.map(({ values }) => anyOf(values)))], errors };
}

function endingOfMap(command: MapCommand): Ending {
  const endings = command.items.map(endingOf);
  if (command.tolerate === null) return endingOfAll(endings);
  const failuresMax = failuresMaxOf(command);
  const mayFail = endings.filter(({ errors }) => errors.length > 0);
  return {
    values: waysOf(endings, failuresMax).map(list),
    errors: mayFail.length > failuresMax ? mayFail.flatMap(({ errors }) => errors) : [],
  };
}

/** What these may come to where at most so many of them fail. */
function waysOf(endings: readonly Ending[], failuresMax: number): Pattern[][] {
  const [first, ...rest] = endings;
  if (first === undefined) return [[]];
  const { values, errors } = first;
  const completed = values.length === 0 ? [] : waysOf(rest, failuresMax);
  const failed = errors.length === 0 || failuresMax === 0 ? [] : waysOf(rest, failuresMax - 1);
  return [
    ...completed.map((way) => [list([text("ok"), anyOf(values)]), ...way]),
    ...failed.map((way) => [list([text("error"), anyOf(errors)]), ...way]),
  ];
}

function settled({ values, errors }: Ending): Pattern {
  return anyOf([
    ...values.map((each) => list([text("ok"), each])),
    ...errors.map((error) => list([text("error"), error])),
  ]);
}

function endingOfAny(branches: readonly Ending[]): Pattern {
  const values = branches.flatMap((branch) => branch.values);
  const mayFail = branches.every((branch) => branch.errors.length > 0);
  return anyOf([...values, ...(mayFail ? [text("none")] : [])]);
}
