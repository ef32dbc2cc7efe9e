/**
 * Expressions in CEL: which messages a subscription means, which deliveries a hook takes, which key a run has. Pure: a text
 * is compiled and checked where it is defined, and its values come to an answer at once, whatever they are.
 *
 * - Numbers are compared and reckoned with as JSON has them: `event.amount > 100` is true of 101 and of 100.5, and
 *   `event.count + 1` needs no conversion. An operation of a whole literal with a value is one of floats: `event.count / 2` of 5
 *   is 2.5.
 * - A field that is missing makes an expression false, unless the other side of `||` or `&&` decides; `has(event.a)` asks
 *   whether it is there. Of a path each part that may be missing is asked for: `has(event.a) && has(event.a.b)`.
 * - Bounded: the text, its tree, its loops, and what they look at ({@link LOOP_VISITS_MAX}). There are no regular
 *   expressions: JavaScript's can take for ever over a text that a stranger has sent.
 */
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { DefinitionError } from "../kernel/errors.ts";
import { clipText, isStorableText, NAME_LENGTH_MAX } from "../kernel/text.ts";

/** What an expression sees, by name. Values are plain, as the log gives them back. */
export type ExpressionValues = Readonly<Record<string, unknown>>;

/** What an expression comes to. `missing`: it asked for a field that is not there. `fault`: it cannot be said. */
export type Judgement<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "missing"; readonly message: string }
  | { readonly kind: "fault"; readonly message: string };

/** A compiled expression. */
export interface Expression<T, Otherwise> {
  readonly text: string;
  /** Its value; where it has none, what stands for none: false, or null for a key. Never throws. */
  evaluate(values: ExpressionValues): T | Otherwise;
  /** The same with the reason. Never throws. */
  judge(values: ExpressionValues): Judgement<T>;
}

/** True or false of its values. */
export type Condition = Expression<boolean, false>;

/** A text that values have in common: of a text, a number or a truth value; null: there is none. */
export type KeyExpression = Expression<string, null>;

/** The key of a run; null: it has nothing in common with others. */
export interface RunKeyValue {
  readonly key: string | null;
}

export interface ExpressionOptions {
  /** The names that it may use. */
  readonly variables: readonly string[];
  /** What it is, for errors. @default "the expression" */
  readonly what?: string;
}

/** The longest text, in characters. */
export const EXPRESSION_LENGTH_MAX = 2_000;

/** The most parts of one expression, and the most levels. */
const NODES_MAX = 500;
const DEPTH_MAX = 32;

/** The most loops (`all`, `exists`, `exists_one`, `map`, `filter`) in one expression. */
const LOOPS_MAX = 4;

/** The most elements that loops look at: all parts of the values, to the power of the depth in which loops are nested. */
export const LOOP_VISITS_MAX = 1_000_000;

/** The longest message that a judgement keeps. */
const MESSAGE_LENGTH_MAX = 500;

const LOOPS = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** What CEL has and an expression here does not, and what to use. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    "matches",
    "regular expressions are not bounded here; use startsWith, endsWith, contains or ==, or a function in code",
  ],
  ["bind", "values with names can grow without bound; write the value where it is needed"],
]);

/**
 * Compiles a condition.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`, with the line, a caret below the place, and a hint; `facts.position` counts
 *   characters from 0
 * @example
 * const match = compileExpression("event.total > 100 && event.country in ['at', 'de']", { variables: ["event"] });
 * match.evaluate({ event: { total: 120.5, country: "at" } }); // true
 */
export function compileExpression(text: string, options: ExpressionOptions): Condition {
  return compile(text, options, {
    expected: "true or false",
    types: ["bool", "dyn"],
    otherwise: false,
    take: (found) => (typeof found === "boolean" ? found : null),
  });
}

/**
 * Compiles the expression of a key.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`, as {@link compileExpression}
 * @example compileKey("input.customer", { variables: ["input"] }).evaluate({ input: { customer: 7 } }); // "7"
 */
export function compileKey(text: string, options: ExpressionOptions): KeyExpression {
  return compile(text, options, {
    expected: `a text of 1 to ${NAME_LENGTH_MAX} characters, a number or a truth value`,
    types: ["string", "int", "uint", "double", "bool", "dyn"],
    otherwise: null,
    take: keyText,
  });
}

/**
 * Compiles the expression of what runs have in common. It may come to null: this run has nothing in common with others.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`, as {@link compileExpression}
 */
export function compileRunKey(text: string, options: ExpressionOptions): Expression<RunKeyValue, null> {
  return compile<RunKeyValue, null>(text, options, {
    expected: `a text of 1 to ${NAME_LENGTH_MAX} characters, a number, a truth value or null`,
    types: ["string", "int", "uint", "double", "bool", "null", "dyn"],
    otherwise: null,
    take: (found) => {
      const key = found === null ? null : keyText(found);
      return found !== null && key === null ? null : { key };
    },
  });
}

