import {
  type Ctx,
  isVarveError,
  OutcomeUnknownError,
  RetryableError,
  StepFailedError,
  type StepOptions,
  TerminalError,
  workflow,
} from "varve";
import { describe, expect, it, vi } from "vitest";
import { type EngineSetup, LEASE_MS, openLab } from "../support/lab.ts";

async function run(
  code: (ctx: Ctx, input: unknown) => Promise<unknown>,
  setup: Partial<EngineSetup> = {},
  passMs = 0,
  lab = openLab(),
) {
  const engine = await lab.engine({ workflows: [workflow({ name: "flow" }, code)], ...setup });
  const { id } = await engine.start("flow", { n: 1 });
  await lab.pass(passMs, 100);
  await lab.settle();
  return { lab, engine, id, story: () => lab.story(id), handle: engine.run(id) };
}

const noRetry: StepOptions = { retry: { attempts: 1 } };

describe("a step", () => {
  it("gives the code the recorded form of what its body returns", async () => {
    const given: unknown[] = [];
    const original = { at: new Date(5), tags: new Set(["x"]), nested: { list: [1, undefined, -0] } };
    const { handle } = await run(async (ctx) => {
      const value = await ctx.step("make", () => original);
      given.push(value);
      return value;
    });
    expect(given[0]).toEqual(original);
    expect(given[0]).not.toBe(original);
    expect(await handle.result()).toEqual(original);
  });

  it("gives its body the attempt, an idempotency key that stays, a signal, the env and a logger", async () => {
    const seen: unknown[] = [];
    const { engine, id } = await run(
      async (ctx) => {
        for (const _ of [1, 2]) {
          await ctx.step(
            "call/me",
            ({ attempt, idempotencyKey, key, signal, env, log, run: facts }) => {
              seen.push({ attempt, idempotencyKey, key, aborted: signal.aborted, env, run: facts.id });
              log("info", "from the body", { extra: 1 });
              if (attempt === 1) throw new Error("again");
            },
            { retry: { initial: 0 } },
          );
        }
      },
      { env: { secret: 1 } },
      1_000,
    );
    const first = { idempotencyKey: `${id}/call%2Fme`, key: "call%2Fme", aborted: false, env: { secret: 1 }, run: id };
    const second = { ...first, idempotencyKey: `${id}/call%2Fme#2`, key: "call%2Fme#2" };
    expect(seen).toEqual([
      { attempt: 1, ...first },
      { attempt: 2, ...first },
      { attempt: 1, ...second },
      { attempt: 2, ...second },
    ]);
    const line = {
      level: "info",
      message: "from the body",
      fields: { runId: id, workflow: "flow", step: "call%2Fme", attempt: 1, extra: 1 },
    };
    expect(engine.lines[0]).toEqual(line);
  });

  it("waits between attempts as its policy says, and leaves memory meanwhile", async () => {
    const at: number[] = [];
    const lab = openLab();
    const { story, handle } = await run(
      async (ctx) =>
        ctx.step(
          "flaky",
          ({ attempt }) => {
            at.push(lab.clock.now());
            if (attempt < 4) throw new Error("not yet");
            return "ok";
          },
          { retry: { attempts: 4, initial: "2s", backoff: "exponential", jitter: "none" } },
        ),
      {},
      0,
      lab,
    );
    await lab.pass(1_000);
    expect((await lab.rows("flow"))[0]).toMatchObject({ status: "waiting" });
    await lab.pass(20_000);
    expect(await handle.result()).toBe("ok");
    expect(at.map((instant) => instant - (at[0] as number))).toEqual([0, 2_000, 6_000, 14_000]);
    expect((await story()).filter((event) => event.startsWith("run.claimed"))).toHaveLength(3);
  });

  it("fails when its attempts are used up, and the code can catch it", async () => {
    const errors: unknown[] = [];
    const { handle } = await run(
      async (ctx) => {
        try {
          await ctx.step(
            "bad",
            () => {
              throw Object.assign(new TypeError("broken"), { status: 503, socket: () => {} });
            },
            { retry: { attempts: 3, initial: 0 } },
          );
        } catch (error) {
          errors.push(error);
          return "caught";
        }
      },
      {},
      1_000,
    );
    expect(await handle.result()).toBe("caught");
    const [error] = errors as [StepFailedError];
    expect(error).toBeInstanceOf(StepFailedError);
    expect(error).toMatchObject({ code: "STEP_FAILED", facts: { step: "bad", attempts: 3 } });
    expect(error.cause).toMatchObject({ name: "TypeError", message: "broken", status: 503 });
  });

  it("that nobody catches fails its run", async () => {
    const { handle } = await run(async (ctx) => ctx.step("bad", () => Promise.reject(new Error("broken")), noRetry));
    await expect(handle.result()).rejects.toMatchObject({
      code: "RUN_FAILED",
      message: expect.stringContaining('step "bad" failed after its only attempt: broken'),
      cause: expect.objectContaining({ code: "STEP_FAILED", cause: expect.objectContaining({ message: "broken" }) }),
    });
  });

  it("is not repeated after a TerminalError or an error that its policy names", async () => {
    const { handle, story } = await run(async (ctx) => {
      const fates = await Promise.allSettled([
        ctx.step("terminal", () => {
          throw new TerminalError("no");
        }),
        ctx.step(
          "named",
          () => {
            throw Object.assign(new Error("no"), { code: "E_DECLINED" });
          },
          { retry: { nonRetryable: ["E_DECLINED"] } },
        ),
      ]);
      return fates.map(({ status }) => status);
    });
    expect(await handle.result()).toEqual(["rejected", "rejected"]);
    expect((await story()).filter((event) => event.startsWith("attempt.started"))).toHaveLength(2);
  });

  it("is repeated not before the instant that its error asks for", async () => {
    const { handle, lab, id } = await run(
      async (ctx) =>
        ctx.step(
          "limited",
          ({ attempt }) => {
            if (attempt === 1) throw new RetryableError("slow down", { retryAfterMs: 30_000 });
            return attempt;
          },
          { retry: { initial: 1, jitter: "none" } },
        ),
      {},
      29_000,
    );
    expect((await lab.store.getRun(id))?.status).toBe("waiting");
    await lab.pass(2_000);
    expect(await handle.result()).toBe(2);
  });

  it("times out by attempt: its signal is aborted, another attempt follows, and the late outcome is recorded", async () => {
    const signals: AbortSignal[] = [];
    let finish = (_: string) => {};
    const { handle, story, lab } = await run(
      async (ctx) =>
        ctx.step(
          "slow",
          ({ attempt, signal }) => {
            signals.push(signal);
            return attempt === 1
              ? new Promise<string>((resolve) => {
                  finish = resolve;
                })
              : "second";
          },
          { timeout: "5s", retry: { initial: "10s", jitter: "none" } },
        ),
      {},
      6_000,
    );
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toMatchObject({ code: "ATTEMPT_TIMEOUT" });
    await lab.pass(20_000);
    expect(await handle.result()).toBe("second");
    finish("first, at last");
    await lab.settle();
    expect(await story()).toEqual([
      "run.created",
      "attempt.started slow #1",
      "attempt.failed slow #1",
      "run.claimed",
      "attempt.started slow #2",
      "step.completed slow #2",
      "run.completed",
      "attempt.late slow #1",
    ]);
  });

  it("fails at its deadline, over all attempts", async () => {
    const { handle } = await run(
      async (ctx) =>
        ctx.step("slow", () => new Promise(() => {}), {
          timeout: "4s",
          deadline: "10s",
          retry: { attempts: 100, initial: 0 },
        }),
      {},
      11_000,
    );
    await expect(handle.result()).rejects.toMatchObject({
      cause: { cause: { code: "STEP_DEADLINE", message: expect.stringContaining("10s") } },
    });
  });

  it("is not repeated when the wait would end after its deadline", async () => {
    const { handle, story } = await run(async (ctx) =>
      ctx.step(
        "flaky",
        () => {
          throw new Error("first");
        },
        { deadline: "10s", retry: { initial: "20s", jitter: "none" } },
      ),
    );
    await expect(handle.result()).rejects.toMatchObject({
      cause: { cause: { code: "STEP_DEADLINE", cause: { message: "first" } } },
    });
    expect((await story()).filter((event) => event.startsWith("attempt"))).toEqual(["attempt.started flaky #1"]);
  });

  it("that is marked once fails with an unknown outcome if the process dies in its body", async () => {
    let bodies = 0;
    const code = async (ctx: Ctx) => {
      try {
        return await ctx.step(
          "charge",
          () => {
            bodies++;
            return new Promise(() => {});
          },
          { once: true },
        );
      } catch (error) {
        return isVarveError(error, "OUTCOME_UNKNOWN") && error instanceof OutcomeUnknownError ? error.facts : "other";
      }
    };
    const { lab, engine, id } = await run(code);
    engine.kill();
    lab.clock.advance(LEASE_MS + 1_000);
    const second = await lab.engine({ workflows: [workflow({ name: "flow" }, code)] });
    await lab.settle();
    expect(await second.run(id).result()).toEqual({ step: "charge", attempt: 1 });
    expect(bodies).toBe(1);
  });

  it("that is marked once is not repeated after a failure or a time-out", async () => {
    const { handle, story } = await run(
      async (ctx) => {
        const fates = await Promise.allSettled([
          ctx.step(
            "throws",
            () => {
              throw new Error("x");
            },
            { once: true },
          ),
          ctx.step("hangs", () => new Promise(() => {}), { once: true, timeout: "1s" }),
        ]);
        return fates.length;
      },
      {},
      2_000,
    );
    expect(await handle.result()).toBe(2);
    expect((await story()).filter((event) => event.startsWith("attempt.started"))).toHaveLength(2);
  });

  it("counts attempts that a crash ended", async () => {
    const code = async (ctx: Ctx) => ctx.step("dies", () => new Promise(() => {}), { retry: { attempts: 2 } });
    const { lab, engine, id } = await run(code);
    let last = engine;
    for (let i = 0; i < 2; i++) {
      last.kill();
      lab.clock.advance(LEASE_MS + 1_000);
      last = await lab.engine({ workflows: [workflow({ name: "flow" }, code)] });
      await lab.settle();
    }
    await expect(last.run(id).result()).rejects.toMatchObject({ cause: { cause: { code: "ATTEMPTS_INTERRUPTED" } } });
    expect(await lab.story(id)).toEqual([
      "run.created",
      "attempt.started dies #1",
      "run.claimed",
      "attempt.interrupted dies #1",
      "attempt.started dies #2",
      "run.claimed",
      "attempt.interrupted dies #2",
      "step.failed dies #2",
      "run.failed",
    ]);
  });

  it("takes what was recorded of a wait when it resumes, to the millisecond", async () => {
    const at: number[] = [];
    const code = (now: () => number) => async (ctx: Ctx) =>
      ctx.step(
        "flaky",
        ({ attempt }) => {
          at.push(now());
          if (attempt === 1) throw new Error("once");
          return attempt;
        },
        { retry: { initial: "1h", jitter: "none" } },
      );
    const lab = openLab();
    const first = await lab.engine({
      workflows: [
        workflow(
          { name: "flow" },
          code(() => lab.clock.now()),
        ),
      ],
    });
    const { id } = await first.start("flow");
    await lab.settle();
    first.kill();
    lab.clock.advance(30 * 60_000);
    const second = await lab.engine({
      workflows: [
        workflow(
          { name: "flow" },
          code(() => lab.clock.now()),
        ),
      ],
    });
    await lab.pass(31 * 60_000, 5_000);
    expect(await second.run(id).result()).toBe(2);
    expect((at[1] as number) - (at[0] as number)).toBe(3_600_000);
  });
});

