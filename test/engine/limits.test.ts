import { type Ctx, cel, workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { RunRules } from "../../src/kernel/run-rules.ts";
import { type Lab, openLab } from "../support/lab.ts";

interface Input {
  readonly customer: string;
  readonly n: number;
}

/** A workflow that says when it begins and ends, and works for ten seconds in between. */
function visit(seen: string[], rules: RunRules<Input>, more?: (ctx: Ctx, input: Input) => Promise<unknown>) {
  return workflow({ name: "visit", ...rules }, async (ctx, input: Input) => {
    await ctx.step("in", () => void seen.push(`in ${input.customer}${input.n}`));
    await (more ?? ((at: Ctx) => at.sleep("stay", "10s")))(ctx, input);
    await ctx.step("out", () => void seen.push(`out ${input.customer}${input.n}`));
    return input.n;
  });
}

const customers = (...names: string[]): Input[] => names.map((customer, n) => ({ customer, n: n + 1 }));

async function starts(lab: Lab, engine: Awaited<ReturnType<Lab["engine"]>>, inputs: readonly Input[]) {
  const runs = [];
  for (const input of inputs) {
    runs.push(await engine.start("visit", input));
    await lab.settle();
  }
  return runs;
}

describe("limits of runs", () => {
  it("maxActiveRuns lets so many begin, and one more for each that ends; a run that waits keeps its place", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen, { maxActiveRuns: 2 })] });
    const runs = await starts(lab, engine, customers("a", "b", "c", "d"));
    await lab.pass(5_000);
    expect(seen).toEqual(["in a1", "in b2"]);
    expect((await runs[0]?.status())?.status).toBe("waiting");
    expect((await runs[2]?.status())?.status).toBe("pending");
    await lab.pass(6_000);
    expect(seen).toEqual(["in a1", "in b2", "out a1", "out b2", "in c3", "in d4"]);
    await lab.pass(10_000);
    expect(await Promise.all(runs.map(async (run) => (await run.status()).status))).toEqual(
      Array.from({ length: 4 }, () => "completed"),
    );
  });

  it("a concurrency key holds back those that share it and nobody else", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const rules = { concurrency: { key: (input: Input) => input.customer, limit: 1 } };
    const engine = await lab.engine({ workflows: [visit(seen, rules)] });
    await starts(lab, engine, customers("a", "a", "b"));
    await lab.pass(5_000);
    expect(seen).toEqual(["in a1", "in b3"]);
    await lab.pass(6_000);
    expect(seen).toEqual(["in a1", "in b3", "out a1", "out b3", "in a2"]);
  });

  it("a queue's place is given back by a run that waits, and is taken before new runs when it is woken", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const definition = visit(seen, { queue: "heavy" });
    const engine = await lab.engine({ workflows: [definition], queues: { heavy: { concurrency: 1 } } });
    await starts(lab, engine, customers("a", "b"));
    await lab.pass(5_000);
    expect(seen).toEqual(["in a1", "in b2"]);
    await lab.pass(6_000);
    expect(seen).toEqual(["in a1", "in b2", "out a1", "out b2"]);
  });

  it("a queue is shared by workflows, and works on so many at once", async () => {
    const lab = openLab();
    let running = 0;
    let most = 0;
    const body = async () => {
      running++;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => lab.clock.timer(1_000, resolve));
      running--;
    };
    const both = ["x", "y"].map((name) => workflow({ name, queue: "q" }, (ctx) => ctx.step("work", body)));
    const engine = await lab.engine({ workflows: both, queues: { q: { concurrency: 3 } } });
    const runs = [];
    for (let i = 0; i < 10; i++) runs.push(await engine.start(i % 2 === 0 ? "x" : "y", null));
    await lab.pass(6_000);
    expect(most).toBe(3);
    expect(await Promise.all(runs.map(async (run) => (await run.status()).status))).toEqual(
      runs.map(() => "completed"),
    );
  });

  it("priority goes before, and waiting makes up for it", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const rules = { maxActiveRuns: 1, priority: ({ n }: Input) => (n === 9 ? 1 : 0) };
    const engine = await lab.engine({ workflows: [visit(seen, rules)] });
    await starts(lab, engine, [...customers("a", "b"), { customer: "c", n: 9 }]);
    await engine.start("visit", { customer: "d", n: 4 }, { priority: 2 });
    await lab.pass(45_000);
    expect(seen.filter((line) => line.startsWith("in"))).toEqual(["in a1", "in d4", "in c9", "in b2"]);
  });

  it("a delayed run gets in line when it is due", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen, { maxActiveRuns: 1 })] });
    await engine.start("visit", { customer: "late", n: 1 }, { delay: "3s" });
    await engine.start("visit", { customer: "soon", n: 2 });
    await lab.pass(12_000);
    expect(seen).toEqual(["in soon2", "out soon2", "in late1"]);
  });

  it("a run that is cancelled while it waits in line ends at once", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen, { maxActiveRuns: 1 })] });
    const [, second, third] = await starts(lab, engine, customers("a", "b", "c"));
    await second?.cancel({ reason: "not needed" });
    await lab.pass(1_000);
    expect((await second?.status())?.status).toBe("cancelled");
    await lab.pass(10_000);
    expect(seen).toEqual(["in a1", "out a1", "in c3"]);
    expect(await lab.store.listPlaces({ runId: third?.id as string, limit: 9 })).toHaveLength(1);
  });

  it("a run of a worker that died keeps its place until it is taken over, and ends with it", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const hang = (ctx: Ctx) => ctx.step("work", () => new Promise<void>((done) => lab.clock.timer(5_000, done)));
    const workflows = [visit(seen, { queue: "q", maxActiveRuns: 3 }, hang)];
    const setup = { workflows, queues: { q: { concurrency: 1 } } };
    const first = await lab.engine(setup);
    await starts(lab, first, customers("a", "b"));
    await lab.pass(1_000);
    first.kill();
    await lab.engine(setup);
    await lab.pass(10_000);
    expect(seen).toEqual(["in a1"]);
    await lab.pass(25_000);
    expect(seen).toEqual(["in a1", "out a1", "in b2", "out b2"]);
    expect(await lab.store.listPlaces({ line: "queue/q", limit: 9 })).toEqual([]);
  });

  it("children obey the limits of their workflow, and so do runs that are run again", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const child = visit(seen, { maxActiveRuns: 1 });
    const parent = workflow({ name: "parent" }, async (ctx) =>
      Promise.all(customers("a", "b").map((input) => ctx.child(child, input))),
    );
    const engine = await lab.engine({ workflows: [child, parent] });
    const run = await engine.start(parent, null);
    await lab.pass(9_000);
    expect(seen).toEqual(["in a1"]);
    await lab.pass(14_000);
    expect((await run.status()).output).toEqual([1, 2]);
    const [again] = await lab.rows("visit");
    await engine.run(again?.id as string).rerun();
    await engine.run(again?.id as string).rerun();
    await lab.pass(5_000);
    expect(seen).toHaveLength(5);
  });

  it("a run that failed and is retried gets in line again", async () => {
    const lab = openLab();
    const seen: string[] = [];
    let fails = true;
    const fail = async (ctx: Ctx, { n }: Input) => {
      if (n === 1 && fails) throw new Error("not now");
      await ctx.sleep("stay", "10s");
    };
    const engine = await lab.engine({ workflows: [visit(seen, { maxActiveRuns: 1 }, fail)] });
    const [a] = await starts(lab, engine, customers("a", "b"));
    await lab.pass(1_000);
    fails = false;
    await a?.retry();
    await lab.pass(5_000);
    expect((await a?.status())?.status).toBe("pending");
    await lab.pass(20_000);
    expect((await a?.status())?.status).toBe("completed");
  });
});

