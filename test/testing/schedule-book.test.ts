import { describe, expect, it } from "vitest";
import type { FiringDecision, FiringRow, ScheduleChange } from "../../src/log/port-schedules.ts";
import { definitionText } from "../../src/scheduler/definition.ts";
import { checkPolicy } from "../../src/scheduler/policy.ts";
import { ScheduleBook } from "../../src/testing/schedule-book.ts";

const START = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const END = START + 3 * MINUTE_MS;

const definition = definitionText({
  spec: { every: "1m" },
  policy: checkPolicy(undefined, undefined),
  input: { value: null },
  tags: {},
  deadlineMs: null,
});

const ROW = { workflow: "report", version: null, definition, source: "code", pausedAt: null, note: null } as const;

function firing(minute: number, decision: FiringDecision): FiringRow {
  const at = START + minute * MINUTE_MS;
  const facts = { until: null, instants: 1, cause: "schedule", reason: null, runId: null, decidedAt: at } as const;
  return { scheduleId: "each", at, lane: "schedule", decision, generation: 1, isOpen: false, ...facts };
}

/** A book of a schedule with an instant each minute, and what it has found to be wrong. */
function book() {
  const broken: string[] = [];
  const schedules = new ScheduleBook(
    (predicate, holds) => {
      if (!holds) broken.push(predicate);
    },
    () => true,
  );
  const row = { ...ROW, nextAt: null, createdAt: START, updatedAt: START };
  schedules.created({ id: "each", token: "made", cursor: START, ...row });
  const decide = (token: string, ...firings: FiringRow[]) => {
    const cursor = Math.max(...firings.map(({ at }) => at));
    const change = { generation: 1, waiting: 0, nextAt: null, updatedAt: cursor, cursor, ...ROW };
    const rest: Pick<ScheduleChange, "closed" | "starts" | "tells" | "keep"> = {
      ...{ closed: [], starts: [], tells: [] },
      keep: { decidedAfter: 0, count: 1_000 },
    };
    schedules.changed({ scheduleId: "each", revision: 1, token, row: change, firings, ...rest });
  };
  return { schedules, decide, broken };
}

describe("the instants of a schedule, in the end", () => {
  it("are right if each has its one decision", () => {
    const { schedules, decide, broken } = book();
    decide("a", firing(1, "fired"), firing(2, "waiting"));
    decide("b", firing(2, "skipped"), firing(3, "fired"));
    schedules.decidesAll(END);
    expect(broken).toEqual([]);
    expect([...schedules.counts]).toEqual([["each", { fired: 2, skipped: 1 }]]);
  });

  it("are wrong if nobody has decided the last ones", () => {
    const { schedules, decide, broken } = book();
    decide("a", firing(1, "fired"), firing(2, "fired"));
    schedules.decidesAll(END - 1);
    expect(broken).toEqual([]);
    schedules.decidesAll(END);
    expect(broken).toEqual(["no-instant-lost"]);
  });

  it("are wrong if one waits", () => {
    const { schedules, decide, broken } = book();
    decide("a", firing(1, "fired"), firing(2, "waiting"), firing(3, "fired"));
    schedules.decidesAll(END);
    expect(broken).toEqual(["no-instant-lost"]);
  });

  it("are wrong if one is decided again", () => {
    const { decide, broken } = book();
    decide("a", firing(1, "fired"));
    decide("b", firing(1, "skipped"), firing(2, "fired"));
    expect(broken).toEqual(["schedule-decides-once"]);
  });
});
