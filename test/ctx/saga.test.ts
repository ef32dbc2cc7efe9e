import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);

const once = { retry: { attempts: 1 } } as const;

/** A trip of which everything can be undone; `last` says how it ends. */
function trip(done: string[], last: (ctx: Ctx) => Promise<unknown>) {
  const leg = (ctx: Ctx, name: string) =>
    ctx.step(
      name,
      () => {
        done.push(name);
        return `${name}-id`;
      },
      { compensate: (id) => void done.push(`undo ${id}`) },
    );
  return flow(async (ctx) => {
    await leg(ctx, "flight");
    await ctx.scope("stay", async (inner) => leg(inner, "hotel"));
    await leg(ctx, "car");
    return await last(ctx);
  });
}

const UNDONE = ["undo car-id", "undo hotel-id", "undo flight-id"];
const DONE = ["flight", "hotel", "car"];

describe("compensations", () => {
  it("run in reverse order when the run fails, which ends as it failed", async () => {
    const lab = openLab();
    const done: string[] = [];
    const engine = await lab.engine({
      workflows: [trip(done, (ctx) => ctx.step("pay", () => Promise.reject(new Error("declined")), once))],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "STEP_FAILED" } });
    expect(done).toEqual([...DONE, ...UNDONE]);
  });

  it("do not run when it completes", async () => {
    const lab = openLab();
    const done: string[] = [];
    const engine = await lab.engine({ workflows: [trip(done, async () => "home")] });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toBe("home");
    expect(done).toEqual(DONE);
  });

  it("run when it is cancelled, also if its code has caught that", async () => {
    const endings: ((ctx: Ctx) => Promise<unknown>)[] = [
      (ctx) => ctx.waitFor("x"),
      (ctx) => ctx.waitFor("x").catch(() => "caught"),
    ];
    for (const last of endings) {
      const lab = openLab();
      const done: string[] = [];
      const engine = await lab.engine({ workflows: [trip(done, last)] });
      const run = await engine.start("flow");
      await lab.settle();
      await run.cancel();
      await lab.settle();
      expect((await run.status()).status).toBe("cancelled");
      expect(done).toEqual([...DONE, ...UNDONE]);
    }
  });

  it("run when the cancel comes after its code has returned, and before that is recorded", async () => {
    const lab = openLab();
    const done: string[] = [];
    let arrive: () => void = () => {};
    const arrival = (ctx: Ctx) => ctx.step("arrive", () => new Promise<void>((resolve) => (arrive = resolve)));
    const engine = await lab.engine({ workflows: [trip(done, arrival)] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.pause();
    arrive();
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect(done).toEqual([...DONE, ...UNDONE]);
  });

  it("run by hand, and then not again", async () => {
    const lab = openLab();
    const done: string[] = [];
    const engine = await lab.engine({
      workflows: [
        trip(done, async (ctx) => {
          await ctx.compensate();
          await ctx.compensate();
          throw new Error("no trip");
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { message: "no trip" } });
    expect(done).toEqual([...DONE, ...UNDONE]);
  });

  it("are tried again, and one that fails for good does not keep the others from running", async () => {
    const lab = openLab();
    const tried: string[] = [];
    const undo = (name: string, isHopeless: boolean) => ({
      compensate: (_: unknown, { attempt }: { attempt: number }) => {
        tried.push(`${name}${attempt}`);
        if (isHopeless || attempt < 2) throw new Error("busy");
      },
    });
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.step("a", () => 1, undo("a", false));
          await ctx.step("b", () => 2, undo("b", true));
          throw new Error("over");
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(120_000, 1_000);
    await expect(run.result()).rejects.toMatchObject({ cause: { message: "over" } });
    expect(tried).toEqual(["b1", "b2", "b3", "b4", "b5", "a1", "a2"]);
    expect(engine.lines.some(({ level, message }) => level === "error" && message.includes('"b"'))).toBe(true);
  });

  it("run for a step that completes beside one that fails, and for one that completes while they run", async () => {
    const lab = openLab();
    const done: string[] = [];
    let finish: (value: string) => void = () => {};
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await Promise.all([
            ctx.step("bad", () => Promise.reject(new Error("no")), once),
            ctx.step("beside", () => "beside", {
              compensate: () => {
                done.push("undo beside");
                finish("slow");
              },
            }),
            ctx.step("slow", () => new Promise<string>((resolve) => (finish = resolve)), {
              compensate: () => void done.push("undo slow"),
            }),
          ]);
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "STEP_FAILED" } });
    expect(done).toEqual(["undo beside", "undo slow"]);
  });

  it.each(["throws", "returns"] as const)(
    "run for a step that completes in the turn in which its scope %s",
    async (how) => {
      for (let append = 1; append <= 6; append++) {
        const lab = openLab();
        const done: string[] = [];
        const both = flow(async (ctx) => {
          await ctx.scope("both", async (inner) => {
            const first = inner.step("first", () => "first");
            const unheard = inner.step("unheard", () => "unheard", {
              compensate: (value) => void done.push(`undo ${value}`),
            });
            await first;
            if (how === "throws") throw new Error("no");
            void unheard;
          });
          throw new Error("no");
        });
        const engine = await lab.engine({ workflows: [both], dies: { append, moment: "after" } });
        engine.start("flow", {}, { idempotencyKey: "t" }).catch(() => {});
        await lab.pass(2_000);
        engine.kill();
        await lab.pass(17_000, 1_000);
        const second = await lab.engine({ workflows: [both] });
        const run = await second.start("flow", {}, { idempotencyKey: "t" });
        await lab.pass(4_000);
        expect((await run.status()).status).toBe("failed");
        const story = await lab.story(run.id);
        expect(story.filter((each) => each.startsWith("step.completed both/unheard"))).toHaveLength(1);
        expect(done).toContain("undo unheard");
      }
    },
  );

  it("have not begun where nothing had completed: a retry keeps what there is", async () => {
    const lab = openLab();
    let isMended = false;
    const bodies: string[] = [];
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.step("before", () => bodies.push("before"));
          await Promise.all([
            ctx.step("bad", () => (isMended ? null : Promise.reject(new Error("no"))), once),
            ctx.step("slow", () => (isMended ? 1 : new Promise<number>(() => {})), { compensate: () => {} }),
          ]);
          return bodies;
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect((await run.status()).status).toBe("failed");
    isMended = true;
    await run.retry();
    await lab.settle();
    expect(await run.result()).toEqual(["before"]);
  });

  it("run once each, though the process dies at any append", async () => {
    for (let append = 1; append <= 9; append++) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const done: string[] = [];
        const code = trip(done, (ctx) => ctx.step("pay", () => Promise.reject(new Error("declined")), once));
        const first = await lab.engine({ workflows: [code], dies: { append, moment } });
        first.start("flow", {}, { idempotencyKey: "t" }).catch(() => {});
        await lab.pass(2_000);
        first.kill();
        await lab.pass(17_000, 1_000);
        const second = await lab.engine({ workflows: [code] });
        const run = await second.start("flow", {}, { idempotencyKey: "t" });
        await lab.pass(4_000);
        expect((await run.status()).status).toBe("failed");
        const keys = (await lab.story(run.id)).filter((each) => each.startsWith("step.completed compensate/"));
        expect(keys.map((each) => each.split(" ")[1])).toEqual([
          "compensate/car",
          "compensate/stay%2Fhotel",
          "compensate/flight",
        ]);
      }
    }
  });

  it("of steps within a scope that ends while they run are known after it, though the process dies at any append", async () => {
    for (let append = 1; append <= 10; append++) {
      const lab = openLab();
      const code = flow(async (ctx) => {
        const beside = ctx.scope("beside", async (inner) => {
          await inner.step("hotel", () => 1, { compensate: () => {} });
          await inner.sleep("soon", 3_000);
        });
        const late = ctx.scope("late", async (inner) => {
          await inner.sleep("first", 2_000);
          await inner.step("car", () => Promise.reject(new Error("none")), { ...once, compensate: () => {} });
        });
        void Promise.allSettled([beside, late]);
        await ctx.sleep("a while", 1_000);
        await ctx.step("flight", () => 1, {
          compensate: () => new Promise((resolve) => void lab.clock.timer(4_000, () => resolve(undefined))),
        });
        throw new Error("no trip");
      });
      const first = await lab.engine({ workflows: [code], dies: { append, moment: "after" } });
      first.start("flow", {}, { idempotencyKey: "t" }).catch(() => {});
      await lab.pass(9_000);
      first.kill();
      await lab.pass(17_000, 1_000);
      const second = await lab.engine({ workflows: [code] });
      const run = await second.start("flow", {}, { idempotencyKey: "t" });
      await lab.pass(20_000);
      expect((await run.status()).status).toBe("failed");
      const undone = (await lab.story(run.id)).filter((each) => each.startsWith("step.completed compensate"));
      expect(undone.map((each) => each.split(" ")[1]?.split("/")[1]).sort()).toEqual(["beside%2Fhotel", "flight"]);
    }
  });

  it("run by hand within a scope, and then not again, though the process dies after it", async () => {
    const lab = openLab();
    const code = trip([], async (ctx) => {
      await ctx.scope("call off", (inner) => inner.compensate());
      await ctx.sleep("a while", "1h");
      throw new Error("no trip");
    });
    const first = await lab.engine({ workflows: [code] });
    const run = await first.start("flow");
    await lab.pass(2_000);
    first.kill();
    const second = await lab.engine({ workflows: [code] });
    await lab.pass(3_700_000, 10_000);
    expect((await second.run(run.id).status()).status).toBe("failed");
    const undone = (await lab.story(run.id)).filter((each) => /^step.completed .*compensate/.test(each));
    expect(undone).toHaveLength(DONE.length);
  });

  it("of a run that is retried begin no body again of a step that is marked once, also one within a scope", async () => {
    const lab = openLab();
    let bodies = 0;
    const code = flow(async (ctx) => {
      await ctx.step("flight", () => 1, { compensate: () => {} });
      await ctx.scope("stay", (inner) => inner.step("hotel", () => ++bodies, { once: true }));
      throw new Error("no trip");
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.retry();
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "OUTCOME_UNKNOWN" } });
    expect(bodies).toBe(1);
  });

  it("of a run that is retried after them are registered anew, and it starts over", async () => {
    const lab = openLab();
    const done: string[] = [];
    let isMended = false;
    const pay = (ctx: Ctx) =>
      ctx.step("pay", () => (isMended ? Promise.resolve("paid") : Promise.reject(new Error("declined"))), once);
    const engine = await lab.engine({ workflows: [trip(done, pay)] });
    const run = await engine.start("flow");
    await lab.settle();
    isMended = true;
    await run.retry();
    await lab.settle();
    expect(await run.result()).toBe("paid");
    expect(done).toEqual([...DONE, ...UNDONE, ...DONE]);
  });

  it("are functions", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => ctx.step("a", () => 1, { compensate: "undo" as never }).catch((error) => error.code)),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toBe("STEP_INVALID");
  });
});

describe("a fallback", () => {
  it("is what a step comes to that has failed for good: a value, or what another step comes to", async () => {
    const lab = openLab();
    const fails = () => Promise.reject(new Error("down")) as Promise<string>;
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => [
          await ctx.step("a", fails, { ...once, fallback: "cached" }),
          await ctx.step("b", fails, { ...once, fallback: (error, { key }) => `${key}: ${error.message}` }),
          await ctx.step("c", async () => "fine", { fallback: "cached" }),
        ]),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toEqual(["cached", 'b.fallback: step "b" failed after its only attempt: down', "fine"]);
    expect(await lab.story(run.id)).toContain("step.completed b.fallback #1");
  });

  it("is none for a cancel, nor for a mistake in the call", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const wrong = await ctx
            .step("a", () => 1, { timeout: "soon" as never, fallback: 2 })
            .catch((error) => error.code);
          await ctx.step("note", () => wrong);
          return await ctx.step("b", () => new Promise<number>(() => {}), { fallback: 3 });
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect(
      (await lab.history(run.id)).find(({ key, type }) => key === "note" && type === "step.completed"),
    ).toMatchObject({
      data: { value: "DURATION_INVALID" },
    });
  });
});
