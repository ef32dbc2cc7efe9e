import { type Ctx, TerminalError, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { verify } from "../../src/history/verify.ts";
import { type Lab, type LabEngine, LEASE_MS, openLab } from "../support/lab.ts";

const drain = (fn: () => void) => void setImmediate(fn);

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);

const range = (length: number) => Array.from({ length }, (_, i) => i);

/** One life of `code`, as far as it comes without time. */
async function live(code: (ctx: Ctx) => Promise<unknown>) {
  const lab = openLab();
  const engine = await lab.engine({ workflows: [flow(code)] });
  const run = await engine.start("flow");
  for (let i = 0; i < 5; i++) await lab.settle();
  return { lab, engine, run, story: await lab.story(run.id) };
}

/** Bodies that end when they are told to. */
function gates() {
  const begun: number[] = [];
  const ends = new Map<number, { resolve: (value: number) => void; reject: (error: unknown) => void }>();
  return {
    begun,
    body: (item: number) => {
      begun.push(item);
      return new Promise<number>((resolve, reject) => ends.set(item, { resolve, reject }));
    },
    end: (item: number) => ends.get(item)?.resolve(item * 10),
    fail: (item: number) => ends.get(item)?.reject(new TerminalError(`item ${item} is bad`)),
  };
}

/** Kills `engine` and lets another one go on. */
async function takeOver(lab: Lab, engine: LabEngine, code: (ctx: Ctx) => Promise<unknown>): Promise<LabEngine> {
  engine.kill();
  lab.clock.advance(LEASE_MS + 1_000);
  const next = await lab.engine({ workflows: [flow(code)] });
  await lab.settle();
  return next;
}

const codeOf = (error: { code: string }) => error.code;

