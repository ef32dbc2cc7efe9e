import { type Ctx, cel, workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import { type Lab, type LabEngine, openLab } from "../support/lab.ts";

interface Input {
  readonly order: string;
}

const MATCH = cel("message.payload.order == run.input.order");

const flow = (code: (ctx: Ctx, input: Input) => Promise<unknown>) => workflow({ name: "flow" }, code);

const waiting = (timeout?: string) =>
  flow(async (ctx) => {
    const options = timeout === undefined ? { match: MATCH } : { match: MATCH, timeout };
    const message = await ctx.waitForMessage("paid", options);
    return message === null ? "too late" : message.id;
  });

const resultOf = async (lab: Lab, engine: LabEngine, id: string) => {
  await lab.pass(2_000);
  const { status, output } = await engine.run(id).status();
  return status === "completed" ? output : status;
};

/** Holds one call of the log until it is let go. */
function heldAt(store: LogStore, site: "requestWait" | "expireWait" | "dispatchMessage" | "publishMessage") {
  const original = store[site].bind(store) as (...args: unknown[]) => Promise<unknown>;
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  (store as unknown as Record<string, unknown>)[site] = async (...args: unknown[]) => {
    await gate;
    return await original(...args);
  };
  return letGo;
}

describe("ctx.waitForMessage", () => {
  it("comes to the message that is meant, and to no other one", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting()] });
    const [a, b] = [await engine.start("flow", { order: "a" }), await engine.start("flow", { order: "b" })];
    await lab.pass(5_000);
    expect((await a.status()).status).toBe("waiting");
    await engine.publish("paid", { order: "b" }, { id: "m-1" });
    await engine.publish("other", { order: "a" }, { id: "m-2" });
    await engine.publish("paid", { order: "a" }, { id: "m-3" });
    await engine.publish("paid", { order: "a" }, { id: "m-4" });
    expect(await resultOf(lab, engine, a.id)).toBe("m-3");
    expect(await resultOf(lab, engine, b.id)).toBe("m-1");
    expect((await engine.message("paid", "m-3")).decisions).toEqual([
      { subject: "paid", decision: "woke", reason: null, runId: a.id },
    ]);
    expect((await engine.message("paid", "m-4")).decisions).toEqual([]);
    expect(await lab.story(a.id)).toEqual([
      ...["run.created", "message.awaited paid", "run.claimed", "message.received paid", "run.completed"],
    ]);
  });

  it("gives the whole message, and one message to every call that means it", async () => {
    const lab = openLab();
    const both = flow(async (ctx) => {
      const calls = [ctx.waitForMessage("paid"), ctx.waitForMessage("paid", { match: cel("message.at == 77") })];
      return await Promise.all(calls);
    });
    const engine = await lab.engine({ workflows: [both] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(1_000);
    await engine.publish("paid", new Map([["k", 1n]]), { id: "m", at: 77, tags: { t: "x" } });
    const message = { topic: "paid", id: "m", at: 77, tags: { t: "x" }, payload: new Map([["k", 1n]]) };
    expect(await resultOf(lab, engine, run.id)).toEqual([message, message]);
  });

  it("comes to null when its time is over", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting("1m")] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(61_000, 1_000);
    await engine.publish("paid", { order: "a" }, { id: "late" });
    expect(await resultOf(lab, engine, run.id)).toBe("too late");
    expect((await engine.message("paid", "late")).decisions).toEqual([]);
  });

  it("looks back with since, the earliest first, and never at what the run was given before", async () => {
    const lab = openLab();
    const twice = flow(async (ctx, { order }) => {
      const since = Number(order);
      const first = await ctx.waitForMessage("paid", { since });
      const second = await ctx.waitForMessage("paid", { since });
      const third = await ctx.waitForMessage("paid", { since, timeout: "1s" });
      return [first.id, second.id, third];
    });
    const engine = await lab.engine({ workflows: [twice] });
    for (const [id, at] of [
      ["m-1", 10],
      ["m-2", 20],
      ["m-3", 30],
    ] as const)
      await engine.publish("paid", id, { id, at });
    const run = await engine.start("flow", { order: "20" });
    await lab.pass(5_000);
    expect(await resultOf(lab, engine, run.id)).toEqual(["m-2", "m-3", null]);
  });

  it("without since sees no message from before", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting("1s")] });
    await engine.publish("paid", { order: "a" });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(3_000);
    expect(await resultOf(lab, engine, run.id)).toBe("too late");
  });

  it.each([
    [{ topic: "a b" }, "TOPIC_INVALID"],
    [{ topic: "a.*" }, "TOPIC_INVALID"],
    [{ match: cel("message.payload.order = 1") }, "EXPRESSION_INVALID"],
    [{ match: cel("event.a == 1") }, "EXPRESSION_INVALID"],
    [{ match: "message.payload.order == 1" }, "EXPRESSION_INVALID"],
    [{ match: { text: "message.payload.order == 1" } }, "EXPRESSION_INVALID"],
    [{ match: () => true }, "EXPRESSION_INVALID"],
    [{ timeout: "soon" }, "DURATION_INVALID"],
    [{ since: Number.NaN }, "OPTION_INVALID"],
  ] as const)("is refused with %j: %s", async (bad, code) => {
    const lab = openLab();
    const { topic = "paid", ...options } = bad as { topic?: string };
    const engine = await lab.engine({ workflows: [flow((ctx) => ctx.waitForMessage(topic, options as never))] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(500);
    expect((await run.status()).error).toMatchObject({ code });
  });

  it.each([
    [
      "message.id == 'm'",
      /match of the wait for a message on "paid" .*found "message\.id == 'm'".*: write cel\("message/,
    ],
    [() => true, /found function; any process may have to decide it/],
  ])("says what to write in place of %s", async (match, expected) => {
    const lab = openLab();
    const code = flow((ctx) => ctx.waitForMessage("paid", { match: match as never }));
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(500);
    expect((await run.status()).error?.message).toMatch(expected);
  });

  it("keeps its expression as the text that was written", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting()] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(1_000);
    const asked = (await lab.history(run.id)).find(({ type }) => type === "message.awaited");
    expect(asked?.data).toEqual({ topic: "paid", match: "message.payload.order == run.input.order" });
  });

  it("ends with its run: a cancel leaves no wait behind", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting()] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(1_000);
    await run.cancel();
    await lab.pass(1_000);
    await engine.publish("paid", { order: "a" }, { id: "m" });
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect((await engine.message("paid", "m")).decisions).toEqual([]);
  });

  it("waits again after a retry, from then on", async () => {
    const lab = openLab();
    let fails = true;
    const code = flow(async (ctx) => {
      const first = await ctx.waitForMessage("paid");
      return await ctx.step(
        "work",
        () => {
          if (fails) throw new Error("no");
          return first.id;
        },
        { retry: { attempts: 1 } },
      );
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(1_000);
    await engine.publish("paid", 1, { id: "m-1" });
    await lab.pass(1_000);
    expect((await run.status()).status).toBe("failed");
    fails = false;
    await run.retry();
    expect(await resultOf(lab, engine, run.id)).toBe("m-1");
  });
});

