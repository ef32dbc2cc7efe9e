import { TerminalError, withEnv, workflow } from "varve";
import {
  type SimulatedRun,
  type SimulatedWorld,
  type SimulateOptions,
  SimulationFailedError,
  simulate,
} from "varve/testing";
import { describe, expect, it } from "vitest";
import { setup as chargedOnce, fulfil, fulfilOnce } from "./shop.ts";

async function failureOf(simulation: Promise<unknown>): Promise<SimulationFailedError> {
  const error = await simulation.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SimulationFailedError) return error;
  throw error ?? new Error("expected the simulation to fail, but it passed");
}

/** A world that says nothing but what its body does. */
const { workflow: withWait } = withEnv<{ wait(ms: number): Promise<void>; hang(): Promise<never> }>();

describe("a step that charges without its idempotency key", () => {
  it("is found, and told with the one fault that matters", async () => {
    const error = await failureOf(simulate(fulfil, { setup: chargedOnce }));
    expect(error).toMatchObject({ code: "SIMULATION_FAILED", name: "SimulationFailedError", workers: 1 });
    expect(error.faults).toHaveLength(1);
    expect(error.faults[0]?.what).toMatch(/"charge"/);
    expect(error.cause).toMatchObject({ name: "AssertionError" });
    const { message } = error;
    expect(message).toMatch(/^workflow "fulfil" failed in simulation, seed \d+/);
    expect(message).toContain("It takes 1 fault, of ");
    expect(message).toMatch(/charge, attempt 1: the body begins/);
    expect(message).toMatch(/charge, attempt 2: the body returns/);
    expect(message).toContain(`seeds: { only: ${error.seed} }`);
  });

  it("fails again when its seed alone is run, in the same words", async () => {
    const error = await failureOf(simulate(fulfil, { setup: chargedOnce }));
    const again = await failureOf(simulate(fulfil, { seeds: { only: error.seed }, setup: chargedOnce }));
    expect(again.timeline).toEqual(error.timeline);
    expect(again.faults).toEqual(error.faults);
  });

  it("fails as it is told when exactly those faults happen, and passes without them", async () => {
    const { seed, workers, faults, timeline } = await failureOf(simulate(fulfil, { setup: chargedOnce }));
    const exactly = (ids: readonly string[]) =>
      simulate(fulfil, { seeds: { only: seed, faults: ids }, workers, setup: chargedOnce });
    expect((await failureOf(exactly(faults.map(({ id }) => id)))).timeline).toEqual(timeline);
    await exactly([]);
  });

  it("is found by each kind of fault that can end a body's process, alone", async () => {
    for (const fault of ["crash", "pause"] as const) {
      const error = await failureOf(simulate(fulfil, { faults: [fault], setup: chargedOnce }));
      expect(new Set(error.faults.map((each) => each.fault))).toEqual(new Set([fault]));
    }
  });
});

describe("a workflow that is right", () => {
  it("passes, and the report says what it was put to", async () => {
    const report = await simulate(fulfilOnce, { seeds: 60, setup: chargedOnce });
    expect(report).toMatchObject({
      workflow: "fulfil",
      seeds: { from: 1, count: 60 },
      workers: 2,
      runs: { completed: 60, failed: 0, cancelled: 0 },
    });
    for (const [fault, count] of Object.entries(report.faults)) expect(count, fault).toBeGreaterThan(0);
    expect(report.steps["charge"]?.interrupted).toBeGreaterThan(5);
    expect(report.crashes).toBeGreaterThan(10);
    expect(report.attempts).toBeGreaterThan(120);
    // Two days in each run.
    expect(report.virtualMs).toBeGreaterThan(60 * 2 * 86_400_000);
    expect(report.looks["no-body-after-outcome"]).toBeGreaterThan(100);
    expect(Object.keys(report.looks).length).toBeGreaterThan(20);
  });

  it("comes to the same with the same seeds, and to something else with others", async () => {
    const run = (from: number) => simulate(fulfilOnce, { seeds: { from, count: 10 }, setup: chargedOnce });
    const report = await run(1);
    expect(await run(1)).toEqual(report);
    expect((await run(11)).fingerprint).not.toBe(report.fingerprint);
  });

  it("comes to the same in whatever order its faults are named", async () => {
    const run = (faults: SimulateOptions["faults"] & {}) =>
      simulate(fulfilOnce, { seeds: 10, faults, setup: chargedOnce });
    expect(await run(["lost-reply", "crash"])).toEqual(await run(["crash", "lost-reply"]));
  });

  it("meets no fault if none is named", async () => {
    const report = await simulate(fulfilOnce, { seeds: 5, faults: [], setup: chargedOnce });
    expect(Object.values(report.faults).every((count) => count === 0)).toBe(true);
    expect(report.attempts).toBe(10);
  });

  it("works with one worker, and with many", async () => {
    for (const workers of [1, 5]) {
      expect((await simulate(fulfilOnce, { seeds: 8, workers, setup: chargedOnce })).runs.completed).toBe(8);
    }
  });
});