describe("ctx.map", () => {
  it("gives what its function returns in the order of the items, whatever order they end in", async () => {
    const gate = gates();
    const { lab, run } = await live((ctx) =>
      ctx.map("ship", range(3), (n, item) => item.step("go", () => gate.body(n))),
    );
    for (const n of [2, 0, 1]) {
      gate.end(n);
      await lab.settle();
    }
    expect(await run.result()).toEqual([0, 10, 20]);
    const ends = (await lab.story(run.id)).filter((line) => line.startsWith("scope.completed"));
    expect(ends).toEqual(["scope.completed ship[2]", "scope.completed ship[0]", "scope.completed ship[1]"]);
  });

  it("gives the function the item, a context of its own, and the item's place", async () => {
    const { run, story } = await live((ctx) =>
      ctx.map("ship", ["a", "b"], async (item, scope, index) => {
        const label = await scope.step("label", () => `${item}${index}`);
        return [label, await scope.step("label", () => 2), scope.random(), scope.uuid()];
      }),
    );
    const [a, b] = (await run.result()) as [unknown[], unknown[]];
    expect([a.slice(0, 2), b.slice(0, 2)]).toEqual([
      ["a0", 2],
      ["b1", 2],
    ]);
    expect(new Set([...a, ...b]).size).toBe(7);
    expect(story.filter((line) => line.startsWith("step.completed"))).toEqual([
      "step.completed ship[0]/label #1",
      "step.completed ship[1]/label #1",
      "step.completed ship[0]/label#2 #1",
      "step.completed ship[1]/label#2 #1",
    ]);
  });

  it("has so many items under way as it is told, and begins another as one ends", async () => {
    const gate = gates();
    const { lab, run } = await live((ctx) =>
      ctx.map("ship", range(5), (n, item) => item.step("go", () => gate.body(n)), { concurrency: 2 }),
    );
    expect(gate.begun).toEqual([0, 1]);
    gate.end(1);
    await lab.settle();
    expect(gate.begun).toEqual([0, 1, 2]);
    gate.end(2);
    gate.end(0);
    await lab.settle();
    expect(gate.begun).toEqual([0, 1, 2, 3, 4]);
    gate.end(3);
    gate.end(4);
    await lab.settle();
    expect(await run.result()).toEqual([0, 10, 20, 30, 40]);
  });

  it("has a hundred items under way unless it is told otherwise", async () => {
    const gate = gates();
    const { lab, run } = await live((ctx) =>
      ctx.map("ship", range(150), (n, item) => item.step("go", () => gate.body(n))),
    );
    expect(gate.begun).toEqual(range(100));
    for (const n of range(150)) {
      gate.end(n);
      if (n % 50 === 49) for (let i = 0; i < 5; i++) await lab.settle();
    }
    expect(await run.result()).toHaveLength(150);
  });

  it("has the keys of its grammar: of the second map of a name, in a scope, in a map, beside a scope", async () => {
    const { engine } = await live(async (ctx) => {
      const item = async (n: number, scope: Ctx) => scope.step("x", () => n);
      await ctx.map("ship", [1], item);
      await ctx.map("ship", [], item);
      await ctx.map("ship", [1, 2], item, { concurrency: 1 });
      await ctx.scope("pack", (pack) => pack.map("ship", [1], item));
      await ctx.map("outer", [1], (_, outer) => outer.map("in/ner", [1], item));
      await ctx.scope("both", async (both) => both.step("x", () => 1));
      await ctx.map("both", [1], item);
      await ctx.step("both", () => 1);
    });
    expect(engine.asked).toEqual([
      "scope ship[0]",
      "step ship[0]/x",
      "scope ship#3[0]",
      "step ship#3[0]/x",
      "scope ship#3[1]",
      "step ship#3[1]/x",
      "scope pack",
      "scope pack/ship[0]",
      "step pack/ship[0]/x",
      "scope outer[0]",
      "scope outer[0]/in%2Fner[0]",
      "step outer[0]/in%2Fner[0]/x",
      "scope both",
      "step both/x",
      "scope both#2[0]",
      "step both#2[0]/x",
      "step both#3",
    ]);
  });

  it("of nothing gives nothing, and leaves nothing in the log", async () => {
    const { run, story } = await live(async (ctx) => {
      const plain = await ctx.map("ship", [], async () => 1);
      return [plain, await ctx.map("ship", [], async () => 1, { tolerate: 0 })];
    });
    expect(await run.result()).toEqual([[], []]);
    expect(story).toEqual(["run.created", "run.completed"]);
  });

  it("takes its items when it is called: what the code does to the list later changes nothing", async () => {
    const { run } = await live(async (ctx) => {
      const list = [1, 2, 3];
      return await ctx.map(
        "ship",
        list,
        async (n, item) => {
          list.length = 0;
          return await item.step("go", () => n);
        },
        { concurrency: 1 },
      );
    });
    expect(await run.result()).toEqual([1, 2, 3]);
  });

  it("gives the recorded form of what an item returns", async () => {
    const shared = { n: 1 };
    const { run } = await live(async (ctx) => {
      const [first, second] = await ctx.map("ship", [1, 2], async () => ({ shared, at: new Date(5), none: undefined }));
      return [first?.shared === shared, first?.shared === second?.shared, first?.at instanceof Date, first];
    });
    expect(await run.result()).toEqual([false, false, true, { shared: { n: 1 }, at: new Date(5), none: undefined }]);
  });
});

describe("an item that has concluded", () => {
  it("is not run again, and its events are not read", async () => {
    const ran: number[] = [];
    const code = async (ctx: Ctx) => {
      const sums = await ctx.map(
        "part",
        range(4),
        async (n, part) => {
          ran.push(n);
          let total = 0;
          for (const i of range(5)) total += await part.step("add", () => i);
          if (n === 3) await part.sleep("long", "1d");
          if (n === 1) throw new Error("no");
          return total + n;
        },
        { tolerate: 1 },
      );
      return sums.map((sum) => (sum.status === "completed" ? sum.value : sum.error.message));
    };
    const { lab, engine, run } = await live(code);
    expect(ran).toEqual([0, 1, 2, 3]);
    const loaded: (string | null)[] = [];
    const load = lab.store.load.bind(lab.store);
    lab.store.load = async (claims) => {
      const rows = await load(claims);
      loaded.push(...[...rows.values()].flat().map(({ scope }) => scope));
      return rows;
    };
    lab.clock.advance(86_400_000);
    const second = await takeOver(lab, engine, code);
    expect(await second.run(run.id).result()).toEqual([10, "no", 12, 13]);
    // One that failed may be reopened.
    expect(ran).toEqual([0, 1, 2, 3, 1, 3]);
    expect(new Set(loaded)).toEqual(new Set([null, "", "part[1]", "part[3]"]));
    expect(second.asked.filter((call) => /^\w+ part\[[023]\]\//.test(call))).toEqual([
      ...["add", "add#2", "add#3", "add#4", "add#5"].map((key) => `step part[3]/${key}`),
      "timer part[3]/long",
    ]);
  });
});

