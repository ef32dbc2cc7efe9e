import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OpenFiring } from "../../src/log/port-schedules.ts";
import { decide, iso, type Ruling, type Situation, type Timetable, WAITING_MAX } from "../../src/scheduler/decide.ts";
import { type CatchUpPolicy, checkPolicy, OVERLAPS, type Overlap } from "../../src/scheduler/policy.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** An instant every `periodMs`. */
const every = (periodMs: number): Timetable => ({
  next: (after) => (Math.floor(after / periodMs) + 1) * periodMs,
  due: (instant) => instant,
});

const HOURLY = every(HOUR);

const at = (hours: number) => hours * HOUR;

const situation = (more: Partial<Situation>): Situation => ({ cursor: 0, isPaused: false, now: 0, open: [], ...more });

const open = (instant: number, more: Partial<OpenFiring> = {}): OpenFiring => ({
  ...{ scheduleId: "s", at: instant, lane: "schedule", until: null, instants: 1, decision: "fired", cause: "schedule" },
  ...{ reason: null, runId: `run of ${instant / HOUR}`, generation: 1, decidedAt: instant, isOpen: true },
  ...{ runStatus: "running", ...more },
});

const waits = (instant: number, more: Partial<OpenFiring> = {}) =>
  open(instant, { decision: "waiting", runId: null, runStatus: null, decidedAt: null, ...more });

/** What becomes of instants, as short texts: `3 fired`, `4 skipped: missed`, `5-9 skipped: paused (5)`. */
const told = ({ firings, cancels }: Ruling) => [
  ...firings.map(({ at: instant, until, instants, decision, reason, cause, lane }) => {
    const range = until === null ? "" : `-${until / HOUR}`;
    const count = until === null ? "" : ` (${instants ?? "many"})`;
    const late = cause === "catch-up" && decision === "fired" ? " late" : "";
    const why =
      reason === null ? "" : `: ${reason.replaceAll(/\d{4}-\S+Z/g, (text) => String(Date.parse(text) / HOUR))}`;
    return `${instant / HOUR}${range} ${decision}${late}${why}${count}${lane === "schedule" ? "" : ` (${lane})`}`;
  }),
  ...cancels.map((runId) => `cancel ${runId}`),
];

const ruling = (overlap: Overlap, catchUp: unknown, more: Partial<Situation>, timetable = HOURLY) =>
  decide(timetable, checkPolicy(overlap, catchUp), situation(more));

describe("an instant that is due in time", () => {
  it("fires, and moves the cursor to it", () => {
    const found = ruling("skip", "none", { cursor: at(2), now: at(3) + 10 });
    expect(told(found)).toEqual(["3 fired"]);
    expect(found.cursor).toBe(at(3));
  });

  it("is not looked at before, nor again", () => {
    expect(told(ruling("skip", "all", { cursor: at(2), now: at(3) - 1 }))).toEqual([]);
    expect(told(ruling("skip", "all", { cursor: at(3), now: at(3) }))).toEqual([]);
  });

  it("is in time up to the grace", () => {
    const grace = { policy: "none", grace: "5m" };
    expect(told(ruling("skip", grace, { cursor: at(2), now: at(3) + 5 * MINUTE }))).toEqual(["3 fired"]);
    expect(told(ruling("skip", grace, { cursor: at(2), now: at(3) + 5 * MINUTE + 1 }))).toEqual(["3 skipped: missed"]);
  });

  it("is due when its jitter says so", () => {
    const later: Timetable = { ...HOURLY, due: (instant) => instant + 10 * MINUTE };
    expect(told(ruling("skip", "none", { cursor: at(2), now: at(3) + 9 * MINUTE }, later))).toEqual([]);
    const found = ruling("skip", "none", { cursor: at(2), now: at(3) + 10 * MINUTE }, later);
    expect([told(found), found.cursor]).toEqual([["3 fired"], at(3)]);
  });

  it("of a clock that went back is not decided again, and the cursor stays", () => {
    const found = ruling("allow", "all", { cursor: at(30), now: at(3) });
    expect([told(found), found.cursor]).toEqual([[], at(30)]);
  });
});

