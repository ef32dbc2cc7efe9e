import { type Ctx, type RunHandle, workflow } from "varve";
import { describe, expect, it, vi } from "vitest";
import { StoreError } from "../../src/kernel/errors.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import { LEASE_MS, openLab } from "../support/lab.ts";

type Body = (ctx: Ctx, input: unknown) => Promise<unknown>;

const flow = (run: Body, version = "1") => workflow({ name: "flow", version }, run);

const twoSteps: Body = async (ctx) => {
  const a = await ctx.step("a", () => 1);
  await ctx.sleep("wait", "1h");
  const b = await ctx.step("b", () => a + 1);
  return b;
};

/** Runs `before` up to its sleep, kills the worker, and goes on with `after`. */
async function change(before: Body, after: Body) {
  const lab = openLab();
  const first = await lab.engine({ workflows: [flow(before)] });
  const { id } = await first.start("flow", null);
  await lab.settle();
  first.kill();
  lab.clock.advance(LEASE_MS + 3_600_000);
  const recorded = await lab.story(id);
  const second = await lab.engine({ workflows: [flow(after)] });
  await lab.settle();
  return { lab, id, recorded, second, row: async () => (await lab.rows("flow"))[0]! };
}

describe("code that does not fit its history", () => {
  const cases: { what: string; code: Body; expected: RegExp }[] = [
    {
      what: "a step that is gone",
      code: async (ctx) => {
        await ctx.sleep("wait", "1h");
        return ctx.step("b", () => 2);
      },
      expected: /- expected \(event 3\): ctx\.step "a"\n {2}\+ found: {4}the code waiting for ctx\.sleep "wait"/,
    },
    {
      what: "a step that was renamed",
      code: async (ctx) => {
        await ctx.step("a-renamed", () => 1);
        await ctx.sleep("wait", "1h");
        return ctx.step("b", () => 2);
      },
      expected: /- expected \(event 3\): ctx\.step "a"\n {2}\+ found: {4}the code waiting for ctx\.step "a-renamed"/,
    },
    {
      what: "another kind of call under a recorded key",
      code: async (ctx) => {
        await ctx.sleep("a", "1s");
        return null;
      },
      expected: /- expected \(the history\): ctx\.step "a"\n {2}\+ found: {4}ctx\.sleep "a"/,
    },
    {
      what: "a call that was begun and is gone",
      code: async (ctx) => {
        await ctx.step("a", () => 1);
        await ctx.step("other", () => 1);
        return null;
      },
      expected:
        /- expected \(the history\): ctx\.sleep "wait"\n {2}\+ found: {4}the code waiting for ctx\.step "other"/,
    },
    {
      what: "a function that returns too early",
      code: async () => "early",
      expected: /- expected \(event 3\): ctx\.step "a"\n {2}\+ found: {4}the code waiting for nothing/,
    },
    {
      what: "a function that throws too early",
      code: async () => {
        throw new Error("early");
      },
      expected: /- expected \(event 3\): ctx\.step "a"/,
    },
    {
      what: "a function that awaits something else first",
      code: async (ctx) => {
        await new Promise(() => {});
        return ctx.step("a", () => 1);
      },
      expected: /- expected \(event 3\): ctx\.step "a"\n {2}\+ found: {4}the code waiting for nothing/,
    },
  ];

  for (const { what, code, expected } of cases) {
    it(`parks the run as stuck and appends nothing: ${what}`, async () => {
      const { lab, id, recorded, second, row } = await change(twoSteps, code);
      expect(await row()).toMatchObject({ status: "stuck", owner: null });
      const { code: errorCode, message } = JSON.parse((await row()).stuck!);
      expect(errorCode).toBe("REPLAY_DIVERGED");
      expect(message).toMatch(expected);
      expect(await lab.story(id)).toEqual(recorded);
      expect((await second.run(id).status()).stuck).toMatchObject({ code: "REPLAY_DIVERGED" });
      expect(second.lines).toContainEqual(expect.objectContaining({ level: "error", message: "a run is stuck" }));
    });
  }

  it("goes on once a worker with fixed code starts", async () => {
    const { lab, id, second, row } = await change(twoSteps, async () => "early");
    expect((await row()).status).toBe("stuck");
    second.kill();
    lab.clock.advance(LEASE_MS + 1_000);
    const third = await lab.engine({ workflows: [flow(twoSteps)] });
    await lab.settle();
    expect(await third.run(id).result()).toBe(2);
    expect((await row()).stuck).toBeNull();
  });

  it("is not stuck any more as soon as it goes on, long before it ends", async () => {
    const { lab, id, second, row } = await change(twoSteps, async () => "early");
    expect((await row()).stuck).not.toBeNull();
    second.kill();
    lab.clock.advance(LEASE_MS + 1_000);
    const busy: Body = async (ctx) => {
      await ctx.step("a", () => 1);
      await ctx.sleep("wait", "1h");
      return ctx.step("b", () => new Promise<never>(() => {}));
    };
    const third = await lab.engine({ workflows: [flow(busy)] });
    await lab.settle();
    expect(await row()).toMatchObject({ status: "running", stuck: null, availableAt: null });
    expect((await third.run(id).status()).stuck).toBeUndefined();
  });

  it("is parked again by the same code, without an event", async () => {
    const { lab, id, second, recorded } = await change(twoSteps, async () => "early");
    second.kill();
    lab.clock.advance(LEASE_MS + 1_000);
    await lab.engine({ workflows: [flow(async () => "early")] });
    await lab.settle();
    expect((await lab.rows("flow"))[0]).toMatchObject({ status: "stuck", unclean: 0 });
    expect(await lab.story(id)).toEqual(recorded);
  });

  it("can still be cancelled", async () => {
    const { lab, id, second } = await change(twoSteps, async () => "early");
    await second.run(id).cancel({ reason: "enough" });
    await lab.settle();
    expect((await lab.rows("flow"))[0]).toMatchObject({ status: "cancelled", stuck: null });
    expect((await lab.story(id)).slice(-2)).toEqual(["cancel.requested", "run.cancelled"]);
  });

  it("is not touched by a worker that has only another version", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [flow(twoSteps, "1")] });
    const { id } = await first.start("flow", null);
    await lab.settle();
    first.kill();
    lab.clock.advance(LEASE_MS + 3_600_000);
    await lab.engine({ workflows: [flow(async () => "new", "2")] });
    await lab.settle();
    expect((await lab.rows("flow"))[0]).toMatchObject({ status: "waiting", version: "1" });
    await lab.engine({ workflows: [flow(async () => "new", "2"), flow(twoSteps, "1")] });
    await lab.settle();
    expect((await lab.store.getRun(id))?.status).toBe("completed");
  });
});

