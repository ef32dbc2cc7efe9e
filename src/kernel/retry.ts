/** Retry policy: which attempt follows a failed one, and when. Pure: the jitter's random number is an argument. */
import { type Duration, parseDuration } from "./duration.ts";
import { DefinitionError } from "./errors.ts";
import type { Failure } from "./failure.ts";

/** How the wait grows: the same each time, by the attempt's number, or doubling (by `factor`). */
export type Backoff = "fixed" | "linear" | "exponential";

/** A step's retry options. */
export interface RetryOptions {
  /** How often the body may be started in all, 1 to 1,000, `"unlimited"` for no bound. @default 5 */
  attempts?: number | "unlimited";
  /** @default "exponential" */
  backoff?: Backoff;
  /** The wait after the first attempt. @default "1s" */
  initial?: Duration;
  /** The longest wait between two attempts. @default "1m", or `initial` if that is longer */
  max?: Duration;
  /** The growth of an exponential back-off, from 1. @default 2 */
  factor?: number;
  /** `"full"`: a random wait between 0 and the back-off; `"none"`: the back-off itself. @default "full" */
  jitter?: "full" | "none";
  /** Names or codes of errors that no retry can help, as `TerminalError` is one. */
  nonRetryable?: readonly string[];
}

/** Retry options with every default filled in. */
export interface RetryPolicy {
  /** `Infinity` for no bound. */
  readonly attemptsMax: number;
  readonly backoff: Backoff;
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: "full" | "none";
  readonly nonRetryable: readonly string[];
}

/** The policy of a step that names none. */
export const DEFAULT_RETRY: RetryPolicy = {
  attemptsMax: 5,
  backoff: "exponential",
  initialMs: 1_000,
  maxMs: 60_000,
  factor: 2,
  jitter: "full",
  nonRetryable: [],
};

/** The most attempts that a bounded policy may name. */
export const RETRY_ATTEMPTS_MAX = 1_000;

/**
 * The policy that `options` describe.
 *
 * @throws DefinitionError `RETRY_INVALID` or `DURATION_INVALID`.
 */
export function retryPolicy(options: RetryOptions | undefined): RetryPolicy {
  if (options === undefined) return DEFAULT_RETRY;
  const initialMs = options.initial === undefined ? DEFAULT_RETRY.initialMs : parseDuration(options.initial);
  const policy: RetryPolicy = {
    attemptsMax:
      options.attempts === "unlimited" ? Number.POSITIVE_INFINITY : (options.attempts ?? DEFAULT_RETRY.attemptsMax),
    backoff: options.backoff ?? DEFAULT_RETRY.backoff,
    initialMs,
    maxMs: options.max === undefined ? Math.max(DEFAULT_RETRY.maxMs, initialMs) : parseDuration(options.max),
    factor: options.factor ?? DEFAULT_RETRY.factor,
    jitter: options.jitter ?? DEFAULT_RETRY.jitter,
    nonRetryable: options.nonRetryable ?? DEFAULT_RETRY.nonRetryable,
  };
  check(
    "attempts",
    options.attempts,
    isAttempts(options.attempts ?? DEFAULT_RETRY.attemptsMax),
    `a whole number from 1 to ${RETRY_ATTEMPTS_MAX}, or "unlimited"`,
  );
  check(
    "backoff",
    policy.backoff,
    ["fixed", "linear", "exponential"].includes(policy.backoff),
    `"fixed", "linear" or "exponential"`,
  );
  check("factor", policy.factor, policy.factor >= 1 && Number.isFinite(policy.factor), "a number from 1");
  check("jitter", policy.jitter, policy.jitter === "full" || policy.jitter === "none", `"full" or "none"`);
  check("nonRetryable", policy.nonRetryable, isTexts(policy.nonRetryable), "a list of names or codes of errors");
  return policy;
}

function isAttempts(attempts: number | "unlimited"): boolean {
  if (attempts === "unlimited") return true;
  return Number.isInteger(attempts) && attempts >= 1 && attempts <= RETRY_ATTEMPTS_MAX;
}

function isTexts(list: unknown): boolean {
  return Array.isArray(list) && list.every((item) => typeof item === "string");
}

function check(field: string, found: unknown, holds: boolean, expected: string): void {
  if (holds) return;
  const text = foundText(found);
  throw new DefinitionError("RETRY_INVALID", `expected retry.${field} to be ${expected}, but found ${text}`, {
    field,
    found,
  });
}

/** Not `String(found)` alone: of a wrong option nothing is known, not even that it has a text. */
function foundText(found: unknown): string {
  if (typeof found === "string") return JSON.stringify(found);
  if (Array.isArray(found)) return `[${found.map(foundText).join(", ")}]`;
  return typeof found === "object" && found !== null ? "an object" : String(found);
}

/** What follows a failed attempt. */
export type RetryDecision =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "give-up"; readonly reason: "terminal" | "exhausted" };

/**
 * Decides what follows the failure of attempt `attempt` (from 1).
 *
 * @param u a random float in [0, 1), for the jitter
 */
export function decideRetry(policy: RetryPolicy, attempt: number, failure: Failure, u: number): RetryDecision {
  if (isTerminal(policy, failure)) return { kind: "give-up", reason: "terminal" };
  if (attempt >= policy.attemptsMax) return { kind: "give-up", reason: "exhausted" };
  return { kind: "retry", delayMs: Math.max(retryDelayMs(policy, attempt, u), retryAfterMs(failure)) };
}

function isTerminal(policy: RetryPolicy, failure: Failure): boolean {
  if (failure.name === "TerminalError" || failure.name === "PayloadError") return true;
  return policy.nonRetryable.some((name) => name === failure.name || name === failure.code);
}

/** The longest wait that an error may ask for: a day. */
const RETRY_AFTER_MS_MAX = 86_400_000;

function retryAfterMs(failure: Failure): number {
  const asked = failure.fields?.retryAfterMs;
  if (typeof asked !== "number" || !(asked > 0)) return 0;
  return Math.min(Math.ceil(asked), RETRY_AFTER_MS_MAX);
}

/** The wait after attempt `attempt`, milliseconds: the capped back-off, or a random part of it with full jitter. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, u: number): number {
  // An unbounded growth becomes Infinity in time, and 0 times that is no number.
  const grownMs = policy.initialMs === 0 ? 0 : policy.initialMs * growth(policy, attempt);
  const backoffMs = Math.min(policy.maxMs, grownMs);
  return Math.round(policy.jitter === "full" ? backoffMs * u : backoffMs);
}

function growth(policy: RetryPolicy, attempt: number): number {
  switch (policy.backoff) {
    case "fixed":
      return 1;
    case "linear":
      return attempt;
    case "exponential":
      return policy.factor ** (attempt - 1);
  }
}
