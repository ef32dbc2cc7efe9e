import { type Ctx, type LockOptions, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type Lab, type LabEngine, openLab } from "../support/lab.ts";

type Code = (ctx: Ctx, input: number) => Promise<unknown>;

const flow = (code: Code, name = "flow") => workflow({ name }, code);
const hang = () => new Promise<never>(() => {});

/** Holds the door for ten seconds. */
function visit(seen: string[], options: LockOptions = {}) {
  return flow(async (ctx, input) =>
    ctx.lock("door", options, async (held) => {
      await held.step("in", () => {
        seen.push(`in ${input}`);
      });
      await held.sleep("stay", "10s");
      await held.step("out", () => {
        seen.push(`out ${input}`);
      });
      return input;
    }),
  );
}

/** The story of a visit from its turn on. */
const VISITED = [
  "lock.acquired door.lock",
  "scope.started door",
  "attempt.started door/in #1",
  "step.completed door/in #1",
  "timer.armed door/stay",
  "run.claimed",
  "timer.fired door/stay",
  "attempt.started door/out #1",
  "step.completed door/out #1",
  "lock.released door.lock",
  "scope.completed door",
  "run.completed",
];

/** Starts runs 1, 2, 3 ..., one after the other. */
async function starts(lab: Lab, engine: LabEngine, count: number, name = "flow") {
  const runs = [];
  for (let i = 1; i <= count; i++) {
    runs.push(await engine.start(name, i));
    await lab.settle();
  }
  return runs;
}

const statusOf = async (run: { status(): Promise<{ status: string }> }) => (await run.status()).status;

describe("ctx.lock", () => {
  it("lets one run in at a time, first come, first served", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen)] });
    const [, second] = await starts(lab, engine, 3);
    await lab.pass(40_000, 500);
    expect(seen).toEqual(["in 1", "out 1", "in 2", "out 2", "in 3", "out 3"]);
    expect(await lab.story(second!.id)).toEqual(["run.created", "lock.requested door.lock", "run.claimed", ...VISITED]);
    expect(await second!.result()).toBe(2);
    expect(await engine.locks()).toEqual([]);
  });

  it("lets as many in as it has slots", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen, { slots: 2 })] });
    await starts(lab, engine, 3);
    expect(seen).toEqual(["in 1", "in 2"]);
    await lab.pass(25_000, 500);
    expect(seen.slice(2)).toEqual(["out 1", "out 2", "in 3", "out 3"]);
  });

  it("shows who holds it and who waits", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [visit([])] });
    const at = lab.clock.now();
    const [first, second] = await starts(lab, engine, 2);
    const place = { name: "door", step: "door.lock", requestedAt: at };
    expect(await engine.locks({ name: "door" })).toEqual([
      { ...place, runId: first!.id, grantedAt: at },
      { ...place, runId: second!.id, grantedAt: null },
    ]);
    expect(await engine.locks({ name: "window" })).toEqual([]);
    expect(await engine.locks({ limit: 1 })).toHaveLength(1);
    await expect(engine.locks({ name: "" })).rejects.toMatchObject({ code: "NAME_INVALID" });
    await expect(engine.locks({ limit: 0 })).rejects.toMatchObject({ code: "LIMIT_INVALID" });
  });

  it("is kept by its run when the process dies, and by no other run", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const first = await lab.engine({ workflows: [visit(seen)] });
    await starts(lab, first, 2);
    expect(seen).toEqual(["in 1"]);
    first.kill();
    await lab.pass(8_000, 1_000);
    const second = await lab.engine({ workflows: [visit(seen)] });
    await lab.pass(5_000, 1_000);
    await lab.pass(40_000, 500);
    expect(seen).toEqual(["in 1", "out 1", "in 2", "out 2"]);
    expect(await second.locks()).toEqual([]);
  });

  it("is granted to a run that is in no memory, in another process", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const first = await lab.engine({ workflows: [visit(seen)], worker: { hotRunsMax: 0 } });
    await starts(lab, first, 3);
    const second = await lab.engine({ workflows: [visit(seen)], worker: { hotRunsMax: 0 } });
    await lab.pass(12_000, 500);
    await first.close();
    await lab.pass(40_000, 500);
    expect(seen).toEqual(["in 1", "out 1", "in 2", "out 2", "in 3", "out 3"]);
    expect(await second.locks()).toEqual([]);
  });

  it("is granted at once to a run that stays in memory for a body of its own", async () => {
    const lab = openLab();
    const at: number[] = [];
    const both = flow(async (ctx, input) => {
      const body = ctx.step("body", () => new Promise((resolve) => lab.clock.timer(60_000, () => resolve(1))));
      await ctx.lock("door", {}, async (held) => {
        await held.step("in", () => {
          at.push(lab.clock.now());
        });
        await held.sleep("stay", input === 1 ? "10s" : 0);
      });
      await body;
    });
    const engine = await lab.engine({ workflows: [both] });
    await starts(lab, engine, 2);
    await lab.pass(12_000, 100);
    expect((at[1] as number) - (at[0] as number)).toBeLessThanOrEqual(10_100);
  });

  it("gives up when it is not granted in time, and leaves the line to those behind", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const hurried = flow(
      async (ctx) =>
        ctx.lock("door", { timeout: "3s" }, async () => "in").catch((error) => [error.name, error.code, error.facts]),
      "hurried",
    );
    const engine = await lab.engine({ workflows: [visit(seen), hurried] });
    await starts(lab, engine, 1);
    const [second] = await starts(lab, engine, 1, "hurried");
    const last = await engine.start("flow", 3);
    await lab.pass(5_000, 500);
    expect(await second!.result()).toEqual(["TimeoutError", "LOCK_TIMEOUT", { lock: "door", step: "door.lock" }]);
    expect((await engine.locks()).map(({ runId }) => runId)).toHaveLength(2);
    await lab.pass(20_000, 500);
    expect(await last.result()).toBe(3);
    expect(await lab.story(second!.id)).toEqual([
      "run.created",
      "lock.requested door.lock",
      "run.claimed",
      "lock.expired door.lock",
      "run.completed",
    ]);
  });

  it("is not taken from who was granted it in time, though nobody was there to hear it", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const first = await lab.engine({ workflows: [visit(seen, { timeout: "12s" })] });
    const [, second] = await starts(lab, first, 2);
    const { append } = lab.store;
    lab.store.append = async (write) => {
      const verdict = await append.call(lab.store, write);
      if (write.runs.some(({ events }) => events.some(({ type }) => type === "lock.released"))) first.kill();
      return verdict;
    };
    await lab.pass(11_000, 500);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toMatchObject([{ runId: second!.id }]);
    lab.store.append = append;
    await lab.pass(20_000, 1_000);
    const other = await lab.engine({ workflows: [visit(seen, { timeout: "12s" })] });
    await lab.pass(20_000, 500);
    expect(seen).toEqual(["in 1", "out 1", "in 2", "out 2"]);
    expect(await other.run(second!.id).result()).toBe(2);
  });
});