describe("replay", () => {
  it("starts no body and appends nothing until the log is exhausted", async () => {
    const bodies: string[] = [];
    const code: Body = async (ctx) => {
      for (const name of ["a", "b", "c"]) {
        await ctx.step(name, () => {
          bodies.push(name);
        });
      }
      await ctx.sleep("wait", "1h");
      return ctx.step("d", () => bodies.push("d"));
    };
    const lab = openLab();
    const first = await lab.engine({ workflows: [flow(code)] });
    const { id } = await first.start("flow", null);
    await lab.settle();
    expect(bodies).toEqual(["a", "b", "c"]);
    first.kill();
    lab.clock.advance(3_600_000 + LEASE_MS);
    const second = await lab.engine({ workflows: [flow(code)] });
    await lab.settle();
    expect(bodies).toEqual(["a", "b", "c", "d"]);
    expect(second.asked).toEqual(["step a", "step b", "step c", "timer wait", "step d"]);
    expect(await lab.story(id)).toContain("run.completed");
  });

  it("asks at every prefix of a history for a prefix of what the whole asks", async () => {
    const code: Body = async (ctx) => {
      const [x, y] = await Promise.all([ctx.step("x", () => 1), ctx.step("y", async () => 2)]);
      await Promise.race([ctx.sleep("nap", "1s"), ctx.step("z", () => x + y)]);
      const inner = await ctx.scope("part", async (part) => {
        await part.sleep("breath", "1s");
        return part.step("in", () => 5);
      });
      await ctx.sleep("nap", "2s");
      const items = await ctx.map(
        "item",
        [0, 1, 2, 3],
        async (n, item) => {
          await item.sleep("breath", n * 100);
          if (n === 2) throw new Error("no");
          return item.step("in", () => n);
        },
        { concurrency: 2, tolerate: 1 },
      );
      return ctx.step("last", () => inner + items.length);
    };
    const lab = openLab();
    const whole = await lab.engine({ workflows: [flow(code)] });
    const { id } = await whole.start("flow", null);
    await lab.pass(10_000);
    const history = await lab.history(id);
    expect(history.at(-1)?.type).toBe("run.completed");
    for (let cut = 1; cut < history.length; cut++) {
      const copy = openLab();
      const events = history.slice(0, cut).map(({ data, ...event }) => ({ ...event, data: JSON.stringify(data) }));
      await copy.store.append({
        starts: [
          {
            runId: id,
            workflow: "flow",
            version: "1",
            idempotencyKey: null,
            tags: {},
            createdAt: 0,
            deadlineAt: null,
            owner: null,
            delivery: null,
            parentId: null,
            limits: null,
          },
        ],
        runs: [
          {
            runId: id,
            epoch: 0,
            firstSeq: 1,
            events,
            drained: [],
            row: {
              kind: "move",
              unclean: "keep",
              status: "pending",
              availableAt: 0,
              release: true,
              result: null,
              startedAt: null,
              endedAt: null,
              stuck: null,
            },
            beyond: null,
          },
        ],
        messages: [],
      });
      const again = await copy.engine({ workflows: [flow(code)] });
      await copy.pass(20_000);
      // A scope that has completed is not run again, so its own calls are not asked.
      const expected = whole.asked.filter((call) => !call.includes("/") || again.asked.includes(call));
      expect(again.asked, `after ${cut} events`).toEqual(expected);
      expect((await copy.store.getRun(id))?.status, `after ${cut} events`).toBe("completed");
    }
  });

  it("goes on from the copy in memory when nobody else had the run", async () => {
    let begun = 0;
    const lab = openLab();
    const code: Body = async (ctx) => {
      begun++;
      await ctx.sleep("wait", "1h");
      return ctx.step("b", () => "ok");
    };
    const engine = await lab.engine({ workflows: [flow(code)] });
    const { id } = await engine.start("flow", null);
    await lab.pass(3_700_000, 2_000);
    expect(await lab.story(id)).toEqual([
      "run.created",
      "timer.armed wait",
      "run.claimed",
      "timer.fired wait",
      "attempt.started b #1",
      "step.completed b #1",
      "run.completed",
    ]);
    expect(begun).toBe(1);
  });

  it("replays when the copy had to make room", async () => {
    let begun = 0;
    const lab = openLab();
    const code: Body = async (ctx) => {
      begun++;
      await ctx.sleep("wait", "1h");
      return "ok";
    };
    const engine = await lab.engine({ workflows: [flow(code)], worker: { hotRunsMax: 2 } });
    for (let i = 0; i < 5; i++) await engine.start("flow", i);
    await lab.pass(3_700_000, 2_000);
    expect((await lab.rows("flow")).map(({ status }) => status)).toEqual(Array(5).fill("completed"));
    expect(begun).toBe(5 + 3);
  });

  it("parks a run whose history this version cannot read, and another version goes on", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [flow(twoSteps)] });
    const { id } = await first.start("flow", null);
    await lab.settle();
    first.kill();
    lab.clock.advance(LEASE_MS + 3_600_000);
    const readable = lab.store.load.bind(lab.store);
    lab.store.load = async (claims) =>
      new Map(
        [...(await readable(claims))].map(([run, rows]) => [
          run,
          rows.map((row) => (row.seq === 2 ? { ...row, v: 99 } : row)),
        ]),
      );
    const second = await lab.engine({ workflows: [flow(twoSteps)] });
    await lab.settle();
    expect((await second.run(id).status()).stuck).toMatchObject({ code: "EVENT_UNREADABLE" });
    second.kill();
    lab.store.load = readable;
    lab.clock.advance(LEASE_MS + 1_000);
    const third = await lab.engine({ workflows: [flow(twoSteps)] });
    await lab.settle();
    expect(await third.run(id).result()).toBe(2);
  });
});

