import { cel, type Message, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Engine } from "../../src/engine/api.ts";
import { type Lab, openLab } from "../support/lab.ts";

interface Order {
  readonly order: string;
  readonly total: number;
}

/** Runs of a workflow and what they were given, oldest first. */
async function inputs(lab: Lab, name: string): Promise<unknown[]> {
  const rows = [...(await lab.rows(name))].reverse();
  const created = await Promise.all(rows.map(async ({ id }) => (await lab.history(id))[0]));
  return created.map((event) => (event?.type === "run.created" ? event.data.input.value : null));
}

const became = async (engine: Engine, topic: string, id: string) =>
  (await engine.message(topic, id)).decisions.map(({ subject, decision, reason }) => [subject, decision, reason]);

describe("engine.publish", () => {
  it("starts a run of each workflow that means the message, with its payload; a repeat starts nothing", async () => {
    const lab = openLab();
    const ship = workflow(
      { name: "ship", on: [{ topic: "orders.*", match: cel("message.payload.total > 100") }] },
      async (ctx, input: Order) => ({ input, trigger: ctx.run.trigger }),
    );
    const note = workflow(
      { name: "note", on: [{ topic: "orders.paid", input: (message: Message<Order>) => message.payload.order }] },
      async (_, input) => input,
    );
    const engine = await lab.engine({ workflows: [ship, note] });
    const first = await engine.publish("orders.paid", { order: "o-1", total: 120.5 }, { id: "m-1" });
    expect(first).toEqual({ topic: "orders.paid", id: "m-1", position: 1, created: true });
    expect(await engine.publish("orders.paid", { order: "other" }, { id: "m-1" })).toMatchObject({ created: false });
    await engine.publish("orders.paid", { order: "o-2", total: 20 }, { id: "m-2" });
    await engine.publish("orders.late", { order: "o-3" }, { id: "m-3" });
    await lab.settle();
    expect(await inputs(lab, "ship")).toEqual([{ order: "o-1", total: 120.5 }]);
    expect(await inputs(lab, "note")).toEqual(["o-1", "o-2"]);
    const [{ id }] = (await lab.rows("ship")) as unknown as [{ id: string }];
    expect(await engine.run(id).result()).toMatchObject({
      trigger: { kind: "message", source: "orders.paid", id: "m-1" },
    });
    expect(await became(engine, "orders.paid", "m-1")).toEqual([
      ["note/orders.paid", "started", null],
      ["ship/orders.*", "started", null],
    ]);
    expect(await became(engine, "orders.paid", "m-2")).toEqual(
      [
        ["ship/orders.*", "filtered", "its match is false: message.payload.total > 100"],
        ["note/orders.paid", "started", null],
      ]
        .reverse()
        .sort(),
    );
    expect(await became(engine, "orders.late", "m-3")).toEqual([
      ["ship/orders.*", "filtered", expect.stringContaining("its match asks for what is not there")],
    ]);
  });

  it("says why a message started nothing: what threw, what does not fit the schema", async () => {
    const lab = openLab();
    const strict = workflow(
      {
        name: "strict",
        input: z.object({ n: z.number() }),
        on: [{ topic: "a" }, { name: "thrower", topic: "a", match: () => JSON.parse("{") }],
      },
      async (_, input) => input.n,
    );
    const engine = await lab.engine({ workflows: [strict] });
    await engine.publish("a", { n: "x" }, { id: "m" });
    await lab.settle();
    expect(await became(engine, "a", "m")).toEqual(
      [
        ["strict/thrower", "invalid", expect.stringContaining("its match cannot be said: it threw")],
        ["strict/a", "invalid", expect.stringContaining("its input cannot be made: expected the input of workflow")],
      ].reverse(),
    );
    expect(await lab.rows("strict")).toEqual([]);
  });

  it("cancels the runs that are meant, which were there when it was published", async () => {
    const lab = openLab();
    const hold = workflow(
      {
        name: "hold",
        cancelOn: [{ topic: "orders.cancelled", match: cel("message.payload.order == run.input.order") }],
      },
      async (ctx, _: Order) => ctx.sleep("long", "1d"),
    );
    const engine = await lab.engine({ workflows: [hold] });
    const [a, b] = [
      await engine.start(hold, { order: "o-1", total: 1 }),
      await engine.start(hold, { order: "o-2", total: 1 }),
    ];
    await lab.pass(1_000);
    await engine.publish("orders.cancelled", { order: "o-1" }, { id: "m" });
    await engine.publish("orders.cancelled", { order: "o-9" }, { id: "n" });
    await lab.pass(1_000);
    expect([(await a.status()).status, (await b.status()).status]).toEqual(["cancelled", "waiting"]);
    expect(await became(engine, "orders.cancelled", "m")).toEqual([
      ["hold/cancel orders.cancelled", "cancelled", null],
    ]);
    expect(await became(engine, "orders.cancelled", "n")).toEqual([
      ["hold/cancel orders.cancelled", "filtered", "no run of the workflow that is under way is meant"],
    ]);
  });

  it("is refused for what is no topic, no id and no payload, and writes nothing", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [] });
    for (const topic of [
      "",
      "a..b",
      "a b",
      "varve.run.completed",
      "a.*",
      `${"a".repeat(129)}`,
      7 as unknown as string,
    ]) {
      await expect(engine.publish(topic, null)).rejects.toMatchObject({ code: "TOPIC_INVALID" });
    }
    await expect(engine.publish("a", null, { id: "" })).rejects.toMatchObject({ code: "NAME_INVALID" });
    await expect(engine.publish("a", () => {})).rejects.toMatchObject({ code: "PAYLOAD_UNSTORABLE" });
    await expect(engine.publish("a", 1, { at: Number.NaN })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(engine.message("a", "m")).rejects.toMatchObject({ code: "MESSAGE_NOT_FOUND" });
    await expect(engine.messages({ cursor: "x" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    expect(await engine.messages()).toEqual({ messages: [], cursor: null });
  });

  it("lists messages, page by page", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [] });
    for (const id of ["1", "2", "3"]) await engine.publish(id === "2" ? "b" : "a", { id }, { id });
    const first = await engine.messages({ limit: 2 });
    expect(first.messages.map(({ id }) => id)).toEqual(["3", "2"]);
    const second = await engine.messages({ limit: 2, cursor: first.cursor as string });
    expect(second).toMatchObject({ messages: [{ id: "1", topic: "a", payload: { id: "1" } }], cursor: null });
    expect((await engine.messages({ topic: "b" })).messages.map(({ id }) => id)).toEqual(["2"]);
  });
});

