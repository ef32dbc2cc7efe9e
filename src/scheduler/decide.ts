/**
 * The rule of schedules: what becomes of each instant, and why. Pure: whoever asks why an instant did not fire gets the
 * answer from here, and from what was recorded of it.
 *
 * I1 Instants are decided in their order, each once: all of them up to the cursor that is returned, none after it.
 * I2 The cursor never goes back, whatever the clock does.
 * I3 The work is bounded however long nobody looked: what is too much to count is one range.
 */
import { isTerminalStatus } from "../kernel/state.ts";
import type { FiringId, FiringRow, OpenFiring } from "../log/port-schedules.ts";
import type { SchedulePolicy } from "./policy.ts";

/** The instants of a schedule. */
export interface Timetable {
  /** The first one after another; null: there is none. */
  next(after: number): number | null;
  /** When an instant is due: then or later, in the order of instants. */
  due(instant: number): number;
}

export interface Situation {
  /** Every instant up to it is decided. */
  readonly cursor: number;
  readonly isPaused: boolean;
  readonly now: number;
  /** What waits, and what was started and not seen to have ended. */
  readonly open: readonly OpenFiring[];
}

/** A firing as the rule has it. */
export type RuledFiring = Pick<
  FiringRow,
  "at" | "lane" | "until" | "instants" | "decision" | "cause" | "reason" | "isOpen"
>;

export interface Ruling {
  /** What becomes of instants, and of firings that waited. */
  readonly firings: readonly RuledFiring[];
  /** Runs that make room. */
  readonly cancels: readonly string[];
  /** Firings whose runs have ended. */
  readonly ended: readonly FiringId[];
  readonly cursor: number;
}

/** The most instants that are in time at one look; the latest count. */
const IN_TIME_MAX = 100;

/** The most firings of a lane that wait. */
export const WAITING_MAX = 1_000;

/** More neighbours than that which are skipped for one reason are recorded as one range. */
const SINGLES_MAX = 10;

/** What is to be decided of a schedule now. */
export function decide(timetable: Timetable, policy: SchedulePolicy, situation: Situation): Ruling {
  const { cursor, now, isPaused, open } = situation;
  const { instants, isWhole } = lastDue(timetable, cursor, now, IN_TIME_MAX + policy.max);
  const line = new Line(policy, open);
  const skipped: RuledFiring[] = [];
  const [first] = instants;
  if (!isWhole && first !== undefined) skipped.push(uncounted(timetable, policy, situation, first));
  if (!isPaused) line.moveUp();
  const reasons = isPaused ? null : refused(timetable, policy, instants, now);
  for (const at of instants) {
    const reason = reasons === null ? "paused" : reasons.get(at);
    const cause = isLate(timetable, policy, at, now) ? "catch-up" : "schedule";
    if (reason === undefined) line.enter(at, cause);
    else skipped.push(skip(at, cause, reason));
  }
  return {
    firings: inRanges([...skipped, ...line.firings]),
    cancels: line.cancels,
    ended: open.filter(hasEnded).map(({ at, lane }) => ({ at, lane })),
    cursor: instants.at(-1) ?? cursor,
  };
}

/** When the next instant is due that is not decided; null: there is none. */
export function nextDue(timetable: Timetable, cursor: number): number | null {
  const next = timetable.next(cursor);
  return next === null ? null : timetable.due(next);
}

function isLate(timetable: Timetable, { graceMs }: SchedulePolicy, at: number, now: number): boolean {
  return timetable.due(at) < now - graceMs;
}

/** Why instants do not fire that are late, or too many: by instant. What is left out may fire. */
function refused(
  timetable: Timetable,
  policy: SchedulePolicy,
  instants: readonly number[],
  now: number,
): Map<number, string> {
  const late = instants.filter((at) => isLate(timetable, policy, at, now));
  const inTime = instants.slice(late.length);
  const count = policy.catchUp === "all" ? policy.max : policy.catchUp === "last" && inTime.length === 0 ? 1 : 0;
  const reasons = new Map<number, string>();
  late.forEach((at, i) => {
    const isWithin = timetable.due(at) >= now - policy.windowMs;
    if (isWithin && i >= late.length - count) return;
    reasons.set(at, isWithin && policy.catchUp === "all" ? "cap" : "missed");
  });
  for (const at of inTime.slice(0, -IN_TIME_MAX)) reasons.set(at, "cap");
  return reasons;
}

