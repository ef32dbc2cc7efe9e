import { type Ctx, type StartedRun, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type Lab, openLab } from "../support/lab.ts";

/** Lets much time pass, and then what was due happen. */
async function later(lab: Lab, ms: number): Promise<void> {
  await lab.pass(ms, ms / 4);
  await lab.pass(4_000);
}

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);

describe("pause", () => {
  it("lets bodies end, begins nothing, keeps signals, and goes on where it was", async () => {
    const lab = openLab();
    let finish: (value: string) => void = () => {};
    const begun: string[] = [];
    const code = flow(async (ctx) => {
      const first = await ctx.step("first", () => {
        begun.push("first");
        return new Promise<string>((resolve) => {
          finish = resolve;
        });
      });
      const second = await ctx.step("second", () => {
        begun.push("second");
        return "two";
      });
      return [first, second, await ctx.waitFor("x")];
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.pause({ reason: "a look" });
    await lab.settle();
    finish("one");
    await lab.settle();
    expect((await run.status()).status).toBe("paused");
    await run.pause();
    await run.signal("x", "kept");
    await lab.pass(60_000, 10_000);
    expect(begun).toEqual(["first"]);
    expect((await run.status()).status).toBe("paused");
    await run.resume();
    await lab.pass(2_000);
    expect(await run.result()).toEqual(["one", "two", "kept"]);
    expect((await lab.story(run.id)).filter((each) => /paused|resumed/.test(each))).toEqual([
      "run.paused",
      "run.resumed",
    ]);
  });

  it.each(["resume", "cancel"] as const)(
    "that ends by %s before the run has left keeps no body from beginning",
    async (how) => {
      const lab = openLab();
      const ends = new Map<string, () => void>();
      const body = (name: string) => () => new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
      const first = workflow({ name: "first" }, (ctx) => ctx.step("first", body("first"), { queue: "one" }));
      const second = flow(async (ctx) => {
        const queued = ctx.shield("kept", async (kept) => kept.step("queued", () => "queued", { queue: "one" }));
        return (await Promise.allSettled([ctx.step("hold", body("hold")), queued])).map((each) => each.status);
      });
      const engine = await lab.engine({ workflows: [first, second], queues: { one: { concurrency: 1 } } });
      await engine.start("first");
      await lab.settle();
      const run = await engine.start("flow");
      await lab.settle();
      await run.pause();
      await lab.settle();
      // It is the turn of the queued step now, which may not begin; the body under way keeps the run here.
      ends.get("first")?.();
      await lab.settle();
      await run[how]();
      await lab.settle();
      expect(await lab.story(run.id)).toContainEqual(expect.stringMatching(/^attempt.started .*queued/));
    },
  );

  it("holds a run that sleeps, whose timer fires on resume, and one that has not begun", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.sleep("nap", "3h").then(() => "up"))],
      worker: false,
    });
    const run = await engine.start("flow");
    await run.pause();
    await engine.work();
    await later(lab, 7_200_000);
    expect((await run.status()).status).toBe("paused");
    await run.resume();
    await later(lab, 1_800_000);
    await run.pause();
    await later(lab, 7_200_000);
    expect((await run.status()).status).toBe("paused");
    await run.resume();
    await lab.pass(2_000);
    expect(await run.result()).toBe("up");
  });

  it("is lifted by a cancel", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.waitFor("x"))] });
    const run = await engine.start("flow");
    await run.pause();
    await lab.settle();
    await run.cancel({ reason: "enough" });
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_CANCELLED", facts: { reason: "enough" } });
  });

  it("of a run that is paused when its worker dies holds", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.step("slow", () => new Promise(() => {}));
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.pause();
    await lab.settle();
    engine.kill();
    const next = await lab.engine({ workflows: [code] });
    await lab.pass(40_000, 1_000);
    expect((await next.run(run.id).status()).status).toBe("paused");
    await next.run(run.id).resume();
    await lab.settle();
    expect(await lab.story(run.id)).toContain("attempt.started slow #2");
  });
});

describe("terminate", () => {
  it("ends a run at once, and asks none of its code", async () => {
    const lab = openLab();
    let cleaned = false;
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          try {
            await ctx.waitFor("x");
          } finally {
            cleaned = true;
          }
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await run.terminate({ reason: "now" });
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_CANCELLED", facts: { reason: "now" } });
    expect(cleaned).toBe(false);
    expect((await lab.history(run.id)).at(-1)).toMatchObject({ data: { reason: "now", terminated: true } });
    await expect(run.terminate()).rejects.toMatchObject({ code: "RUN_OVER" });
  });
});

