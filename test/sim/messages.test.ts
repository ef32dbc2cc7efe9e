import { workflow } from "varve";
import { describe, expect, it } from "vitest";
import { OF_MESSAGES, type PredicateName } from "../../src/testing/predicates.ts";
import { Simulation } from "../../src/testing/simulation.ts";
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

describe("a process whose clock is ahead", () => {
  it("looks for what is gathered no more than a few times a second, and starts its run when the log says so", async () => {
    const calm = workflow(
      { name: "calm", on: [{ topic: "a", debounce: { period: "30s", max: "1h" } }] },
      async () => {},
    );
    const sim = new Simulation({ seed: "ahead" });
    const beganAt = sim.agenda.now;
    const up = sim.boot({ workflows: () => [calm as never], skewMs: 600_000 });
    await sim.run(1_000);
    void up.engine?.publish("a", 1, { id: "one" });
    await sim.run(20_000);
    expect(sim.faults.calls.get("dispatchAhead")).toBeLessThan(100);
    expect(sim.checker.runIds).toEqual([]);
    expect(await sim.run(20_000, () => sim.checker.ended === 1)).toBe(true);
    expect(sim.agenda.now - beganAt).toBeLessThan(33_000);
  });
});