describe("a debounced start", () => {
  const typed = workflow(
    {
      name: "typed",
      on: [{ topic: "typed", debounce: { key: cel("message.payload.user"), period: "10s", max: "25s" } }],
    },
    async (_, input: unknown) => input,
  );
  const keys = (user: string, n: number) => ({ user, n });

  it("is put off while messages come, takes the last, and is apart by key", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [typed] });
    await engine.publish("typed", keys("a", 1));
    await lab.pass(6_000);
    await engine.publish("typed", keys("a", 2), { id: "two" });
    await engine.publish("typed", keys("b", 1));
    await lab.pass(6_000);
    expect(await inputs(lab, "typed")).toEqual([]);
    await lab.pass(5_000);
    expect((await inputs(lab, "typed")).sort()).toEqual([keys("a", 2), keys("b", 1)]);
    const [decision] = (await engine.message("typed", "two")).decisions;
    expect(decision).toMatchObject({ decision: "debounced", runId: expect.stringMatching(/^run_/) });
  });

  it("comes at the latest after its bound", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [typed] });
    for (let n = 0; n < 5; n++) {
      await engine.publish("typed", keys("a", n));
      await lab.pass(6_000);
    }
    expect(await inputs(lab, "typed")).toEqual([keys("a", 4)]);
  });
});

describe("a batch", () => {
  const batched = workflow(
    {
      name: "batched",
      on: [
        { topic: "rows", batch: { size: 3, timeout: "1m" }, input: (message: Message<number>) => message.payload * 10 },
      ],
    },
    async (_, input: unknown) => input,
  );

  it("starts one run with what its messages come to, when it has its size or its time is over", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [batched] });
    for (let n = 1; n <= 4; n++) await engine.publish("rows", n);
    await lab.settle();
    expect(await inputs(lab, "batched")).toEqual([[10, 20, 30]]);
    await lab.pass(59_000, 1_000);
    expect(await inputs(lab, "batched")).toHaveLength(1);
    await lab.pass(2_000);
    expect(await inputs(lab, "batched")).toEqual([[10, 20, 30], [40]]);
  });
});