/**
 * Compiles the expression of a number.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`, as {@link compileExpression}
 */
export function compileNumber(text: string, options: ExpressionOptions): Expression<number, null> {
  return compile<number, null>(text, options, {
    expected: "a number",
    types: ["int", "uint", "double", "dyn"],
    otherwise: null,
    take: (found) => (typeof found === "bigint" ? Number(found) : typeof found === "number" ? found : null),
  });
}

/** What an expression must come to. */
interface Wanted<T, Otherwise> {
  readonly expected: string;
  /** Types of CEL. */
  readonly types: readonly string[];
  readonly otherwise: Otherwise;
  /** Null: it is something else. */
  readonly take: (found: unknown) => T | null;
}

function compile<T, Otherwise>(
  text: string,
  { variables, what = "the expression" }: ExpressionOptions,
  wanted: Wanted<T, Otherwise>,
): Expression<T, Otherwise> {
  checkText(text, what);
  const place = { text, what, variables };
  const parsed = parse(place);
  const loops = loopsIn(parsed.ast, place);
  const checked = parsed.check();
  if (!checked.valid) throw invalid(place, checked.error);
  const type = checked.type ?? "dyn";
  if (!wanted.types.includes(type)) {
    const found = { summary: `expected it to come to ${wanted.expected}, but it comes to ${type}` };
    throw invalid(place, found, type === "string" ? "compare it with something" : `it must be ${wanted.expected}`);
  }
  const judge = (values: ExpressionValues): Judgement<T> => {
    if (loops > 0 && !isWithin(values, Math.floor(LOOP_VISITS_MAX ** (1 / loops)))) {
      return fault(
        `expected its loops to look at no more than ${LOOP_VISITS_MAX} elements, but the values are too large`,
      );
    }
    try {
      const found: unknown = parsed(values as Record<string, unknown>);
      const value = wanted.take(found);
      return value === null
        ? fault(`expected ${wanted.expected}, but found ${shown(found)}`)
        : { kind: "value", value };
    } catch (error) {
      const { code, summary } = factsOf(error);
      const isMissing = code === "no_such_key" || code === "index_out_of_bounds";
      return isMissing ? { kind: "missing", message: clipText(summary, MESSAGE_LENGTH_MAX) } : fault(summary);
    }
  };
  const evaluate = (values: ExpressionValues) => {
    const judged = judge(values);
    return judged.kind === "value" ? judged.value : wanted.otherwise;
  };
  return { text, judge, evaluate };
}

interface Place {
  readonly text: string;
  readonly what: string;
  readonly variables: readonly string[];
}

function checkText(text: unknown, what: string): asserts text is string {
  if (typeof text !== "string") throw refused(what, "a text in CEL", typeof text);
  if (text.trim() === "") throw refused(what, "a text in CEL", "an empty text");
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw refused(what, `at most ${EXPRESSION_LENGTH_MAX} characters long`, `${text.length}`);
  }
  if (!isStorableText(text)) throw refused(what, "a text without NUL and lone surrogates", "one with them");
}

function refused(what: string, expected: string, found: string): DefinitionError {
  return new DefinitionError("EXPRESSION_INVALID", `expected ${what} to be ${expected}, but found ${found}`, { what });
}

function parse(place: Place) {
  try {
    return environment(place.variables).parse(place.text);
  } catch (error) {
    throw invalid(place, error);
  }
}

/** CEL as it is here. Made when needed: whoever compiles nothing pays nothing. */
function environment(variables: readonly string[]): Environment {
  const made = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: NODES_MAX, maxDepth: DEPTH_MAX },
  });
  for (const [sign, reckon] of ARITHMETIC) {
    for (const [left, right] of [
      ["double", "int"],
      ["int", "double"],
    ]) {
      made.registerOperator(`${left} ${sign} ${right}: double`, (a: number | bigint, b: number | bigint) =>
        reckon(Number(a), Number(b)),
      );
    }
  }
  made.registerOperator("double % double: double", (a: number, b: number) => a % b);
  made.registerOperator("double == int: bool", (a: number, b: bigint) => a === Number(b));
  for (const name of variables) made.registerVariable(name, "dyn");
  return made;
}

/** Numbers of JSON are floats to CEL, and whole literals are not: what it has for each alone, for both together. */
const ARITHMETIC: readonly (readonly [sign: string, reckon: (a: number, b: number) => number])[] = [
  ["+", (a, b) => a + b],
  ["-", (a, b) => a - b],
  ["*", (a, b) => a * b],
  ["/", (a, b) => a / b],
  ["%", (a, b) => a % b],
];