describe("a singleton", () => {
  const setup = async (singleton: NonNullable<RunRules<Input>["singleton"]>) => {
    const lab = openLab();
    const seen: string[] = [];
    const engine = await lab.engine({ workflows: [visit(seen, { singleton })] });
    return { lab, seen, engine };
  };

  it("that skips returns the run under way, whatever the input, until that has ended", async () => {
    const { lab, seen, engine } = await setup({ mode: "skip" });
    const first = await engine.start("visit", { customer: "a", n: 1 });
    await lab.pass(1_000);
    const second = await engine.start("visit", { customer: "b", n: 2 });
    expect(first).toMatchObject({ created: true, skipped: false });
    expect(second).toMatchObject({ id: first.id, created: false, skipped: true });
    await lab.pass(11_000);
    expect(await engine.start("visit", { customer: "c", n: 3 })).toMatchObject({ created: true, skipped: false });
    await lab.pass(1_000);
    expect(seen).toEqual(["in a1", "out a1", "in c3"]);
  });

  it("that skips tells a repeated idempotency key from a start that was skipped", async () => {
    const { engine } = await setup({ mode: "skip" });
    const input = { customer: "a", n: 1 };
    const first = await engine.start("visit", input, { idempotencyKey: "k" });
    const same = await engine.start("visit", input, { idempotencyKey: "k" });
    expect(same).toMatchObject({ id: first.id, created: false, skipped: false });
    expect(await engine.start("visit", input, { idempotencyKey: "l" })).toMatchObject({ id: first.id, skipped: true });
  });

  it("has one run for each key", async () => {
    const { engine } = await setup({ mode: "skip", key: (input) => input.customer });
    const runs = [];
    for (const input of customers("a", "b", "a")) runs.push(await engine.start("visit", input));
    expect(runs.map(({ created }) => created)).toEqual([true, true, false]);
  });

  it("that is over is not retried while another is under way, and the error says which; after its end it is", async () => {
    const { lab, engine } = await setup({ mode: "skip" });
    const first = await engine.start("visit", { customer: "a", n: 1 });
    await lab.pass(1_000);
    await first.cancel();
    await lab.pass(1_000);
    const second = await engine.start("visit", { customer: "b", n: 2 });
    // Neither before it is in line nor after.
    await expect(first.retry()).rejects.toMatchObject({ name: "ConflictError", code: "SINGLETON_BUSY" });
    await lab.pass(1_000);
    const facts = { runId: first.id, workflow: "visit", busyId: second.id };
    await expect(first.retry()).rejects.toMatchObject({ code: "SINGLETON_BUSY", facts });
    expect(await engine.bulk("retry", { workflow: "visit" })).toMatchObject({ done: 0, skipped: 1 });
    await expect(second.retry()).rejects.toMatchObject({ code: "RUN_NOT_OVER" });
    await lab.pass(11_000);
    await first.retry();
    await lab.pass(11_000);
    expect((await first.status()).status).toBe("completed");
  });

  it("that cancels lets the newest go on when the one before has been told and has ended", async () => {
    const { lab, seen, engine } = await setup({ mode: "cancel" });
    const runs = await starts(lab, engine, customers("a", "b", "c"));
    await lab.pass(11_000);
    expect(await Promise.all(runs.map(async (run) => (await run.status()).status))).toEqual([
      "cancelled",
      "cancelled",
      "completed",
    ]);
    expect(seen).toContain("out c3");
    expect(seen).not.toContain("out b2");
  });

  it("that queues lets one go on after the other", async () => {
    const { lab, seen, engine } = await setup({ mode: "queue" });
    await starts(lab, engine, customers("a", "b"));
    await lab.pass(21_000);
    expect(seen).toEqual(["in a1", "out a1", "in b2", "out b2"]);
  });
});

