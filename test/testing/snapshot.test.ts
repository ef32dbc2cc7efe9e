import { TerminalError, withEnv, workflow } from "varve";
import { fails, held, returns, snapshotOf, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";
import { recordedText } from "../support/histories.ts";

const { workflow: withShop } = withEnv<{ refund(key: string): string }>();

const order = withShop({ name: "order" }, async (ctx, input: { id: string; at: Date }) => {
  const charge = await ctx.step("charge", ({ idempotencyKey }) => ({ key: idempotencyKey, tries: 3n }));
  await ctx.sleep("cool-off", "2d");
  const shipped = await ctx.scope("shipping", async (shipping) => {
    await shipping.step("notify", () => {});
    return shipping.step("label", () => "label").catch(() => null);
  });
  return { id: input.id, charge, shipped };
});

async function orderHistory(seed: number) {
  const charge = held();
  const t = await testEngine({
    workflows: [order],
    env: { refund: String },
    seed,
    start: seed * 1_000_000,
    steps: {
      charge: fails(1, new RangeError("busy"), charge),
      "shipping/label": fails(9, new TerminalError("no paper")),
    },
  });
  const run = await t.start(order, { id: "o-1", at: new Date(0) }, { idempotencyKey: "o-1", delay: "1h" });
  await t.until(() => charge.waiting === 1);
  await t.crash();
  charge.release({ key: `${run.id}/charge`, tries: 3n });
  await run.result();
  return await run.history();
}

describe("the snapshot of a history", () => {
  it("says what the run did, a line an event", async () => {
    expect(snapshotOf(await orderHistory(1))).toMatchInlineSnapshot(`
      "run.created                               order@1 {"id":"o-1","at":"1970-01-01T00:00:00.000Z"} (at: date) idempotencyKey: "o-1" availableAt: 1h
      run.claimed                               worker 1
      attempt.started      charge (1)
      attempt.failed       charge (1)           RangeError: "busy"
      attempt.started      charge (2)
      run.claimed                               worker 2
      attempt.interrupted  charge (2)           reason: "lost"
      attempt.started      charge (3)
      step.completed       charge (3)           {"key":"<run>/charge","tries":"3"} (tries: bigint)
      timer.armed          cool-off             dueAt: 2d
      timer.fired          cool-off
      scope.started        shipping
      attempt.started      shipping/notify (1)
      step.completed       shipping/notify (1)
      attempt.started      shipping/label (1)
      step.failed          shipping/label (1)   TerminalError TERMINAL: "no paper"
      scope.completed      shipping             null
      run.completed                             {"id":"o-1","charge":{"key":"<run>/charge","tries":"3"},"shipped":null} (charge.tries: bigint)"
    `);
  });

  it("is the same for each run that does the same, whenever and wherever", async () => {
    const history = await orderHistory(1);
    expect(snapshotOf(await orderHistory(2))).toBe(snapshotOf(history));
    expect(snapshotOf(JSON.stringify({ events: history }))).toBe(snapshotOf(history));
  });

  it("differs if anything else was done", async () => {
    const flow = (name: string) => workflow({ name: "flow" }, async (ctx) => ctx.step(name, () => 1));
    const of = async (name: string, steps = {}) => {
      const t = await testEngine({ workflows: [flow(name)], steps });
      const run = await t.start("flow");
      await run.result();
      return snapshotOf(await run.history());
    };
    const texts = [
      await of("a"),
      await of("b"),
      await of("a", { a: returns(2) }),
      await of("a", { a: fails(1, new Error("x")) }),
    ];
    expect(new Set(texts).size).toBe(4);
  });

  it("can be made of what is on file", () => {
    expect(snapshotOf(recordedText("staged-rollout-rolled-back"))).toMatchInlineSnapshot(`
      "run.created                           staged-rollout@1 worker 1 {"service":"checkout","version":"1.4.3","stages":[5,100],"bake":"10m","health":"data:application/json,{\\"requests\\":1000,\\"errors\\":31}","errorsPercentMax":1}
      scope.started    stage 5
      attempt.started  stage 5/shift (1)
      step.completed   stage 5/shift (1)    false
      timer.armed      stage 5/bake         dueAt: 10m
      timer.fired      stage 5/bake
      attempt.started  stage 5/measure (1)
      step.completed   stage 5/measure (1)  {"requests":1000,"errors":31}
      scope.completed  stage 5              {"percent":5,"errorsPercent":3.1,"told":false}
      attempt.started  roll-back (1)
      step.completed   roll-back (1)        false
      run.completed                         {"status":"rolled-back","service":"checkout","version":"1.4.3","stages":[{"percent":5,"errorsPercent":3.1,"told":false}]}"
    `);
  });

  it("numbers other runs, and knows its own wherever it stands", async () => {
    const flow = workflow({ name: "flow" }, async (ctx, others: string[]) =>
      ctx.step("mine", () => [...others, `${ctx.run.id} and ${others[0]}`]),
    );
    const t = await testEngine({ workflows: [flow] });
    const others = [await t.start(flow, []), await t.start(flow, [])].map(({ id }) => id);
    const run = await t.start(flow, others);
    const [, , completed] = snapshotOf(await run.history()).split("\n");
    expect(completed).toBe('step.completed   mine (1)  ["<run 2>","<run 3>","<run> and <run 2>"]');
  });

  it("refuses what is no history", () => {
    expect(() => snapshotOf([])).toThrow(expect.objectContaining({ code: "HISTORY_INVALID" }));
    expect(() => snapshotOf("[")).toThrow(expect.objectContaining({ code: "HISTORY_INVALID" }));
  });
});