describe("an item that fails", () => {
  it("lets no other begin, those under way end, and the map fail with its error", async () => {
    const gate = gates();
    const { lab, run } = await live(async (ctx) => {
      const error = await ctx
        .map("ship", range(6), (n, item) => item.step("go", () => gate.body(n)), { concurrency: 3 })
        .catch((thrown: Error) => thrown);
      return [(error as Error).message, (await ctx.step("after", () => "after")) as string];
    });
    gate.fail(1);
    await lab.settle();
    gate.end(0);
    await lab.settle();
    expect(gate.begun).toEqual([0, 1, 2]);
    expect((await run.status()).status).toBe("running");
    // It fails too, later: the first in the log counts.
    gate.fail(2);
    await lab.settle();
    expect(await run.result()).toEqual(['step "ship[1]/go" failed after its only attempt: item 1 is bad', "after"]);
    expect(gate.begun).toEqual([0, 1, 2]);
  });

  it("fails the run if nobody catches it, as an error in a scope does", async () => {
    const { run } = await live((ctx) =>
      ctx.map("ship", [1], () => {
        throw Object.assign(new RangeError("out"), { at: 3 });
      }),
    );
    await expect(run.result()).rejects.toMatchObject({ cause: { name: "RangeError", message: "out", at: 3 } });
  });

  it("fails by what it returns if the log cannot hold it", async () => {
    const { run } = await live((ctx) =>
      ctx
        .map("ship", range(2), async (n) => (n === 0 ? n : { f: () => n }) as unknown, { tolerate: 1 })
        .then((items) => items.map((item) => (item.status === "failed" ? codeOf(item.error as never) : item.value))),
    );
    expect(await run.result()).toEqual([0, "PAYLOAD_UNSTORABLE"]);
  });

  it("in a map that nobody awaits ends neither the run nor the process", async () => {
    const { run } = await live(async (ctx) => {
      void ctx.map("ship", [1], async () => {
        throw new Error("unseen");
      });
      void ctx.map("ship", 5 as never, async () => 1);
      return await ctx.step("on", () => "on");
    });
    expect(await run.result()).toBe("on");
  });
});