/** How deep loops are nested in an expression, which holds nothing that is refused. */
function loopsIn(root: ASTNode, place: Place): number {
  let found = 0;
  const depthOf = (part: unknown): number => {
    if (Array.isArray(part)) return Math.max(0, ...part.map(depthOf));
    if (!isNode(part)) return 0;
    const within = depthOf(part.args);
    const called = calledBy(part);
    const hint = called === null ? undefined : REFUSED.get(called);
    if (hint !== undefined) throw invalid(place, { summary: `${called} cannot be used`, range: part }, hint);
    // Looks through a list as a loop does.
    const isLoop = (called !== null && LOOPS.has(called)) || (part.op === "in" && part.args[1].op !== "list");
    if (!isLoop) return within;
    if (part.op !== "in" && ++found > LOOPS_MAX) {
      throw invalid(place, { summary: `more than ${LOOPS_MAX} loops`, range: part }, "use a function in code");
    }
    return within + 1;
  };
  return depthOf(root);
}

function isNode(part: unknown): part is ASTNode {
  return typeof part === "object" && part !== null && "op" in part;
}

/** The name of the function that a part calls; null: it calls none. */
function calledBy(part: ASTNode): string | null {
  return part.op === "call" || part.op === "rcall" ? part.args[0] : null;
}

/** Whether `values` have no more than `max` parts. */
function isWithin(values: unknown, max: number): boolean {
  let left = max;
  const open: unknown[] = [values];
  while (open.length > 0) {
    const part = open.pop();
    if (--left < 0) return false;
    if (typeof part !== "object" || part === null) continue;
    const inner = part instanceof Map || part instanceof Set ? [...part.values()] : Object.values(part);
    if (inner.length > left) return false;
    for (const each of inner) open.push(each);
  }
  return true;
}

/** Whole numbers are the same key however they came: as 7, as 7.0, as the literal 7. */
function keyText(found: unknown): string | null {
  const isPlain =
    typeof found === "number" ? Number.isFinite(found) : ["string", "bigint", "boolean"].includes(typeof found);
  if (!isPlain) return null;
  const text = String(found);
  return text !== "" && text.length <= NAME_LENGTH_MAX && isStorableText(text) ? text : null;
}

function fault(message: string): { readonly kind: "fault"; readonly message: string } {
  return { kind: "fault", message: clipText(message, MESSAGE_LENGTH_MAX) };
}

function shown(found: unknown): string {
  if (found === null) return "null";
  if (typeof found === "string") return found === "" ? "an empty text" : `a text of ${found.length} characters`;
  return Array.isArray(found) ? "a list" : typeof found;
}

interface Complaint {
  readonly code: string | null;
  readonly summary: string;
  readonly position: number | null;
}

/** What the library says is wrong: its errors, and whatever else it may throw. */
function factsOf(error: unknown): Complaint {
  const { code, summary, message, range } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly code?: unknown;
    readonly summary?: unknown;
    readonly message?: unknown;
    readonly range?: { readonly start?: unknown };
  };
  const said = [summary, message].find((text) => typeof text === "string" && text !== "");
  return {
    code: typeof code === "string" ? code : null,
    summary: typeof said === "string" ? said : "it cannot be evaluated",
    position: typeof range?.start === "number" ? range.start : null,
  };
}

function invalid(place: Place, error: unknown, hint?: string): DefinitionError {
  const { text, what, variables } = place;
  const { code, summary, position } = factsOf(error);
  const advice = hint ?? hintFor(code, text, variables);
  const where = position === null ? "" : ` at character ${position + 1}`;
  const message = `expected ${what} to be an expression in CEL, but found${where}: ${summary}\n${marked(text, position)}\n${advice}`;
  return new DefinitionError("EXPRESSION_INVALID", message, { what, text, position, hint: advice });
}

/** The line of the text in which `position` is, and a caret below it. */
function marked(text: string, position: number | null): string {
  if (position === null) return `  ${text}`;
  const start = text.lastIndexOf("\n", position - 1) + 1;
  const end = text.indexOf("\n", position);
  const line = text.slice(start, end === -1 ? text.length : end);
  return `  ${line.replaceAll("\t", " ")}\n  ${" ".repeat(position - start)}^`;
}

function hintFor(code: string | null, text: string, variables: readonly string[]): string {
  switch (code) {
    case "unknown_variable":
      return `it can use ${variables.join(", ")}; a text stands in quotes`;
    case "no_such_overload":
    case "no_matching_overload":
      return "both sides of an operator must be of one kind; int(), double() and string() convert";
    default:
      if (text.includes("===")) return "equality is ==";
      if (/(?<![=!<>])=(?!=)/.test(text)) return "equality is ==, not =";
      if (/\b(and|or|not)\b/i.test(text)) return "and is &&, or is ||, not is !";
      return `such as: ${variables[0] ?? "1"}.total > 100 && ${variables[0] ?? "1"}.state == "open"`;
  }
}