describe("rates", () => {
  it("a rate limit refuses what is beyond it, and says when to come again", async () => {
    const lab = openLab();
    const rules = { rateLimit: { limit: 2, period: "1m", key: (input: Input) => input.customer } };
    const engine = await lab.engine({ workflows: [visit([], rules)] });
    for (const input of customers("a", "a", "b")) await engine.start("visit", input);
    const refused = engine.start("visit", { customer: "a", n: 4 });
    await expect(refused).rejects.toMatchObject({
      ...{ name: "LimitError", code: "RATE_LIMITED" },
      facts: { workflow: "visit", retryAfterMs: 30_000 },
    });
    expect(await lab.rows("visit")).toHaveLength(3);
    await lab.pass(30_000);
    expect(await engine.start("visit", { customer: "a", n: 4 })).toMatchObject({ created: true });
  });

  it("a throttle lets runs begin at its pace, after a burst", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const rules = { throttle: { limit: 1, period: "10s", burst: 2 } };
    const engine = await lab.engine({ workflows: [visit(seen, rules)] });
    await starts(lab, engine, customers("a", "b", "c", "d"));
    await lab.pass(5_000);
    expect(seen).toEqual(["in a1", "in b2"]);
    await lab.pass(6_000);
    expect(seen.filter((line) => line.startsWith("in"))).toEqual(["in a1", "in b2", "in c3"]);
    await lab.pass(10_000);
    expect(seen.filter((line) => line.startsWith("in"))).toEqual(["in a1", "in b2", "in c3", "in d4"]);
  });
});

