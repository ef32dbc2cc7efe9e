/**
 * When a pattern fires in a zone. Time is taken in stretches of one offset: within one, the wall runs evenly, and the next
 * time on it is the next instant. Only where two stretches meet there is something to decide, which the policy does.
 */
import type { Wall } from "./instants.ts";
import type { DstPolicy } from "./spec.ts";
import { nextWall } from "./wall-match.ts";
import { JUMP_MS_MAX, type Transition, type Zone } from "./zone.ts";

/** What a policy comes to, for one pattern. */
interface Rule {
  /** What lies in a gap fires when the gap ends. */
  readonly shiftsGap: boolean;
  /** What the wall shows a second time does not fire again. */
  readonly firesOnce: boolean;
}

const SHIFT: Rule = { shiftsGap: true, firesOnce: true };
const SKIP: Rule = { shiftsGap: false, firesOnce: true };
const AS_SHOWN: Rule = { shiftsGap: false, firesOnce: false };

/**
 * How often a search may be thrown on: by a gap that swallows every match, such as that of a last Sunday in March. It is
 * more than the years there are.
 */
const THROWS_MAX = 10_000;

function ruleOf(policy: DstPolicy, isRepeating: boolean): Rule {
  if (policy === "once") return SHIFT;
  if (isRepeating || policy === "both") return AS_SHOWN;
  return policy === "skip" ? SKIP : SHIFT;
}

/** The first instant after `after` at which the pattern fires; null if there is none. */
export function nextOfPattern(
  pattern: string,
  zone: Zone,
  policy: DstPolicy,
  isRepeating: boolean,
  after: number,
): number | null {
  const rule = ruleOf(policy, isRepeating);
  let floor = after;
  let shown = shownAlready(zone, rule, after);
  for (let i = 0; i < THROWS_MAX; i++) {
    const wall = nextWall(pattern, shown);
    const offset = zone.offsetAt(floor);
    const instant = wall === null ? Number.POSITIVE_INFINITY : wall - offset;
    const jump = zone.transitionWithin(floor, Math.min(instant, floor + 2 * JUMP_MS_MAX));
    if (jump !== null) {
      if (rule.shiftsGap && isHitInGap(jump, wall)) return jump.at;
      // The stretch after it, from its first instant on.
      floor = jump.at;
      shown = firstShown(jump, rule) - 1;
    } else if (wall === null) {
      return null;
    } else if (instant - floor <= 2 * JUMP_MS_MAX) {
      return instant;
    } else {
      // Nothing fits until the wall shows `wall`, so only transitions near that matter.
      floor = instant - JUMP_MS_MAX;
      shown = wall - 1;
    }
  }
  return null;
}

/** The last wall time that needs no look any more at `after`: later ones may still come. */
function shownAlready(zone: Zone, rule: Rule, after: number): Wall {
  const wall = after + zone.offsetAt(after);
  if (!rule.firesOnce) return wall;
  const last = zone.transitionWithin(after - JUMP_MS_MAX, after);
  return last === null ? wall : Math.max(wall, firstShown(last, rule) - 1);
}

/** The first wall time of the stretch after `jump` that may fire. */
function firstShown(jump: Transition, rule: Rule): Wall {
  return jump.at + (rule.firesOnce ? Math.max(jump.before, jump.after) : jump.after);
}

/** Whether the next match lies in what the wall jumps over. */
function isHitInGap(jump: Transition, wall: Wall | null): boolean {
  return wall !== null && wall >= jump.at + jump.before && wall < jump.at + jump.after;
}
