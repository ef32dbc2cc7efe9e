import { describe as about, expect, it } from "vitest";
import { describe } from "../../src/scheduler/describe.ts";
import { dueAt, instantsWithin, nextInstant } from "../../src/scheduler/next.ts";
import { parseSchedule, SCHEDULE_LIMITS } from "../../src/scheduler/parse.ts";
import type { ScheduleSpec } from "../../src/scheduler/spec.ts";
import { scheduleTimes } from "../../src/scheduler/times.ts";

const at = (text: string) => Date.parse(text);

function fires(spec: ScheduleSpec, from: string, until: string, limit = 50): string[] {
  const instants = instantsWithin(parseSchedule(spec), at(from), at(until), limit);
  return instants.map((instant) => new Date(instant).toISOString().replace(":00.000Z", "Z"));
}

about("every", () => {
  it("is counted from 1970, moved by offset, whatever the zone", () => {
    const spec = { every: "6h", offset: "30m", timezone: "Asia/Kathmandu" };
    expect(fires(spec, "2026-03-29T00:00Z", "2026-03-30T00:00Z")).toEqual([
      "2026-03-29T00:30Z",
      "2026-03-29T06:30Z",
      "2026-03-29T12:30Z",
      "2026-03-29T18:30Z",
    ]);
  });

  it("in a pattern is the same", () => {
    expect(fires({ cron: "@every 1h30m" }, "2026-01-01T00:00Z", "2026-01-01T04:00Z")).toEqual(
      fires({ every: "90m" }, "2026-01-01T00:00Z", "2026-01-01T04:00Z"),
    );
  });

  it("before 1970 counts on", () => {
    expect(nextInstant(parseSchedule({ every: "1m" }), -90_000)).toBe(-60_000);
  });
});

about("at", () => {
  it("gives instants, and times on the zone's wall, in order and each once", () => {
    const spec = {
      at: ["2026-06-01T09:00", "2026-06-01T07:00:00Z", "2026-01-01T00:00:00+02:00", "2026-07-01"],
      timezone: "Europe/Berlin",
    };
    expect(fires(spec, "2020-01-01T00:00Z", "2030-01-01T00:00Z")).toEqual([
      "2025-12-31T22:00Z",
      "2026-06-01T07:00Z",
      "2026-06-30T22:00Z",
    ]);
    expect(nextInstant(parseSchedule(spec), at("2026-06-30T22:00Z"))).toBeNull();
  });

  it("follows the policy where its time does not exist or comes twice", () => {
    const spec = { at: ["2025-03-30T02:30", "2025-10-26T02:30"], timezone: "Europe/Berlin" };
    const by = (dst: ScheduleSpec["dst"]) => fires({ ...spec, dst: dst! }, "2025-01-01T00:00Z", "2026-01-01T00:00Z");
    expect(by("shift")).toEqual(["2025-03-30T01:00Z", "2025-10-26T00:30Z"]);
    expect(by("once")).toEqual(by("shift"));
    expect(by("skip")).toEqual(["2025-10-26T00:30Z"]);
    expect(by("both")).toEqual(["2025-10-26T00:30Z", "2025-10-26T01:30Z"]);
  });

  it("of which nothing is left never fires, and says so", () => {
    const schedule = parseSchedule({ at: "2025-03-30T02:30", timezone: "Europe/Berlin", dst: "skip" });
    expect(nextInstant(schedule, 0)).toBeNull();
    expect(describe(schedule)).toBe("never, DST policy skip");
  });
});

