import { describe, expect, it } from "vitest";
import { instantsWithin } from "../../src/scheduler/next.ts";
import { parseSchedule } from "../../src/scheduler/parse.ts";
import { DST_POLICIES, type DstPolicy } from "../../src/scheduler/spec.ts";
import { firingsOf, MINUTE_MS, stretchOf } from "./wall-oracle.ts";
import { PATTERN_ROWS, ZONE_ROWS } from "./zone-table.ts";

const HOUR_MS = 3_600_000;

/** So much on both sides of a transition: what lies further off does not see it, though a day was left out. */
const AROUND_MS = 52 * HOUR_MS;

function firings(cron: string, timezone: string, dst: DstPolicy, from: number, until: number): string[] {
  return texts(instantsWithin(parseSchedule({ cron, timezone, dst }), from, until, 1_000));
}

const texts = (instants: readonly number[]) => instants.map((instant) => new Date(instant).toISOString().slice(0, 16));

let cells = 0;

describe("around a transition, each policy fires when the wall says so", () => {
  for (const { zone, gap, fold } of ZONE_ROWS) {
    for (const [what, at] of [
      ["gap", Date.parse(gap)],
      ["fold", Date.parse(fold)],
    ] as const) {
      it(`${zone}, ${what} at ${new Date(at).toISOString()}`, () => {
        const from = at - AROUND_MS;
        const until = at + AROUND_MS;
        const stretch = stretchOf(zone, from, until);
        const { looks } = stretch;
        const index = (at - from) / MINUTE_MS;
        const jumpMs = looks[index]!.label - looks[index - 1]!.label - MINUTE_MS;
        expect(what === "gap" ? jumpMs > 0 : jumpMs < 0, `the wall jumps by ${jumpMs} ms`).toBe(true);

        const wrong: unknown[] = [];
        for (const pattern of PATTERN_ROWS) {
          for (const policy of DST_POLICIES) {
            cells++;
            // The window's edges are left out: a wall's time there may have its first showing, or its gap, outside.
            const inside = (instant: number) => instant >= from + 26 * HOUR_MS && instant < until;
            const expected = texts(firingsOf(stretch, pattern, policy).filter(inside));
            const found = firings(pattern.cron, zone, policy, from + 26 * HOUR_MS, until);
            if (String(found) !== String(expected)) wrong.push({ pattern: pattern.cron, policy, expected, found });
          }
        }
        expect(wrong).toEqual([]);
      });
    }
  }

  it("in 30 zones, 12 patterns and 4 policies", () => {
    expect([ZONE_ROWS.length, PATTERN_ROWS.length, DST_POLICIES.length]).toEqual([30, 12, 4]);
    expect(new Set(ZONE_ROWS.map(({ zone }) => zone)).size).toBe(30);
    expect(cells).toBe(30 * 2 * 12 * 4);
  });
});

