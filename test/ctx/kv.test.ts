import { type Ctx, type KvScope, StoreError, type VarveError, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { KEYED_KEY_LENGTH_MAX, KEYED_VALUE_BYTES_MAX } from "../../src/kernel/keyed.ts";
import { type EngineSetup, type Lab, openLab } from "../support/lab.ts";
import { ODD_TEXTS } from "../support/storable.ts";

type Code = (ctx: Ctx, input: unknown) => Promise<unknown>;

const flow = (code: Code, name = "flow") => workflow({ name }, code);
const count = z.number();

/** Lets an hour pass, and then what was due happen. */
async function later(lab: Lab): Promise<void> {
  await lab.pass(3_600_000, 900_000);
  await lab.pass(4_000);
}

/** What the code comes to, or the error that it throws. */
async function outcomeOf(code: Code, setup: Partial<EngineSetup> = {}, lab: Lab = openLab()) {
  const engine = await lab.engine({ workflows: [flow(code)], ...setup });
  const run = await engine.start("flow", null, { tags: { tenant: "acme" } });
  await lab.settle();
  return await run.result().catch((error) => error.cause);
}

const errorOf = async (...args: Parameters<typeof outcomeOf>) => (await outcomeOf(...args)) as VarveError;

const refusal = async (call: (ctx: Ctx) => Promise<unknown>) => {
  const error = await errorOf(async (ctx) => {
    await call(ctx);
    return "not refused";
  });
  return error.code;
};

describe("ctx.kv", () => {
  it("reads what was put, changes it, lists it and deletes it, and records each answer", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      const kv = ctx.kv("global");
      const before = await kv.get("a");
      await kv.set("a", { at: new Date(7) });
      const after = await kv.get("a");
      const sum = await ctx.kv("global", { schema: count }).update("n", (n = 0) => n + 1);
      const both = await kv.list();
      await kv.delete("a");
      return [before, after, sum, both, await kv.get("a")];
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start(code, null);
    await lab.settle();
    const at = new Date(7);
    const list = [
      { key: "a", value: { at } },
      { key: "n", value: 1 },
    ];
    expect(await run.result()).toEqual([undefined, { at }, 1, list, undefined]);
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "kv.answered kv.global.get:a",
      "kv.requested kv.global.set:a",
      "kv.answered kv.global.set:a",
      "kv.answered kv.global.get:a#2",
      "kv.requested kv.global.update:n",
      "kv.answered kv.global.update:n",
      "kv.answered kv.global.list:",
      "kv.requested kv.global.delete:a",
      "kv.answered kv.global.delete:a",
      "kv.answered kv.global.get:a#3",
      "run.completed",
    ]);
  });

  it("keeps what belongs to a run, a workflow, a tenant and all apart", async () => {
    const lab = openLab();
    const scopes: KvScope[] = ["run", "workflow", "tenant", "global"];
    const write: Code = async (ctx) => {
      for (const scope of scopes) await ctx.kv(scope).set("k", scope);
    };
    const read: Code = async (ctx) => await Promise.all(scopes.map((scope) => ctx.kv(scope).get("k")));
    const workflows = [
      flow(async (ctx, input) => (input === "write" ? await write(ctx, input) : await read(ctx, input))),
      flow(read, "other"),
    ];
    const engine = await lab.engine({ workflows });
    const first = await engine.start("flow", "write", { tags: { tenant: "acme" } });
    await lab.settle();
    const runs = [
      await engine.start("flow", "read", { tags: { tenant: "acme" } }),
      await engine.start("flow", "read", { tags: { tenant: "other" } }),
      await engine.start("other", "read", { tags: { tenant: "acme" } }),
    ];
    await lab.settle();
    expect(await Promise.all(runs.map((run) => run.result()))).toEqual([
      [undefined, "workflow", "tenant", "global"],
      [undefined, "workflow", undefined, "global"],
      [undefined, undefined, "tenant", "global"],
    ]);
    // From outside, also after the run's end.
    expect(await engine.kv({ run: first.id }).get("k")).toBe("run");
    expect(await engine.kv({ workflow: "flow" }).get("k")).toBe("workflow");
    expect(await engine.kv({ tenant: "acme" }).get("k")).toBe("tenant");
    expect(await engine.kv("global").get("k")).toBe("global");
  });

  it("gives replay what the first pass read", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      const first = await ctx.kv("global").get("k");
      await ctx.sleep("nap", "1h");
      return [first, await ctx.kv("global").get("k")];
    });
    const engine = await lab.engine({ workflows: [code], worker: { hotRunsMax: 0 } });
    await engine.kv("global").set("k", 1);
    const run = await engine.start("flow");
    await lab.settle();
    await engine.kv("global").set("k", 2);
    await later(lab);
    expect(await run.result()).toEqual([1, 2]);
  });

  it("forgets a value when its time is over, and keeps one that is set again without a time", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      const kv = ctx.kv("global");
      await kv.set("a", 1, { ttl: "10s" });
      await kv.set("b", 1, { ttl: "10s" });
      await kv.set("b", 2);
      await kv.update("c", () => 3, { ttl: "30s" });
      await ctx.sleep("nap", "10s");
      return [await kv.get("a"), await kv.get("b"), await kv.get("c"), await kv.list()];
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.pass(12_000, 1_000);
    const left = [
      { key: "b", value: 2 },
      { key: "c", value: 3 },
    ];
    expect(await run.result()).toEqual([undefined, 2, 3, left]);
  });

  it("deletes by an update that comes to undefined", async () => {
    const code: Code = async (ctx) => {
      const kv = ctx.kv("global", { schema: count });
      await kv.set("n", 1);
      return [await kv.update("n", () => undefined), await kv.get("n"), await kv.update("n", () => undefined)];
    };
    expect(await outcomeOf(code)).toEqual([undefined, undefined, undefined]);
  });

  it("lists by prefix and by pages", async () => {
    const code: Code = async (ctx) => {
      const kv = ctx.kv("global");
      for (const key of ["b/2", "a", "b/1", "b/3"]) await kv.set(key, key);
      const keys = async (page: Parameters<typeof kv.list>[0]) => (await kv.list(page)).map(({ key }) => key);
      return [
        await keys({ prefix: "b/" }),
        await keys({ prefix: "b/", limit: 2 }),
        await keys({ prefix: "b/", after: "b/2" }),
        await keys({ prefix: "c" }),
      ];
    };
    expect(await outcomeOf(code)).toEqual([["b/1", "b/2", "b/3"], ["b/1", "b/2"], ["b/3"], []]);
  });

  it("checks values against a schema, when they are given and when they are read", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      const kv = ctx.kv("global", { schema: z.object({ at: z.iso.date().transform((text) => new Date(text)) }) });
      const refused = await kv.set("k", { at: "no date" }).catch((error) => error);
      const facts = [refused.name, refused.code, refused.facts.issues[0].path];
      const unfit = await kv.get("k").catch((error) => error.code);
      await kv.set("k", { at: "2026-01-02" });
      const updated = await kv.update("k", (before) => ({ at: before === undefined ? "2000-01-01" : "2026-01-03" }));
      return [facts, unfit, updated, await kv.get("k"), await kv.list()];
    });
    const engine = await lab.engine({ workflows: [code] });
    await engine.kv("global").set("k", "another's");
    const run = await engine.start("flow");
    await lab.settle();
    const at = new Date("2026-01-03");
    expect(await run.result()).toEqual([
      ["ValidationError", "KV_VALUE_UNFIT", "$.at"],
      "KV_VALUE_UNFIT",
      { at },
      { at },
      [{ key: "k", value: { at } }],
    ]);
  });

  it("refuses keys, values, times and pages that cannot be", async () => {
    const long = "k".repeat(KEYED_KEY_LENGTH_MAX + 1);
    for (const key of ["", long, "\0", "\ud800", 7, null] as string[]) {
      expect(await refusal((ctx) => ctx.kv("global").get(key))).toBe("KV_KEY_INVALID");
      expect(await refusal((ctx) => ctx.kv("global").update(key, () => 1))).toBe("KV_KEY_INVALID");
    }
    expect(await refusal((ctx) => ctx.kv("global").set("k", undefined))).toBe("KV_VALUE_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").set("k", (() => 1) as never))).toBe("PAYLOAD_UNSTORABLE");
    expect(await refusal((ctx) => ctx.kv("global").set("k", "x".repeat(KEYED_VALUE_BYTES_MAX)))).toBe(
      "PAYLOAD_TOO_LARGE",
    );
    expect(await refusal((ctx) => ctx.kv("global").set("k", 1, { ttl: 0 }))).toBe("OPTION_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").set("k", 1, { ttl: "soon" }))).toBe("DURATION_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").update("k", 1 as never))).toBe("OPTION_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").list({ limit: 0 }))).toBe("OPTION_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").list({ limit: 1_001 }))).toBe("OPTION_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").list({ prefix: long }))).toBe("KV_KEY_INVALID");
    expect(await refusal((ctx) => ctx.kv("global").list({ after: "\0" }))).toBe("KV_KEY_INVALID");
    expect(await refusal((ctx) => ctx.kv("elsewhere" as KvScope).get("k"))).toBe("KV_SCOPE_INVALID");
  });

  it("takes every text that can be stored as a key and as a value", async () => {
    const texts = ODD_TEXTS.filter((text) => text.length > 0 && text.length <= KEYED_KEY_LENGTH_MAX);
    const keys = texts.filter((text) => text.isWellFormed() && !text.includes("\0"));
    const code: Code = async (ctx) => {
      for (const key of keys) await ctx.kv("global").set(key, key);
      const values = [];
      for (const key of keys) values.push(await ctx.kv("global").get(key));
      return values;
    };
    expect(keys.length).toBeGreaterThan(3);
    expect(await outcomeOf(code)).toEqual(keys);
  });

  it("refuses a tenant's values to a run without one", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => ctx.kv("tenant").get("k"));
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "TENANT_MISSING", facts: { runId: run.id } } });
  });

  it("fails the call by what an update throws, or makes that cannot be stored, and changes nothing", async () => {
    const code: Code = async (ctx) => {
      const kv = ctx.kv("global", { schema: count });
      await kv.set("n", 1);
      const thrown = await kv
        .update("n", () => {
          throw new RangeError("too far");
        })
        .catch((error) => [error.name, error.message]);
      const promised = await ctx
        .kv("global")
        .update("n", (() => Promise.resolve(1)) as never)
        .catch((error) => error.code);
      return [thrown, promised, await kv.get("n")];
    };
    expect(await outcomeOf(code)).toEqual([["RangeError", "too far"], "PAYLOAD_UNSTORABLE", 1]);
  });

  it("fails a list whose values are larger together than a value may be", async () => {
    const code: Code = async (ctx) => {
      for (const key of ["a", "b", "c"]) await ctx.kv("global").set(key, "x".repeat(500));
      const whole = await ctx
        .kv("global")
        .list()
        .catch((error) => error.code);
      return [whole, (await ctx.kv("global").list({ limit: 1 })).length];
    };
    expect(await outcomeOf(code, { limits: { payloadBytesMax: 1_000 } })).toEqual(["PAYLOAD_TOO_LARGE", 1]);
  });

  it("is a call like others: code that asks for another one diverges", async () => {
    const lab = openLab();
    let key = "a";
    const code = flow(async (ctx) => {
      await ctx.kv("global").get(key);
      await ctx.sleep("nap", "1h");
    });
    const first = await lab.engine({ workflows: [code], worker: { hotRunsMax: 0 } });
    const run = await first.start("flow");
    await lab.settle();
    key = "b";
    await later(lab);
    const { status, stuck } = await run.status();
    expect(status).toBe("stuck");
    expect(stuck?.message).toContain('expected (event 2): ctx.kv "kv.global.get:a"');
    expect(stuck?.message).toContain('found:    the code waiting for ctx.kv "kv.global.get:b"');
  });
});

