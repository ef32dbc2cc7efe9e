/** What the compiler knows without being told. `tsc` checks it, alone and under vitest; nothing here is ever run. */
import {
  type Ctx,
  cel,
  declareWorkflow,
  type Engine,
  github,
  type IfStorable,
  type MapOptions,
  type Message,
  type Payload,
  type RunEnd,
  type RunEvent,
  type RunHandle,
  type ScheduleDefinition,
  type Settled,
  type StartedRun,
  type StepContext,
  type StepOptions,
  schedule,
  type Tolerance,
  type ToleratingMapOptions,
  type Workflow,
  webhook,
  withEnv,
  workflow,
} from "varve";
import type { createEngine } from "varve/node";
import {
  fails,
  held,
  type ReplayReport,
  replayHistory,
  returns,
  type SimulatedWorld,
  type StepCall,
  snapshotOf,
  takes,
  testEngine,
} from "varve/testing";
import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";

const Order = z.object({ id: z.string(), placedAt: z.string().transform((text) => new Date(text)) });
const Receipt = z.object({ total: z.number(), note: z.string().default("") });

const fulfil = workflow({ name: "fulfil", input: Order, output: Receipt }, async (ctx, order) => {
  expectTypeOf(ctx).toEqualTypeOf<Ctx<unknown>>();
  expectTypeOf(order).toEqualTypeOf<{ id: string; placedAt: Date }>();
  return { total: 5 };
});
const untyped = workflow({ name: "untyped" }, async (_ctx, input) => {
  expectTypeOf(input).toBeUnknown();
  return { n: 1, when: new Date(), seen: new Map([["a", 1n]]) };
});
const annotated = workflow({ name: "annotated" }, async (_ctx, input: { n: number }) => input.n);

declare const engine: Engine;
declare const ctx: Ctx;

describe("a workflow", () => {
  it("takes what its input schema takes and comes to what its output schema makes", () => {
    expectTypeOf(fulfil).toEqualTypeOf<
      Workflow<{ id: string; placedAt: string }, { total: number; note: string }, unknown>
    >();
  });

  it("without schemas takes what its function says and comes to what that returns", () => {
    expectTypeOf(annotated).toEqualTypeOf<Workflow<{ n: number }, number, unknown>>();
    expectTypeOf(untyped).toEqualTypeOf<
      Workflow<unknown, { n: number; when: Date; seen: Map<string, bigint> }, unknown>
    >();
  });

  it("that returns nothing comes to nothing", () => {
    const silent = workflow({ name: "silent" }, async () => {});
    expectTypeOf(silent).toEqualTypeOf<Workflow<unknown, void, unknown>>();
  });
});