/** Reckoned by hand from the zones' rules: policy, pattern, zone, the day asked about in UTC, and the instants in it. */
const BY_HAND: readonly (readonly [policy: DstPolicy, cron: string, zone: string, from: string, fires: string[]])[] = [
  ["shift", "30 2 * * *", "Europe/Berlin", "2025-03-30T00:00", ["2025-03-30T01:00"]],
  ["skip", "30 2 * * *", "Europe/Berlin", "2025-03-30T00:00", []],
  ["once", "30 2 * * *", "Europe/Berlin", "2025-03-30T00:00", ["2025-03-30T01:00"]],
  ["both", "30 2 * * *", "Europe/Berlin", "2025-03-30T00:00", []],
  ["shift", "30 2 * * *", "Europe/Berlin", "2025-10-26T00:00", ["2025-10-26T00:30"]],
  ["skip", "30 2 * * *", "Europe/Berlin", "2025-10-26T00:00", ["2025-10-26T00:30"]],
  ["once", "30 2 * * *", "Europe/Berlin", "2025-10-26T00:00", ["2025-10-26T00:30"]],
  ["both", "30 2 * * *", "Europe/Berlin", "2025-10-26T00:00", ["2025-10-26T00:30", "2025-10-26T01:30"]],
  // Midnight did not exist: the day begins at one.
  ["shift", "0 0 * * *", "America/Sao_Paulo", "2018-11-04T00:00", ["2018-11-04T03:00"]],
  ["skip", "0 0 * * *", "America/Sao_Paulo", "2018-11-04T00:00", []],
  // A Friday that was not: what belonged to it comes as Saturday begins, once.
  ["shift", "0 9,17 30 12 *", "Pacific/Apia", "2011-12-30T00:00", ["2011-12-30T10:00"]],
  ["skip", "0 9,17 30 12 *", "Pacific/Apia", "2011-12-30T00:00", []],
  // Half an hour: 02:00 to 02:29 do not exist, and 01:30 to 01:59 come twice.
  ["shift", "15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", ["2025-10-04T15:30"]],
  ["shift", "30 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", ["2025-10-04T15:30"]],
  ["both", "45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00", ["2025-04-05T14:45", "2025-04-05T15:15"]],
  ["shift", "45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00", ["2025-04-05T14:45"]],
  // Two hours at once.
  ["shift", "0,30 1,2 * * *", "Antarctica/Troll", "2025-03-29T12:00", ["2025-03-30T01:00"]],
  ["both", "0 2 * * *", "Antarctica/Troll", "2025-10-26T00:00", ["2025-10-26T00:00", "2025-10-26T02:00"]],
  // Kathmandu left a quarter of an hour out when 1986 began.
  ["shift", "0 0 1 1 *", "Asia/Kathmandu", "1985-12-31T12:00", ["1985-12-31T18:30"]],
  ["skip", "0 0 1 1 *", "Asia/Kathmandu", "1985-12-31T12:00", []],
  // A zone without transitions.
  ["shift", "0 8 * * *", "Asia/Kathmandu", "2025-06-01T00:00", ["2025-06-01T02:15"]],
  // Kwajalein had no 21 August 1993.
  ["shift", "0 12 21 8 *", "Pacific/Kwajalein", "1993-08-21T00:00", ["1993-08-21T12:00"]],
  // 02:45 to 03:44 on Chatham.
  ["shift", "0 3 * * *", "Pacific/Chatham", "2025-09-27T06:00", ["2025-09-27T14:00"]],
];

describe("as reckoned by hand", () => {
  for (const [policy, cron, zone, from, expected] of BY_HAND) {
    it(`${policy}: ${cron} in ${zone} from ${from} UTC`, () => {
      const start = Date.parse(`${from}Z`);
      expect(firings(cron, zone, policy, start, start + 24 * HOUR_MS)).toEqual(expected);
    });
  }
});

describe("a pattern that repeats through the day follows elapsed time", () => {
  const from = (text: string) => Date.parse(text);
  const distances = (dst: DstPolicy, start: number) => {
    const instants = instantsWithin(
      parseSchedule({ cron: "10 * * * *", timezone: "Europe/Berlin", dst }),
      start,
      start + 12 * HOUR_MS,
      99,
    );
    return new Set(instants.slice(1).map((instant, i) => instant - (instants[i] ?? 0)));
  };

  for (const dst of ["shift", "skip", "both"] as const) {
    it(`${dst}: hourly stays hourly`, () => {
      expect(distances(dst, from("2025-03-29T20:00Z"))).toEqual(new Set([HOUR_MS]));
      expect(distances(dst, from("2025-10-25T20:00Z"))).toEqual(new Set([HOUR_MS]));
    });
  }

  it("once: it follows the wall, whose hours come once each", () => {
    expect(distances("once", from("2025-10-25T20:00Z"))).toEqual(new Set([HOUR_MS, 2 * HOUR_MS]));
  });
});