describe("a failure is made small", () => {
  /** Fails if its body is interrupted twice. */
  const fragile = withWait({ name: "fragile" }, async (ctx) => {
    await ctx.step("before", ({ env }) => env.wait(50));
    const attempts = await ctx.step("work", async ({ env, attempt }) => {
      await env.wait(200);
      return attempt;
    });
    return attempts;
  });
  const atMostTwo = (sim: SimulatedWorld) => ({
    input: null,
    env: sim,
    check: ({ output }: SimulatedRun<number>) => expect(output).toBeLessThan(3),
  });

  it("to the faults of which none can be left out", async () => {
    const error = await failureOf(simulate(fragile, { seeds: 500, setup: atMostTwo }));
    expect(error.message).toContain("check threw AssertionError");
    expect(error.faults.length).toBeGreaterThanOrEqual(2);
    const ids = error.faults.map(({ id }) => id);
    const passes = (faults: readonly string[]) =>
      simulate(fragile, {
        seeds: { only: error.seed, faults },
        workers: error.workers,
        setup: atMostTwo,
      }).then(
        () => true,
        () => false,
      );
    expect(await passes(ids)).toBe(false);
    for (const left of ids) expect(await passes(ids.filter((id) => id !== left)), `without ${left}`).toBe(true);
  });

  it("to no fault at all, if it needs none", async () => {
    const wrong = workflow({ name: "wrong" }, async (ctx) => ctx.step("add", () => 1 + 1));
    const setup = () => ({ input: null, check: ({ output }: SimulatedRun<number>) => expect(output).toBe(3) });
    const error = await failureOf(simulate(wrong, { setup }));
    expect(error).toMatchObject({ seed: 1, workers: 1, faults: [] });
    expect(error.message).toContain("It fails without any fault.");
  });
});

describe("what is wrong whatever check says", () => {
  it("code that replays otherwise than it ran", async () => {
    let calls = 0;
    const forgetful = workflow({ name: "forgetful" }, async (ctx) => {
      const name = `step ${calls++}`;
      await ctx.step(name, () => 1);
      await ctx.sleep("pause", "5m");
    });
    const setup = () => {
      calls = 0;
      return { input: null, check: () => {} };
    };
    const error = await failureOf(simulate(forgetful, { setup }));
    expect(error.message).toContain("cannot be replayed");
  });

  it("a workflow function that awaits something else than ctx", async () => {
    const impatient = workflow({ name: "impatient" }, async (ctx) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await ctx.step("late", () => 1);
    });
    const error = await failureOf(simulate(impatient, { setup: () => ({ input: null, check: () => {} }) }));
    expect(error.message).toContain("FOREIGN_AWAIT");
  });

  it("a run that never ends", async () => {
    const endless = withWait({ name: "endless" }, async (ctx) => {
      await ctx.step("wait for a call", ({ env }) => env.hang());
    });
    const error = await failureOf(simulate(endless, { setup: (sim) => ({ input: null, env: sim, check: () => {} }) }));
    expect(error.message).toMatch(/has not ended .* nothing will move it.*"wait for a call" \(attempt \d/);
  });

  it("a run that does not complete, if there is no check", async () => {
    const failing = workflow({ name: "failing" }, async (ctx) => {
      await ctx.step("refuse", () => {
        throw new TerminalError("no");
      });
    });
    const error = await failureOf(simulate(failing, { setup: () => ({ input: null }) }));
    expect(error.message).toMatch(/the run is failed: .*no/);
    expect(error.cause).toMatchObject({ code: "STEP_FAILED" });
  });
});

