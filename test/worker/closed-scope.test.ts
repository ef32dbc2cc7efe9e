import { workflow } from "varve";
import { describe, expect, it } from "vitest";
import { verify } from "../../src/history/verify.ts";
import { LEASE_MS, openLab } from "../support/lab.ts";

const drain = (fn: () => void) => void setImmediate(fn);

describe("what a scope's function left open when it returned", () => {
  const late: string[] = [];
  const code = workflow({ name: "race" }, async (ctx) => {
    const won = await ctx.scope("choose", async (scope) => {
      const slow = scope.sleep("slow", "1m").then(async () => {
        // In a scope that has ended this would fail the run.
        await scope.step("too-late", () => late.push("ran"));
      });
      return await Promise.race([scope.step("quick", () => "quick"), slow]);
    });
    await ctx.sleep("after", "5m");
    return won ?? null;
  });

  it.each(["a copy in memory", "a new process"])("is closed with it, for %s", async (who) => {
    const lab = openLab();
    let engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("race");
    await lab.settle();
    if (who === "a new process") {
      engine.kill();
      lab.clock.advance(LEASE_MS + 1_000);
      engine = await lab.engine({ workflows: [code] });
      await lab.pass(2_000);
    }
    const armed = (await lab.history(run.id)).find(({ key }) => key === "after");
    expect((await lab.store.getRun(run.id))!.availableAt).toBe(armed?.type === "timer.armed" && armed.data.dueAt);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
    await lab.pass(6 * 60_000, 5_000);
    expect(await engine.run(run.id).result()).toBe("quick");
    // `history` holds what was written to the invariants, "scope-is-open" among them.
    expect(await lab.story(run.id)).not.toContain("timer.fired choose/slow");
    expect(late).toEqual([]);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });

  it("may be the last event of the log, and the next process goes on after it", async () => {
    const lab = openLab();
    const slowly = workflow({ name: "slowly" }, async (ctx) => {
      await ctx.scope("choose", (scope) =>
        Promise.race([
          scope.step("quick", () => "quick"),
          scope.step("slow", async (step) => {
            await new Promise<void>((resolve) => step.signal.addEventListener("abort", () => resolve()));
          }),
        ]),
      );
      await ctx.sleep("long", "1h");
      return "done";
    });
    const first = await lab.engine({ workflows: [slowly] });
    const run = await first.start("slowly");
    await lab.settle();
    first.kill();
    expect((await lab.story(run.id)).at(-1)).toBe("attempt.late choose/slow #1");
    const second = await lab.engine({ workflows: [slowly] });
    await lab.pass(61 * 60_000, 10_000);
    expect(await second.run(run.id).result()).toBe("done");
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });

  it("is closed with it also where it is in scopes within it", async () => {
    const lab = openLab();
    const nested = workflow({ name: "nested" }, async (ctx) => {
      await ctx.scope("outer", (outer) =>
        Promise.race([
          outer.step("quick", () => "quick"),
          outer.scope("inner", async (inner) => {
            await inner.map("each", [1], (_, item) => item.sleep("slow", "1m"));
            await inner.step("too-late", () => late.push("ran"));
          }),
        ]),
      );
      await ctx.sleep("after", "5m");
    });
    const engine = await lab.engine({ workflows: [nested] });
    const run = await engine.start("nested");
    await lab.pass(6 * 60_000, 5_000);
    await run.result();
    // `history` holds what was written to the invariants, "scope-is-open" among them.
    expect(await lab.story(run.id)).not.toContain("timer.fired outer/inner/each[0]/slow");
    expect(late).toEqual([]);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });

  it("ends before the scope around it, also when the run is cancelled", async () => {
    const lab = openLab();
    const nested = workflow({ name: "nested" }, async (ctx) => {
      await ctx.scope("outer", async (outer) => {
        await outer.scope("inner", async (inner) => {
          await inner.sleep("long", "1h");
          return null;
        });
        return null;
      });
    });
    const engine = await lab.engine({ workflows: [nested] });
    const run = await engine.start("nested");
    await lab.settle();
    await run.cancel();
    await lab.pass(1_000);
    const ends = (await lab.story(run.id)).filter((line) => /^(scope.failed|run.cancelled)/.test(line));
    expect(ends).toEqual(["scope.failed outer/inner", "scope.failed outer", "run.cancelled"]);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });

  it("is aborted, if it is a body, and ends late", async () => {
    const lab = openLab();
    let aborted: unknown = null;
    const slowly = workflow({ name: "slowly" }, async (ctx) => {
      await ctx.scope("choose", (scope) =>
        Promise.race([
          scope.step("quick", () => "quick"),
          scope.step("slow", async (step) => {
            await new Promise<void>((resolve) => step.signal.addEventListener("abort", () => resolve()));
            aborted = step.signal.reason;
            return "slow";
          }),
        ]),
      );
      await ctx.sleep("short", "100ms");
      return "done";
    });
    const engine = await lab.engine({ workflows: [slowly] });
    const run = await engine.start("slowly");
    await lab.pass(1_000);
    expect(await run.result()).toBe("done");
    expect(aborted).toMatchObject({ code: "SCOPE_OVER" });
    const story = await lab.story(run.id);
    expect(story).toContain("attempt.late choose/slow #1");
    expect(story.indexOf("attempt.late choose/slow #1")).toBeGreaterThan(story.indexOf("scope.completed choose"));
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });
});

describe("a body in a scope that a cancel has ended", () => {
  it("is not recorded in it, though it ends before the cancel is durable", async () => {
    const lab = openLab();
    let finish = () => {};
    let write = () => {};
    const code = workflow({ name: "flow" }, async (ctx) => {
      await ctx
        .scope("part", async (part) => part.step("body", () => new Promise<void>((resolve) => (finish = resolve))))
        .catch(() => {});
      await ctx.shield("tidy", async (tidy) => tidy.sleep("nap", "1m"));
    });
    const engine = await lab.engine({
      workflows: [code],
      onAppend: async ({ runs }) => {
        if (!runs.some(({ events }) => events.some(({ type }) => type === "cancel.requested"))) return;
        await new Promise<void>((resolve) => {
          write = resolve;
        });
      },
    });
    const run = await engine.start("flow");
    await lab.settle();
    void run.cancel();
    await lab.settle();
    finish();
    await lab.settle();
    write();
    await lab.settle();
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "scope.started part",
      "attempt.started part/body #1",
      "cancel.requested",
      "scope.failed part",
      "scope.started tidy",
      "timer.armed tidy/nap",
    ]);
  });
});
