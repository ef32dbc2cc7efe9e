import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { LEASE_MS, openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);

describe("ctx.sleep", () => {
  it("waits for its time by the log's clock, as a row only", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.sleep("nap", "90d").then(() => ctx.now().getTime()))],
    });
    const startedAt = lab.clock.now();
    const { id } = await engine.start("flow");
    await lab.settle();
    expect((await lab.rows("flow"))[0]).toMatchObject({
      status: "waiting",
      owner: null,
      availableAt: startedAt + 90 * 86_400_000,
    });
    lab.clock.advance(90 * 86_400_000 - 1);
    await lab.settle();
    expect((await lab.rows("flow"))[0]?.status).toBe("waiting");
    await lab.pass(2_000);
    expect(await engine.run(id).result()).toBeGreaterThanOrEqual(startedAt + 90 * 86_400_000);
  });

  it("keeps what was recorded when the code asks for another time", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "1h"))] });
    const { id } = await first.start("flow");
    await lab.settle();
    first.kill();
    const second = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "100d"))] });
    await lab.pass(3_600_000 + 2_000, 2_000);
    expect((await second.run(id).status()).status).toBe("completed");
  });

  it("of no time at all goes on at once", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.sleep("none", 0);
          await ctx.sleepUntil("past", new Date(0));
          return "on";
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toBe("on");
  });

  it("until an instant takes a Date, milliseconds, or a text with its zone", async () => {
    const lab = openLab();
    const at = lab.clock.now() + 5_000;
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await Promise.all([
            ctx.sleepUntil("date", new Date(at)),
            ctx.sleepUntil("ms", at),
            ctx.sleepUntil("text", new Date(at).toISOString()),
            ctx.sleepUntil("zone", new Date(at + 3_600_000).toISOString().replace("Z", "+01:00")),
          ]);
          const wrong: string[] = [];
          const none = [null, 7n, {}] as never[];
          for (const instant of [
            "2030-01-01",
            "2030-01-01T00:00:00",
            "soon",
            Number.NaN,
            new Date(Number.NaN),
            ...none,
          ]) {
            wrong.push(
              await ctx.sleepUntil("wrong", instant).then(
                () => "",
                (error: { code: string }) => error.code,
              ),
            );
          }
          return wrong;
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(4_500);
    expect((await lab.rows("flow"))[0]?.status).toBe("waiting");
    await lab.pass(2_000);
    expect(await run.result()).toEqual(Array(8).fill("INSTANT_INVALID"));
    const timers = (await lab.history(run.id)).filter((event) => event.type === "timer.armed");
    expect(timers.map((event) => event.data)).toEqual(Array(4).fill({ dueAt: at }));
  });

  it("survives a clock that jumps in both directions", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "1h").then(() => "on"))] });
    const run = await engine.start("flow");
    await lab.settle();
    lab.clock.jump(-86_400_000);
    await lab.pass(3_700_000, 2_000);
    expect((await run.status()).status).toBe("waiting");
    lab.clock.jump(2 * 86_400_000);
    await lab.pass(20_000, 2_000);
    expect((await run.status()).status).toBe("completed");
  });

  it("for a moment does not leave memory", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          for (let i = 0; i < 3; i++) await ctx.sleep("beat", 100);
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(1_000, 50);
    expect((await run.status()).status).toBe("completed");
    expect((await lab.story(run.id)).filter((event) => event === "run.claimed")).toEqual([]);
  });
});