describe("a lock's place ends", () => {
  it("with a cancel of who waits, also while the run puts something in order", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const tidy = flow(async (ctx) => {
      try {
        await ctx.lock("door", {}, async () => "in");
      } finally {
        await ctx.shield("tidy", async (shielded) => shielded.sleep("long", "1h"));
      }
    }, "tidy");
    const engine = await lab.engine({ workflows: [visit(seen), tidy] });
    await starts(lab, engine, 1);
    const [waiting] = await starts(lab, engine, 1, "tidy");
    const last = await engine.start("flow", 3);
    await lab.settle();
    await waiting!.cancel();
    await lab.settle();
    expect(await statusOf(waiting!)).toBe("waiting");
    expect((await engine.locks()).map(({ runId }) => runId)).not.toContain(waiting!.id);
    await lab.pass(25_000, 500);
    expect(await last.result()).toBe(3);
    expect((await lab.story(waiting!.id)).slice(3, 6)).toEqual([
      "cancel.requested",
      "lock.released door.lock",
      "scope.started tidy",
    ]);
  });

  it("once, with a cancel of who waits that comes together with the end of its time", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [visit([]), { ...visit([], { timeout: "2s" }), name: "hurried" }],
    });
    await starts(lab, engine, 1);
    const [waiting] = await starts(lab, engine, 1, "hurried");
    await lab.pass(1_000);
    const { workAhead } = lab.store;
    let look = () => {};
    const looks = new Promise<void>((resolve) => {
      look = resolve;
    });
    lab.store.workAhead = async (...args) => {
      await looks;
      return await workAhead(...args);
    };
    await lab.pass(2_000);
    await waiting!.cancel();
    look();
    await lab.settle();
    expect((await lab.story(waiting!.id)).slice(2)).toEqual([
      "run.claimed",
      "cancel.requested",
      "lock.released door.lock",
      "run.cancelled",
    ]);
  });

  it("with a cancel of who holds it, once what is within has ended", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen)] });
    const [first, second] = await starts(lab, engine, 2);
    await first!.cancel();
    await lab.settle();
    expect(await statusOf(first!)).toBe("cancelled");
    expect(seen).toEqual(["in 1", "in 2"]);
    expect((await lab.story(first!.id)).slice(-4)).toEqual([
      "cancel.requested",
      "lock.released door.lock",
      "scope.failed door",
      "run.cancelled",
    ]);
    expect(await statusOf(second!)).toBe("waiting");
  });

  it("with the run, however that ends", async () => {
    const ends: Record<string, Code> = {
      failed: async (ctx) => {
        ctx.lock("door", {}, async () => hang());
        await ctx.sleep("nap", "2s");
        throw new Error("no");
      },
      completed: async (ctx) => {
        ctx.lock("door", {}, async (held) => held.sleep("stay", "1h"));
        await ctx.sleep("nap", "2s");
      },
      terminated: async (ctx) => ctx.lock("door", {}, async (held) => held.sleep("stay", "1h")),
    };
    for (const [name, code] of Object.entries(ends)) {
      const lab = openLab();
      const seen: string[] = [];
      const engine = await lab.engine({ workflows: [flow(code, name), visit(seen)] });
      const run = await engine.start(name, 1);
      await lab.settle();
      await engine.start("flow", 2);
      await lab.settle();
      expect(seen, name).toEqual([]);
      if (name === "terminated") await run.terminate();
      await lab.pass(4_000, 500);
      expect(seen, name).toEqual(["in 2"]);
    }
  });

  it("with the scope around its call, held or waited for", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const impatient = flow(async (ctx) => {
      await ctx.scope("try", async (inner) =>
        Promise.race([inner.lock("door", {}, async (held) => held.sleep("stay", "1h")), inner.sleep("patience", "2s")]),
      );
      await ctx.sleep("long", "1d");
    }, "impatient");
    const engine = await lab.engine({ workflows: [impatient, visit(seen)] });
    const [holds, waits] = await starts(lab, engine, 2, "impatient");
    await engine.start("flow", 3);
    await lab.pass(1_000, 500);
    expect(seen).toEqual([]);
    await lab.pass(4_000, 500);
    expect(seen).toEqual(["in 3"]);
    expect((await engine.locks()).map(({ runId }) => runId)).not.toContain(holds!.id);
    expect((await lab.story(waits!.id)).slice(-4)).toEqual([
      "timer.fired try/patience",
      "lock.released try/door.lock",
      "scope.completed try",
      "timer.armed long",
    ]);
  });

  it("with a cancel that comes between the grant and the scope", async () => {
    const lab = openLab();
    const begun: string[] = [];
    const code = flow(async (ctx) => {
      ctx.step("open", hang);
      await ctx.lock("door", {}, async (held) => held.step("in", () => begun.push("in")));
    }, "held");
    const engine = await lab.engine({
      workflows: [visit([]), code],
    });
    await starts(lab, engine, 1);
    const [run] = await starts(lab, engine, 1, "held");
    // While it is paused it is told of the grant, and its code is not.
    await run!.pause();
    await lab.pass(11_000, 500);
    await run!.cancel();
    await lab.settle();
    expect(await statusOf(run!)).toBe("cancelled");
    expect(begun).toEqual([]);
    expect(await engine.locks()).toEqual([]);
  });

  it("when the request was answered after its scope had ended", async () => {
    const lab = openLab();
    const { requestLock } = lab.store;
    let answers: (() => void)[] = [];
    lab.store.requestLock = async (request) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return await requestLock.call(lab.store, request);
    };
    const code = flow(async (ctx) => {
      await ctx.scope("try", async (inner) =>
        Promise.race([inner.lock("door", {}, async () => "in"), inner.sleep("patience", "100ms")]),
      );
      await ctx.sleep("long", "1d");
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow", 1);
    await lab.pass(2_000, 100);
    expect((await lab.story(run.id)).slice(-3)).toEqual([
      "lock.released try/door.lock",
      "scope.completed try",
      "timer.armed long",
    ]);
    expect(await statusOf(run)).toBe("running");
    for (const answer of answers) answer();
    answers = [];
    await lab.pass(2_000, 100);
    expect(await engine.locks()).toEqual([]);
    expect(await statusOf(run)).toBe("waiting");
  });
});

