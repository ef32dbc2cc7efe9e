import { expect, it } from "vitest";
import { workflow, withEnv } from "varve";
import { testEngine, returns, fails, held, hangs, takes } from "varve/testing";
const flow = workflow({ name: "ninety" }, async (ctx, days: number) => {
  let n = 0;
  for (let i = 0; i < days; i++) { n += await ctx.step("work", () => 1); await ctx.sleep("day", "1d"); }
  return n;
});
it("ninety", async () => {
  for (let i = 0; i < 3; i++) {
    const a = performance.now();
    const t = await testEngine({ workflows: [flow] });
    const b = performance.now();
    const run = await t.start(flow, 90);
    expect(await run.result()).toBe(90);
    const c = performance.now();
    console.log("open", b - a, "run", c - b, new Date(t.now()).toISOString(), t.calls().length);
    await t.close();
    console.log("close", performance.now() - c);
  }
  const t = await testEngine({ workflows: [flow], replay: false });
  let a = performance.now();
  const runs = await Promise.all(Array.from({ length: 1000 }, () => t.start(flow, 3)));
  console.log("1000 started", performance.now() - a);
  await Promise.all(runs.map(r => r.result()));
  console.log("1000 runs of 3 days", performance.now() - a);
  a = performance.now();
  for (let i = 0; i < 1000; i++) { const u = await testEngine({ workflows: [flow] }); const r = await u.start(flow, 3); await r.result(); await u.close() }
  console.log("1000 engines", performance.now() - a);
  a = performance.now();
  for (let i = 0; i < 100; i++) { const u = await testEngine({ workflows: [flow] }); const r = await u.start(flow, 90); await r.result(); await u.close() }
  console.log("100 engines 90", performance.now() - a);
}, 300000);