describe("the end of a run", () => {
  it("starts another workflow's run, once for each end, also after a retry", async () => {
    const lab = openLab();
    let fails = true;
    const first = workflow({ name: "first" }, async (ctx, input: number) =>
      ctx.step(
        "work",
        () => {
          if (fails) throw new Error("no");
          return input * 2;
        },
        { retry: { attempts: 1 } },
      ),
    );
    const second = workflow(
      {
        name: "second",
        on: [
          { run: first, match: cel("message.payload.output > 3"), input: (message) => message.payload.output },
          { name: "failures", run: "first", ends: ["failed"], input: (message) => message.payload.error?.message },
        ],
      },
      async (ctx, input: unknown) => ({ input, trigger: ctx.run.trigger }),
    );
    const engine = await lab.engine({ workflows: [first, second] });
    await lab.settle();
    const run = await engine.start(first, 2);
    await lab.pass(3_000);
    expect(await inputs(lab, "second")).toEqual([expect.any(String)]);
    fails = false;
    await run.retry();
    await lab.pass(3_000);
    await engine.start(first, 1);
    await lab.pass(3_000);
    expect(await inputs(lab, "second")).toEqual([expect.any(String), 4]);
    const [last] = await lab.rows("second");
    expect(await engine.run(last?.id as string).result()).toMatchObject({
      trigger: { kind: "run", source: "first", id: run.id },
    });
  });
});

describe("several processes", () => {
  const echo = (name: string) =>
    workflow({ name, on: [{ topic: "a", input: (m) => [name, m.payload] }] }, async (_, i: unknown) => i);

  it("leave a message whose code they lack to one that has it, which repairs what others left", async () => {
    const lab = openLab();
    const knows = await lab.engine({ workflows: [echo("one")] });
    await lab.settle();
    knows.kill();
    const other = await lab.engine({ workflows: [], worker: false });
    await other.publish("a", 1, { id: "m" });
    await lab.pass(5_000);
    expect((await other.message("a", "m")).dispatchedAt).toBeNull();
    await lab.engine({ workflows: [echo("one")] });
    await lab.pass(1_000);
    expect(await inputs(lab, "one")).toEqual([["one", 1]]);
  });

  it("dispatch a message once between them", async () => {
    const lab = openLab();
    const engines = [await lab.engine({ workflows: [echo("one")] }), await lab.engine({ workflows: [echo("one")] })];
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => (engines[i % 2] as Engine).publish("a", i >> 2, { id: `m-${i >> 2}` })),
    );
    await lab.pass(5_000);
    expect((await inputs(lab, "one")).map((input) => (input as [string, number])[1]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, i) => i),
    );
  });

  it("a workflow that listens no more takes back what an earlier version of it listened to", async () => {
    const lab = openLab();
    const old = await lab.engine({ workflows: [echo("one")] });
    await lab.settle();
    await old.close();
    const fresh = await lab.engine({ workflows: [workflow({ name: "one" }, async () => 1)] });
    await lab.settle();
    await fresh.publish("a", 1, { id: "m" });
    await lab.settle();
    expect((await fresh.message("a", "m")).decisions).toEqual([]);
    expect(await lab.rows("one")).toEqual([]);
  });
});

describe("a process that dies at any call of the log", () => {
  const SITES = ["publishMessage", "putSubscriptions", "dispatchAhead", "dispatchMessage", "fireGathering"] as const;

  it.each(SITES.flatMap((site) => [[site, "before"] as const, [site, "after"] as const]))(
    "%s, %s its effect: each message that was published has one start",
    async (site, moment) => {
      for (let nth = 1; nth <= 4; nth++) {
        const lab = openLab();
        const flows = [
          workflow({ name: "each", on: [{ topic: "a", input: (m) => m.payload }] }, async (_, i: unknown) => i),
          workflow(
            { name: "batch", on: [{ topic: "a", batch: { size: 2, timeout: "10s" } }] },
            async (_, i: unknown) => i,
          ),
        ];
        const original = lab.store[site].bind(lab.store) as (...args: unknown[]) => Promise<unknown>;
        let calls = 0;
        let engine = await lab.engine({ workflows: [], worker: false });
        const dying = async (...args: unknown[]) => {
          if (++calls !== nth) return await original(...args);
          if (moment === "after") await original(...args);
          // Once the engine that is being opened is there.
          setImmediate(() => engine.kill());
          return await new Promise<never>(() => {});
        };
        (lab.store as unknown as Record<string, unknown>)[site] = dying;
        engine = await lab.engine({ workflows: flows });
        const ids = ["1", "2", "3"];
        for (const id of ids) {
          for (let tries = 0; tries < 5; tries++) {
            const current = engine;
            const published = current.publish("a", id, { id }).then(() => true);
            await lab.settle();
            const isDone = await Promise.race([published, lab.settle().then(() => false)]);
            if (current.isDead) engine = await lab.engine({ workflows: flows });
            if (isDone) break;
          }
        }
        await lab.pass(40_000, 1_000);
        if (engine.isDead) engine = await lab.engine({ workflows: flows });
        await lab.pass(40_000, 1_000);
        expect((await inputs(lab, "each")).sort()).toEqual(ids);
        expect((await inputs(lab, "batch")).flat().sort()).toEqual(ids);
      }
    },
  );
});
