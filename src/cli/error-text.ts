/** An error as it is printed on stderr: what was expected, what was found, what to do, and its code. */
import { isVarveError } from "../kernel/errors.ts";
import { type Failure, toFailure } from "../kernel/failure.ts";
import { type Colors, plain, plainLines } from "./output.ts";

/** What `--json` prints on stderr. */
export interface ErrorDocument {
  readonly error: {
    readonly code: string;
    readonly name: string;
    readonly message: string;
    readonly facts: Readonly<Record<string, unknown>>;
  };
}

export function errorDocument(error: unknown): ErrorDocument {
  if (isVarveError(error)) {
    const { code, name, message, facts } = error;
    return { error: { code, name, message, facts } };
  }
  const { name, message } = toFailure(error);
  return { error: { code: "INTERNAL", name, message, facts: {} } };
}

export function errorText(error: unknown, colors: Colors): string {
  const head = (message: string, code: string) =>
    `${colors.red("error:")} ${plainLines(message)} ${colors.dim(`[${code}]`)}`;
  if (!isVarveError(error)) {
    const { message, stack } = toFailure(error);
    return [
      head(message, "INTERNAL"),
      colors.dim(plainLines(stack ?? "")),
      "Nothing should throw this here: the trace says whether it is of a workflow module, or a bug of Varve's.",
    ].join("\n");
  }
  const { frame } = error.facts;
  return [head(error.message, error.code), ...(typeof frame === "string" ? [plainLines(frame)] : [])].join("\n");
}

/** Of a run, in one line with its causes. */
export function failureText(failure: Failure): string {
  const { name, message, code, cause } = failure;
  const own = `${name}: ${plain(message)}${code === undefined ? "" : ` [${code}]`}`;
  return cause === undefined ? own : `${own}; cause: ${failureText(cause)}`;
}
