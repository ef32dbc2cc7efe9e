import { describe, expect, it } from "vitest";
import { OF_MESSAGES, type PredicateName } from "../../src/testing/predicates.ts";
import { messages } from "./messages.ts";

const SEEDS = 12;

describe("messages in a world in which processes die and a network loses and repeats", () => {
  it("each start one run, end one wait and are gathered once", async () => {
    const looks = new Map<PredicateName, number>();
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = await messages(seed);
      expect([seed, world.failures]).toEqual([seed, []]);
      for (const name of OF_MESSAGES) looks.set(name, (looks.get(name) ?? 0) + world.looks[name]);
    }
    process.stdout.write(`${SEEDS} seeds; looks: ${JSON.stringify([...looks])}\n`);
    for (const name of OF_MESSAGES) expect([name, (looks.get(name) ?? 0) > 100]).toEqual([name, true]);
  }, 300_000);
});