about("a calendar", () => {
  it("fits when all its fields do, and its times that are left out are 0", () => {
    expect(fires({ calendar: { dayOfMonth: 13, dayOfWeek: "FRI" } }, "2026-01-01T00:00Z", "2027-01-01T00:00Z")).toEqual(
      ["2026-02-13T00:00Z", "2026-03-13T00:00Z", "2026-11-13T00:00Z"],
    );
  });

  it("takes numbers, texts and lists, beside patterns", () => {
    const spec = { calendar: [{ hour: [9, "17-18"], minute: 5 }], cron: ["0 12 * * *", "5 9 * * *"] };
    expect(fires(spec, "2026-01-01T00:00Z", "2026-01-02T00:00Z")).toEqual([
      "2026-01-01T09:05Z",
      "2026-01-01T12:00Z",
      "2026-01-01T17:05Z",
      "2026-01-01T18:05Z",
    ]);
  });

  it("that repeats through the day follows elapsed time, like a pattern", () => {
    const spec = { calendar: { hour: "*", minute: 30 }, timezone: "Europe/Berlin" };
    expect(fires(spec, "2025-10-25T23:00Z", "2025-10-26T03:00Z")).toHaveLength(4);
  });
});

about("a pattern", () => {
  it("may name its zone", () => {
    const tokyo = fires({ cron: "0 9 * * *", timezone: "Asia/Tokyo" }, "2026-01-01T00:00Z", "2026-01-03T00:00Z");
    expect(tokyo).toEqual(["2026-01-01T00:00Z", "2026-01-02T00:00Z"]);
    for (const prefix of ["TZ", "CRON_TZ"]) {
      const cron = `${prefix}=Asia/Tokyo 0 9 * * *`;
      expect(fires({ cron }, "2026-01-01T00:00Z", "2026-01-03T00:00Z")).toEqual(tokyo);
      expect(fires({ cron, timezone: "Asia/Tokyo" }, "2026-01-01T00:00Z", "2026-01-03T00:00Z")).toEqual(tokyo);
    }
  });

  it("has seconds and years", () => {
    const cron = "30 0 0 29 2 * 2027-2033";
    expect(instantsWithin(parseSchedule({ cron }), 0, at("2040-01-01T00:00Z"), 9)).toEqual([
      at("2028-02-29T00:00:30Z"),
      at("2032-02-29T00:00:30Z"),
    ]);
  });

  it("ends a week with its Sunday", () => {
    expect(fires({ cron: "0 0 * * SAT-SUN" }, "2026-11-16T00:00Z", "2026-11-23T00:00Z")).toEqual([
      "2026-11-21T00:00Z",
      "2026-11-22T00:00Z",
    ]);
  });

  it("with a step of any day restricts both days together, as Vixie's cron does", () => {
    const days = fires({ cron: "0 0 */2 * MON" }, "2026-11-01T00:00Z", "2026-12-01T00:00Z");
    expect(days).toEqual(["2026-11-09T00:00Z", "2026-11-23T00:00Z"]);
  });

  it("that never fits gives none, and soon", () => {
    const none = ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 1 2 +MON#5", "0 0 0 29 2 * 2025-2027"];
    for (const cron of none) expect(nextInstant(parseSchedule({ cron }), at("2026-01-01T00:00Z")), cron).toBeNull();
    // Each of its matches lies in a gap, to the end of time.
    const swallowed = parseSchedule({ cron: "30 2 * 3 SUN#L", timezone: "Europe/Berlin", dst: "skip" });
    expect(nextInstant(swallowed, at("2026-01-01T00:00Z"))).toBeNull();
  });

  it("that fits rarely is found", () => {
    const next = (cron: string, after = "2026-01-01T00:00Z") =>
      new Date(nextInstant(parseSchedule({ cron }), at(after)) ?? 0).toISOString().slice(0, 10);
    expect(next("0 0 29 2 *")).toBe("2028-02-29");
    expect(next("0 0 29 2 *", "2096-03-01T00:00Z")).toBe("2104-02-29");
    expect(next("0 0 29 2 +MON")).toBe("2044-02-29");
    expect(next("0 0 0 1 1 * 9999")).toBe("9999-01-01");
  });

  it("gives none after the year 9999", () => {
    expect(nextInstant(parseSchedule({ cron: "0 0 1 1 *" }), Date.UTC(9999, 5, 1))).toBeNull();
    expect(nextInstant(parseSchedule({ cron: "0 0 1 1 *" }), Date.UTC(12_000, 5, 1))).toBeNull();
  });

  it("gives full seconds, also after an instant within one", () => {
    const second = parseSchedule({ cron: "* * * * * *" });
    expect(nextInstant(second, 1_700_000_000_001)).toBe(1_700_000_001_000);
    expect(nextInstant(second, 1_699_999_999_999)).toBe(1_700_000_000_000);
  });
});