describe("failures that are tolerated", () => {
  const bad = (n: number) => n % 2 === 1;
  const halfBad = (ctx: Ctx, count: number, tolerate: number | `${number}%` | "all", concurrency = 1) =>
    ctx.map(
      "ship",
      range(count),
      async (n) => {
        if (bad(n)) throw Object.assign(new TypeError(`item ${n} is bad`), { code: "BAD" });
        return n * 10;
      },
      { tolerate, concurrency },
    );

  it("are given beside what the other items return", async () => {
    const { run } = await live(async (ctx) => {
      const items = await halfBad(ctx, 4, 2);
      return items.map((item) =>
        item.status === "completed" ? item : [item.status, item.error instanceof Error, item.error],
      );
    });
    expect(await run.result()).toMatchObject([
      { status: "completed", value: 0 },
      ["failed", true, { name: "TypeError", message: "item 1 is bad", code: "BAD" }],
      { status: "completed", value: 20 },
      ["failed", true, { message: "item 3 is bad" }],
    ]);
  });

  const tolerances: [tolerate: number | `${number}%` | "all", count: number, isTolerated: boolean][] = [
    [0, 1, true],
    [0, 2, false],
    [1, 3, true],
    [1, 4, false],
    [99, 4, true],
    ["0%", 2, false],
    ["50%", 10, true],
    ["49%", 10, false],
    // A third of three, and of five, rounded down: none and one.
    ["33%", 3, false],
    ["33%", 4, false],
    ["33%", 5, false],
    ["50%", 3, true],
    ["100%", 7, true],
    ["all", 7, true],
  ];
  it.each(tolerances)(
    "are so many: %s of %i items, every second of which fails",
    async (tolerate, count, isTolerated) => {
      const { run } = await live((ctx) => halfBad(ctx, count, tolerate).then((items) => items.length, codeOf));
      expect(await run.result()).toBe(isTolerated ? count : "MAP_FAILED");
    },
  );

  it("and no more: no other item begins, and the error says how many failed, and how the first did", async () => {
    const { run, story } = await live((ctx) => ctx.scope("in", (scope) => halfBad(scope, 8, 1)));
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        name: "MapFailedError",
        code: "MAP_FAILED",
        message:
          'expected at most 1 of the 8 items of map "in/ship" to fail, but 2 did (not begun: 4); ' +
          'the first was "in/ship[1]": item 1 is bad',
        facts: {
          map: "in/ship",
          items: 8,
          tolerated: 1,
          failed: 2,
          notBegun: 4,
          failures: [
            { index: 1, message: "item 1 is bad" },
            { index: 3, message: "item 3 is bad" },
          ],
        },
        cause: { name: "TypeError", message: "item 1 is bad", code: "BAD" },
      },
    });
    expect(story.filter((line) => line.startsWith("scope.started in/"))).toHaveLength(4);
  });

  it("and no more: those under way come to their end first", async () => {
    const gate = gates();
    const { lab, run } = await live((ctx) =>
      ctx
        .map("ship", range(9), (n, item) => item.step("go", () => gate.body(n)), { concurrency: 3, tolerate: 1 })
        .then(() => "tolerated", codeOf),
    );
    gate.fail(0);
    await lab.settle();
    expect(gate.begun).toEqual([0, 1, 2, 3]);
    gate.fail(2);
    await lab.settle();
    expect(gate.begun).toEqual([0, 1, 2, 3]);
    gate.end(1);
    await lab.settle();
    expect((await run.status()).status).toBe("running");
    gate.fail(3);
    await lab.settle();
    expect(await run.result()).toBe("MAP_FAILED");
    expect(gate.begun).toEqual([0, 1, 2, 3]);
  });

  it("name ten of many in the error, each briefly, so that it is kept whole", async () => {
    const { run } = await live((ctx) =>
      ctx.map(
        "ship",
        range(50),
        async (n) => {
          throw new Error(`${n} ${"ü".repeat(5_000)}`);
        },
        { tolerate: 40 },
      ),
    );
    const error = await run
      .result()
      .catch(({ cause }: { cause: { facts: { failures: { message: string }[] } } }) => cause);
    const { failures } = (error as { facts: { failures: { message: string }[] } }).facts;
    expect(failures).toHaveLength(10);
    for (const [i, { message }] of failures.entries()) {
      expect(message).toMatch(new RegExp(`^${i} ü`));
      expect(message).toHaveLength(200);
    }
  });
});

