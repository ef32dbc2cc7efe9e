import { describe, expect, it } from "vitest";
import { OF_SCHEDULES, type PredicateName } from "../../src/testing/predicates.ts";
import { schedules } from "./schedules.ts";

/** As many as it takes for 10,000 instants. */
const SEEDS = 8;

describe("schedules in a world in which processes die and clocks jump", () => {
  it("decide each of 10,000 instants once, and lose none", async () => {
    const looks = new Map<PredicateName, number>();
    let instants = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = await schedules(seed);
      expect([seed, world.failures]).toEqual([seed, []]);
      instants += world.instants;
      for (const name of OF_SCHEDULES) looks.set(name, (looks.get(name) ?? 0) + world.looks[name]);
    }
    process.stdout.write(`${instants} instants of ${SEEDS} seeds; looks: ${JSON.stringify([...looks])}\n`);
    expect(instants).toBeGreaterThan(10_000);
    expect(looks.get("schedule-decides-once")).toBeGreaterThan(1_000);
  }, 300_000);
});