describe("ctx.shield", () => {
  it("runs what it holds though the run is cancelled, across a crash", async () => {
    const lab = openLab();
    const released: number[] = [];
    const code = flow(async (ctx) => {
      try {
        await ctx.waitFor("x");
      } finally {
        await ctx.shield("tidy", async (shielded) => {
          await shielded.step("a", () => released.push(1));
          await shielded.sleep("pause", "1m");
          await shielded.step("b", () => released.push(2));
        });
      }
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel();
    await lab.pass(10_000, 1_000);
    expect(released).toEqual([1]);
    engine.kill();
    const next = await lab.engine({ workflows: [code] });
    await lab.pass(80_000, 1_000);
    expect(released).toEqual([1, 2]);
    expect((await next.run(run.id).status()).status).toBe("cancelled");
  });

  it("does not keep a cancel from what is outside", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await Promise.all([
            ctx.shield("inside", (shielded) => shielded.sleep("long", "1h")),
            ctx.step("outside", ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject))),
          ]);
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).not.toBe("cancelled");
    await later(lab, 3_602_000);
    expect((await run.status()).status).toBe("cancelled");
  });
});

describe("retry", () => {
  it("runs failed steps again, keeps what had completed, and counts attempts anew", async () => {
    const lab = openLab();
    let isMended = false;
    const bodies: string[] = [];
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const a = await ctx.step("a", () => {
            bodies.push("a");
            return 1;
          });
          const b = await ctx.step(
            "b",
            ({ attempt }) => {
              bodies.push(`b${attempt}`);
              if (!isMended) throw new Error("broken");
              return 2;
            },
            { retry: { attempts: 2, initial: 10, jitter: "none" } },
          );
          return [a, b];
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(2_000);
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    isMended = true;
    await run.retry();
    await lab.pass(2_000);
    expect(await run.result()).toEqual([1, 2]);
    expect(bodies).toEqual(["a", "b1", "b2", "b3"]);
    await expect(run.retry()).rejects.toMatchObject({ code: "RUN_NOT_OVER" });
  });

  it("comes anew to the end of a scope that made something of the cancel, and keeps what was done in it", async () => {
    const lab = openLab();
    const bodies: string[] = [];
    const engine = await lab.engine({
      workflows: [
        flow((ctx) =>
          ctx.scope("part", async (inner) => {
            await inner.step("done", () => void bodies.push("done"));
            return await inner.waitFor("go").then(
              (go) => go,
              () => "was cancelled",
            );
          }),
        ),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(1_000);
    await run.cancel();
    await lab.pass(1_000);
    const [end] = (await run.history()).filter(({ type }) => type === "scope.completed");
    expect(end?.data).toEqual({ value: "was cancelled", kept: true, cancelled: true });
    await run.retry();
    await lab.pass(1_000);
    await run.signal("go", "went");
    await lab.pass(1_000);
    expect(await run.result()).toBe("went");
    expect(bodies).toEqual(["done"]);
  });

  it("does not repeat a step that may run once, and says why", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow((ctx) => ctx.step("charge", () => Promise.reject(new Error("declined")), { once: true }))],
    });
    const run = await engine.start("flow");
    await lab.pass(1_000);
    await run.retry();
    await lab.pass(1_000);
    await expect(run.result()).rejects.toMatchObject({
      cause: { code: "OUTCOME_UNKNOWN", message: expect.stringContaining("or its run was retried") },
    });
  });

  it("does again what followed the failure, and runs failed scopes again", async () => {
    const lab = openLab();
    let isMended = false;
    const bodies: string[] = [];
    const once = { retry: { attempts: 1 } };
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          try {
            return await ctx.scope("part", async (inner) => {
              const before = await inner.step("before", () => {
                bodies.push("before");
                return "kept";
              });
              await inner.step(
                "bad",
                () => {
                  bodies.push("bad");
                  if (!isMended) throw new Error("broken");
                },
                once,
              );
              return before;
            });
          } catch (error) {
            await ctx.step("report", () => bodies.push("report"));
            throw error;
          }
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.pass(2_000);
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    isMended = true;
    await run.retry();
    await lab.pass(2_000);
    expect(await run.result()).toBe("kept");
    expect(bodies).toEqual(["before", "bad", "report", "bad"]);
  });

  it.each(["propagate", "abandon"] as const)("starts children again that were under way: %s", async (onCancel) => {
    const lab = openLab();
    let isMended = false;
    const slow = workflow({ name: "slow" }, async (ctx) => ctx.sleep("long", "1h").then(() => "slept"));
    const engine = await lab.engine({
      workflows: [
        slow,
        flow(async (ctx) => {
          const bad = async () => {
            if (!isMended) throw new Error("broken");
            return "fine";
          };
          return await Promise.all([
            ctx.child(slow, {}, { onCancel }),
            ctx.step("bad", bad, { retry: { attempts: 1 } }),
          ]);
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    // What was left behind ends while nobody can be told.
    await later(lab, 3_602_000);
    isMended = true;
    await run.retry();
    await later(lab, 3_602_000);
    expect(await run.result()).toEqual(["slept", "fine"]);
    const statuses = (await lab.rows("slow")).map(({ status }) => status);
    expect(statuses).toEqual(["completed", onCancel === "abandon" ? "completed" : "cancelled"]);
  });

  it("of a cancelled run goes on as if nobody had cancelled it, and may end the same way again", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.waitFor("x"))] });
    const run = await engine.start("flow");
    await lab.settle();
    for (let i = 0; i < 2; i++) {
      await run.cancel();
      await lab.settle();
      expect((await run.status()).status).toBe("cancelled");
      await run.retry();
      await lab.settle();
      expect((await run.status()).status).toBe("waiting");
    }
    await run.signal("x", "on");
    await lab.settle();
    expect(await run.result()).toBe("on");
  });

  it("of a run that is under way, or not there, is refused", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.waitFor("x"))] });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.retry()).rejects.toMatchObject({ code: "RUN_NOT_OVER" });
    await expect(engine.run("run_none").retry()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});