describe("what the log cannot hold", () => {
  const unstorable: [what: string, value: unknown, path: string][] = [
    ["a function", () => ({ f: () => 1 }), "$.f"],
    ["a class instance", () => [new (class Order {})()], "$[0]"],
    ["a response", () => new Response("x"), "$"],
    ["a symbol", () => ({ deep: { s: Symbol("s") } }), "$.deep.s"],
  ];
  for (const [what, make, path] of unstorable) {
    it(`fails the step at once, naming the place: ${what}`, async () => {
      const { handle, story } = await run(async (ctx) => ctx.step("bad", make as () => unknown));
      await expect(handle.result()).rejects.toMatchObject({
        cause: { cause: { code: "PAYLOAD_UNSTORABLE", message: expect.stringContaining(`at ${path};`) } },
      });
      expect((await story()).filter((event) => event.startsWith("attempt.started"))).toHaveLength(1);
    });
  }

  it("fails the step at once if it is too large", async () => {
    const { handle, story } = await run(
      async (ctx) => {
        const error = await ctx
          .step("big", () => "x".repeat(3_000))
          .catch((thrown: StepFailedError) => thrown.cause as Error & { code: string });
        return (error as { code: string }).code;
      },
      { limits: { payloadBytesMax: 2_000 } },
    );
    expect(await handle.result()).toBe("PAYLOAD_TOO_LARGE");
    expect((await story()).filter((event) => event.startsWith("attempt.started"))).toHaveLength(1);
  });

  it("fails the run if it is the run's output", async () => {
    const { handle } = await run(async () => ({ f: () => {} }) as unknown);
    await expect(handle.result()).rejects.toMatchObject({ cause: { code: "PAYLOAD_UNSTORABLE" } });
    const large = await run(async () => "x".repeat(3_000), { limits: { payloadBytesMax: 2_000 } });
    await expect(large.handle.result()).rejects.toMatchObject({ cause: { code: "PAYLOAD_TOO_LARGE" } });
  });
});

