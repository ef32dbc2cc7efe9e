import { workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/kernel/events.ts";
import type { Claim } from "../../src/log/port-claims.ts";
import { FreshRuns } from "../../src/worker/fresh-runs.ts";
import { openLab } from "../support/lab.ts";

const created = (runId: string) => ({ runId, seq: 1, type: "run.created" }) as RunEvent;

const claim = (runId: string, more: Partial<Claim> = {}): Claim => ({
  ...{ runId, workflow: "w", version: "1", epoch: 1, head: 1 },
  ...{ uncleanBefore: 0, wasStuck: false, hasMail: false },
  ...more,
});

describe("what is kept of a run that was created here", () => {
  it("is all of it at its first claim, once", () => {
    const fresh = new FreshRuns(10);
    fresh.keep(created("a"));
    expect(fresh.take(claim("b"))).toBeNull();
    expect(fresh.take(claim("a"))).toEqual(created("a"));
    expect(fresh.take(claim("a"))).toBeNull();
  });

  it.each([{ epoch: 2 }, { head: 2 }])("is not all of it at a claim with %o", (later) => {
    const fresh = new FreshRuns(10);
    fresh.keep(created("a"));
    expect(fresh.take(claim("a", later))).toBeNull();
    expect(fresh.take(claim("a"))).toBeNull();
  });

  it("is forgotten, the oldest first, when there is too much", () => {
    const fresh = new FreshRuns(2);
    for (const runId of ["a", "b", "c"]) fresh.keep(created(runId));
    expect(["a", "b", "c"].map((runId) => fresh.take(claim(runId)) !== null)).toEqual([false, true, true]);
  });

  it("is not read when it begins", async () => {
    const lab = openLab();
    const load = lab.store.load.bind(lab.store);
    let loads = 0;
    lab.store.load = (claims) => {
      loads++;
      return load(claims);
    };
    const double = workflow({ name: "double", maxActiveRuns: 1 }, async (ctx, n: number) => {
      return await ctx.step("double", () => n * 2);
    });
    const engine = await lab.engine({ workflows: [double] });
    const runs = await Promise.all([1, 2, 3].map((n) => engine.start(double, n)));
    const results = Promise.all(runs.map((run) => run.result()));
    await lab.settle();
    expect(await results).toEqual([2, 4, 6]);
    expect(loads).toBe(0);
  });
});
