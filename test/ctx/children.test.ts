import { type Ctx, declareWorkflow, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Lab, openLab } from "../support/lab.ts";

/** Lets much time pass, and then what was due happen. */
async function later(lab: Lab, ms: number): Promise<void> {
  await lab.pass(ms, ms / 4);
  await lab.pass(4_000);
}

const ship = workflow({ name: "ship" }, async (ctx, parcel: { id: number }) =>
  ctx.step("label", () => `label ${parcel.id}`),
);

const parent = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "parent" }, code);

describe("ctx.child", () => {
  it("comes to what the child comes to, which is a run of its own", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [ship, parent((ctx) => ctx.child(ship, { id: 7 }))] });
    const run = await engine.start("parent");
    await lab.settle();
    expect(await run.result()).toBe("label 7");
    const [child] = await lab.rows("ship");
    expect(child).toMatchObject({ status: "completed", parentId: run.id });
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "child.started ship",
      "run.claimed",
      "child.completed ship",
      "run.completed",
    ]);
    expect((await engine.list({ parentId: run.id })).runs.map(({ id }) => id)).toEqual([child?.id]);
  });

  it("is told of the child's end by mail that came while it was in no worker's memory", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("nap", "5s").then(() => "slept"));
    const workflows = [slow, parent((ctx) => ctx.child(slow, {}))];
    const engine = await lab.engine({ workflows, worker: { hotRunsMax: 0 } });
    const run = await engine.start("parent");
    await lab.pass(10_000, 500);
    expect(await run.result()).toBe("slept");
  });

  it("is told of an end that came while it was paused, once it is resumed by another process", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("nap", "5s").then(() => "slept"));
    const workflows = [slow, parent((ctx) => ctx.child(slow, {}))];
    const first = await lab.engine({ workflows });
    const run = await first.start("parent");
    await lab.settle();
    await run.pause();
    await lab.pass(10_000, 500);
    first.kill();
    await lab.pass(20_000, 1_000);
    const second = await lab.engine({ workflows });
    await second.run(run.id).resume();
    await lab.pass(10_000, 500);
    expect(await second.run(run.id).result()).toBe("slept");
  });

  it("rejects with the child's failure as its cause", async () => {
    const lab = openLab();
    const bad = workflow({ name: "bad" }, async () => {
      throw new TypeError("broken");
    });
    const engine = await lab.engine({
      workflows: [
        bad,
        parent((ctx) =>
          ctx.child(bad, {}).catch((error) => [error.name, error.code, error.facts, error.cause.message]),
        ),
      ],
    });
    const run = await engine.start("parent");
    await lab.settle();
    expect(await run.result()).toEqual(["RunFailedError", "CHILD_FAILED", { child: "bad" }, "broken"]);
  });

  it("rejects when the child is cancelled by somebody else", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("long", "90d"));
    const engine = await lab.engine({
      workflows: [slow, parent((ctx) => ctx.child(slow, {}).catch((error) => [error.code, error.facts.reason]))],
    });
    const run = await engine.start("parent");
    await lab.settle();
    const [child] = await lab.rows("slow");
    await engine.run(child?.id as string).cancel({ reason: "wrong parcel" });
    await lab.settle();
    expect(await run.result()).toEqual(["CHILD_CANCELLED", "wrong parcel"]);
  });

  it("runs by name, with what it comes to checked", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        ship,
        parent(async (ctx) => {
          const text = await ctx.child("ship", { id: 1 }, { output: z.string(), key: "one" });
          const wrong = await ctx.child("ship", { id: 2 }, { output: z.number() }).catch((error) => error.code);
          return [text, wrong];
        }),
      ],
    });
    const run = await engine.start("parent");
    await lab.settle();
    expect(await run.result()).toEqual(["label 1", "OUTPUT_INVALID"]);
  });

  it("of a parent that is its child's child, by declaration", async () => {
    const Depth = z.object({ left: z.number() });
    const ping = declareWorkflow({ name: "ping", input: Depth, output: z.array(z.string()) });
    const pong = declareWorkflow({ name: "pong", input: Depth, output: z.array(z.string()) });
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        ping.implement(async (ctx, { left }) =>
          left === 0 ? ["end"] : ["ping", ...(await ctx.child(pong, { left: left - 1 }))],
        ),
        pong.implement(async (ctx, { left }) =>
          left === 0 ? ["end"] : ["pong", ...(await ctx.child(ping, { left: left - 1 }))],
        ),
      ],
    });
    const run = await engine.start(ping, { left: 3 });
    await lab.pass(5_000);
    expect(await run.result()).toEqual(["ping", "pong", "ping", "end"]);
  });

  it("is cancelled with its parent, unless it is abandoned", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("long", "90d"));
    const engine = await lab.engine({
      workflows: [
        slow,
        parent(async (ctx) => {
          await Promise.all([
            ctx.child(slow, {}, { key: "with" }),
            ctx.child(slow, {}, { key: "without", onCancel: "abandon", tags: { kind: "kept" } }),
          ]);
        }),
      ],
    });
    const run = await engine.start("parent");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    const children = await lab.rows("slow");
    expect(children.map(({ status, tags }) => [tags.kind ?? "", status]).sort()).toEqual([
      ["", "cancelled"],
      ["kept", "waiting"],
    ]);
    expect((await run.status()).status).toBe("cancelled");
  });

  it("that lost a race is cancelled when the scope of the race ends", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("long", "90d"));
    const engine = await lab.engine({
      workflows: [
        slow,
        parent(async (ctx) => {
          await ctx.scope("race", async (inner) => {
            await Promise.race([inner.child(slow, {}), inner.sleep("short", "1m")]);
          });
          await ctx.sleep("on", "1h");
        }),
      ],
    });
    await engine.start("parent");
    await lab.pass(62_000, 1_000);
    expect((await lab.rows("slow"))[0]?.status).toBe("cancelled");
    expect((await lab.rows("parent"))[0]?.status).toBe("waiting");
  });

  it("is bounded in depth and number", async () => {
    const lab = openLab();
    const codeOf = (error: { code: string; cause?: { code: string } }) => error.cause?.code ?? error.code;
    const down = workflow({ name: "down" }, async (ctx: Ctx): Promise<number> => {
      return await ctx.child("down", {}, { output: z.number() }).then(
        (depth) => depth + 1,
        (error) => (codeOf(error) === "CHILD_DEPTH" ? 0 : -100),
      );
    });
    const many = parent(async (ctx) => {
      const codes: string[] = [];
      for (let i = 0; i < 4; i++) codes.push(await ctx.child(ship, { id: i }).catch(codeOf));
      return codes;
    });
    const engine = await lab.engine({ workflows: [down, ship, many], limits: { childDepthMax: 3, childrenMax: 2 } });
    const deep = await engine.start("down");
    const wide = await engine.start("parent");
    await lab.pass(5_000);
    expect(await deep.result()).toBe(3);
    expect(await wide.result()).toEqual(["label 0", "label 1", "CHILDREN_LIMIT", "CHILDREN_LIMIT"]);
  });

  it.each([
    ["an unknown workflow", (ctx: Ctx) => ctx.child("none", {}), "WORKFLOW_UNKNOWN"],
    ["a wrong policy", (ctx: Ctx) => ctx.child(ship, { id: 1 }, { onCancel: "maybe" as never }), "OPTION_INVALID"],
    ["an input that does not fit", (ctx: Ctx) => ctx.child(strict, { id: "one" } as never), "INPUT_INVALID"],
    ["an input that the log cannot hold", (ctx: Ctx) => ctx.child("ship", { id: () => 1 }), "PAYLOAD_UNSTORABLE"],
    [
      "a deadline that is none",
      (ctx: Ctx) => ctx.child(ship, { id: 1 }, { deadline: "soon" as never }),
      "DURATION_INVALID",
    ],
  ] as const)("rejects with a typed error: %s", async (_, call, code) => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        ship,
        strict,
        parent(async (ctx) =>
          call(ctx).then(
            () => "no error",
            (error) => error.cause?.code ?? error.code,
          ),
        ),
      ],
    });
    const run = await engine.start("parent");
    await lab.settle();
    expect(await run.result()).toBe(code);
    expect(await lab.rows("ship")).toEqual([]);
  });
});