describe("wrong options", () => {
  const wrong: [string, StepOptions, string][] = [
    ["both once and retry", { once: true, retry: { attempts: 2 } }, "STEP_INVALID"],
    ["a duration that is none", { timeout: "5 parsecs" }, "DURATION_INVALID"],
    ["no attempts at all", { retry: { attempts: 0 } }, "RETRY_INVALID"],
  ];
  for (const [what, options, code] of wrong) {
    it(`reject the call: ${what}`, async () => {
      const { handle } = await run(async (ctx) =>
        ctx.step("x", () => 1, options).catch((error: { code: string }) => error.code),
      );
      expect(await handle.result()).toBe(code);
    });
  }

  it("reject the call: a name that cannot be stored, a body that is no function", async () => {
    const { handle } = await run(async (ctx) => {
      const codes: string[] = [];
      for (const name of ["", "a\0b", "\ud800", "x".repeat(300)]) {
        codes.push(await ctx.step(name, () => "fine").catch((error: { code: string }) => error.code));
      }
      codes.push(await ctx.step("x", 5 as unknown as () => string).catch((error: { code: string }) => error.code));
      return codes;
    });
    expect(await handle.result()).toEqual([...Array(4).fill("NAME_INVALID"), "STEP_INVALID"]);
  });
});

