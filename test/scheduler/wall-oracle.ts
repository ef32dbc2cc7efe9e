/**
 * What a policy says, found the slow way: every minute around a transition is asked what the wall shows, by `Intl` alone.
 * It shares nothing with `src/scheduler/`: no bisection, no stretches, no reader of patterns.
 */
import type { DstPolicy } from "../../src/scheduler/spec.ts";
import type { PatternRow, Shown } from "./zone-table.ts";

export const MINUTE_MS = 60_000;

/** What a wall shows at an instant. */
export interface Look {
  readonly at: number;
  readonly shown: Shown;
  /** The same as a number that orders what walls show. */
  readonly label: number;
  /** Whether it showed this before. */
  readonly isAgain: boolean;
}

/** A stretch of time, minute by minute. */
export interface Stretch {
  readonly looks: readonly Look[];
  /** What a wall could show but this one did not, each with the first instant at which it showed something later. */
  readonly missing: readonly { readonly at: number; readonly shown: Shown }[];
}

/** Looks at the wall at each full minute from `from` to before `until`. */
export function stretchOf(zone: string, from: number, until: number): Stretch {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    ...({ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const),
  });
  const looks: Look[] = [];
  const seen = new Set<number>();
  for (let at = from; at < until; at += MINUTE_MS) {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? Number.NaN;
    const label = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"));
    looks.push({ at, label, shown: shownOf(label), isAgain: seen.has(label) });
    seen.add(label);
  }
  const missing: { at: number; shown: Shown }[] = [];
  for (let label = looks[0]?.label ?? 0; label < (looks.at(-1)?.label ?? 0); label += MINUTE_MS) {
    if (seen.has(label)) continue;
    const first = looks.find((look) => look.label > label);
    if (first !== undefined) missing.push({ at: first.at, shown: shownOf(label) });
  }
  return { looks, missing };
}

function shownOf(label: number): Shown {
  const date = new Date(label);
  return {
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    weekday: date.getUTCDay(),
  };
}

/** The instants of the stretch at which the pattern fires. */
export function firingsOf(
  { looks, missing }: Stretch,
  { fits, repeats }: Pick<PatternRow, "fits" | "repeats">,
  policy: DstPolicy,
): number[] {
  const asShown = policy === "both" || (repeats && policy !== "once");
  const fired = looks.filter(({ shown, isAgain }) => (asShown || !isAgain) && fits(shown)).map(({ at }) => at);
  const shifted = asShown || policy === "skip" ? [] : missing.filter(({ shown }) => fits(shown)).map(({ at }) => at);
  return [...new Set([...fired, ...shifted])].sort((a, b) => a - b);
}
