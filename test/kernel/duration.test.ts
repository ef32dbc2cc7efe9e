import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DURATION_MS_MAX, type Duration, formatDuration, parseDuration } from "../../src/kernel/duration.ts";
import { DefinitionError } from "../../src/kernel/errors.ts";
import { anyText } from "../support/storable.ts";

function refusal(duration: unknown): DefinitionError {
  try {
    parseDuration(duration as Duration);
  } catch (error) {
    return error as DefinitionError;
  }
  throw new Error(`${String(duration)} is taken`);
}

describe("a duration", () => {
  it.each<[Duration, number]>([
    [0, 0],
    [1_500, 1_500],
    [1.6, 2],
    ["0ms", 0],
    ["250ms", 250],
    ["1s", 1_000],
    ["90s", 90_000],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["1w", 604_800_000],
    ["1w2d3h4m5s6ms", 604_800_000 + 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000 + 5_000 + 6],
    ["1.5h", 5_400_000],
    ["1.25h", 4_500_000],
    ["0.5s", 500],
    ["1h 30m", 5_400_000],
    ["  10 s  ", 10_000],
    ["10M", 600_000],
    ["PT1H30M", 5_400_000],
    ["P2DT12H", 216_000_000],
    ["P1W", 604_800_000],
    ["P1W2DT3H4M5S", 604_800_000 + 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000 + 5_000],
    ["PT0.25S", 250],
    ["PT0,25S", 250],
    ["pt5m", 300_000],
    ["PT36H", 129_600_000],
  ])("%j is %d ms", (duration, ms) => {
    expect(parseDuration(duration)).toBe(ms);
  });

  it.each<[unknown, number, RegExp]>([
    ["", 0, /an empty text/],
    ["   ", 0, /an empty text/],
    ["soon", 0, /found "s" where a number should start/],
    ["5", 1, /the number 5 has no unit/],
    ["5y", 1, /the number 5 has no unit/],
    ["5p", 1, /the number 5 has no unit/],
    ["1h30", 4, /the number 30 has no unit/],
    ["1h and 5m", 3, /found "a"/],
    ["1h-5m", 2, /found "-"/],
    ["-1h", 0, /found "-"/],
    ["1h1h", 2, /large to small, each once/],
    ["5s1h", 2, /large to small, each once/],
    ["1.h", 1, /no unit/],
    [".5h", 0, /found "\."/],
    ["5 \u{1F600}", 1, /no unit/],
    ["P", 0, /the form is/],
    ["PT", 0, /the form is/],
    ["P1DT", 0, /the form is/],
    ["P5", 0, /the form is/],
    ["P1Y", 2, /years and months have no fixed length/],
    ["P2M", 2, /years and months have no fixed length/],
    ["PTP5Y", 0, /the form is/],
    ["PT5M1H", 0, /the form is/],
    [-1, 0, /a finite number, 0 or more/],
    [Number.NaN, 0, /a finite number/],
    [Number.POSITIVE_INFINITY, 0, /a finite number/],
    [null, 0, /found null/],
    [undefined, 0, /found undefined/],
    [{}, 0, /found object/],
    [Object.create(null), 0, /found object/],
    [Symbol("5s"), 0, /found symbol/],
  ])("%s is refused at offset %d", (duration, offset, reason) => {
    const error = refusal(duration);
    expect(error).toBeInstanceOf(DefinitionError);
    expect(error).toMatchObject({ code: "DURATION_INVALID", facts: { offset } });
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(`at character ${offset + 1}:`);
  });

  it("is at most 100 years", () => {
    expect(parseDuration(DURATION_MS_MAX)).toBe(DURATION_MS_MAX);
    expect(parseDuration("36500d")).toBe(DURATION_MS_MAX);
    for (const longer of [DURATION_MS_MAX + 1, "36500d1ms", "PT876001H", `${"9".repeat(400)}d`]) {
      expect(refusal(longer).code).toBe("DURATION_INVALID");
    }
    expect(refusal(DURATION_MS_MAX + 1).message).toContain(formatDuration(DURATION_MS_MAX));
  });

  it("of a very long text is refused, however it is made", () => {
    for (const text of [
      `P${"1".repeat(50_000)}`,
      `${"1".repeat(50_000)}x`,
      "1h".repeat(20_000),
      `P${"M".repeat(50_000)}`,
    ]) {
      expect(refusal(text).code).toBe("DURATION_INVALID");
    }
  });

  it("never is negative zero", () => {
    expect(parseDuration(-0)).toBe(0);
  });
});

describe("the short form", () => {
  it.each([
    [0, "0ms"],
    [-5, "0ms"],
    [1, "1ms"],
    [5_400_000, "1h30m"],
    [604_800_000, "1w"],
    [90_061_001, "1d1h1m1s1ms"],
  ])("of %d ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it("is read back as the same duration", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: DURATION_MS_MAX }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
      { numRuns: 1_000 },
    );
  });

  it("and ISO 8601 say the same", () => {
    const part = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });
    fc.assert(
      fc.property(fc.tuple(part, part, part, part, part), ([w, d, h, m, s]) => {
        const text = (count: number | undefined, unit: string) => (count === undefined ? "" : `${count}${unit}`);
        const short = text(w, "w") + text(d, "d") + text(h, "h") + text(m, "m") + text(s, "s");
        const time = text(h, "H") + text(m, "M") + text(s, "S");
        fc.pre(short !== "");
        const iso = `P${text(w, "W")}${text(d, "D")}${time === "" ? "" : `T${time}`}`;
        expect(parseDuration(iso)).toBe(parseDuration(short));
      }),
    );
  });

  it("any text is read or refused with a typed error", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          expect(parseDuration(text)).toBeGreaterThanOrEqual(0);
        } catch (error) {
          expect((error as DefinitionError).code).toBe("DURATION_INVALID");
        }
      }),
    );
  });
});