describe("a step", () => {
  it("comes to what its body returns, now or later", async () => {
    expectTypeOf(ctx.step("now", () => 5)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.step("later", async () => ({ id: "a", at: new Date() }))).toEqualTypeOf<
      Promise<{ id: string; at: Date }>
    >();
    expectTypeOf(ctx.step("nothing", () => {})).toEqualTypeOf<Promise<void>>();
    expectTypeOf(ctx.step("either", () => (ctx.random() > 0.5 ? "a" : null))).toEqualTypeOf<Promise<"a" | null>>();
    expectTypeOf(ctx.step("options", () => [1], { once: true })).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(ctx.step("unknown", (): unknown => 1)).toEqualTypeOf<Promise<unknown>>();
  });

  it("keeps its type through the combinators of promises", () => {
    const both = Promise.all([ctx.step("a", () => 1), ctx.step("b", () => "x")]);
    expectTypeOf(both).toEqualTypeOf<Promise<[number, string]>>();
    const first = Promise.race([ctx.step("a", () => 1), ctx.sleep("limit", "5s")]);
    // biome-ignore lint/suspicious/noConfusingVoidType: a sleep comes to nothing
    expectTypeOf(first).toEqualTypeOf<Promise<number | void>>();
  });

  it("takes on the type that its surroundings ask for", async () => {
    const literal: { state: "on" | "off" } = await ctx.step("literal", () => ({ state: "on" }));
    expectTypeOf(literal).toEqualTypeOf<{ state: "on" | "off" }>();
  });

  it("gives its body a context", () => {
    ctx.step("x", (step) => {
      expectTypeOf(step).toEqualTypeOf<StepContext<unknown>>();
      expectTypeOf(step.attempt).toBeNumber();
      expectTypeOf(step.signal).toEqualTypeOf<AbortSignal>();
      expectTypeOf(step.idempotencyKey).toBeString();
      expectTypeOf(step.env).toBeUnknown();
    });
  });

  it("may return an interface, an enum of texts, a tuple and everything that the log holds", () => {
    interface Line {
      readonly sku: string;
      readonly tags?: ReadonlySet<string>;
      readonly bytes: Uint8Array;
      readonly next?: Line;
    }
    expectTypeOf(ctx.step("line", (): Line => ({ sku: "a", bytes: new Uint8Array() }))).toEqualTypeOf<Promise<Line>>();
    expectTypeOf(ctx.step("tuple", () => [1, "a"] as const)).toEqualTypeOf<Promise<readonly [1, "a"]>>();
    expectTypeOf(ctx.step("either", (): string[] | null => null)).toEqualTypeOf<Promise<string[] | null>>();
    expectTypeOf(ctx.scope("either", async (): Promise<"a" | { n: 1 }[]> => "a")).toEqualTypeOf<
      Promise<"a" | { n: 1 }[]>
    >();
    expectTypeOf(ctx.step("url", () => new URL("https://varve.example"))).toEqualTypeOf<Promise<URL>>();
    expectTypeOf(ctx.step("error", () => new RangeError("x"))).toEqualTypeOf<Promise<RangeError>>();
    expectTypeOf(ctx.step("json", () => JSON.parse("1") as unknown)).toEqualTypeOf<Promise<unknown>>();
  });
});

describe("a map", () => {
  const parcels = [{ id: "a", grams: 5 }];

  it("comes to a list of what its function returns, which is given an item, a context and a place", () => {
    const ids = ctx.map("ids", parcels, async (parcel, item, index) => {
      expectTypeOf(parcel).toEqualTypeOf<{ id: string; grams: number }>();
      expectTypeOf(item).toEqualTypeOf<Ctx<unknown>>();
      expectTypeOf(index).toBeNumber();
      return item.step("id", () => parcel.id);
    });
    expectTypeOf(ids).toEqualTypeOf<Promise<string[]>>();
    expectTypeOf(ctx.map("few", parcels, async () => 1, { concurrency: 4 })).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(ctx.map("tuple", [1, "a"] as const, async (item) => item)).toEqualTypeOf<Promise<(1 | "a")[]>>();
  });

  it("that tolerates failures comes to a list of what each item came to", async () => {
    const sent = ctx.map("send", parcels, async ({ grams }) => ({ grams }), { tolerate: "5%" });
    expectTypeOf(sent).toEqualTypeOf<Promise<Settled<{ grams: number }>[]>>();
    for (const item of await sent) {
      if (item.status === "completed") expectTypeOf(item.value).toEqualTypeOf<{ grams: number }>();
      else expectTypeOf(item.error).toEqualTypeOf<Error>();
    }
    const all = ctx.map("all", parcels, async (_, item) => item.sleep("a", 1), { tolerate: "all", concurrency: 2 });
    expectTypeOf(all).toEqualTypeOf<Promise<Settled<void>[]>>();
    expectTypeOf(ctx.map("none", parcels, async () => 1, { tolerate: 0 })).toEqualTypeOf<Promise<Settled<number>[]>>();
  });

  it("takes options that were made before", () => {
    const plain: MapOptions = { concurrency: 2 };
    const tolerant: ToleratingMapOptions = { tolerate: 3 };
    expectTypeOf(ctx.map("plain", parcels, async () => 1, plain)).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(ctx.map("tolerant", parcels, async () => 1, tolerant)).toEqualTypeOf<Promise<Settled<number>[]>>();
    const either = (tolerate: Tolerance) => ctx.map("either", parcels, async () => 1, { tolerate });
    expectTypeOf(either).returns.toEqualTypeOf<Promise<Settled<number>[]>>();
  });

  it("takes helper functions, and what is mapped in an item", () => {
    const pack = async (parcel: { id: string }, item: Ctx) => item.step("pack", () => [parcel.id]);
    expectTypeOf(ctx.map("pack", parcels, pack)).toEqualTypeOf<Promise<string[][]>>();
    const nested = ctx.map("outer", [parcels], (each, outer) => outer.map("inner", each, pack, { tolerate: 1 }));
    expectTypeOf(nested).toEqualTypeOf<Promise<Settled<string[]>[][]>>();
  });
});

