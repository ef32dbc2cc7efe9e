/** How virtual time passes in a test engine. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Ctx, withEnv, workflow } from "varve";
import { type SimulatedWorld, takes, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 0, 1);

const patient = workflow({ name: "patient" }, async (ctx, hours: number) => {
  await ctx.sleep("wait", hours * HOUR_MS);
  return ctx.step("answer", () => `after ${hours}h`);
});

const ninetyDays = workflow({ name: "ninety-days" }, async (ctx) => {
  let sum = 0;
  for (let day = 1; day <= 90; day++) {
    await ctx.sleep("a day", "1d");
    sum += await ctx.step("count", () => day);
  }
  return sum;
});

const real = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe("the result of a run", () => {
  it("lets time pass until the run has ended, and no further", async () => {
    const t = await testEngine({ workflows: [ninetyDays] });
    const run = await t.start(ninetyDays, null);
    expect(await run.result()).toBe(4095);
    expect(t.now()).toBe(START + 90 * DAY_MS);
    expect(t.calls("count#*").map(({ at }) => (at - START) / DAY_MS)).toEqual(
      Array.from({ length: 90 }, (_, i) => i + 1),
    );
    await t.close();
  });

  it("comes for a thousand runs that sleep side by side", async () => {
    const t = await testEngine({ workflows: [patient], replay: false });
    const runs = await Promise.all(Array.from({ length: 1_000 }, (_, i) => t.start(patient, 1 + (i % 7))));
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(results[6]).toBe("after 7h");
    expect(new Set(results).size).toBe(7);
    expect(t.now()).toBe(START + 7 * HOUR_MS);
  });

  it("is given up after its time-out, which is virtual, and can be asked for again", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 5);
    await expect(run.result({ timeout: "1h" })).rejects.toMatchObject({ code: "RESULT_TIMEOUT" });
    expect(t.now()).toBe(START + HOUR_MS);
    expect(await run.result({ timeout: "1d" })).toBe("after 5h");
    expect(t.now()).toBe(START + 5 * HOUR_MS);
  });

  it("rejects with what its signal is aborted with", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 5);
    await expect(run.result({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const controller = new AbortController();
    void t.world.wait("2h").then(() => controller.abort(new Error("later")));
    await expect(run.result({ signal: controller.signal })).rejects.toThrow("later");
    expect(t.now()).toBe(START + 2 * HOUR_MS);
  });

  it("is the failure of a run that fails, and the cancel of one that is cancelled", async () => {
    const t = await testEngine({ workflows: [patient] });
    const failing = await t.start(patient, 5, { deadline: "3h" });
    await expect(failing.result()).rejects.toMatchObject({ code: "RUN_FAILED", cause: { code: "RUN_DEADLINE" } });
    expect(t.now()).toBe(START + 3 * HOUR_MS);
    const cancelled = await t.start(patient, 5);
    void t.world.wait("1h").then(() => cancelled.cancel({ reason: "changed my mind" }));
    await expect(cancelled.result()).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(t.now()).toBe(START + 4 * HOUR_MS);
  });

  it("of a run that does not exist is refused", async () => {
    const t = await testEngine({ workflows: [patient] });
    await expect(t.run("run_none").result()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});

describe("time", () => {
  it("stands still by itself, whatever the test asks", async () => {
    const t = await testEngine({ workflows: [patient], start: "2027-06-01T12:00:00+02:00" });
    const run = await t.start(patient, 1);
    expect(await run.status()).toMatchObject({ status: "waiting", availableAt: Date.UTC(2027, 5, 1, 11) });
    expect((await t.list()).runs).toHaveLength(1);
    await real(5);
    expect(t.now()).toBe(Date.UTC(2027, 5, 1, 10));
  });

  it("passes as far as it is told, to the millisecond, and what became due has happened", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 1);
    await t.advance(HOUR_MS - 1);
    expect((await run.status()).status).toBe("waiting");
    expect(t.calls()).toEqual([]);
    await t.advance(1);
    expect(await run.status()).toMatchObject({ status: "completed", output: "after 1h" });
    expect(t.calls("answer")).toMatchObject([{ at: START + HOUR_MS }]);
    await t.advanceTo("2026-02-01T00:00:00Z");
    expect(t.now()).toBe(Date.UTC(2026, 1, 1));
    await t.advance(0);
    expect(t.now()).toBe(Date.UTC(2026, 1, 1));
  });

  it("is one for all runs of an engine, in which what is due earlier happens earlier", async () => {
    const t = await testEngine({ workflows: [patient] });
    for (const hours of [3, 1, 2]) await t.start(patient, hours);
    await t.advance("1d");
    const ended = t.calls("answer").map(({ at, end }) => [(at - START) / HOUR_MS, end]);
    expect(ended).toEqual([1, 2, 3].map((hours) => [hours, { kind: "value", value: `after ${hours}h` }]));
  });

  it("does not pass the end of an advance for the sake of a result that somebody waits for", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 5);
    const result = run.result();
    await t.advance("1h");
    const before = t.now();
    await t.advance("1h");
    expect(before).toBe(START + HOUR_MS);
    expect(await result).toBe("after 5h");
    expect(t.now()).toBe(START + 5 * HOUR_MS);
  });

  it("waits for what the test asks beside a result", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 5);
    const result = run.result();
    await run.cancel();
    await expect(result).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(t.now()).toBe(START);
  });

  it("passes until a condition holds", async () => {
    const t = await testEngine({ workflows: [ninetyDays] });
    const run = await t.start(ninetyDays, null);
    await t.until(() => t.calls("count#*").length === 3);
    expect(t.now()).toBe(START + 3 * DAY_MS);
    const wakes = async () => (await run.history()).filter(({ type }) => type === "timer.fired");
    await t.until(async () => (await wakes()).length === 6);
    expect(t.now()).toBe(START + 6 * DAY_MS);
    await t.until(() => true);
    expect(t.now()).toBe(START + 6 * DAY_MS);
  });

  it("is the same in two tests that are the same, down to ids and jitter", async () => {
    const flaky = workflow({ name: "flaky" }, async (ctx) =>
      ctx.step("try", ({ attempt }) => {
        if (attempt < 4) throw new Error("not yet");
        return ctx.run.id;
      }),
    );
    const once = async (seed?: number) => {
      const t = await testEngine({ workflows: [flaky], ...(seed === undefined ? {} : { seed }) });
      const run = await t.start(flaky, null);
      await run.result();
      const history = await run.history();
      return history.map((event) => JSON.stringify(event, (name, value) => (name === "stack" ? null : value)));
    };
    expect(await once()).toEqual(await once());
    expect(await once()).not.toEqual(await once(2));
  });

  it("brings the start of a run that was delayed", async () => {
    const t = await testEngine({ workflows: [patient] });
    const run = await t.start(patient, 12, { delay: "10h" });
    await t.advance("10h");
    expect(await run.status()).toMatchObject({ status: "waiting", startedAt: START + 10 * HOUR_MS });
    expect(await run.result()).toBe("after 12h");
  });
});

describe("a body that takes real time", () => {
  const slow = workflow({ name: "slow" }, async (ctx, ms: number) =>
    ctx.step(
      "work",
      async ({ attempt }) => {
        await real(ms);
        return attempt;
      },
      { timeout: "5ms" },
    ),
  );

  it("keeps virtual time from moving until it has ended", async () => {
    const t = await testEngine({ workflows: [slow, patient] });
    const sleeping = await t.start(patient, 1);
    const run = await t.start(slow, 30);
    expect(t.calls("work")).toMatchObject([{ end: null }]);
    expect(await run.result()).toBe(1);
    expect(t.now()).toBe(START);
    expect(await sleeping.result()).toBe("after 1h");
  });

  it("is waited for by an advance, at the instant at which it runs", async () => {
    const later = workflow({ name: "later" }, async (ctx: Ctx) => {
      await ctx.sleep("first", "1h");
      await ctx.step("work", () => real(20), { timeout: "5ms" });
      await ctx.sleep("then", "1h");
      return ctx.now().getTime();
    });
    const t = await testEngine({ workflows: [later] });
    const run = await t.start(later, null);
    await t.advance("2h");
    expect(await run.status()).toMatchObject({ status: "completed", output: START + 2 * HOUR_MS });
    expect(t.calls("work")).toHaveLength(1);
  });

  it("may ask a server on this machine", async () => {
    const server = createServer((_, answer) => void setTimeout(() => answer.end("hello"), 10));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const asking = workflow({ name: "asking" }, async (ctx) => {
      const text = await ctx.step("ask", async ({ signal }) => (await fetch(url, { signal })).text(), {
        timeout: "1ms",
      });
      await ctx.sleep("later", "7d");
      return text;
    });
    const t = await testEngine({ workflows: [asking] });
    const run = await t.start(asking, null);
    expect(await run.result()).toBe("hello");
    expect(t.now()).toBe(START + 7 * DAY_MS);
    server.close();
  });
});

describe("a body that waits in virtual time", () => {
  const { workflow: withWorld } = withEnv<{ call(): Promise<string> }>();
  const calling = withWorld({ name: "calling" }, async (ctx) =>
    ctx.step("call", ({ env }) => env.call(), { timeout: "1m", retry: { attempts: 2, initial: "1s" } }),
  );

  it("does so by fakes that the test's world is given to", async () => {
    const fake = (world: SimulatedWorld) => ({
      async call() {
        await world.wait("40s");
        return `at ${world.now() - START}, ${world.random()}`;
      },
    });
    const t = await testEngine({ workflows: [calling], env: fake });
    const run = await t.start(calling, null);
    expect(t.calls("call")).toMatchObject([{ end: null }]);
    expect(await run.result()).toMatch(/^at 40000, 0\.\d+$/);
    expect(t.now()).toBe(START + 40_000);
  });

  it("is ended by its time-out if it hangs", async () => {
    let calls = 0;
    const t = await testEngine({
      workflows: [calling],
      env: (world) => ({ call: () => (calls++ === 0 ? world.hang() : Promise.resolve("second")) }),
    });
    const run = await t.start(calling, null);
    expect(await run.result()).toBe("second");
    expect(t.now()).toBeGreaterThanOrEqual(START + 60_000);
    const failed = (await run.history()).find(({ type }) => type === "attempt.failed");
    expect(failed?.data).toMatchObject({ error: { code: "ATTEMPT_TIMEOUT" } });
  });

  it("is not in the way of one that takes real time beside it, if its mock says that it waits", async () => {
    const both = workflow({ name: "both" }, async (ctx) =>
      Promise.all([ctx.step("virtual", () => 0), ctx.step("real", () => real(20), { timeout: "5ms" })]),
    );
    const t = await testEngine({ workflows: [both], steps: { virtual: takes("1h") } });
    const run = await t.start(both, null);
    await run.result();
    expect(t.now()).toBe(START + HOUR_MS);
    expect(t.calls("real")).toMatchObject([{ attempt: 1, end: { kind: "value" } }]);
  });
});

describe("what time does not bring", () => {
  const { workflow: withHang } = withEnv<SimulatedWorld>();
  const endless = withHang({ name: "endless" }, async (ctx) => {
    await ctx.scope("part", async (part) => part.step("call", ({ env }) => env.hang()));
  });

  it("is told to who waits for the result, with what the run waits for", async () => {
    const t = await testEngine({ workflows: [endless, patient], env: (world) => world });
    const run = await t.start(endless, null);
    await expect(run.result()).rejects.toMatchObject({
      name: "TimeoutError",
      code: "TEST_NOTHING_DUE",
      message: `expected run ${run.id} of endless to end, but it waits for ctx.step "part/call", whose body does not end, and time does not bring it: nothing is due any more; do what it waits for before you ask for its result`,
      facts: { runId: run.id, status: "running" },
    });
    // Others go on before that is found.
    const other = await t.start(patient, 2);
    await expect(run.result()).rejects.toMatchObject({ code: "TEST_NOTHING_DUE" });
    expect((await other.status()).status).toBe("completed");
  });

  it("is told to who waits for a condition, with what each run waits for", async () => {
    const t = await testEngine({ workflows: [endless], env: (world) => world });
    await expect(t.until(() => false)).rejects.toThrow(
      "expected the condition to become true, but it has not (every run has ended), and time changes nothing",
    );
    const run = await t.start(endless, null);
    await expect(t.until(() => false)).rejects.toMatchObject({
      code: "TEST_NOTHING_DUE",
      message: expect.stringContaining(`run ${run.id} of endless: it waits for ctx.step "part/call"`),
    });
  });

  it("may be code that is not there", async () => {
    const t = await testEngine({ workflows: [patient] });
    const { input, output } = patient;
    const run = await t.start({ name: "elsewhere", version: "2", input, output }, 1 as never);
    await expect(run.result()).rejects.toThrow("no code of elsewhere@2 is among the test engine's workflows");
  });

  it("may come from the test itself meanwhile", async () => {
    const t = await testEngine({ workflows: [endless], env: (world) => world });
    const run = await t.start(endless, null);
    const result = run.result();
    result.catch(() => {});
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    await run.cancel();
    await expect(result).rejects.toMatchObject({ code: "RUN_CANCELLED" });
  });
});