describe("what no seed decides", () => {
  it("is told from a failure that can be explained", async () => {
    let lives = 0;
    const counted = workflow({ name: "counted" }, async (ctx) => ctx.step("count", () => 1));
    const setup = () => ({ input: null, check: () => expect(++lives).not.toBe(4) });
    const error = await failureOf(simulate(counted, { setup }));
    expect(error).toMatchObject({ seed: 4 });
    expect(error.message).toContain("The same seed passed when it was run again");
  });
});

describe("time", () => {
  it("costs none: months pass in a moment", async () => {
    const patient = workflow({ name: "patient" }, async (ctx) => {
      for (let i = 0; i < 6; i++) await ctx.sleep("a month", "30d");
      return ctx.now().getTime();
    });
    const report = await simulate(patient, { seeds: 10, setup: () => ({ input: null }) });
    expect(report.virtualMs).toBeGreaterThan(10 * 180 * 86_400_000);
  });

  it("is not waited for in bodies: one that does is named, and told what to do", async () => {
    const real = workflow({ name: "real" }, async (ctx) => {
      await ctx.step("first", () => 1);
      await ctx.step("call home", () => new Promise<number>((resolve) => setTimeout(resolve, 60_000, 1).unref()));
    });
    await expect(simulate(real, { setup: () => ({ input: null }) })).rejects.toMatchObject({
      name: "DefinitionError",
      code: "SIMULATION_REAL_TIME",
      message: expect.stringMatching(/"call home".*sim\.wait/),
      facts: { step: "call home", seed: 1 },
    });
  });

  it("is not waited for beside a body that waits for the simulated world", async () => {
    const both = withWait({ name: "both" }, async (ctx) => {
      await Promise.all([
        ctx.step("simulated", ({ env }) => env.wait(5_000)),
        ctx.step("real", () => new Promise<void>((resolve) => setTimeout(resolve, 60_000).unref())),
      ]);
    });
    const simulation = simulate(both, { setup: (sim) => ({ input: null, env: sim }) });
    await expect(simulation).rejects.toMatchObject({ code: "SIMULATION_REAL_TIME", facts: { step: "real" } });
  });

  it("may stand still for promises of the platform", async () => {
    const parsing = workflow({ name: "parsing" }, async (ctx) =>
      ctx.step("parse", async () => (await new Response('{"a":1}').json()) as { a: number }),
    );
    const report = await simulate(parsing, { seeds: 5, setup: () => ({ input: null }) });
    expect(report.runs.completed).toBe(5);
  });

  it("is over for a check that goes on with the world", async () => {
    const short = workflow({ name: "short" }, async () => 1);
    const error = await failureOf(simulate(short, { setup: (sim) => ({ input: null, check: () => sim.wait("1s") }) }));
    expect(error.cause).toMatchObject({ code: "SIMULATION_OVER" });
  });

  it("ends attempts that hang", async () => {
    const hanging = withWait({ name: "hanging" }, async (ctx) =>
      ctx.step("hang", ({ env, attempt }) => (attempt === 1 ? env.hang() : env.wait(5)), { timeout: "20m" }),
    );
    const report = await simulate(hanging, { seeds: 5, setup: (sim) => ({ input: null, env: sim }) });
    expect(report.runs.completed).toBe(5);
  });
});

describe("a world that outlives processes", () => {
  it("wakes by itself what it has planned in setup", async () => {
    const polling = withEnv<{ isReady(): boolean }>().workflow({ name: "polling" }, async (ctx) => {
      let rounds = 0;
      while (!(await ctx.step("look", ({ env }) => env.isReady()))) {
        rounds++;
        await ctx.sleep("pause", "10s");
      }
      return rounds;
    });
    const report = await simulate(polling, {
      seeds: 10,
      setup: (sim) => {
        let ready = false;
        void sim.wait("1m").then(() => {
          ready = true;
        });
        return { input: null, env: { isReady: () => ready }, check: ({ output }) => expect(output).toBeGreaterThan(1) };
      },
    });
    expect(report.runs.completed).toBe(10);
  });
});