/** What each policy makes of instants 1 to 5 at 5:00, with the last in time. */
describe("overlap", () => {
  const busy = [open(at(1))];
  const cases: readonly (readonly [Overlap, readonly OpenFiring[], readonly string[]])[] = [
    ["skip", [], ["2 fired"]],
    ["skip", busy, ["2 skipped: overlap with 1"]],
    ["queue-one", [], ["2 fired"]],
    ["queue-one", busy, ["2 waiting: behind 1"]],
    ["queue-one", [open(at(0)), waits(at(1))], ["1 skipped: replaced by 2", "2 waiting: behind 0"]],
    ["queue-one", [open(at(0), { runStatus: "completed" }), waits(at(1))], ["1 fired", "2 waiting: behind 1"]],
    ["queue-all", [], ["2 fired"]],
    ["queue-all", busy, ["2 waiting: behind 1"]],
    ["queue-all", [open(at(0)), waits(at(1))], ["2 waiting: behind 1"]],
    ["queue-all", [waits(at(0)), waits(at(1))], ["0 fired", "2 waiting: behind 1"]],
    ["cancel-running", [], ["2 fired"]],
    ["cancel-running", busy, ["2 fired", "cancel run of 1"]],
    ["cancel-running", [open(at(0)), waits(at(1))], ["1 skipped: replaced by 2", "2 fired", "cancel run of 0"]],
    ["allow", busy, ["2 fired"]],
    ["allow", [open(at(0)), waits(at(1))], ["1 fired", "2 fired"]],
    // A run that somebody asked for counts; one that has ended, or is not there, does not.
    ["skip", [open(at(1), { lane: "manual" })], ["2 skipped: overlap with 1"]],
    ["skip", [open(at(1), { lane: "backfill" })], ["2 fired"]],
    ...(["completed", "failed", "cancelled", null] as const).map(
      (runStatus) => ["skip", [open(at(1), { runStatus })], ["2 fired"]] as const,
    ),
    ...(["pending", "waiting", "paused", "stuck"] as const).map(
      (runStatus) => ["skip", [open(at(1), { runStatus })], ["2 skipped: overlap with 1"]] as const,
    ),
  ];
  it.each(cases)("%s with %j under way: %j", (overlap, under, expected) => {
    expect(told(ruling(overlap, "none", { cursor: at(1), now: at(2), open: under }))).toEqual(expected);
  });

  it("starts what waits as soon as nothing runs, one after the other, with no instant due", () => {
    const list = [open(at(1), { runStatus: "failed" }), waits(at(2)), waits(at(3))];
    for (const overlap of ["queue-one", "queue-all", "skip", "cancel-running"] as const) {
      const found = ruling(overlap, "none", { cursor: at(3), now: at(3), open: list });
      expect(told(found)).toEqual(["2 fired"]);
      expect(found.ended).toEqual([{ at: at(1), lane: "schedule" }]);
    }
    expect(told(ruling("allow", "none", { cursor: at(3), now: at(3), open: list }))).toEqual(["2 fired", "3 fired"]);
  });

  it("lets a bounded number wait", () => {
    const list = [open(-1), ...Array.from({ length: WAITING_MAX }, (_, i) => waits(i))];
    expect(told(ruling("queue-all", "none", { cursor: at(1), now: at(2), open: list }))).toEqual([
      "2 skipped: queue full",
    ]);
  });

  it("of a backfill is a line of its own: one after the other", () => {
    const backfill = { lane: "backfill" } as const;
    const list = [waits(at(-9), backfill), waits(at(-8), backfill), open(at(1))];
    const moved = { cursor: at(1), now: at(1) };
    expect(told(ruling("skip", "none", { ...moved, open: list }))).toEqual(["-9 fired (backfill)"]);
    const busyLine = [open(at(-10), backfill), ...list];
    expect(told(ruling("skip", "none", { ...moved, open: busyLine }))).toEqual([]);
  });
});