describe("an update", () => {
  const increment: Code = async (ctx) => await ctx.kv("global", { schema: count }).update("n", (n = 0) => n + 1);

  it("loses nothing when many runs update at once, in two processes", async () => {
    const lab = openLab();
    const code = flow(increment);
    const engines = [await lab.engine({ workflows: [code] }), await lab.engine({ workflows: [code] })];
    const runs = await Promise.all(
      Array.from({ length: 40 }, (_, i) => engines[i % 2]!.start("flow", null, { idempotencyKey: `r${i}` })),
    );
    await lab.settle();
    const values = await Promise.all(runs.map((run) => run.result()));
    expect([...(values as number[])].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(await engines[0]!.kv("global").get("n")).toBe(40);
  });

  it("takes effect once, though its process dies between the change and its record", async () => {
    for (let call = 1; call <= 2; call++) {
      const lab = openLab();
      const { putKeyed } = lab.store;
      const code = flow(async (ctx, input) => [await increment(ctx, input), await increment(ctx, input)]);
      const first = await lab.engine({ workflows: [code] });
      let calls = 0;
      lab.store.putKeyed = async (put) => {
        const verdict = await putKeyed.call(lab.store, put);
        if (++calls === call) first.kill();
        return verdict;
      };
      const run = await first.start("flow", null);
      await lab.pass(20_000, 5_000);
      const second = await lab.engine({ workflows: [code] });
      await lab.pass(20_000, 5_000);
      expect(await second.run(run.id).result(), `call ${call}`).toEqual([1, 2]);
      expect(await second.kv("global").get("n")).toBe(2);
    }
  });

  it("takes effect once, though its process dies at any append", async () => {
    for (let append = 1; append <= 4; append++) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const code = flow(async (ctx, input) => [await increment(ctx, input), await increment(ctx, input)]);
        const first = await lab.engine({ workflows: [code], dies: { append, moment } });
        first.start("flow", null, { idempotencyKey: "k" }).catch(() => {});
        await lab.settle();
        first.kill();
        await lab.pass(20_000, 5_000);
        const second = await lab.engine({ workflows: [code] });
        const run = await second.start("flow", null, { idempotencyKey: "k" });
        await lab.pass(20_000, 5_000);
        expect(await run.result(), `${moment} append ${append}`).toEqual([1, 2]);
        expect(await second.kv("global").get("n")).toBe(2);
      }
    }
  });

  it("is given up when others are faster every time", async () => {
    const lab = openLab();
    const { store } = lab;
    const putKeyed = store.putKeyed.bind(store);
    let tries = 0;
    store.putKeyed = async (put) => {
      if (put.operation === null) return await putKeyed(put);
      tries++;
      return { kind: "conflict" };
    };
    const error = await errorOf(increment, {}, lab);
    expect([error.name, error.code, error.facts]).toEqual([
      "ConflictError",
      "KV_CONTENDED",
      { scope: "global", key: "n", tries: 100 },
    ]);
    expect(tries).toBe(100);
  });

  it("cannot use ctx in its function", async () => {
    const error = await errorOf(async (ctx) =>
      ctx.kv("global").update("n", () => {
        void ctx.sleep("nap", 1);
        return 1;
      }),
    );
    expect(error.code).toBe("FOREIGN_AWAIT");
  });
});

