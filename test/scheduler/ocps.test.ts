import { describe, expect, it } from "vitest";
import { instantsWithin } from "../../src/scheduler/next.ts";
import { parseSchedule } from "../../src/scheduler/parse.ts";
import { OCPS_VECTORS } from "./ocps-vectors.ts";

/** Whether the pattern fires at that time on the wall, in UTC. */
function fires(pattern: string, text: string): boolean {
  const at = Date.parse(`${text.replace(" ", "T")}Z`);
  return instantsWithin(parseSchedule({ cron: pattern }), at, at + 1, 2)[0] === at;
}

function year(pattern: string): number[] {
  return instantsWithin(parseSchedule({ cron: pattern }), Date.UTC(2024, 0), Date.UTC(2026, 0), 20_000);
}

describe("the Open Cron Pattern Specification", () => {
  for (const version of ["1.0", "1.1", "1.2", "1.3", "1.4"] as const) {
    describe(version, () => {
      for (const { pattern, fits = [], fitsNot = [], isRead = true, sameAs } of OCPS_VECTORS.filter(
        (vector) => vector.version === version,
      )) {
        if (!isRead) {
          it(`refuses ${pattern}`, () =>
            expect(() => parseSchedule({ cron: pattern })).toThrow(
              expect.objectContaining({ code: "SCHEDULE_INVALID", facts: expect.objectContaining({ field: "cron" }) }),
            ));
        } else if (sameAs !== undefined) {
          it(`reads ${pattern} as ${sameAs}`, () => {
            expect(year(pattern).length).toBeGreaterThan(0);
            expect(year(pattern)).toEqual(year(sameAs));
          });
        } else {
          it(`${pattern} fires at ${fits.length} times, and not at ${fitsNot.length}`, () => {
            expect(fits.filter((text) => !fires(pattern, text))).toEqual([]);
            expect(fitsNot.filter((text) => fires(pattern, text))).toEqual([]);
          });
        }
      }
    });
  }

  it("is covered: each version has vectors that fit, that do not, and that are refused", () => {
    expect(OCPS_VECTORS.length).toBeGreaterThan(55);
    for (const version of ["1.0", "1.1", "1.2", "1.3", "1.4"]) {
      const own = OCPS_VECTORS.filter((vector) => vector.version === version);
      expect(own.some(({ fits = [], fitsNot = [] }) => fits.length > 0 && fitsNot.length > 0)).toBe(true);
      expect(own.some(({ isRead }) => isRead === false)).toBe(true);
    }
  });
});