describe("fairness", () => {
  it("lets tenants take turns in a queue, whoever came first; each run is worked on in its turn", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const rules = { queue: "q", fairness: { key: (input: Input) => input.customer } };
    const work = (ctx: Ctx) => ctx.step("work", () => new Promise<void>((done) => lab.clock.timer(1_000, done)));
    const engine = await lab.engine({ workflows: [visit(seen, rules, work)], queues: { q: { concurrency: 1 } } });
    await starts(lab, engine, [...customers("a", "a", "a", "a"), { customer: "b", n: 5 }, { customer: "c", n: 6 }]);
    await lab.pass(10_000);
    expect(seen.filter((line) => line.startsWith("in"))).toEqual([
      "in a1",
      "in b5",
      "in c6",
      "in a2",
      "in a3",
      "in a4",
    ]);
  });

  it("is told: a run's position is among those of its key, also far behind the runs of others", async () => {
    const lab = openLab();
    const rules = { maxActiveRuns: 1, fairness: { key: (input: Input) => input.customer } };
    const engine = await lab.engine({ workflows: [visit([], rules)] });
    const many = Array.from({ length: 600 }, (_, n) => ({ customer: "a", n }));
    for (const input of many) await engine.start("visit", input);
    const [first, second] = await starts(lab, engine, customers("b", "b"));
    await lab.pass(3_000);
    const why = async (id = "") => (await engine.run(id).why()).waitsFor;
    expect(await why(first?.id)).toMatchObject([
      {
        kind: "slot",
        name: "workflow/visit",
        slots: 1,
        position: 1,
        text: expect.stringContaining('fairness key "b"'),
      },
    ]);
    expect(await why(second?.id)).toMatchObject([{ position: 2, holders: [expect.any(String)] }]);
  });
});

const NONE = { held: 0, waiting: 0 };

