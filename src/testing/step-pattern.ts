/**
 * Patterns of step keys: a key as the log has it, in which `[*]` stands for any index and `#*` for any occurrence, the first
 * included, whose key has no number.
 */
import { testInvalid } from "./invalid-option.ts";

export interface StepPattern {
  readonly text: string;
  readonly matches: (key: string) => boolean;
  /** How many stars it has: fewer say more exactly what is meant. */
  readonly stars: number;
}

/** A name, then indices and an occurrence. Characters that mean something are percent-encoded in names. */
const SEGMENT = /^(?:[^%/#[\]*]|%[0-9A-F]{2})+(?:\[(?:\d+|\*)\])*(?:#(?:\*|[1-9]\d*))?$/;

/** @throws DefinitionError `TEST_INVALID`. `option`: where it stands. */
export function stepPattern(option: string, text: unknown): StepPattern {
  if (typeof text !== "string" || !text.split("/").every((segment) => SEGMENT.test(segment))) {
    const expected = 'the key of a step such as "charge", "poll#2", "poll#*", "order/charge" or "ship[*]/label"';
    throw testInvalid(option, expected, text);
  }
  const source = text
    .replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("\\[\\*\\]", "\\[\\d+\\]")
    .replaceAll("#\\*", "(?:#\\d+)?");
  const whole = new RegExp(`^${source}$`);
  return { text, matches: (key) => whole.test(key), stars: text.match(/\[\*\]|#\*/g)?.length ?? 0 };
}

/** What keys have in common that differ in an index or an occurrence only. */
export function shapeOf(key: string): string {
  return key.replaceAll(/\[(?:\d+|\*)\]/g, "[]").replaceAll(/#(?:\d+|\*)/g, "");
}
