/** What becomes of an instant when an earlier run goes on, and when it is seen too late: the rules as data. */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { checkNumbers, invalidOption } from "../kernel/options.ts";

/**
 * What an instant does while a run of an earlier one goes on.
 *
 * - `skip`: nothing; it is skipped.
 * - `queue-one`: it waits for the end of that run; a later instant takes its place.
 * - `queue-all`: it waits in line, behind up to 1,000 others.
 * - `cancel-running`: it asks for the end of that run, and starts at once.
 * - `allow`: it starts at once.
 */
export type Overlap = "skip" | "queue-one" | "queue-all" | "cancel-running" | "allow";

export const OVERLAPS = [
  "skip",
  "queue-one",
  "queue-all",
  "cancel-running",
  "allow",
] as const satisfies readonly Overlap[];

/** Which of the instants that nobody decided in time still fire. */
export type CatchUpPolicy = "none" | "last" | "all";

const CATCH_UPS = ["none", "last", "all"] as const satisfies readonly CatchUpPolicy[];

export interface CatchUpOptions {
  /** `last`: the last one, unless a later instant is in time. */
  readonly policy: CatchUpPolicy;
  /** How late one may be. @default "1d" */
  readonly window?: Duration;
  /** With `all`: how many of them, the latest. From 1 to 1,000. @default 100 */
  readonly max?: number;
  /** One that is late by no more is in time. @default "1m" */
  readonly grace?: Duration;
}

/** A schedule's rules, checked. */
export interface SchedulePolicy {
  readonly overlap: Overlap;
  readonly catchUp: CatchUpPolicy;
  readonly windowMs: number;
  readonly max: number;
  readonly graceMs: number;
}

const DEFAULTS = { overlap: "skip", catchUp: "last", windowMs: 86_400_000, max: 100, graceMs: 60_000 } as const;

/**
 * Checks a schedule's rules.
 *
 * @throws DefinitionError `OPTION_INVALID`, `DURATION_INVALID`
 */
export function checkPolicy(overlap: unknown, catchUp: unknown): SchedulePolicy {
  const given = typeof catchUp === "string" || catchUp === undefined ? { policy: catchUp } : catchUp;
  if (typeof given !== "object" || given === null) {
    throw invalidOption("catchUp", `one of ${CATCH_UPS.join(", ")}, or an object with policy`, catchUp);
  }
  const { policy, window, max, grace } = given as Partial<CatchUpOptions>;
  return {
    overlap: checkOverlap("overlap", overlap ?? DEFAULTS.overlap, OVERLAPS),
    catchUp: oneOf("catchUp.policy", policy ?? DEFAULTS.catchUp, CATCH_UPS),
    windowMs: window === undefined ? DEFAULTS.windowMs : parseDuration(window),
    ...checkNumbers("catchUp", max === undefined ? {} : { max }, { max: DEFAULTS.max }, { max: [1, 1_000] }),
    graceMs: grace === undefined ? DEFAULTS.graceMs : parseDuration(grace),
  };
}

/** @throws DefinitionError `OPTION_INVALID` */
export function checkOverlap<O extends Overlap>(what: string, overlap: unknown, allowed: readonly O[]): O {
  return oneOf(what, overlap, allowed);
}

function oneOf<T extends string>(what: string, found: unknown, allowed: readonly T[]): T {
  if (allowed.includes(found as T)) return found as T;
  throw invalidOption(what, `one of ${allowed.join(", ")}`, found);
}