describe("ctx.now, ctx.random and ctx.uuid", () => {
  it("are the same in every replay, and differ between runs, scopes and uses", async () => {
    const seen: string[][] = [];
    const code = flow(async (ctx) => {
      const values: string[] = [];
      const note = (where: Ctx) => values.push(String(where.now().getTime()), String(where.random()), where.uuid());
      note(ctx);
      await ctx.step("a", () => 1);
      note(ctx);
      note(ctx);
      await ctx.scope("inner", async (scope) => {
        note(scope);
        await scope.sleep("short", "1s");
        note(scope);
      });
      await ctx.sleep("long", "1d");
      seen.push(values);
      return values;
    });
    const lab = openLab();
    const first = await lab.engine({ workflows: [code] });
    const { id } = await first.start("flow");
    await lab.pass(3_000);
    first.kill();
    lab.clock.advance(2 * 86_400_000);
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    const values = (await second.run(id).result()) as string[];
    expect(seen).toHaveLength(1);
    const random = values.filter((_, i) => i % 3 === 1);
    const uuids = values.filter((_, i) => i % 3 === 2);
    // The scope had completed: its function was not run again, and its values are not in the second list.
    expect(values).toHaveLength(9);
    expect(new Set(random).size).toBe(3);
    expect(new Set(uuids).size).toBe(3);
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("now is the instant of the last outcome, and never goes back", async () => {
    const lab = openLab();
    const t0 = lab.clock.now();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const times = [ctx.now().getTime()];
          await ctx.sleep("hour", "1h");
          times.push(ctx.now().getTime());
          await ctx.step("jump", () => lab.clock.jump(-7_200_000));
          times.push(ctx.now().getTime());
          await ctx.step("more", () => null);
          times.push(ctx.now().getTime());
          return times;
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(3_610_000, 2_000);
    const times = ((await run.result()) as number[]).map((time) => time - t0);
    expect(times[0]).toBe(0);
    expect(times[1]).toBeGreaterThanOrEqual(3_600_000);
    expect(times[2]).toBe(times[1]);
    expect(times[3]).toBe(times[1]);
  });
});

describe("ctx.log", () => {
  it("writes a line once, after what was queued before it is durable, and not in replay", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      ctx.log("info", "one");
      await ctx.step("a", () => 1);
      ctx.log("info", "two", { extra: 2 });
      await ctx.sleep("long", "1d");
      ctx.log("info", "three");
    });
    const first = await lab.engine({ workflows: [code] });
    const { id } = await first.start("flow");
    await lab.settle();
    expect(first.lines.map(({ message }) => message)).toEqual(["one", "two"]);
    expect(first.lines[1]?.fields).toEqual({ runId: id, workflow: "flow", extra: 2 });
    first.kill();
    lab.clock.advance(2 * 86_400_000);
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    expect(second.lines.map(({ message }) => message)).toEqual(["three"]);
  });

  it("loses the line of a turn that was lost", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.step("a", () => 1);
      ctx.log("info", "after a");
      return ctx.step("b", () => 2);
    });
    const first = await lab.engine({ workflows: [code], dies: { append: 2, moment: "before" } });
    first.start("flow", null, { idempotencyKey: "x" }).catch(() => {});
    await lab.settle();
    expect(first.lines).toEqual([]);
    lab.clock.advance(LEASE_MS + 1_000);
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    expect(second.lines.map(({ message }) => message)).toEqual(["after a"]);
  });
});

describe("ctx.scope", () => {
  it("is not run again once it has completed, and its events are not read", async () => {
    let runs = 0;
    const code = flow(async (ctx) => {
      const sum = await ctx.scope("part", async (part) => {
        runs++;
        let total = 0;
        for (let i = 0; i < 10; i++) total += await part.step("add", () => i);
        return total;
      });
      await ctx.sleep("long", "1d");
      return ctx.step("last", () => sum);
    });
    const lab = openLab();
    const first = await lab.engine({ workflows: [code] });
    const { id } = await first.start("flow");
    await lab.settle();
    first.kill();
    lab.clock.advance(2 * 86_400_000);
    const loaded: number[] = [];
    const load = lab.store.load.bind(lab.store);
    lab.store.load = async (claims) => {
      const rows = await load(claims);
      loaded.push(...[...rows.values()].map((events) => events.length));
      return rows;
    };
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    expect(await second.run(id).result()).toBe(45);
    expect(runs).toBe(1);
    expect(loaded).toEqual([4]);
    expect(second.asked).toEqual(["scope part", "timer long", "step last"]);
  });

  it("keys its calls by its path, and counts names on its own", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          for (const _ of [1, 2]) {
            await ctx.scope("part", async (part) => {
              await part.step("x", () => 1);
              await part.step("x", () => 1);
              await part.scope("in", async (inner) => inner.step("x", () => 1));
            });
          }
          await ctx.step("x", () => 1);
        }),
      ],
    });
    await engine.start("flow");
    await lab.settle();
    expect(engine.asked.filter((call) => call.startsWith("step"))).toEqual([
      "step part/x",
      "step part/x#2",
      "step part/in/x",
      "step part#2/x",
      "step part#2/x#2",
      "step part#2/in/x",
      "step x",
    ]);
  });

  it("that throws gives its error, recorded, to the code", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const first = await ctx
            .scope("sync", () => {
              throw Object.assign(new RangeError("out"), { at: 3 });
            })
            .catch((error: Error & { at: number }) => [error.name, error.message, error.at]);
          const second = await ctx
            .scope("step", async (scope) =>
              scope.step(
                "bad",
                () => {
                  throw new Error("x");
                },
                { retry: { attempts: 1 } },
              ),
            )
            .catch((error: { code: string }) => error.code);
          return [first, second];
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toEqual([["RangeError", "out", 3], "STEP_FAILED"]);
  });

  it("that returns what the log cannot hold fails", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) =>
          ctx.scope("bad", async () => ({ f: () => 1 }) as unknown).catch((error: { code: string }) => error.code),
        ),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.result()).toBe("PAYLOAD_UNSTORABLE");
  });

  it("of many at once, each with many steps, gives what it gives in order", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const order: number[] = [];
          const results = await Promise.all(
            Array.from({ length: 50 }, (_, i) =>
              ctx
                .scope("item", async (item) => {
                  const a = await item.step("a", async () => i);
                  const b = await item.step("b", () => a * 2);
                  return b;
                })
                .then((value) => {
                  order.push(i);
                  return value;
                }),
            ),
          );
          return { sum: results.reduce((x, y) => x + y, 0), seen: order.length };
        }),
      ],
    });
    const run = await engine.start("flow");
    for (let i = 0; i < 20; i++) await lab.settle();
    expect(await run.result()).toEqual({ sum: 2450, seen: 50 });
    await lab.history(run.id);
  });
});
