import { describe, expect, it } from "vitest";
import { countPaper, printOrder, queues } from "../../workflows/print-shop.ts";
import { openLab } from "../support/lab.ts";

const order = (customer: string, more: object = {}) => ({ customer, pages: 12, ...more }) as never;

describe("the print shop", () => {
  it("lets customers take turns, and no more than two of a customer's orders go on at a time", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [printOrder, countPaper], queues });
    await engine.queues.pause("orders");
    const runs = [];
    for (let n = 0; n < 6; n++) runs.push(await engine.start(printOrder, order("acme")));
    runs.push(await engine.start(printOrder, order("acme", { express: true })));
    runs.push(await engine.start(printOrder, order("bolt")));
    await engine.queues.pause("printers");
    await lab.pass(1_000);
    await engine.queues.resume("orders");
    await lab.pass(2_000);
    const begun = (await lab.rows("print-order")).filter(({ startedAt }) => startedAt !== null).map(({ id }) => id);
    const [express, other] = [runs[6], runs[7]];
    expect(begun.sort()).toEqual([runs[0]?.id, express?.id, other?.id].sort());
    expect((await other?.why())?.waitsFor).toMatchObject([
      { kind: "slot", name: "queue/printers", text: expect.stringContaining("paused") },
    ]);
    await engine.queues.resume("printers");
    await lab.pass(20_000);
    for (const run of runs)
      expect(await run.result()).toMatchObject({ proof: expect.stringContaining("12 pages"), sheets: 6 });
    expect(await engine.queues.list()).toMatchObject([
      { name: "orders", held: 0, waiting: 0 },
      { name: "printers", steps: { held: 0, waiting: 0 } },
    ]);
  });

  it("counts its paper once at a time", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [countPaper], queues });
    const [first, second] = [await engine.start(countPaper, null), await engine.start(countPaper, null)];
    expect(second).toMatchObject({ id: first.id, skipped: true });
    await lab.pass(2_000);
    expect(await first.result()).toEqual({ reams: 40 });
  });

  it.each([{ customer: "" }, { pages: 0 }, { plan: "huge" }])("refuses %j", async (more) => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [printOrder], queues });
    await expect(engine.start(printOrder, order("acme", more))).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });
});