describe("a run that is retried", () => {
  it("asks again for the lock that it lost with its failure, and does all again that it did under it", async () => {
    const lab = openLab();
    const seen: string[] = [];
    let isBroken = true;
    const code = flow(async (ctx) => {
      await ctx.step("before", () => seen.push("before"));
      return await ctx.lock("door", {}, async (held) => {
        await held.step("read", () => seen.push("read"));
        return await held.step(
          "write",
          () => {
            if (isBroken) throw new Error("broken");
            return "written";
          },
          { retry: { attempts: 1 } },
        );
      });
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow", 1);
    await lab.settle();
    expect(await statusOf(run)).toBe("failed");
    expect(await engine.locks()).toEqual([]);
    isBroken = false;
    await run.retry();
    await lab.settle();
    expect(await run.result()).toBe("written");
    expect(seen).toEqual(["before", "read", "read"]);
    const story = await lab.story(run.id);
    expect(story.slice(story.indexOf("run.reopened"))).toEqual([
      "run.reopened",
      "run.claimed",
      "lock.requested door.lock",
      "lock.acquired door.lock",
      "scope.started door",
      "attempt.started door/read #2",
      "step.completed door/read #2",
      "attempt.started door/write #2",
      "step.completed door/write #2",
      "lock.released door.lock",
      "scope.completed door",
      "run.completed",
    ]);
  });

  it("asks again for a lock that it waited for when it was cancelled, and holds it alone", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen)] });
    const [, second] = await starts(lab, engine, 2);
    await second!.cancel();
    await lab.settle();
    await second!.retry();
    await lab.settle();
    await engine.start("flow", 3);
    await lab.pass(45_000, 500);
    expect(seen).toEqual(["in 1", "out 1", "in 2", "out 2", "in 3", "out 3"]);
    const story = await lab.story(second!.id);
    expect(story.slice(story.indexOf("run.reopened"))).toEqual([
      "run.reopened",
      "run.claimed",
      "lock.requested door.lock",
      "run.claimed",
      ...VISITED,
    ]);
  });

  it("asks again for a lock that it did not get in time", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({
      workflows: [visit(seen), { ...visit(seen, { timeout: "2s" }), name: "hurried" }],
    });
    await starts(lab, engine, 1);
    const [run] = await starts(lab, engine, 1, "hurried");
    await lab.pass(12_000, 500);
    expect(await statusOf(run!)).toBe("failed");
    await run!.retry();
    await lab.pass(15_000, 500);
    expect(await statusOf(run!)).toBe("completed");
  });
});