describe("the bounds of a history", () => {
  it("end the run with a typed failure, and warn before", async () => {
    const told = vi.fn();
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        workflow({ name: "flow" }, async (ctx) => {
          for (;;) await ctx.step("again", () => 1);
        }),
      ],
      limits: { historyEventsMax: 50, historyEventsWarn: 20 },
    });
    engine.on("history.long", told);
    const handle = await engine.start("flow");
    for (let i = 0; i < 5; i++) await lab.settle();
    await expect(handle.result()).rejects.toMatchObject({ cause: { code: "HISTORY_LIMIT", facts: { max: 50 } } });
    expect(told).toHaveBeenCalledExactlyOnceWith({ runId: handle.id, events: expect.any(Number), max: 50 });
    expect((await lab.history(handle.id)).length).toBeLessThanOrEqual(51);
  });

  it("hold for calls made at once too", async () => {
    const { handle, lab, id } = await run(
      async (ctx) =>
        Promise.all(Array.from({ length: 500 }, () => ctx.step("many", () => 1))).then((all) => all.length),
      { limits: { historyEventsMax: 100 } },
    );
    await expect(handle.result()).rejects.toMatchObject({ cause: { code: "HISTORY_LIMIT" } });
    expect((await lab.history(id)).length).toBeLessThanOrEqual(101);
  });
});