describe("catch-up", () => {
  const down = { cursor: at(0), now: at(5) + 30 * MINUTE };
  const upAtFive = { cursor: at(0), now: at(5) };
  const missed = (...hours: number[]) => hours.map((hour) => `${hour} skipped: missed`);
  const cases: readonly (readonly [unknown, Partial<Situation>, readonly string[]])[] = [
    ["none", down, missed(1, 2, 3, 4, 5)],
    ["none", upAtFive, [...missed(1, 2, 3, 4), "5 fired"]],
    ["last", down, [...missed(1, 2, 3, 4), "5 fired late"]],
    ["last", upAtFive, [...missed(1, 2, 3, 4), "5 fired"]],
    [{ policy: "last", window: "29m" }, down, missed(1, 2, 3, 4, 5)],
    ["all", down, ["1 fired late", "2 fired late", "3 fired late", "4 fired late", "5 fired late"]],
    ["all", upAtFive, ["1 fired late", "2 fired late", "3 fired late", "4 fired late", "5 fired"]],
    [{ policy: "all", window: "2h" }, down, [...missed(1, 2, 3), "4 fired late", "5 fired late"]],
    [
      { policy: "all", max: 2 },
      down,
      ["1 skipped: cap", "2 skipped: cap", "3 skipped: cap", "4 fired late", "5 fired late"],
    ],
    [{ policy: "all", max: 1, window: "2h" }, down, [...missed(1, 2, 3), "4 skipped: cap", "5 fired late"]],
    [
      { policy: "all", max: 1 },
      upAtFive,
      [...[1, 2, 3].map((hour) => `${hour} skipped: cap`), "4 fired late", "5 fired"],
    ],
  ];
  it.each(cases)("%j of %j: %j", (catchUp, when, expected) => {
    expect(told(ruling("allow", catchUp, when))).toEqual(expected);
  });

  it("obeys the overlap rule among what it starts", () => {
    const found = (overlap: Overlap) => told(ruling(overlap, "all", { cursor: 0, now: at(3) + 30 * MINUTE }));
    expect(found("skip")).toEqual(["1 fired late", "2 skipped: overlap with 1", "3 skipped: overlap with 1"]);
    expect(found("queue-one")).toEqual(["1 fired late", "2 skipped: replaced by 3", "3 waiting: behind 1"]);
    expect(found("queue-all")).toEqual(["1 fired late", "2 waiting: behind 1", "3 waiting: behind 2"]);
    expect(found("cancel-running")).toEqual(["1 skipped: replaced by 2", "2 skipped: replaced by 3", "3 fired late"]);
  });

  it("records many that were missed as one range, with their number if it can be counted", () => {
    expect(told(ruling("skip", "last", { cursor: 0, now: at(50) + 30 * MINUTE }))).toEqual([
      "1-49 skipped: missed (49)",
      "50 fired late",
    ]);
    const year = ruling("skip", { policy: "last" }, { cursor: 0, now: at(8760) });
    expect(told(year)).toEqual([
      expect.stringMatching(/^1-8560\.\d+ skipped: missed \(many\)$/),
      "8561-8759 skipped: missed (199)",
      "8760 fired",
    ]);
    expect(year.cursor).toBe(at(8760));
  });

  it("of a century of seconds takes no longer", () => {
    let calls = 0;
    const seconds: Timetable = {
      ...every(1_000),
      next: (after) => {
        calls++;
        return every(1_000).next(after);
      },
    };
    const now = 100 * 365 * 24 * HOUR;
    const found = ruling("allow", { policy: "all", max: 1_000, window: "1h" }, { now }, seconds);
    const fired = found.firings.filter(({ decision }) => decision === "fired");
    expect(fired.filter(({ cause }) => cause === "catch-up")).toHaveLength(1_000);
    expect(fired.filter(({ cause }) => cause === "schedule")).toHaveLength(61);
    expect(found.firings[0]).toMatchObject({ at: 1_000, instants: null, reason: "cap" });
    expect(calls).toBeLessThan(200_000);
  });
});

