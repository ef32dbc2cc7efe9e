/**
 * A circuit breaker, as a pure machine: what may pass, and what becomes of it with each success and failure. Its state is
 * shared by all runs that name it.
 *
 * I1 Closed, all pass; at `failuresMax` failures within `windowMs` it opens.
 * I2 Open, none pass; after `resetAfterMs` the first that asks is let through as a probe: it is half-open.
 * I3 Half-open, only the probe's outcome counts: it closes the breaker, or opens it again. A probe of which nothing is heard
 *    for `resetAfterMs` gives way to the next that asks.
 */
import { assertNever } from "./assert.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { DefinitionError } from "./errors.ts";
import type { BreakerStatus } from "./events.ts";
import { checkNumbers, invalidOption } from "./options.ts";
import { checkName } from "./text.ts";

/** How a breaker judges. All who name it should say the same. */
export interface BreakerOptions {
  /** What runs share it by. */
  readonly name: string;
  /** So many failures within `window` open it, from 1 to 1,000. @default 5 */
  readonly failures?: number;
  /** @default "1m" */
  readonly window?: Duration;
  /** How long it stays open before a probe is let through. @default "30s" */
  readonly resetAfter?: Duration;
}

export interface BreakerPolicy {
  readonly name: string;
  readonly failuresMax: number;
  readonly windowMs: number;
  readonly resetAfterMs: number;
}

const DEFAULTS = { failures: 5, window: "1m", resetAfter: "30s" } as const;
const RANGES = { failures: [1, 1_000] } as const;

/**
 * The options with their defaults.
 *
 * @throws DefinitionError `BREAKER_INVALID`, `OPTION_INVALID`, `NAME_INVALID`, `DURATION_INVALID`
 */
export function breakerPolicy(options: BreakerOptions): BreakerPolicy {
  if (typeof options !== "object" || options === null)
    throw new DefinitionError("BREAKER_INVALID", `expected a breaker's options, but found ${typeof options}`);
  const { name, failures = DEFAULTS.failures, window = DEFAULTS.window, resetAfter = DEFAULTS.resetAfter } = options;
  return {
    name: checkName("the name of a breaker", name),
    failuresMax: checkNumbers("breaker", { failures }, { failures }, RANGES).failures,
    windowMs: positive("window", window),
    resetAfterMs: positive("resetAfter", resetAfter),
  };
}

function positive(option: string, duration: Duration): number {
  const ms = parseDuration(duration);
  if (ms > 0) return ms;
  throw invalidOption(`breaker.${option}`, "longer than nothing", duration);
}

/** The scope of keyed values in which breakers are, by name. */
export const BREAKER_SCOPE = "breaker";

/** Where a breaker stands. */
export type BreakerState =
  /** `failedAt`: instants of the failures that count, oldest first. */
  | { readonly status: "closed"; readonly failedAt: readonly number[] }
  /** `since`: when it opened; `until`: when somebody is let through. */
  | { readonly status: "open"; readonly since: number; readonly until: number }
  /** `probe`: who was let through; `until`: when somebody else will be. */
  | { readonly status: "half-open"; readonly since: number; readonly probe: string; readonly until: number };

/** A breaker of which nothing is known. */
export const CLOSED: BreakerState = { status: "closed", failedAt: [] };

/** A breaker's state, of its text as a keyed value; null: there is none. */
export function breakerState(text: string | null): BreakerState {
  return text === null ? CLOSED : (JSON.parse(text) as { readonly value: BreakerState }).value;
}

/** Whether a caller may pass. */
export type Admission =
  | { readonly kind: "pass" }
  /** It may, as the probe; the breaker's state is then `state`. */
  | { readonly kind: "probe"; readonly state: BreakerState }
  /** Not before `until`, as far as one can say. */
  | { readonly kind: "refuse"; readonly until: number };

/** Decides whether `caller` may pass `now`. A probe that asks again is the probe still. */
export function admit(state: BreakerState, policy: BreakerPolicy, caller: string, now: number): Admission {
  switch (state.status) {
    case "closed":
      return { kind: "pass" };
    case "open":
    case "half-open": {
      const isProbe = state.status === "half-open" && state.probe === caller;
      if (!isProbe && now < state.until) return { kind: "refuse", until: state.until };
      return {
        kind: "probe",
        state: { status: "half-open", since: state.since, probe: caller, until: now + policy.resetAfterMs },
      };
    }
    default:
      return assertNever(state, "state of a breaker");
  }
}

/** What came of what passed. */
export type Passage = "succeeded" | "failed";

/** The state after `caller` came through at `now`. The same object if nothing changes. */
export function after(
  state: BreakerState,
  policy: BreakerPolicy,
  { caller, passage, now }: { readonly caller: string; readonly passage: Passage; readonly now: number },
): BreakerState {
  switch (state.status) {
    case "closed":
      return passage === "failed" ? afterFailure(state.failedAt, policy, now) : state;
    // Whoever passed before it opened says nothing new.
    case "open":
      return state;
    case "half-open":
      if (state.probe !== caller) return state;
      return passage === "succeeded"
        ? CLOSED
        : { status: "open", since: state.since, until: now + policy.resetAfterMs };
    default:
      return assertNever(state, "state of a breaker");
  }
}

function afterFailure(before: readonly number[], policy: BreakerPolicy, now: number): BreakerState {
  const { failuresMax, windowMs, resetAfterMs } = policy;
  const failedAt = [...before.filter((at) => now - at < windowMs), now];
  if (failedAt.length < failuresMax) return { status: "closed", failedAt };
  return { status: "open", since: now, until: now + resetAfterMs };
}

/** A breaker's change of status. */
export interface BreakerChange {
  readonly from: BreakerStatus;
  readonly to: BreakerStatus;
}
