/** What the compiler knows without being told. `tsc` checks it, alone and under vitest; nothing here is ever run. */
import {
  type Ctx,
  declareWorkflow,
  type Engine,
  github,
  type IfStorable,
  type Payload,
  type RunEvent,
  type RunHandle,
  type StartedRun,
  type StepContext,
  type Workflow,
  webhook,
  withEnv,
  workflow,
} from "varve";
import type { createEngine } from "varve/node";
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
    expectTypeOf(ctx.step("url", () => new URL("https://varve.example"))).toEqualTypeOf<Promise<URL>>();
    expectTypeOf(ctx.step("error", () => new RangeError("x"))).toEqualTypeOf<Promise<RangeError>>();
    expectTypeOf(ctx.step("json", () => JSON.parse("1") as unknown)).toEqualTypeOf<Promise<unknown>>();
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
    async function twice<T>(inner: Ctx, body: (() => Promise<T>) & IfStorable<NoInfer<T>>): Promise<T[]> {
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

describe("nothing", () => {
  it("is any", async () => {
    expectTypeOf(ctx.step("a", () => 1)).not.toBeAny();
    expectTypeOf(await ctx.step("a", () => ({ a: 1 }))).not.toBeAny();
    expectTypeOf(await engine.start("x").then((run) => run.result())).not.toBeAny();
    expectTypeOf(await engine.start(fulfil, { id: "a", placedAt: "b" }).then((run) => run.result())).not.toBeAny();
    expectTypeOf(await engine.run("x").result()).toBeUnknown();
    expectTypeOf(await engine.start(untyped, 1).then((run) => run.result())).not.toBeAny();
  });
});