describe("a schedule that is paused", () => {
  it.each(OVERLAPS)("skips what is due, and starts nothing that waits: %s", (overlap) => {
    for (const catchUp of ["none", "last", "all"] satisfies CatchUpPolicy[]) {
      const list = [open(at(0), { runStatus: "completed" }), waits(at(1))];
      const found = ruling(overlap, catchUp, { cursor: at(1), now: at(4), isPaused: true, open: list });
      expect(told(found)).toEqual(["2 skipped: paused", "3 skipped: paused", "4 skipped: paused"]);
    }
  });
});

describe("whatever happens", () => {
  /** One look: so long after the one before (a clock may go back), paused or not; how many runs end before it. */
  const look = fc.record({
    passedMs: fc.oneof(fc.integer({ min: 0, max: 3 * HOUR }), fc.integer({ min: -24 * HOUR, max: 24 * HOUR })),
    isPaused: fc.boolean(),
    ends: fc.integer({ min: 0, max: 3 }),
  });

  it("each instant up to the cursor has one decision, and waits for it only while something runs", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...OVERLAPS),
        fc.constantFrom<CatchUpPolicy>("none", "last", "all"),
        fc.integer({ min: 1, max: 5 }),
        fc.array(look, { maxLength: 40 }),
        (overlap, catchUp, max, looks) => {
          const timetable = every(15 * MINUTE);
          const policy = checkPolicy(overlap, { policy: catchUp, max });
          const decided = new Map<number, string>();
          let firings: OpenFiring[] = [];
          let [cursor, now] = [0, 0];
          for (const { passedMs, isPaused, ends } of looks) {
            now += passedMs;
            const running = firings.filter(
              ({ decision, runStatus }) => decision === "fired" && runStatus === "running",
            );
            const over = new Set(running.slice(0, ends));
            firings = firings.map((each) => (over.has(each) ? { ...each, runStatus: "completed" as const } : each));
            const found = decide(timetable, policy, { cursor, now, isPaused, open: firings });
            expect(found.cursor).toBeGreaterThanOrEqual(cursor);
            for (const ruled of found.firings) {
              const instants = ruled.until === null ? [ruled.at] : within(timetable, ruled.at, ruled.until);
              for (const instant of instants) {
                expect([undefined, "waiting"]).toContain(decided.get(instant));
                decided.set(instant, ruled.decision);
              }
              firings = firings.filter((each) => each.at !== ruled.at);
              if (ruled.isOpen) {
                const runStatus = ruled.decision === "fired" ? ("running" as const) : null;
                firings.push({ ...open(ruled.at), ...ruled, runId: "r", runStatus });
              }
            }
            const ended = new Set(found.ended.map((each) => each.at));
            firings = firings.filter((each) => !ended.has(each.at)).sort((a, b) => a.at - b.at);
            cursor = found.cursor;
            const live = firings.filter(({ decision }) => decision === "fired").length;
            const waiting = firings.filter(({ decision }) => decision === "waiting").length;
            if (overlap !== "cancel-running") expect(live).toBeLessThanOrEqual(1);
            if (overlap === "queue-one") expect(waiting).toBeLessThanOrEqual(1);
            if (!isPaused && waiting > 0) expect(live).toBe(1);
          }
          expect([...decided.keys()].sort((a, b) => a - b)).toEqual(within(timetable, 0, cursor));
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The instants after `from - 1`, up to `until`. */
function within(timetable: Timetable, from: number, until: number): number[] {
  const instants: number[] = [];
  for (let each = timetable.next(from - 1) as number; each <= until; each = timetable.next(each) as number) {
    if (each > 0) instants.push(each);
  }
  return instants;
}

it("instants in reasons are ISO 8601", () => {
  expect(iso(at(2))).toBe("1970-01-01T02:00:00.000Z");
});
