/**
 * What the checker knows of schedules: which instants are decided, and how. It judges each change by those before it, and
 * by the timetable alone: never by the rule that made it.
 */
import type { FiringRow, NewSchedule, ScheduleChange, ScheduleRow } from "../log/port-schedules.ts";
import type { ChildStart } from "../log/port-write.ts";
import { planOf } from "../scheduler/definition.ts";
import { scheduleTimes } from "../scheduler/times.ts";
import type { Expect } from "./book.ts";

type Row = Pick<ScheduleRow, "definition" | "generation" | "cursor" | "pausedAt">;

/** How many instants of a schedule fired, and how many did not. */
export interface InstantCounts {
  readonly fired: number;
  readonly skipped: number;
}

/** The most instants of a timetable that are looked at. */
const INSTANTS_MAX = 100_000;

export class ScheduleBook {
  readonly #expect: Expect;
  readonly #isOver: (runId: string) => boolean;
  readonly #rows = new Map<string, Row>();
  /** By schedule: after which instant it begins. */
  readonly #beginnings = new Map<string, number>();
  /** By schedule, lane and instant: how it is decided so far. Of ranges the bounds only. */
  readonly #decided = new Map<string, FiringRow>();
  /** By schedule. */
  readonly #ranges = new Map<string, { readonly from: number; readonly to: number }[]>();
  readonly #tokens = new Set<string>();

  constructor(expect: Expect, isOver: (runId: string) => boolean) {
    this.#expect = expect;
    this.#isOver = isOver;
  }

  created({ id, definition, cursor, pausedAt }: NewSchedule): void {
    if (this.#rows.has(id)) return;
    this.#rows.set(id, { definition, generation: 1, cursor, pausedAt });
    this.#beginnings.set(id, cursor);
  }

  /** A change that is in the log. Sent again, it is the same one. Returns the runs that it started. */
  changed(change: ScheduleChange): readonly ChildStart[] {
    const { scheduleId: id, token, row, firings, starts } = change;
    const before = this.#rows.get(id);
    if (this.#tokens.has(token) || before === undefined) return [];
    this.#tokens.add(token);
    this.#rows.set(id, row);
    this.#expect("no-instant-lost", row.cursor >= before.cursor, () => `the cursor of schedule ${id} went back`);
    if (row.generation === before.generation) this.#covers(id, before, row.cursor, firings);
    for (const firing of firings) this.#decides(firing);
    this.#holdsRules(id, before, firings);
    return starts;
  }

  /** Every instant that the cursor passed is in the change, and no other. */
  #covers(id: string, { cursor, definition }: Row, until: number, firings: readonly FiringRow[]): void {
    const { schedule } = planOf(scheduleTimes, id, definition);
    const instants = scheduleTimes.within(schedule, cursor + 1, until + 1, INSTANTS_MAX);
    const own = firings.filter(({ lane, at }) => lane === "schedule" && at > cursor);
    const isCovered = (at: number) => own.some((firing) => at >= firing.at && at <= (firing.until ?? firing.at));
    const lost = instants.find((at) => !isCovered(at));
    this.#expect("no-instant-lost", lost === undefined, () => `schedule ${id} has no decision on ${lost}`);
    const stranger = own.find(({ at }) => !instants.includes(at));
    this.#expect("no-instant-lost", stranger === undefined, () => `schedule ${id} has no instant ${stranger?.at}`);
  }

  /** An instant is decided once: it may have waited before. */
  #decides(firing: FiringRow): void {
    const { scheduleId: id, lane, at, until, decision } = firing;
    const key = `${id} ${lane} ${at}`;
    const known = this.#decided.get(key);
    const ranges = this.#ranges.get(id) ?? [];
    const isInRange = lane === "schedule" && ranges.some(({ from, to }) => (until ?? at) >= from && at <= to);
    this.#expect(
      "schedule-decides-once",
      (known === undefined || known.decision === "waiting") && !isInRange,
      () => `instant ${at} of schedule ${id} (${lane}) is ${decision}, and was ${known?.decision ?? "in a range"}`,
    );
    this.#decided.set(key, firing);
    if (until !== null) this.#ranges.set(id, [...ranges, { from: at, to: until }]);
  }

  #holdsRules(id: string, before: Row, firings: readonly FiringRow[]): void {
    const { policy } = planOf(scheduleTimes, id, before.definition).definition;
    const own = firings.filter(({ lane, generation }) => lane === "schedule" && generation === before.generation);
    const fired = own.filter(({ decision }) => decision === "fired");
    this.#expect("schedule-obeys", before.pausedAt === null || fired.length === 0, () => `${id} fires in a pause`);
    const late = own.filter(
      ({ cause, decision, at }) => cause === "catch-up" && decision !== "skipped" && at > before.cursor,
    );
    const oldest = late.find(({ at, decidedAt }) => (decidedAt ?? at) - at > policy.windowMs);
    this.#expect("schedule-obeys", oldest === undefined, () => `${id} catches up with ${oldest?.at}, which is too old`);
    const max = policy.catchUp === "all" ? policy.max : policy.catchUp === "last" ? 1 : 0;
    this.#expect("schedule-obeys", late.length <= max, () => `${id} catches up with ${late.length} of at most ${max}`);
    if (policy.overlap === "allow" || policy.overlap === "cancel-running") return;
    const live = this.#live(id);
    this.#expect(
      "schedule-obeys",
      live.length <= 1 || fired.length === 0,
      () => `${id} has ${live.length} runs at once`,
    );
  }

  // ---- The end ----

  /** Each instant of the timetables up to `until` has its one decision: none is left out, and none waits. */
  decidesAll(until: number): void {
    for (const [id, { definition }] of this.#rows) {
      const { schedule } = planOf(scheduleTimes, id, definition);
      const beganAt = this.#beginnings.get(id) as number;
      const ranges = this.#ranges.get(id) ?? [];
      const isDecided = (at: number) => {
        const { decision } = this.#decided.get(`${id} schedule ${at}`) ?? {};
        if (decision !== undefined) return decision !== "waiting";
        return ranges.some(({ from, to }) => at >= from && at <= to);
      };
      const lost = scheduleTimes.within(schedule, beganAt + 1, until + 1, INSTANTS_MAX).find((at) => !isDecided(at));
      this.#expect("no-instant-lost", lost === undefined, () => `schedule ${id} has no decision on ${lost} in the end`);
    }
  }

  /** By schedule: what became of the instants of its timetable. */
  get counts(): ReadonlyMap<string, InstantCounts> {
    const counts = new Map([...this.#rows.keys()].map((id) => [id, { fired: 0, skipped: 0 }]));
    for (const { scheduleId, lane, decision, instants } of this.#decided.values()) {
      const count = counts.get(scheduleId);
      if (count !== undefined && lane === "schedule" && decision !== "waiting") count[decision] += instants ?? 1;
    }
    return counts;
  }

  /** Runs of the timetable that have not ended. */
  #live(id: string): readonly FiringRow[] {
    return [...this.#decided.values()].filter(
      ({ scheduleId, lane, decision, runId }) =>
        scheduleId === id && lane === "schedule" && decision === "fired" && runId !== null && !this.#isOver(runId),
    );
  }
}