describe("the rest of the context", () => {
  it("is typed too", () => {
    expectTypeOf(ctx.sleep("a", "1h")).toEqualTypeOf<Promise<void>>();
    expectTypeOf(ctx.sleepUntil("a", new Date(0))).toEqualTypeOf<Promise<void>>();
    expectTypeOf(ctx.scope("a", async (inner) => inner.step("b", () => 1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.now()).toEqualTypeOf<Date>();
    expectTypeOf(ctx.random()).toBeNumber();
    expectTypeOf(ctx.uuid()).toBeString();
    expectTypeOf(ctx.run.id).toBeString();
  });

  it("goes into helper functions, which keep the types of what they return", () => {
    async function load(inner: Ctx, id: string) {
      return inner.step("load", () => ({ id, size: 3 }));
    }
    const plain = workflow({ name: "plain" }, async (inner) => (await load(inner, "a")).size);
    expectTypeOf(plain).toEqualTypeOf<Workflow<unknown, number, unknown>>();
    // A helper that asks for no env can be used where there is one.
    const rich = withEnv<{ db: string }>().workflow({ name: "rich" }, async (inner) => (await load(inner, "a")).id);
    expectTypeOf(rich).toEqualTypeOf<Workflow<unknown, string, { db: string }>>();
  });

  it("goes into generic helper functions that say that the log can hold their type", () => {
    async function twice<T>(inner: Ctx, body: (() => Promise<T>) & IfStorable<T>): Promise<T[]> {
      return [await inner.step("one", body), await inner.step("two", body)];
    }
    expectTypeOf(twice(ctx, async () => ({ n: 1 }))).toEqualTypeOf<Promise<{ n: number }[]>>();
  });
});

describe("an environment", () => {
  interface Env {
    readonly orders: { get(id: string): Promise<{ total: number }> };
  }
  const shop = withEnv<Env>();

  it("reaches step bodies, typed", () => {
    const flow = shop.workflow({ name: "env" }, async (inner, id: string) => {
      const order = await inner.step("load", ({ env }) => {
        expectTypeOf(env).toEqualTypeOf<Env>();
        return env.orders.get(id);
      });
      const [stock] = await inner.map("stock", [id], (each, item) =>
        item.step("get", ({ env }) => env.orders.get(each)),
      );
      expectTypeOf(stock).toEqualTypeOf<{ total: number } | undefined>();
      return inner.scope("part", async (part) => part.step("total", ({ env }) => (env === null ? 0 : order.total)));
    });
    expectTypeOf(flow).toEqualTypeOf<Workflow<string, number, Env>>();
  });

  it("is asked for by createEngine", () => {
    type Options = Parameters<typeof createEngine<Env>>[0];
    expectTypeOf<Options["env"]>().toEqualTypeOf<Env | undefined>();
    expectTypeOf<Workflow<string, number, Env>>().toExtend<Options["workflows"][number]>();
    // A workflow without an environment runs in any engine; one with an environment not without it.
    expectTypeOf<Workflow<string, number, unknown>>().toExtend<Options["workflows"][number]>();
    type Bare = Parameters<typeof createEngine<{ other: string }>>[0];
    expectTypeOf<Workflow<string, number, Env>>().not.toExtend<Bare["workflows"][number]>();
  });
});

describe("a declared workflow", () => {
  const ship = declareWorkflow({ name: "ship", input: Order, output: Receipt });

  it("types its implementation", () => {
    const here = ship.implement(async (inner, order) => {
      expectTypeOf(inner).toEqualTypeOf<Ctx<unknown>>();
      expectTypeOf(order).toEqualTypeOf<{ id: string; placedAt: Date }>();
      return { total: 1 };
    });
    expectTypeOf(here).toEqualTypeOf<
      Workflow<{ id: string; placedAt: string }, { total: number; note: string }, unknown>
    >();
  });

  it("is started without its code", () => {
    const run = engine.start(ship, { id: "a", placedAt: "2026-01-01" });
    expectTypeOf(run).toEqualTypeOf<Promise<StartedRun<{ total: number; note: string }>>>();
  });
});

describe("the engine", () => {
  it("takes a workflow's input and gives its output", async () => {
    const run = await engine.start(fulfil, { id: "a", placedAt: "2026-01-01" }, { idempotencyKey: "a" });
    expectTypeOf(run).toEqualTypeOf<StartedRun<{ total: number; note: string }>>();
    expectTypeOf(run.result({ timeout: "5s" })).toEqualTypeOf<Promise<{ total: number; note: string }>>();
    expectTypeOf(run.created).toBeBoolean();
    const info = await run.status();
    expectTypeOf(info.output).toEqualTypeOf<{ total: number; note: string } | undefined>();
  });

  it("gives a typed handle of an id, and of a name what is not known", () => {
    expectTypeOf(engine.run(fulfil, "run_1")).toEqualTypeOf<RunHandle<{ total: number; note: string }>>();
    expectTypeOf(engine.run("run_1")).toEqualTypeOf<RunHandle<unknown>>();
    expectTypeOf(engine.start("by-name", { any: 1 })).toEqualTypeOf<Promise<StartedRun<unknown>>>();
  });

  it("gives events as a union that its types tell apart", () => {
    const told = (event: RunEvent) => {
      if (event.type === "timer.armed") expectTypeOf(event.data.dueAt).toBeNumber();
      if (event.type === "step.completed")
        expectTypeOf(event.data).toEqualTypeOf<Payload & { readonly cached?: true }>();
    };
    expectTypeOf(told).parameter(0).toEqualTypeOf<RunEvent>();
  });
});

describe("a hook", () => {
  it("makes the input of its workflow", () => {
    webhook({
      name: "github",
      scheme: github({ secrets: ["s"] }),
      workflow: fulfil,
      input: (delivery) => {
        expectTypeOf(delivery.headers).toEqualTypeOf<Readonly<Record<string, string>>>();
        expectTypeOf(delivery.json()).toBeUnknown();
        return { id: delivery.id, placedAt: delivery.text() };
      },
    });
  });
});

describe("a test engine", () => {
  interface Shop {
    readonly pay: (cents: number) => Promise<string>;
  }
  const buy = withEnv<Shop>().workflow({ name: "buy" }, async (inner, cents: number) =>
    inner.step("pay", ({ env }) => env.pay(cents)),
  );

  it("is an engine, with the inputs and outputs of its workflows", async () => {
    const t = await testEngine({ workflows: [fulfil, buy] });
    expectTypeOf(t).toExtend<Engine>();
    expectTypeOf(await t.start(buy, 5)).toEqualTypeOf<StartedRun<string>>();
    expectTypeOf(t.run(fulfil, "run_1").result()).toEqualTypeOf<Promise<{ total: number; note: string }>>();
    // @ts-expect-error the input is a number
    void t.start(buy, "5");
    expectTypeOf(t.calls("pay")[0]).toEqualTypeOf<StepCall | undefined>();
    expectTypeOf(t.now()).toBeNumber();
  });

  it("takes the env that its steps take, made of its world if need be, with more beside it", async () => {
    const charges: number[] = [];
    const fake = { charges, pay: async (cents: number) => `paid ${charges.push(cents)}` };
    await testEngine({ workflows: [buy], env: fake });
    await testEngine({
      workflows: [buy],
      env: (world) => {
        expectTypeOf(world).toEqualTypeOf<SimulatedWorld>();
        return { ...fake, wait: () => world.wait("1s") };
      },
    });
    // @ts-expect-error the steps pay by it
    await testEngine({ workflows: [buy], env: { charges } });
  });

  it("gives mocks what bodies are given", async () => {
    await testEngine({
      workflows: [buy],
      steps: {
        pay: (step, { body, wait }) => {
          expectTypeOf(step).toEqualTypeOf<StepContext<Shop>>();
          expectTypeOf(body).toEqualTypeOf<() => Promise<unknown>>();
          expectTypeOf(wait("1s")).toEqualTypeOf<Promise<void>>();
          return step.env.pay(5);
        },
        "pay#2": fails(2, new Error("busy"), (step) => {
          expectTypeOf(step).toEqualTypeOf<StepContext<Shop>>();
          return step.env.pay(6);
        }),
        "pay#3": takes("1h", returns("paid")),
      },
    });
    const pay = held<{ reference: string }>();
    expectTypeOf(pay.release).parameter(0).toEqualTypeOf<{ reference: string }>();
    // @ts-expect-error a place in a body is none around a write
    await testEngine({ workflows: [buy], crashes: [{ write: 1, moment: "end" }] });
  });

  it("replays histories of any workflow", async () => {
    expectTypeOf(replayHistory(buy, [])).toEqualTypeOf<Promise<ReplayReport>>();
    expectTypeOf(snapshotOf(await engine.history("run_1"))).toBeString();
  });
});

describe("nothing", () => {
  it("is any", async () => {
    expectTypeOf(ctx.step("a", () => 1)).not.toBeAny();
    expectTypeOf(await ctx.step("a", () => ({ a: 1 }))).not.toBeAny();
    expectTypeOf((await ctx.map("a", [1], async (n) => n))[0]).not.toBeAny();
    expectTypeOf(await engine.start("x").then((run) => run.result())).not.toBeAny();
    expectTypeOf(await engine.start(fulfil, { id: "a", placedAt: "b" }).then((run) => run.result())).not.toBeAny();
    expectTypeOf(await engine.run("x").result()).toBeUnknown();
    expectTypeOf(await engine.start(untyped, 1).then((run) => run.result())).not.toBeAny();
  });
});

describe("signals", () => {
  const Approval = z.object({ by: z.string(), at: z.string().transform((text) => new Date(text)) });
  const asking = workflow({ name: "asking", signals: { approval: Approval, stop: z.null() } }, async (ctx) => {
    expectTypeOf(ctx.waitFor("approval")).toEqualTypeOf<Promise<{ by: string; at: Date }>>();
    expectTypeOf(ctx.waitFor("approval", { timeout: "2d" })).toEqualTypeOf<Promise<{ by: string; at: Date } | null>>();
    expectTypeOf(ctx.waitFor("approval", { match: ({ by }) => by === "ada" })).toEqualTypeOf<
      Promise<{ by: string; at: Date }>
    >();
    for await (const { at } of ctx.signals("approval", { timeout: "1h" })) expectTypeOf(at).toEqualTypeOf<Date>();
    await ctx.scope("inner", async (inner) => {
      expectTypeOf(inner.waitFor("stop")).toEqualTypeOf<Promise<null>>();
    });
    expectTypeOf(ctx.resumeUrl("approval")).toEqualTypeOf<string>();
    // @ts-expect-error: no such signal
    ctx.resumeUrl("aproval");
    // @ts-expect-error: no such signal
    await ctx.waitFor("aproval");
    return "done";
  });

  it("are sent as their schema takes them", async () => {
    const run = await engine.start(asking, {});
    expectTypeOf(run.signal).parameter(0).toEqualTypeOf<"approval" | "stop">();
    await run.signal("approval", { by: "ada", at: "2026-01-01" });
    // @ts-expect-error: what the schema makes is not what it takes
    await run.signal("approval", { by: "ada", at: new Date() });
    // @ts-expect-error: no such signal
    await run.signal("aproval", null);
    await engine.run(asking, "id").signal("stop", null);
  });

  it("that are not declared carry anything", async () => {
    expectTypeOf(ctx.waitFor("any")).toEqualTypeOf<Promise<unknown>>();
    await engine.run("id").signal("any", { deep: [1] });
    await (await engine.start(annotated, { n: 1 })).signal("any", 5);
  });
});

describe("a run that a run starts", () => {
  const ping = declareWorkflow({ name: "ping", input: z.object({ n: z.number() }), output: z.string() });
  const pong = declareWorkflow({ name: "pong", input: z.object({ n: z.number() }), output: z.string() });

  it("comes to what its workflow comes to", () => {
    expectTypeOf(ctx.child(annotated, { n: 1 })).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.child(fulfil, { id: "a", placedAt: "now" })).toEqualTypeOf<
      Promise<{ total: number; note: string }>
    >();
    expectTypeOf(ctx.start(annotated, { n: 1 })).toEqualTypeOf<Promise<{ readonly id: string }>>();
    // @ts-expect-error: another input
    void ctx.child(annotated, { n: "1" });
    // @ts-expect-error: no such policy
    void ctx.child(annotated, { n: 1 }, { onCancel: "maybe" });
  });

  it("by name comes to what a schema says, or to nobody knows what", () => {
    expectTypeOf(ctx.child("other", {}, { output: z.number() })).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.child("other", {})).toEqualTypeOf<Promise<unknown>>();
  });

  it("may start the one that started it", () => {
    ping.implement(async (ctx, { n }) => (n === 0 ? "end" : ctx.child(pong, { n: n - 1 })));
    pong.implement(async (ctx, { n }) => (n === 0 ? "end" : ctx.child(ping, { n: n - 1 })));
    expectTypeOf(ctx.child(ping, { n: 1 })).toEqualTypeOf<Promise<string>>();
  });
});