describe("a lock that cannot be", () => {
  it("is refused by the call", async () => {
    const refused = async (name: string, options: LockOptions) => {
      const lab = openLab();
      const engine = await lab.engine({
        workflows: [flow(async (ctx) => ctx.lock(name, options, async () => 1).catch((error) => error.code))],
      });
      const run = await engine.start("flow", 1);
      await lab.settle();
      return await run.result();
    };
    expect(await refused("", {})).toBe("NAME_INVALID");
    expect(await refused("x".repeat(253), {})).toBe("NAME_INVALID");
    expect(await refused("door", { slots: 0 })).toBe("OPTION_INVALID");
    expect(await refused("door", { slots: 1.5 })).toBe("OPTION_INVALID");
    expect(await refused("door", { timeout: "soon" })).toBe("DURATION_INVALID");
  });
});

describe("two runs that want one lock", () => {
  it("never hold it together, though a process dies at any append", async () => {
    for (let append = 1; append <= 12; append++) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const inside = new Set<number>();
        const together: string[] = [];
        const code = flow(async (ctx, input) =>
          ctx.lock("door", {}, async (held) => {
            await held.step("in", () => {
              if ([...inside].some((other) => other !== input)) together.push(`${input} beside ${[...inside]}`);
              inside.add(input);
            });
            await held.sleep("stay", "1s");
            await held.step("out", () => void inside.delete(input));
            return input;
          }),
        );
        const first = await lab.engine({ workflows: [code], dies: { append, moment } });
        const begin = async (engine: LabEngine) => {
          const keys = [1, 2];
          return await Promise.all(keys.map((n) => engine.start("flow", n, { idempotencyKey: `${n}` })));
        };
        begin(first).catch(() => {});
        await lab.pass(6_000, 500);
        first.kill();
        const second = await lab.engine({ workflows: [code] });
        const runs = begin(second);
        await lab.pass(30_000, 1_000);
        const results = await Promise.all((await runs).map((run) => run.result()));
        expect({ results, together }, `${moment} append ${append}`).toEqual({ results: [1, 2], together: [] });
        expect(await second.locks()).toEqual([]);
      }
    }
  });
});
