import { workflow } from "varve";
import { expect, it } from "vitest";
import { openLab } from "../support/lab.ts";

it("a worker that was being emptied for a suspect takes runs again once the suspect is gone", async () => {
  const lab = openLab();
  const { workAhead } = lab.store;
  let looks = 0;
  let suspectUntil = 0;
  lab.store.workAhead = async (...args) => {
    const ahead = await workAhead.apply(lab.store, args);
    looks++;
    // Another worker's claim of it ends while this one still waits for its own runs.
    return { ...ahead, suspectDue: looks > 1 && looks <= suspectUntil };
  };
  const busy = workflow({ name: "busy" }, async (ctx) => await ctx.step("hold", () => new Promise<never>(() => {})));
  const napping = workflow({ name: "napping" }, async (ctx) => {
    await ctx.sleep("nap", "1m");
    return "awake";
  });
  const engine = await lab.engine({ workflows: [busy, napping] });
  await engine.start("busy");
  await engine.start("napping");
  await lab.pass(1_000);
  suspectUntil = looks + 1;
  const queued = await engine.start("napping");
  await lab.pass(120_000);
  expect(looks).toBeGreaterThan(suspectUntil);
  expect(await lab.rows("napping")).toMatchObject([{ status: "completed" }, { status: "completed" }]);
  expect(await queued.result()).toBe("awake");
});