function skip(at: number, cause: RuledFiring["cause"], reason: string): RuledFiring {
  return { at, lane: "schedule", until: null, instants: 1, decision: "skipped", cause, reason, isOpen: false };
}

/** All instants before those that are looked at one by one. */
function uncounted(
  timetable: Timetable,
  policy: SchedulePolicy,
  { cursor, isPaused, now }: Situation,
  before: number,
): RuledFiring {
  const isWithin = policy.catchUp === "all" && timetable.due(before) >= now - policy.windowMs;
  const reason = isPaused ? "paused" : isWithin ? "cap" : "missed";
  const first = timetable.next(cursor) ?? before - 1;
  return { ...skip(first, "catch-up", reason), until: before - 1, instants: null };
}

/** Neighbours that are skipped for one reason become one, if they are many. */
function inRanges(firings: readonly RuledFiring[]): RuledFiring[] {
  const groups: RuledFiring[][] = [];
  for (const firing of [...firings].sort((a, b) => a.at - b.at)) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]?.reason === firing.reason && canJoin(firing) && canJoin(last[0]))
      last.push(firing);
    else groups.push([firing]);
  }
  return groups.flatMap((group) => (group.length > SINGLES_MAX ? [rangeOf(group)] : group));
}

function canJoin({ decision, until, lane }: RuledFiring): boolean {
  return decision === "skipped" && until === null && lane === "schedule";
}

function rangeOf(group: readonly RuledFiring[]): RuledFiring {
  const [first, last] = [group[0] as RuledFiring, group.at(-1) as RuledFiring];
  return { ...first, until: last.at, instants: group.length };
}

/**
 * The last `count` instants after `after` that are due at `now`, or more if they are all that there are. A timetable goes
 * forward only, so where to begin is found by bisection: of many instants that nobody looked at only the last are listed.
 */
function lastDue(
  timetable: Timetable,
  after: number,
  now: number,
  count: number,
): { readonly instants: readonly number[]; readonly isWhole: boolean } {
  const head = walk(timetable, after, now, count + 1);
  if (head.isWhole) return head;
  let [tooFar, tooNear] = [after, now];
  for (;;) {
    const from = Math.floor((tooFar + tooNear) / 2);
    const tail = walk(timetable, from, now, 4 * count);
    if (!tail.isWhole) tooFar = from;
    else if (tail.instants.length < count) tooNear = from;
    else return { instants: tail.instants.slice(-count), isWhole: false };
  }
}

/** Instants that are due, at most `max`; whether there are no more. */
function walk(
  timetable: Timetable,
  after: number,
  now: number,
  max: number,
): { readonly instants: number[]; readonly isWhole: boolean } {
  const instants: number[] = [];
  for (let at = timetable.next(after); at !== null && timetable.due(at) <= now; at = timetable.next(at)) {
    if (instants.length === max) return { instants, isWhole: false };
    instants.push(at);
  }
  return { instants, isWhole: true };
}

function hasEnded({ decision, runStatus }: OpenFiring): boolean {
  return decision === "fired" && (runStatus === null || isTerminalStatus(runStatus));
}

/** Runs that go on and firings that wait: the overlap rule. */
class Line {
  readonly firings: RuledFiring[] = [];
  readonly cancels: string[] = [];
  readonly #policy: SchedulePolicy;
  /** What runs, by the instant for which it was started; a run that somebody asked for counts too. */
  readonly #running: { readonly at: number; readonly runId: string | null }[];
  #waiting: OpenFiring[];
  /** Those of a backfill, which have a line of their own. */
  readonly #backfilled: readonly OpenFiring[];

