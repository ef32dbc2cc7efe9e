/** Processes that die in a test engine, and what a test still holds then. */
import { type RunEvent, withEnv, workflow } from "varve";
import { type CrashPoint, hangs, held, takes, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";

interface Bank {
  charge(key: string): string;
}

const { workflow: withBank } = withEnv<Bank>();

const order = withBank({ name: "order" }, async (ctx, id: string) => {
  const payment = await ctx.step("charge", ({ env, idempotencyKey }) => env.charge(idempotencyKey));
  await ctx.sleep("cool-off", "2d");
  const label = await ctx.step("ship", () => `label of ${id}`);
  return { payment, label };
});

/** A bank that knows idempotency keys, and counts how often it was asked. */
function bank() {
  const charges = new Map<string, number>();
  const charge = (key: string) => {
    charges.set(key, (charges.get(key) ?? 0) + 1);
    return `charge ${charges.size}`;
  };
  return { charges, charge };
}

describe("a crash", () => {
  it("in the middle of a body costs an attempt, and the run goes on at the same instant", async () => {
    const charge = held<string>();
    const t = await testEngine({ workflows: [order], env: bank(), steps: { charge } });
    const run = await t.start(order, "o-1");
    const before = t.now();
    await t.crash();
    expect(t.crashes).toBe(1);
    expect(t.now()).toBe(before);
    expect(t.calls("charge")).toMatchObject([
      { attempt: 1, end: null },
      { attempt: 2, end: null },
    ]);
    // The one that died with its process waits no more.
    expect(charge.waiting).toBe(1);
    charge.release("paid");
    expect(await run.result()).toEqual({ payment: "paid", label: "label of o-1" });
    const types = (await run.history()).filter(({ key }) => key === "charge").map(({ type }) => type);
    expect(types).toEqual(["attempt.started", "attempt.interrupted", "attempt.started", "step.completed"]);
    await t.close();
  });

  it("while the run sleeps changes nothing but who goes on with it", async () => {
    const t = await testEngine({ workflows: [order], env: bank() });
    const run = await t.start(order, "o-1");
    await t.advance("1d");
    await t.crash();
    await t.advance("1d");
    expect((await run.status()).status).toBe("completed");
    expect(t.calls().map(({ key, attempt }) => `${key} ${attempt}`)).toEqual(["charge 1", "ship 1"]);
  });

  it("leaves the waits for results good, and listeners and tails as well", async () => {
    const t = await testEngine({ workflows: [order], env: bank() });
    const run = await t.start(order, "o-1");
    const heard: string[] = [];
    const stop = t.on("event", ({ type }) => heard.push(type));
    const tailed: RunEvent[] = [];
    const tail = (async () => {
      for await (const event of t.tail()) {
        tailed.push(event);
        if (event.type === "run.completed") return;
      }
    })();
    const result = run.result();
    await t.crash();
    await result;
    await tail;
    expect(heard.at(-1)).toBe("run.completed");
    expect(heard).toContain("timer.fired");
    expect(tailed).toEqual(await run.history());
    stop();
    await (await t.start(order, "o-2")).result();
    expect(heard.filter((type) => type === "run.completed")).toHaveLength(1);
    const handle = t.run(order, run.id);
    expect((await handle.result()).label).toBe("label of o-1");
  });

  it("refuses a call that nobody can know the end of, and repeats one that is safe to repeat", async () => {
    const t = await testEngine({ workflows: [order], env: bank() });
    const lost = t.start(order, "o-1");
    const kept = t.start(order, "o-2", { idempotencyKey: "o-2" });
    const listed = t.list();
    const crash = t.crash();
    await expect(lost).rejects.toMatchObject({ name: "ClosedError", code: "TEST_PROCESS_DIED" });
    expect((await (await kept).result()).label).toBe("label of o-2");
    expect((await listed).runs.length).toBeLessThan(3);
    await crash;
    expect(t.workflows()).toEqual([{ name: "order", versions: ["1"] }]);
  });

  it("ends a once step, of which nobody knows whether it took effect", async () => {
    const once = workflow({ name: "once" }, async (ctx) => ctx.step("pay", () => 1, { once: true }));
    const t = await testEngine({ workflows: [once], steps: { pay: hangs() } });
    const run = await t.start(once, null);
    await t.crash();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "OUTCOME_UNKNOWN" } });
  });

  it("parks a run that five of them alone have ended, and its result says so", async () => {
    const t = await testEngine({
      workflows: [workflow({ name: "deadly" }, async (ctx) => ctx.step("die", () => 1, { retry: { attempts: 20 } }))],
      steps: { die: hangs() },
    });
    const run = await t.start("deadly");
    for (let i = 0; i < 8; i++) await t.crash();
    await expect(run.result()).rejects.toMatchObject({ name: "VarveError", code: "RUN_POISONED" });
  });
});