describe("who comes first at a wait", () => {
  const outcomes = async (lab: Lab, engine: LabEngine, id: string) => {
    const result = await resultOf(lab, engine, id);
    const history = await lab.history(id);
    const ends = history.filter(({ type }) => type === "message.received" || type === "message.expired");
    expect(ends).toHaveLength(1);
    const woke = (await engine.message("paid", "m")).decisions.filter(({ decision }) => decision === "woke");
    // What the log says became of the message is what the run has seen.
    expect(woke.length).toBe(result === "m" ? 1 : 0);
    return result;
  };

  const parkedRun = async (timeout = "1m") => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [waiting(timeout)] });
    const run = await engine.start("flow", { order: "a" });
    await lab.pass(1_000);
    return { lab, engine, run };
  };

  it("a message that is dispatched while the time-out is on its way to the log wins", async () => {
    const { lab, engine, run } = await parkedRun();
    const letGo = heldAt(lab.store, "expireWait");
    await lab.pass(60_000, 1_000);
    await engine.publish("paid", { order: "a" }, { id: "m" });
    await lab.settle();
    letGo();
    expect(await outcomes(lab, engine, run.id)).toBe("m");
  });

  it("a time-out that the log has while the message is being dispatched wins", async () => {
    const { lab, engine, run } = await parkedRun();
    const letGo = heldAt(lab.store, "dispatchMessage");
    await engine.publish("paid", { order: "a" }, { id: "m" });
    await lab.pass(62_000, 1_000);
    letGo();
    await lab.pass(1_000);
    expect(await outcomes(lab, engine, run.id)).toBe("too late");
  });

  it("a time-out that the log has when its worker stops before it is told, is told to the next one", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [waiting("1m")], worker: false });
    const worker = await first.work();
    const run = await first.start("flow", { order: "a" });
    await lab.pass(1_000);
    const { expireWait } = lab.store;
    lab.store.expireWait = async (...args) => {
      await expireWait(...args);
      return await new Promise<never>(() => {});
    };
    await lab.pass(60_000, 1_000);
    lab.store.expireWait = expireWait;
    const stopped = worker.stop({ deadline: "1s" });
    await lab.pass(3_000);
    await stopped;
    const second = await lab.engine({ workflows: [waiting("1m")] });
    await lab.pass(5_000);
    expect(await resultOf(lab, second, run.id)).toBe("too late");
  });

  it.each(["requestWait", "publishMessage"] as const)(
    "with since, a message is not missed when %s comes second",
    async (second) => {
      const lab = openLab();
      const since = flow(async (ctx) => (await ctx.waitForMessage("paid", { since: 0 })).id);
      const engine = await lab.engine({ workflows: [since] });
      const letGo = heldAt(lab.store, second);
      const run = await engine.start("flow", { order: "a" });
      const published = engine.publish("paid", { order: "a" }, { id: "m" });
      await lab.settle();
      letGo();
      await published;
      await lab.pass(3_000);
      expect(await outcomes(lab, engine, run.id)).toBe("m");
    },
  );

  it("of two messages one is given", async () => {
    const { lab, engine, run } = await parkedRun();
    await Promise.all([
      engine.publish("paid", { order: "a" }, { id: "m" }),
      engine.publish("paid", { order: "a" }, { id: "n" }),
    ]);
    expect(await outcomes(lab, engine, run.id)).toBe("m");
    expect((await engine.message("paid", "n")).decisions).toEqual([]);
  });
});

