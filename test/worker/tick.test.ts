import { type Ctx, StoreError, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type Lab, openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);
const hang = () => new Promise<never>(() => {});
const down = () => new StoreError("STORE_UNAVAILABLE", "down", { retry: true });

/** A promise and what settles it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

/** Lets a call of the store through once the returned function is called. Counts the calls. */
function holdUp(lab: Lab, method: "workAhead") {
  const call = lab.store[method].bind(lab.store);
  const state = { calls: 0, hold: Promise.resolve() };
  lab.store[method] = async (...args) => {
    state.calls++;
    await state.hold;
    // As a real store, it never answers within the turn: a loop over it is seen, and does not hold the thread.
    await new Promise<void>((resolve) => setImmediate(resolve));
    return await call(...args);
  };
  return state;
}

describe("a tick", () => {
  it("ends when its last run has, also if a look at the queue is under way then", async () => {
    const lab = openLab();
    const body = gate();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.step("body", () => body.opened))],
      worker: false,
    });
    const run = await engine.start("flow");
    const looks = holdUp(lab, "workAhead");
    const ticking = engine.tick({ budgetMs: 10_000 });
    await lab.settle();
    const look = gate();
    looks.hold = look.opened;
    // The next poll finds the store slow.
    const before = looks.calls;
    lab.clock.advance(30);
    await lab.settle();
    expect(looks.calls).toBe(before + 1);
    body.open();
    await lab.settle();
    expect((await run.status()).status).toBe("completed");
    look.open();
    await lab.settle();
    expect(looks.calls).toBeLessThan(before + 5);
    expect(await ticking).toEqual({ more: false, nextAt: null });
  });

  it("leaves no worker behind, but for one that still owns something", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.step("body", () => 1))], worker: false });
    for (let i = 0; i < 3; i++) {
      await engine.start("flow");
      await engine.tick({ budgetMs: 1_000 });
    }
    expect((await lab.rows("flow")).map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
    expect(await lab.store.listWorkers()).toEqual([]);
  });

  it("hands back what it could not finish, as no unclean claim, and a body that is cut off is no lost attempt", async () => {
    const lab = openLab();
    const attempts: number[] = [];
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) =>
          ctx.step("body", ({ attempt }) => (attempts.push(attempt) < 8 ? hang() : attempt), {
            retry: { attempts: 1 },
          }),
        ),
      ],
      worker: false,
    });
    const run = await engine.start("flow");
    for (let i = 1; i < 8; i++) {
      const ticking = engine.tick({ budgetMs: 2_000 });
      await lab.pass(2_500);
      expect(await ticking).toEqual({ more: true, nextAt: expect.any(Number) });
      expect(await lab.rows("flow")).toMatchObject([{ status: "pending", owner: null, unclean: 0 }]);
    }
    await engine.tick({ budgetMs: 2_000 });
    expect(await run.result()).toBe(8);
  });

  it("begins no attempt that cannot end in what is left of the budget, and says which never can", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          await ctx.step("long", () => 1, { timeout: "30s" });
          return "done";
        }),
      ],
      worker: false,
    });
    const run = await engine.start("flow");
    const nextAt = lab.clock.now() + 1_000;
    expect(await engine.tick({ budgetMs: 10_000 })).toEqual({ more: false, nextAt });
    expect(await lab.story(run.id)).toEqual(["run.created"]);
    expect(await lab.rows("flow")).toMatchObject([{ status: "pending", owner: null, unclean: 0 }]);
    expect(engine.lines).toMatchObject([
      { level: "warn", fields: { where: expect.stringContaining('"long"'), timeoutMs: 30_000, budgetMs: 10_000 } },
    ]);
    lab.clock.advance(1_000);
    expect(await engine.tick({ budgetMs: 31_000 })).toEqual({ more: false, nextAt: null });
    expect(await run.result()).toBe("done");
    expect(engine.lines).toHaveLength(1);
  });

  it("says when the lease of a dead isolate ends, also if its run has become a suspect, and takes that alone", async () => {
    const lab = openLab();
    const deadly = flow(async (ctx) => ctx.step("deadly", hang));
    const first = await lab.engine({ workflows: [deadly], worker: false });
    const run = await first.start("flow");
    // Isolates that end without a word, twice.
    for (let death = 1; death <= 2; death++) {
      const isolate = await lab.engine({ workflows: [deadly], worker: false });
      const ticking = isolate.tick({ budgetMs: 1_000 });
      await lab.settle();
      isolate.kill();
      ticking.catch(() => {});
      const { nextAt } = await first.tick({ budgetMs: 1_000 });
      // The dead one's lease: its budget and a margin.
      expect(nextAt).toBe(lab.clock.now() + 3_000);
      lab.clock.advance(3_000);
    }
    const healthy = flow(async () => "fine");
    const engine = await lab.engine({ workflows: [healthy], worker: false });
    await engine.start("flow");
    expect(await lab.rows("flow")).toMatchObject([{ status: "pending" }, { status: "running", unclean: 2 }]);
    expect(await engine.tick({ budgetMs: 1_000 })).toEqual({ more: false, nextAt: null });
    // Other code than that which wrote the history: it is stuck, and that is not its neighbour's matter.
    expect((await lab.rows("flow")).map(({ status }) => status).sort()).toEqual(["completed", "stuck"]);
    expect((await run.status()).stuck).toMatchObject({ code: "REPLAY_DIVERGED" });
  });
});

describe("a claim", () => {
  it("whose runs cannot be loaded is given back, and is no unclean one", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [flow(async (ctx) => ctx.step("body", () => 1))], worker: false });
    const run = await starter.start("flow");
    const load = lab.store.load.bind(lab.store);
    let failures = 2;
    lab.store.load = async (claims) => {
      if (failures-- > 0) throw down();
      return await load(claims);
    };
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.step("body", () => 1))] });
    await lab.settle();
    expect(await lab.rows("flow")).toMatchObject([{ status: "pending", owner: null, unclean: 0 }]);
    await lab.pass(2_000);
    expect(await run.result()).toBe(1);
    expect(engine.lines.map(({ level }) => level)).toEqual(["warn", "warn"]);
  });
});
