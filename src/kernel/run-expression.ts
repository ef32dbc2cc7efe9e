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
