/** The instants of a schedule, one after the other. Pure: the same schedule and instant give the same answer for ever. */
import { assertNever } from "../kernel/assert.ts";
import { derivedFloat } from "../kernel/derive.ts";
import { nextOfPattern } from "./dst.ts";
import type { DstPolicy, Excluded, Schedule, Source } from "./spec.ts";
import { isWallMatch } from "./wall-match.ts";
import { requireZone, type Zone } from "./zone.ts";

/** How many stretches of excluded time a search passes over: 27 years of days. Beyond, there is no next instant. */
const EXCLUDED_MAX = 10_000;

/**
 * The first instant of `schedule` after `after`, milliseconds since the epoch; null if there is none until the end of the
 * year 9999, or none but excluded ones for 10,000 stretches of excluded time.
 *
 * @example nextInstant(parseSchedule({ every: "15m" }), Date.parse("2026-11-22T10:07Z")) // 10:15
 */
export function nextInstant(schedule: Schedule, after: number): number | null {
  const zone = requireZone("timezone", schedule.timezone);
  let floor = Math.max(after, schedule.fromAt - 1);
  for (let i = 0; i < EXCLUDED_MAX; i++) {
    const instant = firstOf(schedule, floor);
    if (instant === null || instant >= schedule.untilAt) return null;
    const end = excludedUntil(schedule.exceptions, zone, instant);
    if (end === null) return instant;
    floor = end - 1;
  }
  return null;
}

/** The instants at or after `from` and before `until`, in order, at most `limit` of them. */
export function instantsWithin(schedule: Schedule, from: number, until: number, limit: number): number[] {
  const instants: number[] = [];
  let after = from - 1;
  while (instants.length < limit) {
    const instant = nextInstant(schedule, after);
    if (instant === null || instant >= until) break;
    instants.push(instant);
    after = instant;
  }
  return instants;
}

/**
 * When an instant of the schedule with this id is due: later by its part of `spread`, and by `jitter`, which never reaches
 * the next instant. So what is due keeps the order of the instants. It follows from the id and the instant alone.
 */
export function dueAt(schedule: Schedule, id: string, instant: number): number {
  const spread = Math.floor(derivedFloat(id, "spread", 0) * schedule.spreadMs);
  if (schedule.jitterMs === 0) return instant + spread;
  const next = nextInstant(schedule, instant) ?? Number.POSITIVE_INFINITY;
  const jitterMs = Math.min(schedule.jitterMs, next - instant);
  return instant + spread + Math.floor(derivedFloat(id, "jitter", instant) * jitterMs);
}

function firstOf(schedule: Schedule, after: number): number | null {
  let first: number | null = null;
  for (const source of schedule.sources) {
    const instant = nextOf(source, schedule.dst, after);
    if (instant !== null && (first === null || instant < first)) first = instant;
  }
  return first;
}

function nextOf(source: Source, dst: DstPolicy, after: number): number | null {
  switch (source.kind) {
    case "every":
      return source.offsetMs + (Math.floor((after - source.offsetMs) / source.periodMs) + 1) * source.periodMs;
    case "at":
      return source.instants.find((instant) => instant > after) ?? null;
    case "pattern": {
      const zone = requireZone("timezone", source.timezone);
      return nextOfPattern(source.pattern, zone, dst, source.isRepeating, after);
    }
    default:
      return assertNever(source, "source of a schedule");
  }
}

/** The end of the stretch around `instant` that is surely excluded; null if it is not excluded. */
function excludedUntil(exceptions: readonly Excluded[], zone: Zone, instant: number): number | null {
  if (exceptions.length === 0) return null;
  const offset = zone.offsetAt(instant);
  const wall = instant + offset;
  for (const excluded of exceptions) {
    const wallTo = excludedTo(excluded, wall);
    if (wallTo === null) continue;
    const end = wallTo - offset;
    // Beyond a transition the wall shows something else.
    return zone.transitionWithin(instant, end)?.at ?? end;
  }
  return null;
}

function excludedTo(excluded: Excluded, wall: number): number | null {
  if (excluded.kind === "day") return wall >= excluded.wallFrom && wall < excluded.wallTo ? excluded.wallTo : null;
  if (!isWallMatch(excluded.pattern, wall)) return null;
  return (Math.floor(wall / excluded.grainMs) + 1) * excluded.grainMs;
}