describe("a step that can be undone or replaced", () => {
  it("hands what it came to to what undoes it", () => {
    const done = ctx.step("book", () => ({ id: 7 }), {
      compensate: (booking, { idempotencyKey }) => {
        expectTypeOf(booking).toEqualTypeOf<{ id: number }>();
        expectTypeOf(idempotencyKey).toEqualTypeOf<string>();
      },
    });
    expectTypeOf(done).toEqualTypeOf<Promise<{ id: number }>>();
  });

  it("has a fallback of its own type", () => {
    expectTypeOf(ctx.step("rate", () => 1.5, { fallback: 1 })).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.step("rate", () => 1.5, { fallback: (error) => error.message.length })).toEqualTypeOf<
      Promise<number>
    >();
    // @ts-expect-error: another type
    void ctx.step("rate", () => 1.5, { fallback: "one" });
  });

  it("shares options with others", () => {
    const shared: StepOptions = { retry: { attempts: 2 } };
    expectTypeOf(ctx.step("a", () => 1, shared)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(ctx.step("b", () => "x", shared)).toEqualTypeOf<Promise<string>>();
  });
});

describe("what is matched by", () => {
  interface Paid {
    readonly order: string;
    readonly total: number;
  }

  it("is an expression, or a function that is given the message", () => {
    workflow(
      {
        name: "ship",
        input: Order,
        on: [
          { topic: "a", match: cel("message.payload.total > 1"), debounce: { period: "1s", key: cel("message.id") } },
          { topic: "b", batch: { size: 2, timeout: "1s", key: cel("message.id") } },
          {
            topic: "c",
            match: (message) => {
              expectTypeOf(message).toEqualTypeOf<Message>();
              return message.id === "a";
            },
          },
          { topic: "d", match: ({ payload }: Message<Paid>) => payload.total > 1 },
          { topic: "e", debounce: { period: "1s", key: ({ payload }: Message<Paid>) => payload.order } },
          {
            run: "invoice",
            match: ({ payload }) => {
              expectTypeOf(payload).toEqualTypeOf<RunEnd>();
              return payload.status === "failed";
            },
          },
          // @ts-expect-error: a plain text
          { topic: "f", match: "message.payload.total > 1" },
          // @ts-expect-error: a plain text
          { topic: "g", debounce: { period: "1s", key: "message.id" } },
          // @ts-expect-error: a plain text
          { topic: "h", batch: { size: 2, timeout: "1s", key: "message.id" } },
        ],
        cancelOn: [
          { topic: "a", match: cel("message.payload.order == run.input.id") },
          // @ts-expect-error: a plain text
          { topic: "b", match: "message.payload.order == run.input.id" },
          // @ts-expect-error: any process may have to decide it
          { topic: "c", match: () => true },
        ],
        concurrency: { key: cel("input.id"), limit: 1 },
        singleton: { key: ({ id, placedAt }) => `${id} ${placedAt.getTime()}`, mode: "skip" },
        // @ts-expect-error: a plain text
        priority: "input.total",
      },
      async (_ctx, order) => {
        expectTypeOf(order).toEqualTypeOf<{ id: string; placedAt: Date }>();
      },
    );
  });

  it("of a wait is an expression", () => {
    const match = cel("message.payload.order == run.input.id");
    expectTypeOf(ctx.waitForMessage<Paid>("paid", { match })).toEqualTypeOf<Promise<Message<Paid>>>();
    expectTypeOf(ctx.waitForMessage<Paid>("paid", { match, timeout: "1d" })).toEqualTypeOf<
      Promise<Message<Paid> | null>
    >();
    expectTypeOf(ctx.waitForMessage("paid", { match })).toEqualTypeOf<Promise<Message>>();
    // @ts-expect-error: a plain text
    void ctx.waitForMessage("paid", { match: "message.id == 'a'" });
    // @ts-expect-error: any process may have to decide it
    void ctx.waitForMessage("paid", { match: () => true });
  });
});

