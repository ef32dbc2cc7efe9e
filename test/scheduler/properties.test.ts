import { Cron } from "croner";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instantsWithin, nextInstant } from "../../src/scheduler/next.ts";
import { parseSchedule } from "../../src/scheduler/parse.ts";
import { DST_POLICIES } from "../../src/scheduler/spec.ts";
import "../support/fixed-seed.ts";
import { firingsOf, MINUTE_MS, stretchOf } from "./wall-oracle.ts";
import { PATTERN_ROWS, type Shown, ZONE_ROWS } from "./zone-table.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A field as the values it holds, and as a text that means them. */
interface Field {
  readonly values: ReadonlySet<number>;
  readonly text: string;
  readonly isAny: boolean;
}

function fieldOf(min: number, max: number): fc.Arbitrary<Field> {
  const all = Array.from({ length: max - min + 1 }, (_, i) => min + i);
  const any = fc.constant<Field>({ values: new Set(all), text: "*", isAny: true });
  const stepped = fc.integer({ min: 2, max: Math.ceil((max - min) / 2) }).map((step) => {
    return { values: new Set(all.filter((value) => (value - min) % step === 0)), text: `*/${step}`, isAny: true };
  });
  const part = fc.tuple(fc.integer({ min, max }), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 3 }));
  const list = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts): Field => {
    const values = new Set<number>();
    const texts = parts.map(([from, length, step]) => {
      const to = Math.min(max, from + length);
      for (let value = from; value <= to; value += step) values.add(value);
      return from === to ? String(from) : `${from}-${to}${step === 1 ? "" : `/${step}`}`;
    });
    return { values, text: texts.join(","), isAny: false };
  });
  return fc.oneof({ weight: 2, arbitrary: any }, { weight: 1, arbitrary: stepped }, { weight: 4, arbitrary: list });
}

/** Dense enough in the days for a window of three of them. */
const pattern = fc
  .tuple(fieldOf(0, 59), fieldOf(0, 23), fc.oneof(fc.constant(null), fieldOf(1, 31)), fieldOf(0, 6), fc.boolean())
  .map(([minute, hour, dayOfMonth, dayOfWeek, both]) => {
    const any: Field = { values: new Set(Array.from({ length: 31 }, (_, i) => i + 1)), text: "*", isAny: true };
    const month = dayOfMonth ?? any;
    const isAnd = both || month.isAny || dayOfWeek.isAny;
    const fits = ({ minute: m, hour: h, day, weekday }: Shown) => {
      const [a, b] = [month.values.has(day), dayOfWeek.values.has(weekday)];
      return minute.values.has(m) && hour.values.has(h) && (isAnd ? a && b : a || b);
    };
    return {
      cron: `${minute.text} ${hour.text} ${month.text} * ${both ? "+" : ""}${dayOfWeek.text}`,
      fits,
      repeats: minute.isAny || hour.isAny,
    };
  });

const zoneAndTime = fc.oneof(
  // Around a transition, where it may go wrong.
  fc
    .tuple(fc.constantFrom(...ZONE_ROWS), fc.boolean(), fc.integer({ min: -30 * 60, max: 30 * 60 }))
    .map(([row, isGap, minutes]) => {
      return { zone: row.zone, at: Date.parse(isGap ? row.gap : row.fold) + minutes * MINUTE_MS };
    }),
  fc
    .tuple(
      fc.constantFrom(...Intl.supportedValuesOf("timeZone")),
      fc.integer({ min: Date.UTC(1971, 0) / MINUTE_MS, max: Date.UTC(2037, 0) / MINUTE_MS }),
    )
    .map(([zone, minute]) => ({ zone, at: minute * MINUTE_MS })),
);

const policy = fc.constantFrom(...DST_POLICIES);