describe("a row that somebody damaged", () => {
  const place = (seq: number, change: (row: EventRow) => EventRow) => (rows: readonly EventRow[]) =>
    rows.map((row) => (row.seq === seq ? change(row) : row));
  const corrupt = new StoreError("STORE_CORRUPT", "an integer that no number holds", { retry: false });
  const damages: Record<string, readonly [code: string, damage: (rows: readonly EventRow[]) => EventRow[]]> = {
    "an input that cannot be decoded": [
      "EVENT_UNREADABLE",
      place(1, (row) => ({ ...row, data: `{"workflow":"flow","version":"1","input":{"value":5,"meta":"x"}}` })),
    ],
    "a result that cannot be decoded": [
      "EVENT_UNREADABLE",
      place(3, (row) => ({ ...row, data: '{"value":5,"meta":[[["a"],"date"]]}' })),
    ],
    "a step that ends as a timer does": ["HISTORY_INVALID", place(3, (row) => ({ ...row, type: "timer.fired" }))],
    "a last event that is gone": ["HISTORY_INVALID", (rows) => rows.slice(0, -1)],
    "a last event that is another one": [
      "HISTORY_INVALID",
      (rows) => place(rows.length, (row) => ({ ...row, seq: 99 }))(rows),
    ],
    "a cell that cannot be read": [
      "STORE_CORRUPT",
      () => {
        throw corrupt;
      },
    ],
  };

  it.each(Object.keys(damages))("parks its run and no other, and nothing is appended: %s", async (name) => {
    const [code, damage] = damages[name] as (typeof damages)[string];
    const lab = openLab();
    const hold: Body = async (ctx) => {
      const a = await ctx.step("a", () => 1);
      await ctx.sleep("nap", "1h");
      return a;
    };
    const first = await lab.engine({ workflows: [flow(hold)] });
    const runs = [await first.start("flow", 1), await first.start("flow", 2), await first.start("flow", 3)];
    await lab.settle();
    first.kill();
    const damagedRun = runs[1] as RunHandle;
    const load = lab.store.load.bind(lab.store);
    lab.store.load = async (claims) => {
      const rows = await load(claims);
      return new Map([...rows].map(([id, events]) => [id, id === damagedRun.id ? damage(events) : [...events]]));
    };
    const before = await lab.story(damagedRun.id);
    lab.clock.advance(LEASE_MS + 3_600_000);
    const second = await lab.engine({ workflows: [flow(hold)] });
    await lab.pass(5_000);
    const statuses = await Promise.all(runs.map(async ({ id }) => await second.run(id).status()));
    expect(statuses.map(({ status }) => status)).toEqual(["completed", "stuck", "completed"]);
    expect(statuses[1]?.stuck).toMatchObject({ code });
    expect(await lab.story(damagedRun.id)).toEqual(before);
    second.kill();
    lab.store.load = load;
    lab.clock.advance(LEASE_MS + 1_000);
    const third = await lab.engine({ workflows: [flow(hold)] });
    await lab.settle();
    expect(await third.run(damagedRun.id).result()).toBe(1);
  });
});