about("the bounds", () => {
  it("are: from with it, until without it", () => {
    const spec = { cron: "0 0 * * *", from: "2026-01-03T00:00:00Z", until: "2026-01-05T00:00:00Z" };
    expect(fires(spec, "2020-01-01T00:00Z", "2030-01-01T00:00Z")).toEqual(["2026-01-03T00:00Z", "2026-01-04T00:00Z"]);
  });

  it("may be times on the wall, also one that does not exist", () => {
    const spec = { every: "30m", from: "2025-03-30T02:30", until: "2025-03-30T04:00", timezone: "Europe/Berlin" };
    expect(fires(spec, "2025-01-01T00:00Z", "2026-01-01T00:00Z")).toEqual(["2025-03-30T01:00Z", "2025-03-30T01:30Z"]);
  });

  it("of instantsWithin are the same, and its limit holds", () => {
    expect(fires({ every: "1h" }, "2026-01-01T00:00Z", "2026-01-01T03:00Z")).toHaveLength(3);
    expect(fires({ every: "1h" }, "2026-01-01T00:00Z", "2026-01-02T00:00Z", 5)).toHaveLength(5);
    expect(fires({ every: "1h" }, "2026-01-01T00:00Z", "2026-01-02T00:00Z", 0)).toEqual([]);
  });
});

about("an exception", () => {
  it("takes a day of the zone out, also one of 23 hours, and nothing of the next", () => {
    const spec = { every: "1h", timezone: "Europe/Berlin", except: "2025-03-30" };
    const found = fires(spec, "2025-03-29T21:00Z", "2025-03-31T00:00Z");
    expect(found).toEqual(["2025-03-29T21:00Z", "2025-03-29T22:00Z", "2025-03-30T22:00Z", "2025-03-30T23:00Z"]);
  });

  it("takes out what a calendar fits, whose fields that are left out are any", () => {
    const spec = { cron: "0 */6 * * *", except: [{ dayOfWeek: "SAT,SUN" }, { hour: 6, dayOfWeek: "MON" }] };
    expect(fires(spec, "2026-11-20T12:00Z", "2026-11-23T13:00Z")).toEqual([
      "2026-11-20T12:00Z",
      "2026-11-20T18:00Z",
      "2026-11-23T00:00Z",
      "2026-11-23T12:00Z",
    ]);
  });

  it("of minutes and seconds leaves the rest", () => {
    const spec = { every: "1s", except: [{ minute: "1-59" }, { second: "0-57" }] };
    expect(instantsWithin(parseSchedule(spec), at("2026-01-01T00:30Z"), at("2026-01-01T03:00Z"), 9)).toEqual(
      ["01:00:58", "01:00:59", "02:00:58", "02:00:59"].map((time) => at(`2026-01-01T${time}Z`)),
    );
  });

  it("that leaves nothing gives none, and the search ends", () => {
    const spec = { cron: "0 9 * * *", except: { hour: "8-10" } };
    expect(nextInstant(parseSchedule(spec), at("2026-01-01T00:00Z"))).toBeNull();
  });
});

