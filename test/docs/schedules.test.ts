import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { instantsWithin } from "../../src/scheduler/next.ts";
import { parseSchedule } from "../../src/scheduler/parse.ts";
import { DST_POLICIES } from "../../src/scheduler/spec.ts";

const text = readFileSync(new URL("../../docs/SCHEDULES.md", import.meta.url), "utf8");

/** The cells of each row of a table that begins after `heading`, by its first cell. */
function tableAfter(heading: string): Map<string, string[]> {
  const lines = text.slice(text.indexOf(heading)).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  const rows = lines.slice(first + 2, first + length).map((line) => line.split("|").map((cell) => cell.trim()));
  return new Map(
    rows.flatMap(([, name = "", ...cells]) => name.split(", ").map((one) => [one.replaceAll("`", ""), cells])),
  );
}

describe("docs/SCHEDULES.md", () => {
  for (const [heading, cron, from, hours] of [
    ["**02:30 in Europe/Berlin**", "30 2 * * *", "T00:00Z", 3],
    ["**Half past every hour in Europe/Berlin**", "30 * * * *", "T00:00Z", 3],
  ] as const) {
    it(`says when ${cron} fires`, () => {
      const rows = tableAfter(heading);
      for (const dst of DST_POLICIES) {
        const found = ["2026-03-29", "2026-10-25"].map((day) => {
          const start = Date.parse(`${day}${from}`);
          const schedule = parseSchedule({ cron, timezone: "Europe/Berlin", dst });
          const instants = instantsWithin(schedule, start, start + hours * 3_600_000, 9);
          return instants.map((instant) => new Date(instant).toISOString().slice(11, 16));
        });
        // What stands in brackets are times on the wall.
        const told = (rows.get(dst) ?? [])
          .slice(0, 2)
          .map((cell) => cell.replace(/\(.*?\)/g, "").match(/\d\d:\d\d/g) ?? []);
        expect(told, dst).toEqual(found);
      }
    });
  }
});
