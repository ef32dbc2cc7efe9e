import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";

type Code = (ctx: Ctx, input: number) => Promise<unknown>;
const flow = (code: Code, more = {}) => workflow({ name: "flow", ...more }, code);

/** Starts one run of this code, lets it come to rest, and asks. */
async function asked(code: Code, passMs = 1_000) {
  const lab = openLab();
  const engine = await lab.engine({ workflows: [flow(code)] });
  const run = await engine.start("flow", 1);
  await lab.pass(passMs);
  return { lab, engine, run, why: await run.why() };
}

describe("why a run waits", () => {
  it("is nothing once it is over", async () => {
    const { why, run } = await asked(async () => 1);
    expect(why).toMatchObject({ runId: run.id, status: "completed", waitsFor: [] });
  });

  it("names a timer, and when it is due", async () => {
    const { why, lab } = await asked((ctx) => ctx.sleep("nap", "1h"));
    const { since, until } = why.waitsFor[0] as { since: number; until: number };
    expect(why).toMatchObject({ status: "waiting", waitsFor: [{ kind: "timer", key: "nap" }] });
    expect(until - since).toBe(3_600_000);
    expect(since).toBeLessThan(lab.clock.now());
  });

  it("names a signal, and how to send it", async () => {
    const { why, run } = await asked((ctx) => ctx.waitFor("approval", { timeout: "1d" }));
    expect(why.waitsFor).toMatchObject([
      { kind: "signal", name: "approval", hint: expect.stringContaining(`varve runs signal ${run.id} approval`) },
    ]);
    expect(why.waitsFor[0]?.until).not.toBeNull();
  });

  it("names a step that is tried again, and one that is under way", async () => {
    const failing = await asked((ctx) =>
      ctx.step("fails", () => Promise.reject(new Error("no")), {
        retry: { attempts: 3, initial: "1h", jitter: "none" },
      }),
    );
    expect(failing.why.waitsFor).toMatchObject([{ kind: "retry", key: "fails", until: expect.any(Number) }]);
    const long = await asked((ctx) => ctx.step("long", () => new Promise<never>(() => {})));
    expect(long.why.waitsFor).toMatchObject([{ kind: "step", key: "long", since: expect.any(Number) }]);
  });

  it("names a child, and several things at once", async () => {
    const lab = openLab();
    const child = workflow({ name: "child" }, (ctx) => ctx.sleep("nap", "1h"));
    const parent = workflow({ name: "parent" }, (ctx) => Promise.all([ctx.child(child, null), ctx.sleep("own", "2h")]));
    const engine = await lab.engine({ workflows: [child, parent] });
    const run = await engine.start(parent, null);
    await lab.pass(1_000);
    const id = (await lab.rows("child"))[0]?.id as string;
    expect((await run.why()).waitsFor).toMatchObject([
      { kind: "child", runId: id, hint: expect.stringContaining(id) },
      { kind: "timer", key: "own" },
    ]);
  });

  it("names a lock, who holds it and the place in line", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow((ctx) => ctx.lock("door", {}, (held) => held.sleep("stay", "1h")))],
    });
    const runs = [];
    for (let i = 0; i < 3; i++) {
      runs.push(await engine.start("flow", i));
      await lab.settle();
    }
    await lab.pass(1_000);
    expect((await runs[2]?.why())?.waitsFor).toMatchObject([
      { kind: "lock", name: "door", holders: [runs[0]?.id], position: 2 },
    ]);
  });

  it("says who paused it", async () => {
    const { run, lab } = await asked((ctx) => ctx.sleep("nap", "1h"));
    await run.pause({ reason: "audit" });
    await lab.pass(500);
    expect(await run.why()).toMatchObject({
      status: "paused",
      waitsFor: [{ kind: "pause", text: "it is paused: audit" }],
    });
  });

  it("says that it is stuck, and what helps", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [flow((ctx) => ctx.sleep("a", "10s"))] });
    const run = await first.start("flow", 1);
    await lab.pass(1_000);
    first.kill();
    const second = await lab.engine({ workflows: [flow((ctx) => ctx.step("a", () => 1))] });
    await lab.pass(30_000);
    expect((await second.run(run.id).why()).waitsFor).toMatchObject([{ kind: "stuck", name: "REPLAY_DIVERGED" }]);
  });

  it("says that there is no worker, or none with its version", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [flow(async () => 1, { version: "2" })], worker: false });
    const run = await starter.start("flow", 1);
    expect((await run.why()).waitsFor).toMatchObject([{ kind: "worker", text: expect.stringContaining("no worker") }]);
    await lab.engine({ workflows: [flow(async () => 1)] });
    await lab.pass(500);
    expect((await run.why()).waitsFor).toMatchObject([{ kind: "version", name: "flow@2" }]);
  });

  it("says that its worker is gone, until it is taken over", async () => {
    const lab = openLab();
    const setup = { workflows: [flow((ctx) => ctx.step("long", () => new Promise<never>(() => {})))] };
    const first = await lab.engine(setup);
    const run = await first.start("flow", 1);
    await lab.pass(1_000);
    first.kill();
    const reader = await lab.engine({ workflows: [], worker: false });
    lab.clock.advance(16_000);
    expect((await reader.run(run.id).why()).waitsFor).toMatchObject([
      { kind: "worker", hint: expect.stringContaining("start a worker") },
    ]);
  });

  it("names a line that is full, its holders, and the place in it", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow((ctx) => ctx.sleep("stay", "1h"), { maxActiveRuns: 1 })] });
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await engine.start("flow", i));
    await lab.pass(1_000);
    const [holder, next, last] = runs;
    expect(await last?.why()).toMatchObject({
      status: "pending",
      waitsFor: [{ kind: "slot", name: "workflow/flow", holders: [holder?.id], slots: 1, position: 2 }],
    });
    expect((await next?.why())?.waitsFor).toMatchObject([{ kind: "slot", position: 1 }]);
    expect((await holder?.why())?.waitsFor).toMatchObject([{ kind: "timer" }]);
  });

  it("tells a line with room from one that is full, and a paused one", async () => {
    const lab = openLab();
    const rules = { maxActiveRuns: 5, concurrency: { key: () => "k", limit: 1 } };
    const engine = await lab.engine({ workflows: [flow((ctx) => ctx.sleep("stay", "1h"), rules)] });
    await engine.start("flow", 1);
    const second = await engine.start("flow", 2);
    await lab.pass(1_000);
    expect((await second.why()).waitsFor).toMatchObject([
      { kind: "slot", name: "key/flow/0/k" },
      { kind: "others", name: "workflow/flow" },
    ]);
    await lab.store.setLine({ line: "workflow/flow", slots: null, paused: true });
    expect((await second.why()).waitsFor).toMatchObject([
      { kind: "slot" },
      { kind: "slot", name: "workflow/flow", slots: 0, text: "workflow/flow is paused" },
    ]);
  });

  it("tells a delay from a throttle", async () => {
    const lab = openLab();
    const throttled = flow(async () => 1, { throttle: { limit: 1, period: "1h" } });
    const engine = await lab.engine({ workflows: [throttled, workflow({ name: "plain" }, async () => 1)] });
    await engine.start("flow", 1);
    const second = await engine.start("flow", 2);
    const late = await engine.start("plain", 1, { delay: "1h" });
    await lab.pass(500);
    expect((await second.why()).waitsFor).toMatchObject([{ kind: "rate", until: expect.any(Number) }]);
    expect((await late.why()).waitsFor).toMatchObject([{ kind: "timer", until: expect.any(Number) }]);
  });

  it("of no run is an error", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [] });
    await expect(engine.run("run_none").why()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});