describe("a crash at a place", () => {
  const attemptsOf = async (crashes: readonly CrashPoint[]) => {
    const { charges, charge } = bank();
    const t = await testEngine({
      workflows: [order],
      env: { charge },
      steps: { charge: takes("10s"), ship: takes("10s") },
      crashes,
    });
    const run = await t.start(order, "o-1", { idempotencyKey: "o-1" });
    await run.result();
    const attempts = t.calls().map(({ key, attempt, end }) => `${key} ${attempt}${end === null ? " lost" : ""}`);
    await t.close();
    return { attempts, charged: [...charges.values()], crashes: t.crashes };
  };

  it("as a body begins: it has not run", async () => {
    expect(await attemptsOf([{ step: "charge", moment: "begin" }])).toEqual({
      attempts: ["charge 2", "ship 1"],
      charged: [1],
      crashes: 1,
    });
  });

  it("at a wait within a body", async () => {
    expect(await attemptsOf([{ step: "charge", moment: "wait" }])).toEqual({
      attempts: ["charge 1 lost", "charge 2", "ship 1"],
      charged: [1],
      crashes: 1,
    });
  });

  it("when a body has ended, before that is recorded: what it did has happened, and happens again", async () => {
    expect(await attemptsOf([{ step: "charge", moment: "end" }])).toEqual({
      attempts: ["charge 1", "charge 2", "ship 1"],
      charged: [2],
      crashes: 1,
    });
  });

  it("in a later attempt, and at several places", async () => {
    const crashes: CrashPoint[] = [
      { step: "charge", moment: "end" },
      { step: "charge", moment: "begin", attempt: 2 },
      { step: "ship#*", moment: "end" },
    ];
    expect(await attemptsOf(crashes)).toEqual({
      attempts: ["charge 1", "charge 3", "ship 1", "ship 2"],
      charged: [2],
      crashes: 3,
    });
  });

  it("around a write: before it nothing is done, after it all of it is", async () => {
    // The first write records the charge's end and the timer.
    expect(await attemptsOf([{ write: 1, moment: "before" }])).toMatchObject({ charged: [2], crashes: 1 });
    expect(await attemptsOf([{ write: 1, moment: "after" }])).toMatchObject({ charged: [1], crashes: 1 });
  });

  for (const moment of ["before", "after"] as const) {
    it(`${moment} every write in turn: the order is charged under one key, and shipped`, async () => {
      const seen = new Set<string>();
      let write = 1;
      for (; ; write++) {
        const { charges, charge } = bank();
        const t = await testEngine({ workflows: [order], env: { charge }, crashes: [{ write, moment }] });
        const run = await t.start(order, "o-1");
        expect(await run.result(), `write ${write}`).toMatchObject({ label: "label of o-1" });
        expect(charges.size, `write ${write}`).toBe(1);
        await t.close();
        if (t.crashes === 0) break;
        seen.add(
          t
            .calls()
            .map(({ key, attempt }) => `${key} ${attempt}`)
            .join(),
        );
      }
      expect(write).toBeGreaterThan(3);
      if (moment === "before") expect(seen.size).toBeGreaterThan(1);
    });
  }
});