describe("a schedule", () => {
  const report = workflow({ name: "report", input: Order }, async (_ctx, order) => order.id);
  const tidy = workflow({ name: "tidy" }, async () => {});

  it("takes the workflow's input, as a start does, and may leave out one that is not there", () => {
    const order = { id: "o-1", placedAt: "2026-01-01" };
    expectTypeOf(
      schedule({ id: "a", workflow: report, input: order, every: "1m" }),
    ).toEqualTypeOf<ScheduleDefinition>();
    schedule({ id: "b", workflow: tidy, cron: "@daily" });
    // @ts-expect-error: no input
    schedule({ id: "c", workflow: report, every: "1m" });
    // @ts-expect-error: another input
    schedule({ id: "d", workflow: report, input: { id: 1, placedAt: "" }, every: "1m" });
    // @ts-expect-error: no such policy
    schedule({ id: "e", workflow: tidy, every: "1m", overlap: "sometimes" });
  });

  it("is made at run time with the same", () => {
    const make = (engine: Engine) => [
      engine.schedules.create({ id: "a", workflow: report, input: { id: "o", placedAt: "x" }, every: "1m" }),
      engine.schedules.create({ id: "b", workflow: "by name", input: 5, every: "1m" }),
      // @ts-expect-error: no input
      engine.schedules.create({ id: "c", workflow: report, every: "1m" }),
    ];
    expectTypeOf(make).toBeFunction();
  });
});