const strict = workflow({ name: "strict", input: z.object({ id: z.number() }) }, async () => "ok");

describe("ctx.start", () => {
  it("starts a run that outlives its parent and its cancel", async () => {
    const lab = openLab();
    const slow = workflow({ name: "slow" }, async (ctx) => {
      await ctx.sleep("long", "1h");
      return "slept";
    });
    const engine = await lab.engine({
      workflows: [slow, parent(async (ctx) => (await ctx.start(slow, {})).id)],
    });
    const run = await engine.start("parent");
    await lab.settle();
    const id = (await run.result()) as string;
    await later(lab, 3_602_000);
    expect(await engine.run(id).result()).toBe("slept");
    expect((await engine.run(id).status()).parentId).toBe(run.id);
    expect(await lab.story(run.id)).toEqual(["run.created", "start.completed slow", "run.completed"]);
  });

  it("starts one run, though its process dies at any moment", async () => {
    for (const append of [1, 2, 3]) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const workflows = [ship, parent(async (ctx) => (await ctx.start(ship, { id: 1 })).id)];
        const first = await lab.engine({ workflows, dies: { append, moment } });
        first.start("parent", {}, { idempotencyKey: "p" }).catch(() => {});
        await lab.pass(2_000);
        first.kill();
        await lab.pass(17_000, 1_000);
        const second = await lab.engine({ workflows });
        const run = await second.start("parent", {}, { idempotencyKey: "p" });
        await lab.pass(4_000);
        const children = await lab.rows("ship");
        expect(children.map(({ id, status }) => [id, status])).toEqual([[await run.result(), "completed"]]);
      }
    }
  });
});
