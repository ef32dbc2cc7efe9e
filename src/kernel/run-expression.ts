/** What `cel` returns, as far as the rules of runs know it. */
import { shownValue } from "./text.ts";

/** An expression over a run's input, in place of a function: see `cel`. */
export interface RunExpression {
  /** As it was written. */
  readonly text: string;
  /**
   * As a key. Its function throws if the expression comes to none.
   *
   * @throws DefinitionError `EXPRESSION_INVALID`
   */
  readonly keyOfInput: (what: string) => (input: unknown) => string | null;
  /**
   * As a number. Its function throws if the expression comes to none.
   *
   * @throws DefinitionError `EXPRESSION_INVALID`
   */
  readonly numberOfInput: (what: string) => (input: unknown) => number;
}

/** Whether it is what `cel` returns. */
export function isRunExpression(found: unknown): found is RunExpression {
  const { keyOfInput, numberOfInput } = (found ?? {}) as Partial<RunExpression>;
  return typeof keyOfInput === "function" && typeof numberOfInput === "function";
}

/** How an error ends that found a plain text where an expression is expected; after anything else it ends without. */
export function writeCel(found: unknown): string {
  if (typeof found !== "string") return "";
  return `; a plain text is no expression: write cel(${found.trim() === "" ? '"..."' : shownValue(found)})`;
}