describe("rerun", () => {
  it("starts another run of the same version, with the same input or an edited one", async () => {
    const lab = openLab();
    const echo = workflow({ name: "echo" }, async (_, input: unknown) => input);
    const engine = await lab.engine({ workflows: [echo] });
    const run = await engine.start(echo, { n: 1 }, { tags: { who: "ada" } });
    await lab.settle();
    const same = await run.rerun();
    const edited = await run.rerun({ input: { n: 2 } });
    await lab.settle();
    expect([await same.result(), await edited.result()]).toEqual([{ n: 1 }, { n: 2 }]);
    expect((await same.status()).tags).toEqual({ who: "ada" });
    expect(new Set([run.id, same.id, edited.id]).size).toBe(3);
  });
});

describe("bulk", () => {
  it("does the same to all runs of a filter, and does nothing when done again", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.waitFor("x"))] });
    for (let i = 0; i < 5; i++) await engine.start("flow", {}, { tags: { batch: i < 3 ? "a" : "b" } });
    await lab.settle();
    const cancel = { tags: { batch: "a" }, status: "waiting", reason: "all" } as const;
    expect(await engine.bulk("cancel", { ...cancel, limit: 2 })).toEqual({ done: 2, skipped: 0, more: true });
    await lab.settle();
    expect(await engine.bulk("cancel", cancel)).toEqual({ done: 1, skipped: 0, more: false });
    await lab.settle();
    expect(await engine.bulk("cancel", cancel)).toEqual({ done: 0, skipped: 0, more: false });
    const ids = (await lab.rows("flow")).map(({ id }) => id);
    expect(await engine.bulk("terminate", { ids })).toEqual({ done: 2, skipped: 3, more: false });
    await expect(engine.bulk("explode" as never, {})).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("looks only at runs that can take it, unless a status is asked for", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      if ((await ctx.waitFor("x")) === "fail") throw new Error("as told");
    });
    const engine = await lab.engine({ workflows: [code] });
    const runs: StartedRun[] = [];
    for (const told of ["end", "fail", null]) {
      const run = await engine.start("flow");
      await lab.settle();
      if (told !== null) await run.signal("x", told);
      runs.push(run);
    }
    await lab.settle();
    const statuses = async () => await Promise.all(runs.map(async (run) => (await run.status()).status));
    expect(await statuses()).toEqual(["completed", "failed", "waiting"]);
    const workflow = "flow";
    expect(await engine.bulk("pause", { workflow })).toEqual({ done: 1, skipped: 0, more: false });
    expect(await engine.bulk("retry", { workflow })).toEqual({ done: 1, skipped: 0, more: false });
    await lab.settle();
    expect(await engine.bulk("cancel", { workflow, status: ["completed", "paused"] })).toEqual({
      done: 1,
      skipped: 1,
      more: false,
    });
  });

  it("lets a run go on whose pause nobody has taken up yet", async () => {
    const lab = openLab();
    const idle = await lab.engine({ workflows: [flow(async () => 1)], worker: false });
    const run = await idle.start("flow");
    expect(await idle.bulk("pause", { workflow: "flow" })).toMatchObject({ done: 1 });
    expect(await idle.bulk("resume", { workflow: "flow" })).toMatchObject({ done: 1 });
    await lab.engine({ workflows: [flow(async () => 1)] });
    await lab.pass(2_000);
    expect(await run.result()).toBe(1);
  });

  it("passes over a run for which too many messages wait, and refuses what it cannot mean before it begins", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)], worker: false });
    const [full, other] = [await engine.start("flow"), await engine.start("flow")];
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => full.signal("x", i)));
    expect(await engine.bulk("cancel", { workflow: "flow" })).toEqual({ done: 1, skipped: 1, more: false });
    for (const wrong of [
      { ids: [other.id], workflow: "flow" },
      { ids: [other.id, ""] },
      { ids: other.id as never },
      { ids: [other.id], limit: 0 },
      { status: "done" as never },
    ])
      await expect(engine.bulk("terminate", wrong)).rejects.toMatchObject({ name: "DefinitionError" });
    expect(await lab.store.readInbox([other.id])).toHaveLength(1);
  });
});
