/** Expressions over messages: how they stand in code, and the texts that are kept of them. */
import { DefinitionError } from "../kernel/errors.ts";
import { writeCel } from "../kernel/run-expression.ts";
import { shownValue } from "../kernel/text.ts";

/**
 * An expression over a message, as `cel` returns it. Its text is what is kept of it, so that any process can evaluate it, also
 * one without the code in which it stands.
 */
export interface MessageExpression {
  /** As it was written. */
  readonly text: string;
  /**
   * Its text, checked as a condition over these variables.
   *
   * @throws DefinitionError `EXPRESSION_INVALID`, with the position and a hint
   */
  readonly conditionOfMessage: (what: string, variables: readonly string[]) => string;
  /**
   * Its text, checked as a key.
   *
   * @throws DefinitionError `EXPRESSION_INVALID`, with the position and a hint
   */
  readonly keyOfMessage: (what: string) => string;
}

/** What expressions see of a message that starts runs. */
export const MESSAGE_ONLY = ["message"] as const;

/** What they see of one that a run may be waiting for, or be cancelled by. */
export const MESSAGE_AND_RUN = ["message", "run"] as const;

/**
 * The text of a condition over a message; null: there is none, or it is a function.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`
 */
export function matchText(what: string, match: unknown): string | null {
  if (match === undefined || typeof match === "function") return null;
  if (isMessageExpression(match)) return match.conditionOfMessage(what, MESSAGE_ONLY);
  throw invalid(what, 'a function of the message, or an expression such as cel("message.payload.total > 100")', match);
}

/**
 * The text of a condition over a message and a run; null: there is none. No function: any process may have to decide it.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`
 */
export function runMatchText(what: string, match: unknown): string | null {
  if (match === undefined) return null;
  if (isMessageExpression(match)) return match.conditionOfMessage(what, MESSAGE_AND_RUN);
  const isFunction = typeof match === "function";
  const hint = isFunction ? "; any process may have to decide it, also one without this code" : writeCel(match);
  throw invalid(what, 'an expression such as cel("message.payload.id == run.input.id")', match, hint);
}

/**
 * The text of a key; null: there is none, or it is a function.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`
 */
export function messageKeyText(what: string, key: unknown): string | null {
  if (key === undefined || typeof key === "function") return null;
  if (isMessageExpression(key)) return key.keyOfMessage(what);
  throw invalid(what, 'a function of the message, or an expression such as cel("message.payload.customer")', key);
}

function isMessageExpression(found: unknown): found is MessageExpression {
  const { conditionOfMessage, keyOfMessage } = (found ?? {}) as Partial<MessageExpression>;
  return typeof conditionOfMessage === "function" && typeof keyOfMessage === "function";
}

function invalid(what: string, expected: string, found: unknown, hint = writeCel(found)): DefinitionError {
  const message = `expected ${what} to be ${expected}, but found ${shownValue(found)}${hint}`;
  return new DefinitionError("EXPRESSION_INVALID", message, { what });
}
