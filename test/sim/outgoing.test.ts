import { describe, expect, it } from "vitest";
import { OF_OUTGOING, type PredicateName } from "../../src/testing/predicates.ts";
import { outgoing } from "./outgoing.ts";

const SEEDS = 25;

describe("outgoing webhooks in a world in which receivers fail, processes die and a network loses and repeats", () => {
  it("are each taken in the end, under one id, and none goes out where or when it must not", async () => {
    const looks = new Map<PredicateName, number>();
    let [requests, notices] = [0, 0];
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = await outgoing(seed);
      expect([seed, world.failures]).toEqual([seed, []]);
      requests += world.requests;
      notices += world.notices;
      for (const name of OF_OUTGOING) looks.set(name, (looks.get(name) ?? 0) + world.looks[name]);
    }
    process.stdout.write(
      `${SEEDS} seeds; ${requests} requests of ${notices} notices; looks: ${JSON.stringify([...looks])}\n`,
    );
    for (const name of OF_OUTGOING) expect([name, (looks.get(name) ?? 0) > 1_000]).toEqual([name, true]);
    expect(requests).toBeGreaterThan(notices * 1.3);
  }, 300_000);
});
