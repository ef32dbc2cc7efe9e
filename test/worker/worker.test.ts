import { CancelledError, type Ctx, RunCancelledError, StoreError, workflow } from "varve";
import { describe, expect, it, vi } from "vitest";
import { POISONED } from "../../src/log/port-claims.ts";
import { LEASE_MS, openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx) => Promise<unknown>, name = "flow") => workflow({ name }, code);
const hang = () => new Promise<never>(() => {});

describe("cancel", () => {
  it("aborts running bodies, rejects waiting calls, and ends the run", async () => {
    const lab = openLab();
    const seen: unknown[] = [];
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          const body = ctx.step("body", ({ signal }) => {
            signal.addEventListener("abort", () => seen.push(["aborted", (signal.reason as { code: string }).code]));
            return hang();
          });
          const nap = ctx.sleep("nap", "1d");
          const fates = await Promise.allSettled([body, nap]);
          for (const fate of fates) seen.push(fate.status === "rejected" && fate.reason instanceof CancelledError);
          await ctx
            .step("more", () => seen.push("must not run"))
            .catch((error: CancelledError) => seen.push(error.code));
          return "swallowed";
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel({ reason: "changed my mind" });
    await lab.settle();
    await expect(run.result()).rejects.toThrow(RunCancelledError);
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_CANCELLED", facts: { reason: "changed my mind" } });
    // The code is told at once; effects, such as the abort, wait until the request is durable.
    expect(seen).toEqual([true, true, "RUN_CANCELLED", ["aborted", "RUN_CANCELLED"]]);
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "attempt.started body #1",
      "timer.armed nap",
      "cancel.requested",
      "run.cancelled",
    ]);
  });

  it("rejects a scope that has not begun, and never begins", async () => {
    const lab = openLab();
    const seen: unknown[] = [];
    let finish = () => {};
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          ctx.step("open", hang);
          await ctx.step("first", () => new Promise<void>((resolve) => (finish = resolve)));
          await ctx
            .scope("next", async () => seen.push("must not run"))
            .catch((error: CancelledError) => seen.push(error.code));
        }),
      ],
    });
    const run = await engine.start("flow");
    await lab.settle();
    // What the step comes to waits while the run is paused, and is given before the cancel.
    await run.pause();
    await lab.settle();
    finish();
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect(seen).toEqual(["RUN_CANCELLED"]);
  });

  it("of a run that has not begun never runs its code", async () => {
    const lab = openLab();
    const code = vi.fn(async () => "ran");
    const engine = await lab.engine({ workflows: [flow(code)] });
    const run = await engine.start("flow", null, { delay: "1h" });
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect(code).not.toHaveBeenCalled();
  });

  it("of a sleeping run wakes it", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "30d"))] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
  });

  it("reaches a run that is being claimed, without a heartbeat", async () => {
    const lab = openLab();
    const load = lab.store.load.bind(lab.store);
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.step("long", hang))] });
    const run = await engine.start("flow", null, { delay: "1s" });
    // The claim is made, and has not seen the mail.
    lab.store.load = async (claims) => {
      await run.cancel();
      return await load(claims);
    };
    lab.clock.advance(1_000);
    await lab.settle();
    expect((await run.status()).status).toBe("cancelled");
    expect((await lab.story(run.id)).slice(1, 3)).toEqual(["run.claimed", "cancel.requested"]);
  });

  it("reaches a run that another process has, with its next heartbeat", async () => {
    const lab = openLab();
    const aborted = vi.fn();
    const code = flow(async (ctx) =>
      ctx.step("long", ({ signal }) => {
        signal.onabort = aborted;
        return hang();
      }),
    );
    await lab.engine({ workflows: [code] });
    const other = await lab.engine({ workflows: [code], worker: false });
    const run = await other.start("flow");
    await lab.pass(2_000);
    expect((await run.status()).status).toBe("running");
    await run.cancel();
    await lab.pass(LEASE_MS / 2);
    expect((await run.status()).status).toBe("cancelled");
    expect(aborted).toHaveBeenCalledOnce();
  });

  it("of a run that is over, or unknown, is refused", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)] });
    const run = await engine.start("flow");
    await lab.settle();
    await expect(run.cancel()).rejects.toMatchObject({ code: "RUN_OVER" });
    await expect(engine.run("run_none").cancel()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("survives a crash at every append", async () => {
    const code = flow(async (ctx) => {
      await ctx.step("a", () => 1);
      await ctx.sleep("nap", "1d");
      return "done";
    });
    for (let append = 1; append <= 4; append++) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const first = await lab.engine({ workflows: [code], dies: { append, moment } });
        first.start("flow", null, { idempotencyKey: "k" }).catch(() => {});
        await lab.settle();
        const [row] = await lab.rows("flow");
        if (row !== undefined)
          first
            .run(row.id)
            .cancel()
            .catch(() => {});
        await lab.settle();
        first.kill();
        lab.clock.advance(LEASE_MS + 1_000);
        const second = await lab.engine({ workflows: [code] });
        const run = await second.start("flow", null, { idempotencyKey: "k" });
        await lab.settle();
        await run.cancel().catch((error: { code: string }) => expect(error.code).toBe("RUN_OVER"));
        await lab.settle();
        expect((await run.status()).status, `death ${moment} ${append}`).toBe("cancelled");
        await lab.history(run.id);
      }
    }
  });
});