describe("a map that is asked for wrongly", () => {
  const item = async () => 1;
  const wrong: [what: string, call: (ctx: Ctx) => Promise<unknown>, error: RegExp][] = [
    [
      "no list",
      (ctx) => ctx.map("m", null as never, item),
      /^MAP_INVALID: expected the items of map "m" to be an array, but found null$/,
    ],
    ["what is like a list", (ctx) => ctx.map("m", { length: 1 } as never, item), /^MAP_INVALID: .*but found object$/],
    ["a text", (ctx) => ctx.map("m", "abc" as never, item), /^MAP_INVALID: .*but found string$/],
    ["a set", (ctx) => ctx.map("m", new Set([1]) as never, item), /^MAP_INVALID/],
    [
      "no function",
      (ctx) => ctx.map("m", [1], undefined as never),
      /^MAP_INVALID: expected what map "m" does .* to be a function, but found undefined$/,
    ],
    [
      "no options",
      (ctx) => ctx.map("m", [1], item, null as never),
      /^MAP_INVALID: expected the options of map "m" .*but found null$/,
    ],
    ["a number of options", (ctx) => ctx.map("m", [1], item, 4 as never), /^MAP_INVALID: .*but found number$/],
    ["no name", (ctx) => ctx.map("", [1], item), /^NAME_INVALID/],
    ["no name, and nothing to do", (ctx) => ctx.map(undefined as never, [], item), /^NAME_INVALID/],
    [
      "more items than may be",
      (ctx) => ctx.map("m", range(10_001), item),
      /^MAP_ITEMS_LIMIT: expected map "m" to have at most 10000 items, but found 10001; map over parts/,
    ],
    ...[0, -1, 1.5, 10_001, Number.NaN, Number.POSITIVE_INFINITY, "4", null].map(
      (concurrency): (typeof wrong)[number] => [
        `a concurrency of ${concurrency}`,
        (ctx) => ctx.map("m", [1], item, { concurrency: concurrency as never }),
        /^OPTION_INVALID: expected map "m"\.concurrency to be a whole number from 1 to 10000, but found/,
      ],
    ),
    ...[-1, 0.5, Number.NaN, "101%", "12.5%", "-1%", "50", "%", "5 %", " 5%", "none", "", true, null, {}, ["5%"]].map(
      (tolerate): (typeof wrong)[number] => [
        `a tolerance of ${JSON.stringify(tolerate)}`,
        (ctx) => ctx.map("m", [1], item, { tolerate: tolerate as never }),
        /^OPTION_INVALID: expected map "m"\.tolerate to be a whole number of items, a whole percentage such as "50%", or "all", but found/,
      ],
    ),
  ];

  it.each(wrong)("is refused before anything begins: %s", async (_, call, error) => {
    const { run, story } = await live((ctx) => call(ctx).catch(({ code, message }) => `${code}: ${message}`));
    expect(await run.result()).toMatch(error);
    expect(story).toEqual(["run.created", "run.completed"]);
  });

  it("takes options that are undefined for those that are not there", async () => {
    const { run } = await live((ctx) =>
      ctx
        .map("m", [1], item, { concurrency: undefined, tolerate: undefined } as never)
        .then((items) => items as unknown),
    );
    expect(await run.result()).toEqual([1]);
  });

  it("takes as many items as may be, and has them all under way if it is told so", async () => {
    const { lab, run } = await live((ctx) =>
      ctx.map("m", range(10_000), async (n) => n, { concurrency: 10_000 }).then((items) => items.length),
    );
    for (let i = 0; i < 1_500 && (await run.status()).status !== "completed"; i++) await lab.settle();
    expect(await run.result()).toBe(10_000);
  }, 60_000);
});

describe("the context of an item", () => {
  const misuses: [what: string, code: (ctx: Ctx) => Promise<unknown>, error: RegExp][] = [
    [
      "is not the one around it, for a step",
      (ctx) =>
        ctx.map("ship", [1], async (_, item) => {
          await item.step("fine", () => 1);
          return ctx.step("not-fine", () => 2);
        }),
      /OUTER_CONTEXT.*the scope "ship\[0\]".*ctx\.step "not-fine" on an outer one/,
    ],
    [
      "is not the one around it, for another map",
      (ctx) => ctx.map("ship", [1], async () => ctx.map("inner", [1], async () => 1)),
      /OUTER_CONTEXT.*the scope "ship\[0\]".*ctx\.map "inner" on an outer one/,
    ],
    [
      "is not that of the item around it",
      (ctx) => ctx.map("outer", [1], (_, outer) => outer.map("inner", [1], async () => outer.sleep("nap", 1))),
      /OUTER_CONTEXT.*the scope "outer\[0\]\/inner\[0\]".*ctx\.sleep "nap"/,
    ],
    [
      "is not that of an item beside it",
      async (ctx) => {
        let other: Ctx | undefined;
        return ctx.map("ship", [0, 1], async (n, item) => {
          if (n === 0) other = item;
          await item.step("fine", () => 1);
          return n === 1 && other !== undefined ? other.step("not-fine", () => 2) : item.sleep("nap", "1h");
        });
      },
      /OTHER_SCOPE.*the scope "ship\[1\]".*ctx\.step "not-fine" in the scope "ship\[0\]"/,
    ],
    [
      "does not go on with what an item beside it has got",
      async (ctx) => {
        let first: Promise<unknown> | undefined;
        return ctx.map("ship", [0, 1], async (n, item) => {
          if (n === 0) {
            first = item.step("mine", () => 1);
            await first;
            return item.sleep("nap", "1h");
          }
          await first;
          return item.step("late", () => 2);
        });
      },
      /OTHER_SCOPE.*the scope "ship\[0\]".*ctx\.step "late" in the scope "ship\[1\]"/,
    ],
    [
      "ends with its function",
      async (ctx) => {
        let leaked: Ctx | undefined;
        await ctx.map("ship", [1], async (_, item) => {
          leaked = item;
          return 1;
        });
        return leaked?.map("late", [1], async () => 2);
      },
      /SCOPE_ENDED.*the scope "ship\[0\]".*ctx\.map "late"/,
    ],
  ];

  it.each(misuses)("%s: that is found and named", async (_, code, expected) => {
    const { run } = await live(code);
    const error = await run.result().catch(({ cause }) => `${cause.code}: ${cause.message}`);
    expect(error).toMatch(expected);
  });

  it("is named in the diff of a history that does not fit", async () => {
    const at = (name: string) => (ctx: Ctx) =>
      ctx.map(name, [1, 2], (_, item) => item.sleep("long", "1h").then(() => 1));
    const { lab, engine, run } = await live(at("ship"));
    lab.clock.advance(3_600_000);
    const second = await takeOver(lab, engine, at("send"));
    const { stuck } = await second.run(run.id).status();
    expect(stuck?.message).toContain('expected (event 2): ctx.map "ship[0]"');
    expect(stuck?.message).toContain('found:    the code waiting for ctx.map "send[0]", ctx.map "send[1]"');
  });
});

