/** Messages in a test engine, by the example of workflows/parcel-tracking.ts; and in an isolate, between whose calls nothing goes on. */
import { workflow } from "varve";
import { replayHistory, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";
import { createEngineOf } from "../../src/engine/engine.ts";
import { memoryStore } from "../../src/log/memory.ts";
import { remindOfCart, reportDeliveries, trackParcel } from "../../workflows/parcel-tracking.ts";
import { manualClock, seededRandom } from "../support/ports.ts";

const workflows = [trackParcel, reportDeliveries, remindOfCart];

const outputs = async (t: Awaited<ReturnType<typeof testEngine>>, name: string) =>
  (await t.list({ workflow: name })).runs.map(({ status, output }) => (status === "completed" ? output : status));

describe("a test engine", () => {
  it("publishes: a parcel is tracked from message to message, and its end is reported with others", async () => {
    const t = await testEngine({ workflows });
    for (const order of ["o-1", "o-2"]) await t.publish("orders.paid", { order, total: 120 }, { id: order });
    await t.publish("orders.paid", { order: "o-3", total: 3 }, { id: "o-3" });
    await t.publish("orders.paid", { order: "o-4", total: 99 });
    await t.advance("1h");
    for (const order of ["o-1", "o-2", "o-3"]) await t.publish("parcels.delivered", { order, at: "door" });
    await t.publish("orders.cancelled", { order: "o-4" });
    await t.advance("11m");
    const delivered = (order: string) => ({ order, label: `label of ${order}`, status: "delivered", at: "door" });
    expect(await outputs(t, "track-parcel")).toEqual(["cancelled", delivered("o-2"), delivered("o-1")]);
    expect(await outputs(t, "report-deliveries")).toEqual(["2 delivered: o-1, o-2"]);
    expect((await t.message("orders.paid", "o-3")).decisions).toMatchObject([{ decision: "filtered" }]);
    await t.close();
  });

  it("finds a parcel that came before its label, and gives one up after two weeks", async () => {
    const t = await testEngine({ workflows });
    await t.publish("parcels.delivered", { order: "o-1", at: "shop" });
    await t.publish("orders.paid", { order: "o-1", total: 120 });
    await t.publish("orders.paid", { order: "o-2", total: 120 });
    await t.advance("15d");
    expect(await outputs(t, "track-parcel")).toMatchObject([{ status: "lost" }, { status: "delivered", at: "shop" }]);
    await t.close();
  });

  it("puts a reminder off while the cart changes, also across deaths", async () => {
    const t = await testEngine({ workflows });
    for (let items = 1; items <= 3; items++) {
      await t.publish("carts.changed", { customer: "ada", items });
      await t.advance("20m");
      await t.crash();
    }
    expect(await outputs(t, "remind-of-cart")).toEqual([]);
    await t.advance("11m");
    expect(await outputs(t, "remind-of-cart")).toEqual(["ada has 3 items in the cart"]);
    await t.close();
  });

  it("replays a run that was given messages from every prefix of its history", async () => {
    const t = await testEngine({ workflows });
    await t.publish("orders.paid", { order: "o-1", total: 120 });
    await t.advance("1h");
    await t.publish("parcels.delivered", { order: "o-1", at: "door" });
    await t.advance("1m");
    const [run] = (await t.list({ workflow: "track-parcel" })).runs;
    const history = await t.history(run?.id as string);
    expect(history.map(({ type }) => type)).toContain("message.received");
    for (let length = 1; length <= history.length; length++) {
      await replayHistory(trackParcel, history.slice(0, length));
    }
    await t.close();
  });
});

describe("an isolate", () => {
  it("dispatches with the publish, and does what time brings with the next tick", async () => {
    const clock = manualClock();
    const parts = {
      store: memoryStore(clock),
      ports: {
        clock,
        random: seededRandom(1),
        drain: (fn: () => void) => void setImmediate(fn),
        logger: { log: () => {} },
      },
      isolated: true,
      workflows: [
        workflow({ name: "each", on: [{ topic: "a" }] }, async (_, input: unknown) => input),
        workflow(
          { name: "batch", on: [{ topic: "a", batch: { size: 9, timeout: "5m" } }] },
          async (_, i: unknown) => i,
        ),
      ],
    };
    const engine = await createEngineOf(parts);
    await engine.publish("a", 1, { id: "m" });
    expect((await engine.message("a", "m")).decisions.map(({ decision }) => decision)).toEqual(["started", "batched"]);
    const { nextAt } = await engine.tick({ budgetMs: 1_000 });
    expect(nextAt).toBe(clock.now() + 300_000);
    clock.advance(300_000);
    await engine.tick({ budgetMs: 1_000 });
    const { runs } = await engine.list();
    expect(runs.map(({ workflow: name, output }) => [name, output]).sort()).toEqual([
      ["batch", [1]],
      ["each", 1],
    ]);
    await engine.close();
  });
});