describe("queues at run time", () => {
  it("are listed, paused, resumed and resized", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const hang = (ctx: Ctx) => ctx.step("work", () => new Promise<void>((done) => lab.clock.timer(60_000, done)));
    const workflows = [visit(seen, { queue: "q" }, hang)];
    const engine = await lab.engine({ workflows, queues: { q: { concurrency: 1 }, other: { concurrency: 5 } } });
    await engine.queues.pause("q");
    await starts(lab, engine, customers("a", "b", "c", "d"));
    await lab.pass(1_000);
    expect(seen).toEqual([]);
    expect(await engine.queues.list()).toEqual([
      { name: "other", concurrency: 5, defined: 5, paused: false, held: 0, waiting: 0, steps: NONE, workers: 1 },
      { name: "q", concurrency: 1, defined: 1, paused: true, held: 0, waiting: 4, steps: NONE, workers: 1 },
    ]);
    expect(await engine.queues.resume("q")).toMatchObject({ paused: false });
    await lab.pass(1_000);
    expect(seen).toEqual(["in a1"]);
    expect(await engine.queues.set("q", { concurrency: 3 })).toMatchObject({ concurrency: 3, defined: 1, held: 3 });
    await lab.pass(1_000);
    expect(seen).toEqual(["in a1", "in b2", "in c3"]);
    expect(await engine.queues.set("q", { concurrency: null })).toMatchObject({ concurrency: 1, held: 3, waiting: 1 });
    await expect(engine.queues.set("q", { concurrency: 0 })).rejects.toMatchObject({ code: "LIMIT_INVALID" });
  });
});

describe("limits by expressions", () => {
  it("hold as those by functions do", async () => {
    const lab = openLab();
    const seen: string[] = [];
    const rules = {
      concurrency: { key: cel("input.customer"), limit: 1 },
      singleton: { key: cel('input.customer + "/" + string(input.n)'), mode: "skip" as const },
      rateLimit: { key: cel("input.n"), limit: 2, period: "1h" },
      priority: cel("input.n * 2"),
      fairness: { key: cel("input.customer"), weight: cel("input.n + 1") },
    };
    const engine = await lab.engine({ workflows: [visit(seen, { ...rules, maxActiveRuns: 9 })] });
    const [a, again] = [
      { customer: "a", n: 1 },
      { customer: "a", n: 1 },
    ];
    const run = await engine.start("visit", a);
    expect(await engine.start("visit", again)).toMatchObject({ id: run.id, skipped: true });
    await engine.start("visit", { customer: "b", n: 1 });
    await expect(engine.start("visit", { customer: "c", n: 1 })).rejects.toMatchObject({ code: "RATE_LIMITED" });
    const row = await lab.store.getRun(run.id);
    const rank = (row?.createdAt as number) - 2 * 60_000;
    const fair = { key: "a", cost: 500_000 };
    expect(row?.limits).toEqual([
      { line: "workflow/visit", slots: 9, rank, hold: "life", fair },
      { line: "key/visit/0/a", slots: 1, rank, hold: "life", fair },
      { line: "singleton/visit/a/1", slots: 1, rank, hold: "life" },
    ]);
  });

  it("over a field that is missing refuse the start, unless it is asked for; null is no key", async () => {
    const lab = openLab();
    const strict = workflow({ name: "strict", concurrency: { key: cel("input.a.b"), limit: 1 } }, async () => null);
    const lax = { key: cel("has(input.a) ? input.a : null"), limit: 1 };
    const loose = workflow({ name: "loose", concurrency: lax, maxActiveRuns: 9 }, async () => null);
    const engine = await lab.engine({ workflows: [strict, loose] });
    await expect(engine.start("strict", { a: {} })).rejects.toMatchObject({
      ...{ name: "DefinitionError", code: "LIMIT_KEY_INVALID" },
      facts: { what: 'concurrency[0].key of workflow "strict"' },
      message: expect.stringContaining("input.a.b"),
    });
    expect(await lab.rows("strict")).toEqual([]);
    const keyless = await engine.start("loose", {});
    const keyed = await engine.start("loose", { a: 7 });
    expect((await lab.store.getRun(keyless.id))?.limits).toHaveLength(1);
    expect((await lab.store.getRun(keyed.id))?.limits).toHaveLength(2);
  });

  it.each([
    [{ concurrency: { key: cel("input.a"), limit: 1 } }, { a: [] }, "concurrency[0].key", "LIMIT_KEY_INVALID"],
    [{ singleton: { key: cel("input.a"), mode: "queue" } }, { a: "x".repeat(999) }, "singleton", "LIMIT_KEY_INVALID"],
    [{ throttle: { key: cel("input.a"), limit: 1, period: 9 } }, {}, "throttle.key", "LIMIT_KEY_INVALID"],
    [{ priority: cel("input.a") }, { a: "high" }, "priority", "LIMIT_KEY_INVALID"],
    [{ priority: cel("input.a") }, { a: 0.5 }, "priority", "LIMIT_INVALID"],
    [{ fairness: { key: cel("input.a"), weight: cel("input.w") } }, { a: 1, w: 0 }, "fairness.weight", "LIMIT_INVALID"],
  ] as const)("%j of %j refuses the start", async (rules, input, text, code) => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [workflow({ name: "w", ...rules }, async () => null)] });
    const message = expect.stringContaining(text);
    await expect(engine.start("w", input)).rejects.toMatchObject({ name: "DefinitionError", code, message });
    expect(await lab.rows("w")).toEqual([]);
  });

  it.each([
    [{ concurrency: { key: cel("input.customer =="), limit: 1 } }, "concurrency[0].key", 17],
    [{ concurrency: [{ key: cel("customer"), limit: 1 }] }, "concurrency[0].key", 0],
    [{ singleton: { key: cel("body.id"), mode: "skip" } }, "singleton.key", 0],
    [{ rateLimit: { key: cel("[input.a]"), limit: 1, period: 1 } }, "rateLimit.key", null],
    [{ throttle: { key: cel("input.a.matches('x')"), limit: 1, period: 1 } }, "throttle.key", 0],
    [{ priority: cel("'high'") }, "priority", null],
    [{ fairness: { key: cel("input.a + tenant") } }, "fairness.key", 10],
    [{ fairness: { key: cel("1"), weight: cel("input.vip == true") } }, "fairness.weight", null],
  ] as const)("%j is refused where it is defined, with its place and a hint", (rules, what, position) => {
    const define = () => workflow({ name: "w", ...rules }, async () => null);
    const facts = { what: `${what} of workflow "w"`, position, hint: expect.any(String) };
    expect(define).toThrow(
      expect.objectContaining({ code: "EXPRESSION_INVALID", facts: expect.objectContaining(facts) }),
    );
  });
});

