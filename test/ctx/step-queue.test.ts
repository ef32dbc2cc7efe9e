import { type Ctx, type StepOptions, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";

const QUEUES = { api: { concurrency: 2 }, one: { concurrency: 1 } };

/** A place to run steps in that last a second each, and that notices how many run at once. */
function place() {
  const lab = openLab();
  const seen = { running: 0, most: 0, done: [] as number[] };
  const work = async (n: number) => {
    seen.running++;
    seen.most = Math.max(seen.most, seen.running);
    await new Promise<void>((resolve) => lab.clock.timer(1_000, resolve));
    seen.running--;
    seen.done.push(n);
    return n;
  };
  const flow = (options: StepOptions, more?: (ctx: Ctx, n: number) => Promise<unknown>) =>
    workflow({ name: "flow" }, async (ctx, n: number) => {
      await more?.(ctx, n);
      return ctx.step("call", () => work(n), options);
    });
  return { lab, seen, work, flow };
}

const statuses = async (runs: readonly { status(): Promise<{ status: string }> }[]) =>
  await Promise.all(runs.map(async (run) => (await run.status()).status));

describe("the queue of a step at run time", () => {
  it("is listed, paused, resumed and resized, and a step that waits for it says why", async () => {
    const { lab, seen, flow } = place();
    const engine = await lab.engine({ workflows: [flow({ queue: "one" })], queues: QUEUES });
    await engine.queues.pause("one");
    const runs = [];
    for (let n = 0; n < 5; n++) runs.push(await engine.start("flow", n));
    await lab.pass(2_000);
    expect(seen.done).toEqual([]);
    expect(await statuses(runs)).toEqual(runs.map(() => "waiting"));
    expect(await engine.queues.list()).toEqual([
      {
        name: "api",
        concurrency: 2,
        defined: 2,
        paused: false,
        held: 0,
        waiting: 0,
        steps: { held: 0, waiting: 0 },
        workers: 1,
      },
      {
        name: "one",
        concurrency: 1,
        defined: 1,
        paused: true,
        held: 0,
        waiting: 0,
        steps: { held: 0, waiting: 5 },
        workers: 1,
      },
    ]);
    expect((await runs[1]?.why())?.waitsFor).toMatchObject([
      {
        ...{ kind: "slot", key: "call", name: "queue/one", slots: 0, position: 2, holders: [] },
        text: '"call" waits for a slot of queue/one, which is paused',
        hint: "resume it: varve queues resume one",
      },
    ]);
    await engine.queues.resume("one");
    await lab.pass(1_500);
    expect(seen).toMatchObject({ most: 1, done: [0] });
    expect((await runs[2]?.why())?.waitsFor).toMatchObject([
      { kind: "slot", slots: 1, position: 1, holders: [runs[1]?.id] },
    ]);
    expect(await engine.queues.set("one", { concurrency: 3 })).toMatchObject({ steps: { held: 3, waiting: 1 } });
    await lab.pass(2_000);
    expect(seen).toMatchObject({ most: 3, done: expect.arrayContaining([0, 1, 2, 3]) });
    await lab.pass(2_000);
    expect(await statuses(runs)).toEqual(runs.map(() => "completed"));
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it("that is paused lets the attempt that has a slot end, and no other begin", async () => {
    const { lab, seen, flow } = place();
    const engine = await lab.engine({ workflows: [flow({ queue: "one" })], queues: QUEUES });
    for (let n = 0; n < 2; n++) await engine.start("flow", n);
    await lab.pass(500);
    await engine.queues.pause("one");
    await lab.pass(5_000);
    expect(seen.done).toEqual([0]);
  });
});

describe("the priority of a step", () => {
  it("goes before others in its queue, and waiting makes up for it", async () => {
    const { lab, seen, work } = place();
    const ranked = workflow({ name: "flow" }, (ctx, n: number) =>
      ctx.step("call", () => work(n), { queue: { name: "one", priority: n === 9 ? 1 : 0 } }),
    );
    const engine = await lab.engine({ workflows: [ranked], queues: QUEUES });
    await engine.queues.pause("one");
    await engine.start("flow", 0);
    await lab.pass(61_000);
    for (const n of [1, 9]) await engine.start("flow", n);
    await lab.pass(1_000);
    await engine.queues.resume("one");
    await lab.pass(5_000);
    expect(seen.done).toEqual([0, 9, 1]);
  });

  it("is refused when it is none", async () => {
    const { lab, work } = place();
    const wrong = workflow({ name: "flow" }, (ctx) =>
      ctx.step("call", () => work(1), { queue: { name: "one", priority: 0.5 } }),
    );
    const engine = await lab.engine({ workflows: [wrong], queues: QUEUES });
    const run = await engine.start("flow", 1);
    await lab.pass(1_000);
    expect((await run.status()).error).toMatchObject({
      message: expect.stringContaining('the priority in the queue of step "call"'),
    });
  });
});

describe("a step with a queue", () => {
  it("runs when it has a slot; runs that wait for one hold no worker", async () => {
    const { lab, seen, flow } = place();
    const engine = await lab.engine({ workflows: [flow({ queue: "api" })], queues: QUEUES });
    const runs = [];
    for (let n = 0; n < 6; n++) runs.push(await engine.start("flow", n));
    await lab.pass(500);
    expect((await lab.rows("flow")).filter(({ owner }) => owner !== null)).toHaveLength(2);
    expect(await statuses(runs)).toEqual(["running", "running", "waiting", "waiting", "waiting", "waiting"]);
    await lab.pass(4_000);
    expect(seen).toMatchObject({ most: 2, done: [0, 1, 2, 3, 4, 5] });
    expect(await statuses(runs)).toEqual(runs.map(() => "completed"));
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it("has slots for each key", async () => {
    const { lab, seen, work } = place();
    const keyed = workflow({ name: "flow" }, (ctx, n: number) =>
      ctx.step("call", () => work(n), { queue: { name: "one", key: `k${n % 2}` } }),
    );
    const engine = await lab.engine({ workflows: [keyed], queues: QUEUES });
    for (let n = 0; n < 4; n++) await engine.start("flow", n);
    await lab.pass(1_500);
    expect(seen).toMatchObject({ most: 2, done: [0, 1] });
  });

  it("gives its slot back when its breaker refuses it", async () => {
    const { lab } = place();
    const breaker = { name: "b", failures: 1, window: "1m", resetAfter: "1h" } as const;
    const refused = workflow({ name: "flow" }, async (ctx) => {
      const fail = () => {
        throw new Error("it is down");
      };
      for (const name of ["first", "second"]) {
        await ctx.step(name, fail, { queue: "one", breaker, retry: { attempts: 1 } }).catch(() => null);
      }
      await ctx.sleep("rest", "1h");
    });
    const engine = await lab.engine({ workflows: [refused], queues: QUEUES });
    const run = await engine.start("flow", 0);
    await lab.pass(2_000);
    expect((await run.history()).filter(({ type }) => type === "attempt.started")).toHaveLength(1);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it("holds no slot while it waits for its next attempt", async () => {
    const { lab, seen, work } = place();
    let fails = 1;
    const failing = workflow({ name: "flow" }, (ctx, n: number) =>
      ctx.step(
        "call",
        async () => {
          if (n === 0 && fails-- > 0) throw new Error("not yet");
          return await work(n);
        },
        { queue: "one", retry: { initial: "5s", jitter: "none" } },
      ),
    );
    const engine = await lab.engine({ workflows: [failing], queues: QUEUES });
    for (let n = 0; n < 3; n++) await engine.start("flow", n);
    await lab.pass(3_000);
    expect(seen.done).toEqual([1, 2]);
    await lab.pass(5_000);
    expect(seen).toMatchObject({ most: 1, done: [1, 2, 0] });
  });

  it("keeps its slot through the death of its worker, until the next one has taken the run over", async () => {
    const { lab, seen, flow } = place();
    const setup = { workflows: [flow({ queue: "one" })], queues: QUEUES };
    const first = await lab.engine(setup);
    const runs = [await first.start("flow", 0), await first.start("flow", 1)];
    await lab.pass(500);
    first.kill();
    const second = await lab.engine(setup);
    await lab.pass(10_000);
    // The first body went on in the dead process; the second run has not begun.
    expect(seen.done).toEqual([0]);
    await lab.pass(20_000);
    expect(await statuses(runs.map(({ id }) => second.run(id)))).toEqual(["completed", "completed"]);
    expect(seen.most).toBe(1);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it.each([
    ["has its result from the cache", { cache: { key: "k", ttl: "1h" } }],
    ["is past its deadline", { deadline: "5s" }],
  ] as const)("that %s by the time it is taken over leaves the line", async (_, options) => {
    const { lab, seen, work } = place();
    const flow = workflow({ name: "flow" }, async (ctx, role: "first" | "waiting" | "caching") => {
      const isWaiting = role === "waiting";
      const retry = { initial: "1s", jitter: "none" } as const;
      const body = async (n: number, attempt: number) => {
        // The holder gets the slot between the two attempts.
        if (isWaiting && attempt === 1 && "deadline" in options) throw new Error("not yet");
        return await work(n);
      };
      if (role === "first") await ctx.step("hold", () => new Promise(() => {}), { queue: "one" });
      else
        await ctx
          .step("call", ({ attempt }) => body(1, attempt), { ...options, retry, ...(isWaiting && { queue: "one" }) })
          .catch(() => {});
      await ctx.sleep("after", "1h");
    });
    const setup = { workflows: [flow], queues: QUEUES };
    const first = await lab.engine(setup);
    if ("deadline" in options) await first.start("flow", "waiting");
    await lab.pass(200);
    await first.start("flow", "first");
    await lab.pass(200);
    if ("cache" in options) await first.start("flow", "waiting");
    await lab.pass(1_500);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toHaveLength(2);
    first.kill();
    const second = await lab.engine({ ...setup, workflows: [flow] });
    await second.start("flow", "caching");
    await lab.pass(60_000);
    expect(seen.done).toEqual([1]);
    const places = await lab.store.listLocks({ name: null, limit: 9 });
    expect(places.map(({ key }) => key)).toEqual(["hold@2"]);
  });

  it("is handed back when its worker stops, though it was let in before the answer that told it to wait", async () => {
    const { lab, seen, flow } = place();
    const workflows = [flow({ queue: "one" })];
    const first = await lab.engine({ workflows, queues: QUEUES, worker: false });
    const worker = await first.work();
    await first.start("flow", 0);
    await lab.pass(200);
    const requestLock = lab.store.requestLock.bind(lab.store);
    let answer = () => {};
    lab.store.requestLock = async (request) => {
      const verdict = await requestLock(request);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return verdict;
    };
    const run = await first.start("flow", 1);
    // The first one ends, and with it the wait of the second, which does not know that it waits.
    await lab.pass(1_200);
    expect(seen.running).toBe(1);
    answer();
    lab.store.requestLock = requestLock;
    await lab.settle();
    const stopped = worker.stop({ deadline: "100ms" });
    await lab.pass(500);
    await stopped;
    const second = await lab.engine({ workflows, queues: QUEUES });
    await lab.pass(5_000);
    expect(await statuses([second.run(run.id)])).toEqual(["completed"]);
  });

  it("leaves the line when its run is cancelled, and lets go of its slot", async () => {
    const { lab, seen, flow } = place();
    const engine = await lab.engine({ workflows: [flow({ queue: "one" })], queues: QUEUES });
    const runs = [];
    for (let n = 0; n < 3; n++) runs.push(await engine.start("flow", n));
    await lab.pass(200);
    await runs[1]?.cancel();
    await runs[0]?.cancel();
    await lab.pass(2_000);
    expect(await statuses(runs)).toEqual(["cancelled", "cancelled", "completed"]);
    expect(seen.done).toContain(2);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it("in a scope that ends without it leaves the line", async () => {
    const { lab, work } = place();
    const race = workflow({ name: "flow" }, async (ctx, n: number) => {
      await ctx.scope("race", (scope) =>
        Promise.race([scope.step("call", () => work(n), { queue: "one" }), scope.sleep("patience", "300ms")]),
      );
      await ctx.sleep("after", "1h");
    });
    const engine = await lab.engine({ workflows: [race], queues: QUEUES });
    for (let n = 0; n < 3; n++) await engine.start("flow", n);
    await lab.pass(3_000);
    expect(await lab.store.listLocks({ name: null, limit: 9 })).toEqual([]);
  });

  it("that waits is told by why", async () => {
    const { lab, flow } = place();
    const engine = await lab.engine({ workflows: [flow({ queue: "one" })], queues: QUEUES });
    const runs = [await engine.start("flow", 0), await engine.start("flow", 1)];
    await lab.pass(500);
    expect((await runs[1]?.why())?.waitsFor).toMatchObject([
      { kind: "slot", name: "queue/one", key: "call", holders: [runs[0]?.id], position: 1 },
    ]);
  });

  it("that nobody has defined is refused, and a lock cannot be named like one", async () => {
    const { lab, flow } = place();
    const locking = workflow({ name: "locking" }, (ctx) => ctx.lock("queue/one", {}, async () => 1));
    const engine = await lab.engine({ workflows: [flow({ queue: "none" }), locking], queues: QUEUES });
    const runs = [await engine.start("flow", 0), await engine.start("locking", 0)];
    await lab.pass(500);
    const codes = await Promise.all(runs.map(async (run) => ((await run.status()).error as { code?: string }).code));
    expect(codes).toEqual(["QUEUE_UNKNOWN", "LOCK_INVALID"]);
  });
});