about("jitter and spread", () => {
  const spec = { cron: "0 * * * *", jitter: "10m" } as const;
  const hours = instantsWithin(parseSchedule(spec), at("2026-01-01T00:00Z"), at("2026-01-11T00:00Z"), 1_000);

  it("leave the instants as they are", () => {
    expect(hours.every((hour) => hour % 3_600_000 === 0)).toBe(true);
    expect(hours).toHaveLength(240);
  });

  it("are the same each time they are asked for, and differ between ids and instants", () => {
    const delays = (id: string) => hours.map((hour) => dueAt(parseSchedule(spec), id, hour) - hour);
    expect(delays("a")).toEqual(delays("a"));
    expect(delays("a")).not.toEqual(delays("b"));
    expect(Math.min(...delays("a"))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays("a"))).toBeLessThan(600_000);
    expect(new Set(delays("a")).size).toBeGreaterThan(200);
    const mean = delays("a").reduce((sum, delay) => sum + delay, 0) / 240;
    expect(mean).toBeGreaterThan(240_000);
    expect(mean).toBeLessThan(360_000);
  });

  it("keep the order of the instants, though the jitter is longer than their distance", () => {
    const schedule = parseSchedule({ every: "1m", jitter: "1h", spread: "1d" });
    const due = instantsWithin(schedule, 0, 3_600_000, 60).map((instant) => dueAt(schedule, "a", instant));
    expect(due).toEqual([...due].sort((a, b) => a - b));
    expect(new Set(due).size).toBe(60);
  });

  it("spread is one delay for all instants of an id", () => {
    const schedule = parseSchedule({ cron: "0 0 * * *", spread: "1h" });
    const delaysOf = (id: string) =>
      new Set([0, 1, 2].map((day) => dueAt(schedule, id, day * 86_400_000) % 86_400_000));
    const all = Array.from({ length: 200 }, (_, i) => [...delaysOf(`s${i}`)]);
    expect(all.every((delays) => delays.length === 1)).toBe(true);
    const flat = all.flat();
    expect(Math.min(...flat)).toBeLessThan(360_000);
    expect(Math.max(...flat)).toBeGreaterThan(3_240_000);
    expect(Math.max(...flat)).toBeLessThan(3_600_000);
  });
});

about("in words", () => {
  const words: readonly (readonly [ScheduleSpec, string])[] = [
    [{ cron: "30 2 * * MON-FRI", timezone: "Europe/Berlin" }, "at 02:30 on Monday to Friday (Europe/Berlin)"],
    [{ cron: "30 * * * *" }, "minute 30 of every hour (UTC)"],
    [{ cron: "*/5 9-17 * * *" }, "every 5 minutes of hour 9 to 17 (UTC)"],
    [{ cron: "7-59/15 * * * *" }, "minute 7 to 59 by 15 of every hour (UTC)"],
    [{ cron: "*/10 * * * * *" }, "every 10 seconds (UTC)"],
    [{ cron: "0 0 1 * MON" }, "at 00:00 on day 1 of the month or on Monday (UTC)"],
    [{ cron: "0 0 13 * +FRI" }, "at 00:00 on day 13 of the month that is also Friday (UTC)"],
    [{ cron: "0 9 15W 1,6 *" }, "at 09:00 on the weekday nearest to day 15 of the month in January and June (UTC)"],
    [{ cron: "0 0 LW * *" }, "at 00:00 on the last weekday of the month (UTC)"],
    [
      { cron: "0 0 * * TUE#2,5L" },
      "at 00:00 on the second Tuesday of the month and the last Friday of the month (UTC)",
    ],
    [{ cron: "15 0 12 1 1 * 2027" }, "at 12:00:15 on day 1 of the month in January in 2027 (UTC)"],
    [{ cron: ["@hourly", "@every 7m"], dst: "both" }, "minute 0 of every hour (UTC); and every 7m, DST policy both"],
    [{ every: "1h", offset: "5m", jitter: "30s" }, "every 1h, 5m after the full period, up to 30s later"],
    [{ at: "2027-01-01T00:00:00Z" }, "once, at 2027-01-01T00:00:00Z"],
    [
      { calendar: { hour: 9, dayOfWeek: "MON" }, except: ["2026-12-28"], from: "2026-01-01", until: "2027-01-01" },
      "at 09:00 on Monday (UTC), with 1 exception, from 2026-01-01T00:00:00Z, until 2027-01-01T00:00:00Z",
    ],
  ];
  for (const [spec, text] of words) it(text, () => expect(scheduleTimes.describe(parseSchedule(spec))).toBe(text));
});