describe("a deadline", () => {
  it("fails the run, wherever it is", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => ctx.sleep("nap", "1d"), "sleeps"),
        flow(async (ctx) => ctx.step("hangs", hang), "works"),
        flow(async () => 1, "quick"),
      ],
    });
    const options = { deadline: "1h" };
    const runs = await Promise.all(["sleeps", "works", "quick"].map((name) => engine.start(name, null, options)));
    await lab.pass(3_610_000, 2_000);
    const ends = await Promise.all(
      runs.map(async (run) => (await run.status()).error as { code?: string } | undefined),
    );
    expect(ends.map((error) => error?.code)).toEqual(["RUN_DEADLINE", "RUN_DEADLINE", undefined]);
  });

  it("that has passed as well changes nothing for a run that was cancelled", async () => {
    const lab = openLab();
    const workflows = [flow(async (ctx) => ctx.sleep("nap", "1d"))];
    const first = await lab.engine({ workflows });
    const run = await first.start("flow", null, { deadline: "1h" });
    await lab.settle();
    first.kill();
    const caller = await lab.engine({ workflows, worker: false });
    await caller.run(run.id).cancel();
    lab.clock.advance(3_700_000);
    const second = await lab.engine({ workflows });
    await lab.settle();
    expect((await second.run(run.id).status()).status).toBe("cancelled");
  });
});