describe("a run that waits for messages", () => {
  /** Two waits, one after the other; published while it waits. */
  const code = () =>
    flow(async (ctx) => {
      const first = await ctx.waitForMessage("paid", { match: MATCH, since: 0 });
      await ctx.step("note", () => first.id);
      const second = await ctx.waitForMessage("paid", { match: MATCH, timeout: "5s", since: 0 });
      return [first.id, second?.id ?? null];
    });

  const SITES = ["append", "requestWait", "giveMessage", "expireWait", "lookBack", "dispatchMessage"] as const;

  it.each(
    SITES.flatMap(
      (site) =>
        [
          [site, "dies before"],
          [site, "dies after"],
          [site, "fails"],
        ] as const,
    ),
  )("comes to the same when %s %s its effect, whichever call it is", async (site, how) => {
    for (let nth = 1; nth <= 5; nth++) {
      const lab = openLab();
      const original = lab.store[site].bind(lab.store) as (...args: unknown[]) => Promise<unknown>;
      let calls = 0;
      let engine: LabEngine;
      (lab.store as unknown as Record<string, unknown>)[site] = async (...args: unknown[]) => {
        if (++calls !== nth) return await original(...args);
        if (how === "dies after") await original(...args);
        if (how === "fails") {
          const { StoreError } = await import("../../src/kernel/errors.ts");
          throw new StoreError("STORE_UNAVAILABLE", "no answer came", { retry: true });
        }
        setImmediate(() => engine.kill());
        return await new Promise<never>(() => {});
      };
      const workflows = [code()];
      engine = await lab.engine({ workflows });
      // The client tries again, whatever happens to a process.
      const publish = async (id: string) => {
        for (;;) {
          const current = engine;
          const done = current.publish("paid", { order: "a" }, { id }).then(
            () => true,
            () => false,
          );
          await lab.settle();
          const isDone = await Promise.race([done, lab.settle().then(() => false)]);
          if (current.isDead) engine = await lab.engine({ workflows });
          if (isDone) return;
        }
      };
      await publish("m-0");
      for (let tries = 0; tries < 3; tries++) {
        const current = engine;
        const begun = current.start("flow", { order: "a" }, { idempotencyKey: "k" }).then(() => true);
        await lab.settle();
        if (current.isDead) engine = await lab.engine({ workflows });
        else if (await Promise.race([begun, lab.settle().then(() => false)])) break;
      }
      await lab.pass(1_000);
      await publish("m-1");
      await lab.pass(40_000, 1_000);
      if (engine.isDead) engine = await lab.engine({ workflows });
      await lab.pass(40_000, 1_000);
      const [row] = await lab.rows("flow");
      expect([nth, (await engine.run(row?.id as string).status()).output]).toEqual([nth, ["m-0", "m-1"]]);
      await lab.history(row?.id as string);
    }
  });
});