about("a bad spec is refused with the field, the place and a hint", () => {
  const bad: readonly (readonly [spec: unknown, field: string, position: number, says: RegExp])[] = [
    [null, "the schedule", 0, /object/],
    ["0 3 * * *", "the schedule", 0, /\{ cron:/],
    [{}, "the schedule", 0, /no time/],
    [{ crom: "0 3 * * *" }, "crom", 0, /no such field/],
    [{ cron: 5 }, "cron", 0, /text/],
    [{ cron: "" }, "cron", 0, /5 fields/],
    [{ cron: "0 3 * *" }, "cron", 7, /found 4/],
    [{ cron: "0 0 3 * * * 2027 9" }, "cron", 17, /found 8/],
    [{ cron: "61 3 * * *" }, "cron", 0, /minutes to be 0 to 59/],
    [{ cron: "0 24 * * *" }, "cron", 2, /midnight is "0"/],
    [{ cron: "0 3 0 * *" }, "cron", 4, /day of month to be 1 to 31/],
    [{ cron: "0 3 * 13 *" }, "cron", 6, /JAN to DEC/],
    [{ cron: "0 3 * * MONDAY" }, "cron", 8, /three letters/],
    [{ cron: "0 3 * * MON,,TUE" }, "cron", 12, /missing/],
    [{ cron: "0 3 * * 1,2,9" }, "cron", 12, /found "9"/],
    [{ cron: "0 22-4 * * *" }, "cron", 2, /write "22-23,0-4"/],
    [{ cron: "0 3 * * FRI-MON" }, "cron", 8, /write "5-6,0-1"/],
    [{ cron: "5/15 * * * *" }, "cron", 0, /write "5-59\/15"/],
    [{ cron: "/15 * * * *" }, "cron", 0, /write "\*\/15"/],
    [{ cron: "*/0 * * * *" }, "cron", 2, /step from 1 to 60/],
    [{ cron: "*/61 * * * *" }, "cron", 2, /found "61"/],
    [{ cron: "*/x * * * *" }, "cron", 2, /found "x"/],
    [{ cron: "* * ? ? *" }, "cron", 6, /"\?"/],
    [{ cron: "0 3 L-3 * *" }, "cron", 4, /not known/],
    [{ cron: "0 3 1W,15W * *" }, "cron", 4, /part of a list/],
    [{ cron: "0 3 5,LW * *" }, "cron", 6, /part of a list/],
    [{ cron: "0 3 32W * *" }, "cron", 4, /1 to 31/],
    [{ cron: "0 3 W * *" }, "cron", 4, /found nothing/],
    [{ cron: "0 3 * * L" }, "cron", 8, /FRI#L/],
    [{ cron: "0 3 * * MON#6" }, "cron", 12, /1 to 5/],
    [{ cron: "0 3 * * MON-FRI#2" }, "cron", 8, /one day/],
    [{ cron: "0 3 * * MON#" }, "cron", 12, /1 to 5/],
    [{ cron: "0 3 * * ++MON" }, "cron", 9, /found "\+MON"/],
    [{ cron: "0 L * * *" }, "cron", 2, /found "L"/],
    [{ cron: "é 3 * * *" }, "cron", 0, /found "é"/],
    [{ cron: "@dialy" }, "cron", 0, /@daily/],
    [{ cron: "@Daily" }, "cron", 0, /write @daily/],
    [{ cron: "@reboot" }, "cron", 0, /process starts/],
    [{ cron: "@daily 5" }, "cron", 0, /stands alone/],
    [{ cron: "@every" }, "cron", 0, /not known/],
    [{ cron: "@every  5x" }, "cron", 9, /duration/],
    [{ cron: "@every 10ms" }, "cron", 7, /shorter than a second/],
    [{ cron: "TZ=Asia/Tokyo @every 5m" }, "cron", 0, /no zone/],
    [{ cron: "TZ=Mars/Base 0 3 * * *" }, "cron", 0, /IANA/],
    [{ cron: "TZ=Asia/Tokyo 0 3 * * *", timezone: "UTC" }, "cron", 3, /zone once/],
    [{ cron: "TZ=Asia/Tokyo 0 99 * * *" }, "cron", 16, /hours/],
    [{ cron: "0 3 * * *".padEnd(1_001) }, "cron", 1_000, /1000 characters/],
    [{ cron: [] }, "cron", 0, /empty/],
    [{ cron: ["0 3 * * *", "0 3 * * X"] }, "cron[1]", 8, /found "X"/],
    [{ cron: Array(SCHEDULE_LIMITS.patterns + 1).fill("@daily") }, "cron", 0, /at most 100/],
    [{ every: "5 minutes" }, "every", 3, /duration/],
    [{ every: "0s" }, "every", 0, /shorter than a second/],
    [{ every: -5 }, "every", 0, /duration/],
    [{ every: "200y" }, "every", 3, /duration/],
    [{ every: "1h", offset: "1h" }, "offset", 0, /not shorter/],
    [{ cron: "@daily", offset: "1h" }, "offset", 0, /every too/],
    [{ calendar: {} }, "calendar", 0, /empty/],
    [{ calendar: "daily" }, "calendar", 0, /calendar/],
    [{ calendar: { hours: 3 } }, "calendar", 0, /"hours" is no field/],
    [{ calendar: { hour: 24 } }, "calendar.hour", 0, /0 to 23/],
    [{ calendar: [{ hour: 1 }, { hour: [1, "2-x"] }] }, "calendar[1].hour", 4, /found "x"/],
    [{ calendar: { hour: [] } }, "calendar.hour", 0, /list/],
    [{ calendar: { hour: null } }, "calendar.hour", 0, /number/],
    [{ calendar: { hour: 1.5 } }, "calendar.hour", 0, /0 to 23/],
    [{ at: "tomorrow" }, "at", 0, /instant/],
    [{ at: "2026-02-30T00:00:00Z" }, "at", 0, /no such time/],
    [{ at: "2026-02-03T25:00:00Z" }, "at", 0, /no such time/],
    [{ at: 1_700_000_000_000 }, "at", 0, /1700000000000/],
    [{ at: ["2026-01-01", "1969-01-01"] }, "at[1]", 0, /before 1970/],
    [{ cron: "@daily", timezone: "Europe/Atlantis" }, "timezone", 0, /IANA/],
    [{ cron: "@daily", timezone: "+01:00" }, "timezone", 0, /IANA/],
    [{ cron: "@daily", timezone: 7 }, "timezone", 0, /IANA/],
    [{ cron: "@daily", dst: "move" }, "dst", 0, /shift, skip, once, both/],
    [{ cron: "@daily", from: "soon" }, "from", 0, /instant/],
    [{ cron: "@daily", from: "2026-01-01", until: "2026-01-01" }, "until", 0, /later than from/],
    [{ cron: "@daily", jitter: "5" }, "jitter", 1, /duration/],
    [{ cron: "@daily", spread: "x" }, "spread", 0, /duration/],
    [{ cron: "@daily", except: "christmas" }, "except", 0, /instant/],
    [{ cron: "@daily", except: "2026-12-25T10:00" }, "except", 0, /a day/],
    [{ cron: "@daily", except: ["2026-12-25", { hour: "x" }] }, "except[1].hour", 0, /hours/],
    [{ cron: "@daily", except: { hour: "*" } }, "except", 0, /every instant/],
    [{ cron: "@daily", except: {} }, "except", 0, /empty/],
  ];
  for (const [spec, field, position, says] of bad) {
    it(`${JSON.stringify(spec).slice(0, 80)}: ${field} at ${position}`, () => {
      let error: unknown;
      try {
        parseSchedule(spec as ScheduleSpec);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ name: "DefinitionError", code: "SCHEDULE_INVALID" });
      const { facts, message } = error as { facts: { hint: string }; message: string };
      expect(facts).toMatchObject({ field, position });
      expect(facts.hint).not.toBe("");
      expect(message).toMatch(says);
    });
  }
});