describe("a start", () => {
  it("with a delay begins so much later", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => "ran")] });
    const run = await engine.start("flow", null, { delay: "10m" });
    await lab.pass(599_000, 2_000);
    expect(await run.status()).toMatchObject({ status: "pending", startedAt: null });
    await lab.pass(3_000);
    expect(await run.result()).toBe("ran");
  });

  it("with a used idempotency key finds the run; with another input it is a conflict", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => "ran")] });
    const first = await engine.start("flow", { a: 1, b: [2] }, { idempotencyKey: "k" });
    const again = await engine.start("flow", { b: [2], a: 1 }, { idempotencyKey: "k" });
    expect([first.created, again.created, again.id]).toEqual([true, false, first.id]);
    await expect(engine.start("flow", { a: 2 }, { idempotencyKey: "k" })).rejects.toMatchObject({
      code: "IDEMPOTENCY_CONFLICT",
    });
  });

  it("many times at once under one key makes one run", async () => {
    const lab = openLab();
    const begun = vi.fn(async () => "ran");
    const engines = [await lab.engine({ workflows: [flow(begun)] }), await lab.engine({ workflows: [flow(begun)] })];
    const starts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => engines[i % 2]!.start("flow", null, { idempotencyKey: "k" })),
    );
    await lab.settle();
    expect(new Set(starts.map(({ id }) => id)).size).toBe(1);
    expect(starts.filter(({ created }) => created)).toHaveLength(1);
    expect(await lab.rows("flow")).toHaveLength(1);
    expect(await starts[0]!.result()).toBe("ran");
  });

  it("is refused with a typed error for what is wrong about it", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async () => 1)], limits: { payloadBytesMax: 500 } });
    const refused = async (start: Promise<unknown>) =>
      await start.then(
        () => "started",
        (error: { code: string }) => error.code,
      );
    expect(await refused(engine.start("nope"))).toBe("WORKFLOW_UNKNOWN");
    expect(await refused(engine.start("flow", "x".repeat(600)))).toBe("PAYLOAD_TOO_LARGE");
    expect(await refused(engine.start("flow", () => 1))).toBe("PAYLOAD_UNSTORABLE");
    expect(await refused(engine.start("flow", 1, { idempotencyKey: "a\0" }))).toBe("NAME_INVALID");
    expect(await refused(engine.start("flow", 1, { delay: "later" }))).toBe("DURATION_INVALID");
    expect(await refused(engine.start("flow", 1, { tags: { ok: "\ud800" } }))).toBe("NAME_INVALID");
    expect(
      await refused(
        engine.start("flow", 1, { tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t${i}`, "v"])) }),
      ),
    ).toBe("TAGS_LIMIT");
    expect(await lab.rows("flow")).toEqual([]);
  });

  it("keeps no hold on what the caller gave it", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        workflow({ name: "flow" }, async (ctx, input: { list: number[] }) => {
          await ctx.step("a", () => 1);
          return input.list;
        }),
      ],
    });
    const input = { list: [1, 2] };
    const starting = engine.start("flow", input);
    input.list.push(3);
    const run = await starting;
    await lab.settle();
    expect(await run.result()).toEqual([1, 2]);
  });
});

describe("a result", () => {
  it("is waited for no longer than asked, and the run goes on", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "1h").then(() => "late"))] });
    const run = await engine.start("flow");
    const waiting = run.result({ timeout: "5s" });
    waiting.catch(() => {});
    await lab.pass(10_000, 500);
    await expect(waiting).rejects.toMatchObject({ code: "RESULT_TIMEOUT", facts: { status: "waiting" } });
    await lab.pass(3_600_000, 2_000);
    expect(await run.result()).toBe("late");
  });

  it("of an unknown run, or after the engine closed, is a typed error", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.sleep("nap", "1h"))] });
    await expect(engine.run("run_none").result()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    const run = await engine.start("flow");
    await lab.settle();
    const waiting = run.result();
    waiting.catch(() => {});
    await lab.settle();
    await engine.close();
    await expect(waiting).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await expect(engine.start("flow")).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });
});

describe("a lost lease", () => {
  /** A worker whose heartbeats do not reach the log. */
  async function isolated() {
    const lab = openLab();
    const signals: AbortSignal[] = [];
    const code = flow(async (ctx) =>
      ctx.step("long", ({ signal, attempt }) => {
        signals.push(signal);
        return attempt > 1 ? "second" : hang();
      }),
    );
    let cut = false;
    const heartbeat = lab.store.heartbeat.bind(lab.store);
    lab.store.heartbeat = async (worker, leaseMs) => {
      if (cut) throw new Error("cut off");
      return await heartbeat(worker, leaseMs);
    };
    const first = await lab.engine({ workflows: [code] });
    const run = await first.start("flow");
    await lab.settle();
    return {
      lab,
      code,
      first,
      run,
      signals,
      cut: (on: boolean) => {
        cut = on;
      },
    };
  }

  it("aborts the bodies before another worker can have the run, and appends nothing", async () => {
    const { lab, code, first, run, signals, cut } = await isolated();
    const lost = vi.fn();
    first.on("worker.lost", lost);
    cut(true);
    await lab.pass(LEASE_MS * 0.85, 500);
    expect(signals[0]?.aborted).toBe(false);
    await lab.pass(LEASE_MS * 0.1, 500);
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toMatchObject({ code: "LEASE_LOST" });
    expect(lost).toHaveBeenCalledOnce();
    cut(false);
    const before = await lab.story(run.id);
    await lab.engine({ workflows: [code] });
    await lab.pass(LEASE_MS, 500);
    expect(await run.result()).toBe("second");
    expect((await lab.story(run.id)).slice(0, before.length)).toEqual(before);
  });

  it("leaves the worker at work under another id", async () => {
    const { lab, first, run, cut } = await isolated();
    cut(true);
    await lab.pass(LEASE_MS, 500);
    cut(false);
    await lab.pass(LEASE_MS * 2, 500);
    expect(await run.result()).toBe("second");
    const claims = (await lab.history(run.id)).filter((event) => event.type === "run.claimed");
    expect(claims).toHaveLength(1);
    expect(first.lines.filter(({ message }) => message.includes("lease ended"))).toHaveLength(1);
  });

  it("makes a claim worthless whose answer comes later: the worker, under its new id, begins the run once", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.sleep("nap", "5s");
      return ctx.step("after", () => "done");
    });
    const first = await lab.engine({ workflows: [code] });
    const run = await first.start("flow");
    await lab.settle();
    const { claim, heartbeat, append } = lab.store;
    const written: string[][] = [];
    lab.store.append = (write) => {
      written.push(write.runs.map(({ runId }) => runId));
      return append.call(lab.store, write);
    };
    let answer = () => {};
    lab.store.claim = async (request) => {
      const verdict = await claim.call(lab.store, request);
      lab.store.claim = claim.bind(lab.store);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return verdict;
    };
    await lab.pass(6_000, 500);
    lab.store.heartbeat = async () => ({ alive: false, mail: [] });
    await lab.pass(LEASE_MS, 500);
    lab.store.heartbeat = heartbeat.bind(lab.store);
    await lab.pass(LEASE_MS, 500);
    answer();
    await lab.pass(LEASE_MS, 500);
    expect(await run.result()).toBe("done");
    for (const runs of written) expect(new Set(runs).size).toBe(runs.length);
    expect((await lab.history(run.id)).filter(({ type }) => type === "run.claimed")).toHaveLength(1);
  });

  it("is judged by the log: what an old owner still sends is refused, and its neighbours are not hurt", async () => {
    const lab = openLab();
    let finish: (() => void)[] = [];
    const code = flow(async (ctx) => {
      await ctx.step("long", () => new Promise<void>((resolve) => finish.push(resolve)));
      return ctx.step("after", () => "done");
    });
    const first = await lab.engine({ workflows: [code] });
    const runs = [await first.start("flow"), await first.start("flow")];
    await lab.settle();
    // Somebody takes the first run away while its owner still believes in its lease.
    const [stolen, kept] = runs as [(typeof runs)[0], (typeof runs)[0]];
    const row = await lab.store.getRun(stolen.id);
    await lab.store.append({
      starts: [],
      runs: [
        {
          runId: stolen.id,
          epoch: row!.epoch,
          firstSeq: row!.head + 1,
          events: [],
          drained: [],
          row: {
            kind: "move",
            unclean: "keep",
            status: "pending",
            availableAt: 0,
            release: true,
            result: null,
            startedAt: row!.startedAt,
            endedAt: null,
            stuck: null,
          },
          beyond: null,
        },
      ],
      messages: [],
    });
    await lab.store.openWorker("thief", LEASE_MS);
    const { claims } = await lab.store.claim({
      worker: "thief",
      turn: 1,
      programs: [{ workflow: "flow", version: "1" }],
      limit: 1,
      alone: false,
    });
    expect(claims.map(({ runId }) => runId)).toEqual([stolen.id]);
    for (const end of finish.splice(0)) end();
    await lab.settle();
    expect(await kept.result()).toBe("done");
    expect(await lab.story(stolen.id)).toEqual(["run.created", "attempt.started long #1"]);
    finish = [];
  });
});

describe("stop", () => {
  it("lets bodies end, records their outcomes, and hands the run back at once", async () => {
    const lab = openLab();
    let finish = () => {};
    const code = flow(async (ctx) => {
      await ctx.step(
        "long",
        () =>
          new Promise<void>((resolve) => {
            finish = resolve;
          }),
      );
      return ctx.step("after", () => "done");
    });
    const first = await lab.engine({ workflows: [code], worker: false });
    const worker = await first.work({ leaseMs: LEASE_MS });
    const run = await first.start("flow");
    await lab.settle();
    const stopping = worker.stop();
    await lab.pass(2_000);
    finish();
    await lab.settle();
    await stopping;
    expect(await lab.story(run.id)).toEqual(["run.created", "attempt.started long #1", "step.completed long #1"]);
    expect(await run.status()).toMatchObject({ status: "pending", worker: null });
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    expect(await second.run(run.id).result()).toBe("done");
  });

  it("aborts bodies at its deadline, and the attempt does not count", async () => {
    const lab = openLab();
    const signals: AbortSignal[] = [];
    const code = flow(async (ctx) =>
      ctx.step(
        "long",
        ({ signal, attempt }) => {
          signals.push(signal);
          return attempt > 1 ? "second" : hang();
        },
        { retry: { attempts: 1 } },
      ),
    );
    const first = await lab.engine({ workflows: [code], worker: false });
    const worker = await first.work({ leaseMs: LEASE_MS });
    const run = await first.start("flow");
    await lab.settle();
    const stopping = worker.stop({ deadline: "5s" });
    await lab.pass(4_000);
    expect(signals[0]?.aborted).toBe(false);
    await lab.pass(2_000);
    await stopping;
    expect(signals[0]?.reason).toMatchObject({ code: "WORKER_STOPPED" });
    const second = await lab.engine({ workflows: [code] });
    await lab.settle();
    expect(await second.run(run.id).result()).toBe("second");
    expect((await lab.story(run.id)).slice(1, 5)).toEqual([
      "attempt.started long #1",
      "attempt.interrupted long #1",
      "run.claimed",
      "attempt.started long #2",
    ]);
  });

  it("a second time is immediate", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.step("long", hang))], worker: false });
    const worker = await engine.work({ leaseMs: LEASE_MS });
    const run = await engine.start("flow");
    await lab.settle();
    const first = worker.stop({ deadline: "1h" });
    await lab.settle();
    await Promise.all([first, worker.stop()]);
    expect(await run.status()).toMatchObject({ status: "pending" });
  });

  it("leaves waiting runs as they are", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => Promise.race([ctx.sleep("nap", 200), ctx.sleep("long", "1h")]))],
      worker: false,
    });
    const worker = await engine.work({ leaseMs: LEASE_MS });
    const run = await engine.start("flow");
    await lab.settle();
    await worker.stop();
    expect(await run.status()).toMatchObject({ status: "waiting", availableAt: lab.clock.now() + 200 });
  });
});

describe("a run that ends its worker", () => {
  it("is parked as stuck after five deaths alone, and its neighbours are not", async () => {
    const lab = openLab();
    let engine = await lab.engine({ workflows: [], worker: false });
    const deaths: string[] = [];
    const poison = flow(
      async (ctx) =>
        ctx.step(
          "boom",
          () => {
            deaths.push("x");
            engine.kill();
            return hang();
          },
          { retry: { attempts: 1_000 } },
        ),
      "poison",
    );
    const good = flow(async (ctx) => {
      for (let i = 0; i < 30; i++) await ctx.step("work", () => i);
      return "fine";
    }, "good");
    engine = await lab.engine({ workflows: [poison, good], worker: false });
    const bad = await engine.start("poison");
    const neighbours = await Promise.all(Array.from({ length: 5 }, () => engine.start("good")));
    for (let life = 0; life < 20; life++) {
      engine = await lab.engine({ workflows: [poison, good] });
      await lab.pass(20_000, 500);
      lab.clock.advance(LEASE_MS + 1_000);
    }
    expect((await lab.store.getRun(bad.id))?.status).toBe("stuck");
    expect(JSON.parse((await lab.store.getRun(bad.id))!.stuck!).code).toBe(POISONED);
    expect(deaths).toHaveLength(7);
    for (const { id } of neighbours) expect((await lab.store.getRun(id))?.status).toBe("completed");
  });

  it("has its turn alone as soon as the one before it has left: nobody waits while the worker is idle", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.step("work", () => 1);
      return "fine";
    });
    const outside = await lab.engine({ workflows: [code], worker: false });
    const runs = await Promise.all(Array.from({ length: 20 }, () => outside.start("flow")));
    // Two workers die before any of their runs has recorded an outcome.
    for (let life = 0; life < 2; life++) {
      await lab.engine({ workflows: [code], dies: { append: 1, moment: "before" } });
      await lab.settle();
      lab.clock.advance(LEASE_MS + 1_000);
    }
    for (const { id } of runs) expect((await lab.store.getRun(id))!.unclean).toBe(2);
    await lab.engine({ workflows: [code] });
    for (let i = 0; i < 20; i++) await lab.settle();
    for (const { id } of runs) expect((await lab.store.getRun(id))!.status).toBe("completed");
  });

  it("does not keep a worker to itself when it cannot be read", async () => {
    const lab = openLab();
    const code = flow((ctx) => ctx.step("work", () => "fine"));
    const outside = await lab.engine({ workflows: [code], worker: false });
    const runs = [await outside.start("flow"), await outside.start("flow")] as const;
    for (let life = 0; life < 2; life++) {
      await lab.engine({ workflows: [code], dies: { append: 1, moment: "before" } });
      await lab.settle();
      lab.clock.advance(LEASE_MS + 1_000);
    }
    const load = lab.store.load.bind(lab.store);
    const data = '{"workflow":"flow","version":"1","input":{"value":5,"meta":"x"}}';
    lab.store.load = async (claims) =>
      new Map(
        [...(await load(claims))].map(([id, rows]) => [
          id,
          id === runs[0].id ? rows.map((row) => ({ ...row, data })) : rows,
        ]),
      );
    await lab.engine({ workflows: [code] });
    for (let i = 0; i < 5; i++) await lab.settle();
    const rows = await Promise.all(runs.map(({ id }) => lab.store.getRun(id)));
    expect(rows.map((row) => row?.status)).toEqual(["stuck", "completed"]);
  });

  it("is no suspect any more once it has recorded an outcome", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      for (let i = 0; i < 6; i++) await ctx.step("work", () => i);
      return "fine";
    });
    const first = await lab.engine({ workflows: [code], worker: false });
    const run = await first.start("flow");
    for (let life = 0; life < 6; life++) {
      await lab.engine({ workflows: [code], dies: { append: 2, moment: "after" } });
      await lab.pass(2_000);
      lab.clock.advance(LEASE_MS + 1_000);
      expect((await lab.store.getRun(run.id))!.unclean).toBeLessThanOrEqual(1);
    }
  });
});

describe("a worker", () => {
  it("owns no more runs at a time than its concurrency", async () => {
    const lab = openLab();
    let running = 0;
    let most = 0;
    const finish: (() => void)[] = [];
    const code = flow(async (ctx) =>
      ctx.step("work", async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => finish.push(resolve));
        running--;
      }),
    );
    const engine = await lab.engine({ workflows: [code], worker: { concurrency: 3 } });
    const runs = await Promise.all(Array.from({ length: 10 }, () => engine.start("flow")));
    for (let i = 0; i < 20; i++) {
      await lab.settle();
      finish.shift()?.();
    }
    await lab.settle();
    expect(most).toBe(3);
    for (const run of runs) expect((await run.status()).status).toBe("completed");
  });

  it("shares runs with others: each is run by one", async () => {
    const lab = openLab();
    const bodies = new Map<string, number>();
    const code = flow(async (ctx) => {
      for (let i = 0; i < 3; i++)
        await ctx.step("work", ({ key, run }) => {
          const id = `${run.id} ${key}`;
          bodies.set(id, (bodies.get(id) ?? 0) + 1);
        });
    });
    const outside = await lab.engine({ workflows: [code], worker: false });
    const runs = await Promise.all(Array.from({ length: 60 }, () => outside.start("flow")));
    for (let i = 0; i < 3; i++) await lab.engine({ workflows: [code], worker: { concurrency: 5 } });
    await lab.pass(5_000);
    for (const run of runs) expect((await run.status()).status).toBe("completed");
    expect([...bodies.values()].every((count) => count === 1)).toBe(true);
    expect(bodies.size).toBe(180);
  });

  it("keeps trying while the log takes no writes, and loses nothing", async () => {
    const lab = openLab();
    const told: string[] = [];
    let failing = true;
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.step("a", () => "done"))],
      onAppend: () => {
        if (failing) throw new StoreError("STORE_FULL", "the disk is full", { retry: true });
      },
    });
    engine.on("store.failing", ({ code }) => told.push(code));
    engine.on("store.recovered", () => told.push("recovered"));
    const starting = engine.start("flow");
    await lab.pass(10_000);
    expect(told).toEqual(["STORE_FULL"]);
    expect(await lab.rows("flow")).toEqual([]);
    failing = false;
    await lab.pass(5_000);
    expect(await (await starting).result()).toBe("done");
    expect(told).toEqual(["STORE_FULL", "recovered"]);
  });

  it("lets only the run suffer whose write the database refuses", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [flow(async (ctx) => ctx.step("a", () => "done"))],
      onAppend: ({ runs }) => {
        const refused = runs.some(({ events }) => events.some(({ data }) => data?.includes("curse")));
        if (refused) throw new StoreError("STORE_REJECTED", "no such row", { retry: false });
      },
    });
    const fates = await Promise.allSettled([
      engine.start("flow", 1),
      engine.start("flow", "curse"),
      engine.start("flow", 3),
    ]);
    await lab.settle();
    expect(fates.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await lab.rows("flow")).map(({ status }) => status)).toEqual(["completed", "completed"]);
  });

  it("lets go of what a claim has taken whose answer was lost, and takes it again", async () => {
    const lab = openLab();
    const claim = lab.store.claim.bind(lab.store);
    let lost = 0;
    lab.store.claim = async (request) => {
      const verdict = await claim(request);
      if (verdict.claims.length === 0 || lost++ > 0) return verdict;
      throw new StoreError("STORE_UNAVAILABLE", "the answer was lost", { retry: true });
    };
    const starter = await lab.engine({ workflows: [flow(async () => 1)], worker: false });
    const runs = [await starter.start("flow"), await starter.start("flow")];
    await lab.engine({ workflows: [flow(async (ctx) => ctx.step("one", () => 1))] });
    await lab.pass(2_000);
    expect(lost).toBe(2);
    for (const run of runs) expect(await run.status()).toMatchObject({ status: "completed", output: 1 });
    expect((await lab.rows("flow")).map(({ unclean }) => unclean)).toEqual([0, 0]);
  });
});