describe("what the code awaits", () => {
  const failing: { what: string; code: Body; error: RegExp }[] = [
    {
      what: "a timer of the platform alone",
      code: async (ctx) => {
        await ctx.step("a", () => 1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return ctx.step("b", () => 2);
      },
      error: /FOREIGN_AWAIT.*after ctx\.step "a"/,
    },
    {
      what: "something foreign beside a step, and then a step",
      code: async (ctx) => {
        const foreign = new Promise((resolve) =>
          setImmediate(() => setImmediate(() => setImmediate(() => setImmediate(resolve)))),
        );
        await Promise.all([ctx.step("a", () => 1), foreign]);
        return ctx.step("b", () => 2);
      },
      error: /FOREIGN_AWAIT/,
    },
    {
      what: "the outer context within a scope",
      code: async (ctx) =>
        ctx.scope("inner", async (scope) => {
          await scope.step("fine", () => 1);
          return ctx.step("not-fine", () => 2);
        }),
      error: /OUTER_CONTEXT.*the scope "inner".*ctx\.step "not-fine"/,
    },
    {
      what: "a scope after its function has returned",
      code: async (ctx) => {
        let leaked: Ctx | undefined;
        await ctx.scope("inner", async (scope) => {
          leaked = scope;
          return 1;
        });
        return leaked?.step("late", () => 2);
      },
      error: /SCOPE_ENDED.*"inner".*ctx\.step "late"/,
    },
    {
      what: "a step within the body of a step",
      code: async (ctx) => ctx.step("outer", async () => ctx.step("inner", () => 1)),
      error: /FOREIGN_AWAIT.*ctx\.step "inner"/,
    },
    {
      what: "nothing that ever comes",
      code: async () => new Promise(() => {}),
      error: /FOREIGN_AWAIT.*the start/,
    },
    {
      what: "a foreign promise at the very end",
      code: async (ctx) => {
        void ctx.step("background", () => new Promise(() => {}));
        await new Promise((resolve) => setTimeout(resolve, 2));
        return "end";
      },
      error: /FOREIGN_AWAIT.*the function's end/,
    },
  ];

  for (const { what, code, error } of failing) {
    it(`fails the run with a typed error if it is ${what}`, async () => {
      const lab = openLab();
      const engine = await lab.engine({ workflows: [flow(code)] });
      const { id } = await engine.start("flow", null);
      for (let i = 0; i < 20; i++) {
        await lab.settle();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const status = await engine.run(id).status();
      expect(status.status).toBe("failed");
      const failure = status.error as Error & { code: string };
      expect(`${failure.code} ${failure.message}`).toMatch(error);
    });
  }

  it("may be any number of microtasks", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          for (let i = 0; i < 5_000; i++) await Promise.resolve();
          const a = await ctx.step("a", () => 1);
          for (let i = 0; i < 5_000; i++) await null;
          return a + (await ctx.step("b", () => 2));
        }),
      ],
    });
    const run = await engine.start("flow", null);
    await lab.settle();
    expect(await run.result()).toBe(3);
  });

  it("may be a promise of an outer call within a scope that is open", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const shared = ctx.step("shared", () => 4);
          return ctx.scope("inner", async (scope) => {
            const four = await shared;
            return scope.step("own", () => four + 1);
          });
        }),
      ],
    });
    const run = await engine.start("flow", null);
    await lab.settle();
    expect(await run.result()).toBe(5);
  });

  it("is reported when it is a step that nobody awaited", async () => {
    const lab = openLab();
    let end = (_: string) => {};
    const ended = new Promise<string>((resolve) => {
      end = resolve;
    });
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          void ctx.step("forgotten", () => ended);
          return ctx.step("awaited", () => 1);
        }),
      ],
    });
    const run = await engine.start("flow", null);
    await lab.settle();
    expect(await run.result()).toBe(1);
    const completed = (await lab.history(run.id)).find((event) => event.type === "run.completed");
    expect(completed?.data).toMatchObject({ unfinished: ["forgotten"] });
    expect(engine.lines).toContainEqual(
      expect.objectContaining({ level: "warn", fields: expect.objectContaining({ steps: ["forgotten"] }) }),
    );
    end("late");
    await lab.settle();
    const late = (await lab.history(run.id)).at(-1);
    expect(late).toMatchObject({ type: "attempt.late", key: "forgotten", data: { value: { value: "late" } } });
  });

  it("is recorded as late also when it ends while the run's end is being written", async () => {
    const lab = openLab();
    let end: (value: string) => void = () => {};
    const append = lab.store.append.bind(lab.store);
    lab.store.append = async (write) => {
      if (write.runs.some(({ events }) => events.some(({ type }) => type === "run.completed"))) end("late");
      await lab.settle();
      return await append(write);
    };
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          void ctx.step("forgotten", () => new Promise((resolve) => (end = resolve)));
          return ctx.step("awaited", () => 1);
        }),
      ],
    });
    const run = await engine.start("flow", null);
    expect(await run.result()).toBe(1);
    await vi.waitFor(async () => {
      const late = (await lab.history(run.id)).at(-1);
      expect(late).toMatchObject({ type: "attempt.late", key: "forgotten", data: { value: { value: "late" } } });
    });
  });
});
