import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Lab, openLab } from "../support/lab.ts";

/** Lets much time pass, and then what was due happen. */
async function later(lab: Lab, ms: number): Promise<void> {
  await lab.pass(ms, ms / 4);
  await lab.pass(4_000);
}

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);

const asking = flow(async (ctx) => ctx.waitFor("approval"));

describe("ctx.waitFor", () => {
  it("comes to the payload of a signal that is sent while it waits, as a row only", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [asking] });
    const run = await engine.start("flow");
    await lab.settle();
    expect((await lab.rows("flow"))[0]).toMatchObject({ status: "waiting", owner: null, availableAt: null });
    await run.signal("approval", { by: "ada", at: new Date(0) });
    await lab.settle();
    expect(await run.result()).toEqual({ by: "ada", at: new Date(0) });
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "wait.started approval",
      "run.claimed",
      "signal.received",
      "wait.completed approval",
      "run.completed",
    ]);
  });

  it("comes to a signal that was sent before anybody waited", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.sleep("later", "1h");
          return await ctx.waitFor("approval");
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await run.signal("approval", "early");
    await lab.settle();
    await later(lab, 3_602_000);
    expect(await run.result()).toBe("early");
  });

  it("takes each signal once, in the order of arrival, and by name", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const [a, b] = await Promise.all([ctx.waitFor("x"), ctx.waitFor("x")]);
          return [a, b, await ctx.waitFor("y"), await ctx.waitFor("x", { timeout: "1s" })];
        }),
      ],
    });
    const run = await engine.start("flow");
    await run.signal("y", "other");
    await run.signal("x", 1);
    await run.signal("x", 2);
    await lab.settle();
    await lab.pass(3_000);
    expect(await run.result()).toEqual([1, 2, "other", null]);
  });

  it("waits for what matches, and leaves the rest to others", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const big = await ctx.waitFor("amount", { match: (payload) => (payload as number) > 10 });
          return [big, await ctx.waitFor("amount")];
        }),
      ],
    });
    const run = await engine.start("flow");
    for (const amount of [1, 2, 30]) await run.signal("amount", amount);
    await lab.settle();
    expect(await run.result()).toEqual([30, 1]);
  });

  it("rejects with what match throws", async () => {
    const lab = openLab();
    const match = () => {
      throw new TypeError("no such field");
    };
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.waitFor("x", { match }).catch((error: Error) => error.message))],
    });
    const run = await engine.start("flow");
    await run.signal("x", 1);
    await lab.settle();
    expect(await run.result()).toBe("no such field");
  });

  it("comes to null when its time is over, and a signal that comes later is kept", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const first = await ctx.waitFor("x", { timeout: "1m" });
          await ctx.sleep("nap", "1h");
          return [first, await ctx.waitFor("x")];
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(61_000, 1_000);
    await run.signal("x", "late");
    await later(lab, 3_602_000);
    expect(await run.result()).toEqual([null, "late"]);
  });

  it("takes one signal for one dedupe key, also when it is sent again after it was taken", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => [await ctx.waitFor("x"), await ctx.waitFor("x", { timeout: "1m" })])],
    });
    const run = await engine.start("flow");
    for (let i = 0; i < 2; i++) await run.signal("x", i, { dedupeKey: "click" });
    await lab.settle();
    await run.signal("x", 2, { dedupeKey: "click" });
    await lab.pass(61_000, 1_000);
    expect(await run.result()).toEqual([0, null]);
    expect((await lab.story(run.id)).filter((each) => each === "signal.received")).toHaveLength(1);
  });

  it("that took its signal in a completed scope has taken it on resume too", async () => {
    const lab = openLab();
    const code = async (ctx: Ctx) => {
      const first = await ctx.scope("ask", (inner) => inner.waitFor("x"));
      await ctx.sleep("nap", "1h");
      return [first, await ctx.waitFor("x", { timeout: "1m" })];
    };
    const engine = await lab.engine({ workflows: [flow(code)] });
    const run = await engine.start("flow");
    await run.signal("x", "only");
    await lab.settle();
    engine.kill();
    const next = await lab.engine({ workflows: [flow(code)] });
    await lab.pass(3_700_000, 10_000);
    expect(await next.run(run.id).result()).toEqual(["only", null]);
  });

  it("iterates over the signals of a name until none comes in time", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const seen: unknown[] = [];
          for await (const item of ctx.signals("item", { timeout: "1h" })) {
            seen.push(await ctx.step("double", () => (item as number) * 2));
          }
          return seen;
        }),
      ],
    });
    const run = await engine.start("flow");
    for (const item of [1, 2, 3]) {
      await run.signal("item", item);
      await lab.pass(60_000, 10_000);
    }
    await later(lab, 3_700_000);
    expect(await run.result()).toEqual([2, 4, 6]);
  });
});

describe("a signal", () => {
  const declared = workflow(
    { name: "declared", signals: { approval: z.object({ by: z.string().trim() }) } },
    async (ctx) => (await ctx.waitFor("approval")).by,
  );

  it("is checked when it is sent, and what its schema makes of it is what the code sees", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [declared] });
    const run = await engine.start(declared, {});
    await expect(run.signal("approval", { by: 7 } as never)).rejects.toMatchObject({
      code: "SIGNAL_INVALID",
      message: expect.stringContaining("$.by"),
    });
    await expect(run.signal("aproval" as never, { by: "ada" } as never)).rejects.toMatchObject({
      code: "SIGNAL_UNKNOWN",
      message: expect.stringContaining('"approval"'),
    });
    await run.signal("approval", { by: "  ada " });
    await lab.settle();
    expect(await run.result()).toBe("ada");
  });

  it("to a run that is over, or that is not there, is refused", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => "done")] });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.signal("x", 1)).rejects.toMatchObject({ code: "RUN_OVER" });
    await expect(engine.run("run_none").signal("x", 1)).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it.each([
    [
      "a name that is none",
      (run: { signal: (...args: never[]) => Promise<void> }) => run.signal("" as never, 1 as never),
      "NAME_INVALID",
    ],
    [
      "a payload that the log cannot hold",
      (run: { signal: (...args: never[]) => Promise<void> }) => run.signal("x" as never, (() => {}) as never),
      "PAYLOAD_UNSTORABLE",
    ],
  ] as const)("is refused with %s", async (_, send, code) => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [asking] });
    const run = await engine.start("flow");
    await expect(send(run as never)).rejects.toMatchObject({ code });
  });

  it.each([
    ["a time-out that is none", { timeout: "soon" as never }, "DURATION_INVALID"],
    ["a match that is no function", { match: "big" as never }, "OPTION_INVALID"],
  ])("is not waited for with %s", async (_, options, code) => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.waitFor("x", options).catch((error: { code: string }) => error.code))],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toBe(code);
  });
});