describe("a wrong call is refused, and says where", () => {
  const setup = () => ({ input: { id: "o-1", cents: 4200 } });
  const wrong: readonly (readonly [option: string, options: unknown])[] = [
    ["setup", undefined],
    ["setup", {}],
    ["seeds", { seeds: 0, setup }],
    ["seeds", { seeds: 1.5, setup }],
    ["seeds", { seeds: "all", setup }],
    ["seeds.only", { seeds: { only: -1 }, setup }],
    ["seeds.faults", { seeds: { only: 1, faults: "crash" }, setup }],
    ["seeds.from", { seeds: { count: 3 }, setup }],
    ["seeds.count", { seeds: { from: 3 }, setup }],
    ["faults", { faults: "crash", setup }],
    ["faults[1]", { faults: ["crash", "earthquake"], setup }],
    ["workers", { workers: 0, setup }],
    ["workers", { workers: 9, setup }],
    ["setup", { setup: () => 1 }],
    ["setup", { setup: () => ({ input: 1, check: true }) }],
  ];
  for (const [option, options] of wrong) {
    it(`${option}: ${JSON.stringify(options)}`, async () => {
      await expect(simulate(fulfilOnce, options as never)).rejects.toMatchObject({
        code: "SIMULATION_INVALID",
        message: expect.stringContaining(`option ${option} `),
        facts: { option },
      });
    });
  }

  it("what is no workflow", async () => {
    await expect(simulate({} as never, { setup })).rejects.toMatchObject({ code: "WORKFLOW_INVALID" });
  });

  it("what setup throws, and what the start refuses, comes as it is", async () => {
    const broken = () => {
      throw new TypeError("no world today");
    };
    await expect(simulate(fulfilOnce, { setup: broken })).rejects.toThrow("no world today");
    const unstorable = () => ({ input: (() => 1) as never, env: {} as never });
    await expect(simulate(fulfilOnce, { setup: unstorable })).rejects.toMatchObject({ code: "PAYLOAD_UNSTORABLE" });
  });
});

describe("the compiler", () => {
  it("knows what a case needs and what check is given", () => {
    const shout = withEnv<{ text: string }>().workflow({ name: "shout" }, async (ctx, times: number) =>
      ctx.step("shout", ({ env }) => env.text.repeat(times)),
    );
    const env = { text: "a" };
    const check = ({ output }: { output: string | undefined }) => expect(output).toBe("aa");
    const right = () => simulate(shout, { setup: () => ({ input: 2, env, check }) });
    // @ts-expect-error the input is a number
    const input = () => simulate(shout, { setup: () => ({ input: "2", env }) });
    // @ts-expect-error the steps take an env
    const lacking = () => simulate(shout, { setup: () => ({ input: 2 }) });
    // @ts-expect-error there is no such fault
    const fault = () => simulate(shout, { faults: ["flood"], setup: () => ({ input: 2, env }) });
    const output = () =>
      // @ts-expect-error the output is a text
      simulate(shout, { setup: () => ({ input: 2, env, check: ({ output: found }) => found?.toFixed() }) });
    for (const call of [right, input, lacking, fault, output]) expect(call).toBeTypeOf("function");
  });
});

describe("a workflow with a queue", () => {
  const queued = workflow({ name: "queued", queue: "heavy", maxActiveRuns: 1 }, (ctx) =>
    ctx.step("print", () => "printed", { queue: "printers" }),
  );
  const queues = { heavy: { concurrency: 1 }, printers: { concurrency: 1 } };

  it("goes through every fault with the queues that it names", async () => {
    const report = await simulate(queued, { seeds: 25, queues, setup: () => ({ input: undefined }) });
    expect(report.runs).toEqual({ completed: 25, failed: 0, cancelled: 0 });
  });

  it("is refused with wrong ones", async () => {
    await expect(
      simulate(queued, { setup: () => ({ input: undefined }), queues: { heavy: {} as never } }),
    ).rejects.toMatchObject({
      code: "LIMIT_INVALID",
    });
  });
});
