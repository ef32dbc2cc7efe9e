import { type Ctx, declareWorkflow, github, StoreError, webhook, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx, input: unknown) => Promise<unknown>, name = "flow", version = "1") =>
  workflow({ name, version }, code);

describe("an engine", () => {
  it("refuses workflows that it could not tell apart, and what is no workflow", async () => {
    const lab = openLab();
    const one = flow(async () => 1);
    await expect(lab.engine({ workflows: [one, flow(async () => 2)] })).rejects.toMatchObject({
      code: "WORKFLOW_INVALID",
      facts: { key: "flow@1" },
    });
    const declared = declareWorkflow({ name: "declared", input: z.string(), output: z.string() });
    await expect(lab.engine({ workflows: [declared as never] })).rejects.toMatchObject({ code: "WORKFLOW_INVALID" });
    await expect(lab.engine({ workflows: [async () => {}] as never })).rejects.toMatchObject({
      code: "WORKFLOW_INVALID",
    });
  });

  it("starts by name the version that was registered last, and goes on with each run in its own version", async () => {
    const lab = openLab();
    const code = (text: string) => async (ctx: Ctx) => {
      await ctx.sleep("nap", "1m");
      return text;
    };
    const first = await lab.engine({ workflows: [flow(code("one"))] });
    const old = await first.start("flow");
    await lab.settle();
    await first.close();
    const second = await lab.engine({ workflows: [flow(code("one")), flow(code("two"), "flow", "2")] });
    const young = await second.start("flow");
    await lab.pass(90_000, 5_000);
    expect(await second.run(old.id).result()).toBe("one");
    expect(await young.result()).toBe("two");
    expect(await young.status()).toMatchObject({ version: "2" });
  });

  it("leaves a run alone whose version it does not have", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [flow(async () => 1)], worker: false });
    const run = await starter.start("flow");
    await lab.engine({ workflows: [flow(async () => 2, "flow", "2")] });
    await lab.pass(60_000, 5_000);
    expect((await run.status()).status).toBe("pending");
  });

  it("gives the result of a run of its own worker without reading it, and what was recorded, not what was returned", async () => {
    const lab = openLab();
    const returned = { list: [1], at: new Date(0) };
    const code = async (ctx: Ctx) => {
      await ctx.step("work", () => null);
      return returned;
    };
    const engine = await lab.engine({ workflows: [flow(code)] });
    const reads: string[] = [];
    const getRun = lab.store.getRun.bind(lab.store);
    lab.store.getRun = async (runId) => {
      reads.push(runId);
      return await getRun(runId);
    };
    const run = await engine.start("flow");
    const [first, second] = await Promise.all([run.result(), run.result()]);
    expect(first).toEqual(returned);
    expect(new Set([first, second, returned]).size).toBe(3);
    expect(reads).toEqual([]);
    expect(await run.result()).toEqual(returned);
    expect(reads).toEqual([run.id]);
  });

  it("gives its result to who asks while the end is being told", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)] });
    const results: Promise<unknown>[] = [];
    engine.on("run.completed", ({ runId }) => results.push(engine.run(runId).result()));
    await (await engine.start("flow")).result();
    expect(await Promise.all(results)).toEqual([1]);
  });

  it("answers nothing any more once it is closed, and can be closed twice", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)] });
    const run = await engine.start("flow");
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    const closed = { code: "ENGINE_CLOSED" };
    await expect(engine.start("flow")).rejects.toMatchObject(closed);
    await expect(engine.list()).rejects.toMatchObject(closed);
    await expect(engine.history(run.id)).rejects.toMatchObject(closed);
    await expect(engine.work()).rejects.toMatchObject(closed);
    await expect(engine.tick({ budgetMs: 10 })).rejects.toMatchObject(closed);
    await expect(run.cancel()).rejects.toMatchObject(closed);
    await expect(engine.lastPosition()).rejects.toMatchObject(closed);
  });

  it("says for how long its database takes no writes", async () => {
    const lab = openLab();
    const life = { isFull: true };
    const engine = await lab.engine({
      workflows: [flow(async () => 1)],
      onAppend: () => {
        if (life.isFull) throw new StoreError("DATABASE_FULL", "full", { retry: true });
      },
    });
    expect(engine.health()).toEqual({ storeFailingMs: null });
    const starting = engine.start("flow");
    await lab.pass(1_000);
    expect(engine.health().storeFailingMs).toBeGreaterThan(0);
    life.isFull = false;
    await lab.pass(5_000);
    expect(await (await starting).result()).toBe(1);
    expect(engine.health()).toEqual({ storeFailingMs: null });
  });
});

describe("tick", () => {
  it("does what is due, and says when the next run is", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.step("one", () => 1);
          await ctx.sleep("nap", "1h");
          return await ctx.step("two", () => 2);
        }),
      ],
      worker: false,
    });
    const run = await engine.start("flow");
    expect((await run.status()).status).toBe("pending");
    expect(await engine.tick({ budgetMs: 5_000 })).toEqual({ more: false, nextAt: lab.clock.now() + 3_600_000 });
    expect((await run.status()).status).toBe("waiting");
    // Its lease has ended with it.
    expect((await lab.store.listWorkers()).filter(({ expiresAt }) => expiresAt > lab.clock.now())).toEqual([]);
    lab.clock.advance(3_600_000);
    expect(await engine.tick({ budgetMs: 5_000 })).toEqual({ more: false, nextAt: null });
    expect(await run.result()).toBe(2);
  });

  it("refuses a budget of nothing", async () => {
    const engine = await openLab().engine({ workflows: [], worker: false });
    for (const budgetMs of [0, -1, Number.NaN, 3_600_001, Number.POSITIVE_INFINITY]) {
      await expect(engine.tick({ budgetMs })).rejects.toMatchObject({ code: "BUDGET_INVALID" });
    }
  });
});

describe("a delivery", () => {
  const hook = (name: string) =>
    webhook({ name, scheme: github({ secrets: ["s3cret"] }), workflow: flow(async () => 1) as never });

  it("needs hooks with names of their own", async () => {
    const { createEngineOf } = await import("../../src/engine/engine.ts");
    const { memoryStore } = await import("../../src/log/memory.ts");
    const { realPorts } = await import("../support/ports.ts");
    const ports = realPorts();
    const open = (hooks: never[]) => createEngineOf({ store: memoryStore(ports.clock), ports, workflows: [], hooks });
    await expect(open([hook("a"), hook("a")] as never[])).rejects.toMatchObject({ code: "HOOK_INVALID" });
    await expect(open([{ name: "b" }] as never[])).rejects.toMatchObject({ code: "HOOK_INVALID" });
  });

  it("is refused by a hook that has no secret, when the engine is made", async () => {
    const { createEngineOf } = await import("../../src/engine/engine.ts");
    const { memoryStore } = await import("../../src/log/memory.ts");
    const { realPorts } = await import("../support/ports.ts");
    const ports = realPorts();
    const open = webhook({ name: "open", scheme: github({ secrets: () => [""] }), workflow: flow(async () => 1) });
    const opening = createEngineOf({ store: memoryStore(ports.clock), ports, workflows: [], hooks: [open] });
    await expect(opening).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });
});