describe("engine.kv", () => {
  it("updates beside runs, and what it refuses has the same codes", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)] });
    const kv = engine.kv("global", { schema: count });
    await Promise.all(Array.from({ length: 10 }, () => kv.update("n", (n = 0) => n + 1)));
    expect(await kv.get("n")).toBe(10);
    expect(await kv.list({ prefix: "n" })).toEqual([{ key: "n", value: 10 }]);
    await kv.delete("n");
    await kv.delete("n");
    expect(await kv.get("n")).toBeUndefined();
    await expect(kv.get("")).rejects.toMatchObject({ code: "KV_KEY_INVALID" });
    await expect(kv.set("n", "text" as never)).rejects.toMatchObject({ code: "KV_VALUE_UNFIT" });
    await expect(
      kv.update("n", () => {
        throw new TypeError("broken");
      }),
    ).rejects.toThrow(TypeError);
    expect(() => engine.kv("nowhere" as never)).toThrowError(expect.objectContaining({ code: "KV_SCOPE_INVALID" }));
    expect(() => engine.kv({ run: "a", tenant: "b" } as never)).toThrowError(
      expect.objectContaining({ code: "KV_SCOPE_INVALID" }),
    );
    expect(() => engine.kv({ tenant: "" })).toThrowError(expect.objectContaining({ code: "NAME_INVALID" }));
    await engine.close();
    await expect(kv.get("n")).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });
});