  constructor(policy: SchedulePolicy, open: readonly OpenFiring[]) {
    this.#policy = policy;
    const own = open.filter(({ lane }) => lane !== "backfill");
    this.#backfilled = open.filter(({ lane }) => lane === "backfill");
    this.#running = own.filter((firing) => firing.decision === "fired" && !hasEnded(firing));
    this.#waiting = own.filter(({ decision }) => decision === "waiting");
  }

  /** Starts what waits and whose turn it is. */
  moveUp(): void {
    const count = this.#policy.overlap === "allow" ? this.#waiting.length : this.#running.length === 0 ? 1 : 0;
    for (const { at, cause } of this.#waiting.splice(0, count)) this.#fire(at, cause);
    const isBusy = this.#backfilled.some((firing) => firing.decision === "fired" && !hasEnded(firing));
    const [next] = isBusy ? [] : this.#backfilled.filter(({ decision }) => decision === "waiting");
    if (next !== undefined) this.firings.push({ ...ruledOf(next), decision: "fired", reason: null, isOpen: true });
  }

  /** An instant that may fire. */
  enter(at: number, cause: RuledFiring["cause"]): void {
    const [holder] = this.#running;
    const { overlap } = this.#policy;
    if (overlap === "allow" || holder === undefined) this.#fire(at, cause);
    else if (overlap === "skip") this.#put(skip(at, cause, `overlap with ${iso(holder.at)}`));
    else if (overlap === "cancel-running") this.#replaceRunning(at, cause);
    else {
      if (overlap === "queue-one") for (const each of this.#waiting.splice(0)) this.#replaceWaiting(each, at);
      if (this.#waiting.length < WAITING_MAX) this.#wait(at, cause, holder.at);
      else this.#put(skip(at, cause, "queue full"));
    }
  }

  #fire(at: number, cause: RuledFiring["cause"]): void {
    const isOpen = this.#policy.overlap !== "allow";
    this.#put({ at, lane: "schedule", until: null, instants: 1, decision: "fired", cause, reason: null, isOpen });
    this.#running.push({ at, runId: null });
  }

  #wait(at: number, cause: RuledFiring["cause"], runningAt: number): void {
    const reason = `behind ${iso(this.#waiting.at(-1)?.at ?? runningAt)}`;
    const firing = { ...skip(at, cause, reason), decision: "waiting", isOpen: true } as const;
    this.#put(firing);
    this.#waiting.push({ ...firing, scheduleId: "", runId: null, generation: 0, decidedAt: null, runStatus: null });
  }

  #replaceWaiting({ at, cause }: OpenFiring, by: number): void {
    this.#put(skip(at, cause, `replaced by ${iso(by)}`));
  }

  /** Runs are told to end; one that this very look would have started does not start. */
  #replaceRunning(at: number, cause: RuledFiring["cause"]): void {
    for (const { at: earlier, runId } of this.#running.splice(0)) {
      if (runId !== null) this.cancels.push(runId);
      else this.#put(skip(earlier, this.#causeOf(earlier), `replaced by ${iso(at)}`));
    }
    for (const waiting of this.#waiting.splice(0)) this.#replaceWaiting(waiting, at);
    this.#fire(at, cause);
  }

  #causeOf(at: number): RuledFiring["cause"] {
    return this.firings.find((firing) => firing.at === at && firing.lane === "schedule")?.cause ?? "schedule";
  }

  /** One decision an instant: a later one of the same look takes the place of an earlier one. */
  #put(firing: RuledFiring): void {
    const index = this.firings.findIndex(({ at, lane }) => at === firing.at && lane === firing.lane);
    if (index < 0) this.firings.push(firing);
    else this.firings[index] = firing;
  }
}

function ruledOf({ at, lane, until, instants, decision, cause, reason, isOpen }: OpenFiring): RuledFiring {
  return { at, lane, until, instants, decision, cause, reason, isOpen };
}

/** An instant as reasons and keys have it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}