describe("a slash in the name of a workflow", () => {
  const keyed = (name: string, rules: RunRules<string>) =>
    workflow({ name, ...rules }, (ctx, _: string) => ctx.sleep("stay", "1h"));
  const key = (input: string) => input;

  it.each([
    ["concurrency", { concurrency: { key, limit: 1 } }, ["a", "0/c"], ["a/0", "c"]],
    ["singleton", { singleton: { key, mode: "queue" } }, ["a", "b/c"], ["a/b", "c"]],
    ["rateLimit", { rateLimit: { key, limit: 1, period: "1h" } }, ["a", "b/c"], ["a/b", "c"]],
    ["throttle", { throttle: { key, limit: 1, period: "1h" } }, ["a%2Fb", "c"], ["a/b", "c"]],
  ] as const)("is not the one before its key: %s", async (_, rules, one, other) => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [keyed(one[0], rules), keyed(other[0], rules)] });
    const runs = [await engine.start(one[0], one[1]), await engine.start(other[0], other[1])];
    await lab.pass(1_000);
    for (const run of runs) expect((await run.status()).status).toBe("waiting");
  });
});

describe("bad limits", () => {
  const define = (rules: object) => () => workflow({ name: "w", ...rules }, async () => null);

  it.each([
    [{ maxActiveRuns: 0 }, "maxActiveRuns", "LIMIT_INVALID"],
    [{ maxActiveRuns: 10_001 }, "from 1 to 10000", "LIMIT_INVALID"],
    [{ concurrency: { key: "customer", limit: 1 } }, "concurrency[0].key", "LIMIT_INVALID"],
    [
      {
        concurrency: [
          { key: () => 1, limit: 1 },
          { key: () => 1, limit: 1.5 },
        ],
      },
      "concurrency[1].limit",
      "LIMIT_INVALID",
    ],
    [{ concurrency: [null] }, "concurrency[0]", "LIMIT_INVALID"],
    [{ singleton: { mode: "wait" } }, "singleton.mode", "LIMIT_INVALID"],
    [{ rateLimit: { limit: 0, period: "1s" } }, "rateLimit.limit", "LIMIT_INVALID"],
    [{ rateLimit: { limit: 1, period: "1 fortnight" } }, "duration", "DURATION_INVALID"],
    [{ throttle: { limit: 1, period: 0 } }, "throttle.period", "LIMIT_INVALID"],
    [{ throttle: { limit: 1, period: "1s", burst: 0 } }, "throttle.burst", "LIMIT_INVALID"],
    [{ priority: 1_001 }, "priority", "LIMIT_INVALID"],
    [{ queue: "" }, "queue", "NAME_INVALID"],
    [{ fairness: "customer" }, "fairness", "LIMIT_INVALID"],
    [{ fairness: { key: "customer" } }, 'cel("input.customer")', "LIMIT_INVALID"],
    [{ concurrency: { key: "input.a", limit: 1 } }, 'no expression: write cel("input.a")', "LIMIT_INVALID"],
    [
      { singleton: { key: "input.a", mode: "skip" } },
      'singleton.key of workflow "w" to be a function',
      "LIMIT_INVALID",
    ],
    [{ priority: "input.a" }, 'found "input.a"; a plain text is no expression: write cel("input.a")', "LIMIT_INVALID"],
    [{ priority: 0.5 }, "a whole number from -1000 to 1000, but found 0.5", "LIMIT_INVALID"],
    [{ fairness: { key: () => 1, weight: "input.w" } }, 'write cel("input.w")', "LIMIT_INVALID"],
    [{ fairness: { key: () => 1, weight: 0 } }, "fairness.weight", "LIMIT_INVALID"],
    [{ fairness: { key: () => 1, weight: 1_001 } }, "from 1 to 1000", "LIMIT_INVALID"],
  ])("%j is refused where it is defined, by name", (rules, text, code) => {
    expect(define(rules)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
  });

  it("a queue that nobody has defined is refused when the engine is made, and when a start names it", async () => {
    const lab = openLab();
    const named = workflow({ name: "w", queue: "heavi" }, async () => null);
    const queues = { heavy: { concurrency: 1 } };
    await expect(lab.engine({ workflows: [named], queues })).rejects.toMatchObject({
      code: "QUEUE_UNKNOWN",
      message: expect.stringContaining('"heavy"'),
    });
    const engine = await lab.engine({ workflows: [workflow({ name: "v" }, async () => null)], queues });
    await expect(engine.start("v", null, { queue: "light" })).rejects.toMatchObject({ code: "QUEUE_UNKNOWN" });
    await expect(engine.start("v", null, { priority: 0.5 })).rejects.toMatchObject({ code: "LIMIT_INVALID" });
    await expect(lab.engine({ workflows: [], queues: { q: { concurrency: 0 } } })).rejects.toMatchObject({
      code: "LIMIT_INVALID",
      message: expect.stringContaining("queues.q.concurrency"),
    });
  });

  it("a key that cannot be told refuses the start", async () => {
    const lab = openLab();
    const key = (input: { readonly a: { readonly b: string } }) => input.a.b;
    const w = workflow({ name: "w", concurrency: { key, limit: 1 } }, async () => null);
    const engine = await lab.engine({ workflows: [w] });
    await expect(engine.start("w", {})).rejects.toMatchObject({ code: "LIMIT_KEY_INVALID" });
    await expect(engine.start("w", { a: { b: {} } })).rejects.toMatchObject({ code: "LIMIT_KEY_INVALID" });
    await expect(engine.start("w", { a: { b: null } })).resolves.toMatchObject({ created: true });
  });
});
