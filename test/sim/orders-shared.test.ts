import { describe, expect, it } from "vitest";
import { sharedRaceLane } from "./exhaustive.ts";
import { SHARED_RACE_NAMES, type SharedRaceName } from "./shared-races.ts";

/** How many states each has at least, and how many stories the two runs tell in the one order or the other. */
const LEAST: Readonly<Record<SharedRaceName, readonly [states: number, stories: number]>> = {
  "two updates of one value": [2_000, 1],
  "two runs that want one lock": [5_000, 1],
  "two runs at a breaker that is about to be half-open": [3_000, 4],
};

describe.each(SHARED_RACE_NAMES)("%s", (name) => {
  it("come out right in every order", async () => {
    const report = await sharedRaceLane(name, "short", true);
    console.log(`${name}: ${report.states} states, ${report.ended + report.known} orders in ${report.tasks} tasks`);
    expect(report.failures).toEqual([]);
    expect(report.isExhaustive).toBe(true);
    const [states, stories] = LEAST[name];
    expect(report.states).toBeGreaterThan(states);
    expect(report.stories.size).toBe(stories);
  }, 180_000);

  it("come out wrong over a log without what guards it, as the search finds", async () => {
    const report = await sharedRaceLane(name, "short", false);
    expect(report.failures).not.toEqual([]);
    expect(report.isExhaustive).toBe(false);
  }, 180_000);
});