describe("a map whose run is cancelled", () => {
  it("begins no other item, whatever it tolerates, and gives the cancel to the code", async () => {
    const caught: unknown[] = [];
    const { lab, engine, run } = await live(async (ctx) => {
      const end = (error: unknown) => void caught.push(codeOf(error as never));
      await ctx
        .map("ship", range(100), async (_, item) => item.sleep("long", "1h"), { concurrency: 3, tolerate: "all" })
        .catch(end);
      await ctx.map("ship", range(100), async (_, item) => item.sleep("long", "1h")).catch(end);
    });
    await run.cancel();
    await lab.pass(1_000);
    expect((await run.status()).status).toBe("cancelled");
    expect(caught).toEqual(["RUN_CANCELLED", "RUN_CANCELLED"]);
    // Those of the second map are refused as any call is: a hundred, which it would have begun with.
    expect(engine.asked.filter((call) => /^scope ship\[/.test(call))).toHaveLength(3);
    expect((await lab.story(run.id)).slice(-5)).toEqual([
      "cancel.requested",
      "scope.failed ship[0]",
      "scope.failed ship[1]",
      "scope.failed ship[2]",
      "run.cancelled",
    ]);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });

  it("does not go on where items make something of the cancel", async () => {
    const { lab, engine, run } = await live((ctx) =>
      ctx.map("ship", range(9), async (_, item) => item.sleep("long", "1h").catch(() => "instead"), { concurrency: 2 }),
    );
    await run.cancel();
    await lab.pass(1_000);
    expect((await run.status()).status).toBe("cancelled");
    expect(engine.asked.filter((call) => call.startsWith("scope"))).toHaveLength(3);
    expect((await lab.story(run.id)).filter((line) => line.startsWith("scope.started"))).toHaveLength(2);
  });
});

describe("a map whose scope ends before it", () => {
  it("is closed with it: no item begins any more, and nothing of those under way is recorded but late", async () => {
    const gate = gates();
    const code = async (ctx: Ctx) => {
      const first = await ctx.scope("either", (scope) =>
        Promise.race([
          scope.map("ship", range(5), (n, item) => item.step("go", () => gate.body(n)), { concurrency: 2 }),
          scope.sleep("patience", "1s").then(() => "patience"),
        ]),
      );
      await ctx.sleep("after", "200ms");
      return first;
    };
    const { lab, run } = await live(code);
    await lab.pass(1_100, 50);
    gate.end(0);
    gate.fail(1);
    await lab.pass(1_000);
    expect(await run.result()).toBe("patience");
    expect(gate.begun).toEqual([0, 1]);
    const story = await lab.story(run.id);
    expect(story.slice(story.indexOf("scope.completed either"))).toEqual([
      "scope.completed either",
      "timer.armed after",
      "attempt.late either/ship[0]/go #1",
      "attempt.late either/ship[1]/go #1",
      "timer.fired after",
      "run.completed",
    ]);
    expect(await verify(lab.store, { drain })).toMatchObject({ equal: true });
  });
});