describe("a store that does not answer", () => {
  it("is asked again until it does, and the run goes on", async () => {
    const lab = openLab();
    const { store } = lab;
    const putKeyed = store.putKeyed.bind(store);
    let failures = 5;
    store.putKeyed = async (put) => {
      const verdict = await putKeyed(put);
      if (failures-- > 0) throw new StoreError("STORE_BUSY", "busy", { retry: true });
      return verdict;
    };
    const code = flow(async (ctx) => ctx.kv("global", { schema: count }).update("n", (n = 0) => n + 1));
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.pass(10_000, 100);
    // The first put was taken, and its answer was lost.
    expect(await run.result()).toBe(1);
    expect(await engine.kv("global").get("n")).toBe(1);
  });

  it("is not asked again when it says that it cannot: the run is stuck", async () => {
    const lab = openLab();
    lab.store.getKeyed = async () => {
      throw new StoreError("STORE_CORRUPT", "the file is damaged", { retry: false });
    };
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.kv("global").get("k"))] });
    const run = await engine.start("flow");
    await lab.settle();
    expect(await run.status()).toMatchObject({ status: "stuck", stuck: { code: "STORE_CORRUPT" } });
  });
});

describe("a change that is overtaken", () => {
  it("by a cancel is not waited for, and what is kept of it goes with the run", async () => {
    const lab = openLab();
    const { store } = lab;
    const putKeyed = store.putKeyed.bind(store);
    let answer = () => {};
    store.putKeyed = async (put) => {
      const verdict = await putKeyed(put);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return verdict;
    };
    const code = flow(async (ctx) => ctx.kv("global").set("k", 1));
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    answer();
    await lab.settle();
    const [row] = await lab.rows("flow");
    const again = { scope: "global", key: "k", value: "{}", ttlMs: null, ifVersion: 1, note: null };
    const operation = { runId: run.id, epoch: row?.epoch ?? 0, key: "kv.global.set:k" };
    expect(await putKeyed({ ...again, operation })).toEqual({ kind: "lost" });
  });
});