describe("for any pattern, zone, time and policy", () => {
  it("no instant is left out, and none is made up: it is what the slow way finds", () => {
    fc.assert(
      fc.property(pattern, zoneAndTime, policy, (row, { zone, at }, dst) => {
        const lead = 26 * HOUR_MS;
        const expected = firingsOf(stretchOf(zone, at - lead, at + DAY_MS), row, dst).filter((fired) => fired >= at);
        const schedule = parseSchedule({ cron: row.cron, timezone: zone, dst });
        expect(instantsWithin(schedule, at, at + DAY_MS, 2_000)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it("next is strictly later, the same however near before it one asks, and grows with what one asks after", () => {
    fc.assert(
      fc.property(
        pattern,
        zoneAndTime,
        policy,
        fc.integer({ min: 0, max: 3 * DAY_MS }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ({ cron }, { zone, at }, dst, later, part) => {
          const schedule = parseSchedule({ cron, timezone: zone, dst });
          const next = nextInstant(schedule, at);
          if (next === null) return;
          expect(next).toBeGreaterThan(at);
          expect(nextInstant(schedule, at + Math.floor((next - at) * part))).toBe(next);
          expect(nextInstant(schedule, next - 1)).toBe(next);
          expect(nextInstant(schedule, at + later) ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(next);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("a chain of nexts is what instantsWithin lists, in any pieces", () => {
    fc.assert(
      fc.property(
        pattern,
        zoneAndTime,
        policy,
        fc.integer({ min: 1, max: 5 * 24 }),
        ({ cron }, { zone, at }, dst, hours) => {
          const schedule = parseSchedule({ cron: [cron, "17 4 * * *"], every: "7h", timezone: zone, dst });
          const until = at + 6 * DAY_MS;
          const whole = instantsWithin(schedule, at, until, 200);
          const cut = Math.min(at + hours * HOUR_MS, until);
          const pieces = [...instantsWithin(schedule, at, cut, 200), ...instantsWithin(schedule, cut, until, 200)];
          expect(pieces.slice(0, 200)).toEqual(whole);
          let after = at - 1;
          for (const instant of whole.slice(0, 40)) {
            expect(nextInstant(schedule, after)).toBe(instant);
            after = instant;
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("croner's own handling of zones", () => {
  const around = ZONE_ROWS.flatMap(({ zone, gap, fold }) => [gap, fold].map((at) => ({ zone, at: Date.parse(at) })));

  /** Up to three instants after `from` by croner, with the zone left to it. */
  const byCroner = (cron: string, timezone: string, from: number) =>
    new Cron(cron, { timezone }).nextRuns(3, new Date(from)).map((date) => date.getTime());

  const ours = (cron: string, timezone: string, from: number) =>
    instantsWithin(parseSchedule({ cron, timezone }), from + 1, from + 60 * DAY_MS, 3);

  it("agrees with the policy shift on single times and on patterns that repeat, in 30 zones, both ways", () => {
    const patterns = PATTERN_ROWS.filter(({ cron, repeats }) => repeats || /^\d+ \d+ \* \* \*$/.test(cron));
    const different: string[] = [];
    for (const { cron } of patterns) {
      for (const { zone, at } of around) {
        const from = at - 6 * HOUR_MS;
        if (String(byCroner(cron, zone, from)) !== String(ours(cron, zone, from))) different.push(`${zone} ${cron}`);
      }
    }
    // croner fires nothing for a gap that ends on another day than the time in it: to it, that day just had no such time.
    expect(different).toEqual([
      ...["Pacific/Apia 30 2 * * *", "Pacific/Apia 0 3 * * *", "Pacific/Apia 15 1 * * *", "America/Nuuk 50 23 * * *"],
      ...["Pacific/Apia 50 23 * * *", "Asia/Pyongyang 50 23 * * *"],
    ]);
  });
});

describe("the cost", () => {
  it("of 1,000 nexts is bounded by far more than it takes", () => {
    for (const cron of ["*/5 * * * *", "30 2 * * MON-FRI", "0 0 L * *"]) {
      const schedule = parseSchedule({ cron, timezone: "Europe/Berlin" });
      const begun = performance.now();
      let after = Date.UTC(2026, 0);
      for (let i = 0; i < 1_000; i++) after = nextInstant(schedule, after) ?? Number.NaN;
      const tookMs = performance.now() - begun;
      console.log(`1,000 nexts of ${cron} in Europe/Berlin: ${tookMs.toFixed(1)} ms`);
      expect(after).toBeGreaterThan(Date.UTC(2026, 0));
      expect(tookMs).toBeLessThan(10_000);
    }
  });
});
