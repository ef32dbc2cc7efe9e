/** Reads the values of options. What is wrong with one is said as usage, with the option's name. */
import { InvalidArgumentError } from "commander";
import type { DeliveryDecision } from "../engine/api-deliveries.ts";
import { parseDuration } from "../kernel/duration.ts";
import { RUN_STATUSES, type RunStatus } from "../kernel/state.ts";

/** `1h30m`, `PT90M`; a bare number is milliseconds. */
export function durationArgument(text: string): number {
  try {
    return parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number within bounds. */
export function integerArgument(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}, but found ${JSON.stringify(text)}`);
  };
}

/** `name=value`, repeated. */
export function tagArgument(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [name, value] = pair(text);
  return { ...before, [name]: value };
}

/** `name=value`, repeated: JSON where the value is JSON, else text. */
export function inputFieldArgument(
  text: string,
  before: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const [name, value] = pair(text);
  return { ...before, [name]: jsonOrText(value) };
}

/** Statuses, separated by commas or given by repetition. */
export function statusArgument(text: string, before: readonly RunStatus[] = []): RunStatus[] {
  const statuses = text.split(",").map((part) => {
    const status = RUN_STATUSES.find((known) => known === part.trim());
    if (status !== undefined) return status;
    throw new InvalidArgumentError(`expected one of ${RUN_STATUSES.join(", ")}, but found ${JSON.stringify(part)}`);
  });
  return [...before, ...statuses];
}

const DECISIONS: readonly DeliveryDecision[] = ["started", "signalled", "ignored", "invalid"];

export function decisionArgument(text: string): DeliveryDecision {
  const decision = DECISIONS.find((known) => known === text);
  if (decision !== undefined) return decision;
  throw new InvalidArgumentError(`expected one of ${DECISIONS.join(", ")}, but found ${JSON.stringify(text)}`);
}

/** An instant: ISO 8601, or how long ago, such as `2h`. */
export function instantArgument(now: () => number): (text: string) => number {
  return (text) => {
    if (/^\d+(\.\d+)?\s*(ms|[smhdw])/i.test(text)) return now() - durationArgument(text);
    const at = Date.parse(text);
    if (!Number.isNaN(at)) return at;
    throw new InvalidArgumentError(
      `expected an instant such as 2026-05-01T12:00:00Z, or how long ago, such as 2h, but found ${JSON.stringify(text)}`,
    );
  };
}

export function listArgument(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((part) => part.trim())];
}

function pair(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError(`expected name=value, but found ${JSON.stringify(text)}`);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
