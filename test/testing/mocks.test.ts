/** Steps whose bodies a test replaces. */
import { RetryableError, type StepContext, TerminalError, withEnv, workflow } from "varve";
import { fails, hangs, held, realTime, returns, type StepMock, takes, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";
import { shapeOf, stepPattern } from "../../src/testing/step-pattern.ts";

const START = Date.UTC(2026, 0, 1);

const buy = workflow({ name: "buy" }, async (ctx, cents: number) => {
  const charge = await ctx.step("charge", () => `really charged ${cents}`);
  const label = await ctx.scope("shipping", async (shipping) => shipping.step("label", () => "real label"));
  return { charge, label };
});

const polling = workflow({ name: "polling" }, async (ctx) => {
  const answers: unknown[] = [];
  for (let i = 0; i < 3; i++) answers.push(await ctx.step("poll", () => "real"));
  return answers;
});

const loose = { unusedMocks: "allow" } as const;

async function resultOf(steps: Readonly<Record<string, StepMock>>) {
  const t = await testEngine({ workflows: [buy], steps });
  const run = await t.start(buy, 5);
  const result = await run.result();
  await t.close();
  return result;
}

describe("a mock", () => {
  it("runs in place of the body of the step with its key, and of no other", async () => {
    expect(await resultOf({ charge: returns("mocked") })).toEqual({ charge: "mocked", label: "real label" });
    expect(await resultOf({ "shipping/label": () => "mocked" })).toEqual({
      charge: "really charged 5",
      label: "mocked",
    });
  });

  it("is given what the body is given", async () => {
    const seen: StepContext[] = [];
    const { workflow: rich } = withEnv<{ tax: number }>();
    const taxed = rich({ name: "taxed" }, async (ctx) => ctx.step("add", ({ env }) => env.tax));
    const t = await testEngine({
      workflows: [taxed],
      env: { tax: 7 },
      steps: {
        add: (step) => {
          seen.push(step);
          return step.env.tax + 1;
        },
      },
    });
    const run = await t.start(taxed, null, { tags: { shop: "a" } });
    expect(await run.result()).toBe(8);
    const [step] = seen;
    expect(step).toMatchObject({ key: "add", attempt: 1, idempotencyKey: `${run.id}/add`, run: { id: run.id } });
    expect(step?.run).toMatchObject({ workflow: "taxed", version: "1", tags: { shop: "a" } });
    expect(step?.signal).toBeInstanceOf(AbortSignal);
  });

  it("can run the step's own body, and see what it comes to", async () => {
    const spy: StepMock = async (_, { body }) => `saw: ${await body()}`;
    expect(await resultOf({ charge: spy })).toMatchObject({ charge: "saw: really charged 5" });
  });

  it("is what is recorded: what the log cannot hold fails the step", async () => {
    const t = await testEngine({ workflows: [buy], steps: { charge: returns(() => 1) } });
    const run = await t.start(buy, 5);
    await expect(run.result()).rejects.toMatchObject({ cause: { cause: { code: "PAYLOAD_UNSTORABLE" } } });
  });

  it("fails as a body fails: retried, or for good", async () => {
    const t = await testEngine({
      workflows: [buy],
      steps: {
        charge: ({ attempt }) => {
          if (attempt === 1) throw new RetryableError("busy", { retryAfterMs: 60_000 });
          throw new TerminalError("declined");
        },
      },
    });
    const run = await t.start(buy, 5);
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "STEP_FAILED", cause: { code: "TERMINAL" } } });
    expect(t.now()).toBe(START + 60_000);
  });
});

describe("fails", () => {
  it("fails so many attempts, then does what follows: by default the step's own body", async () => {
    const t = await testEngine({ workflows: [buy], steps: { charge: fails(2, new Error("503")) } });
    const run = await t.start(buy, 5);
    expect(await run.result()).toMatchObject({ charge: "really charged 5" });
    expect(t.calls("charge").map(({ attempt, isMocked, end }) => [attempt, isMocked, end?.kind])).toEqual([
      [1, true, "error"],
      [2, true, "error"],
      [3, true, "value"],
    ]);
    expect(t.calls("charge")[0]?.end).toEqual({ kind: "error", error: new Error("503") });
    expect(new Set(t.calls("charge").map(({ idempotencyKey }) => idempotencyKey))).toEqual(
      new Set([`${run.id}/charge`]),
    );
    expect(await resultOf({ charge: fails(1, "no error", returns("then")) })).toMatchObject({ charge: "then" });
  });

  it("fails for ever with Infinity", async () => {
    const t = await testEngine({
      workflows: [buy],
      steps: { charge: fails(Number.POSITIVE_INFINITY, new Error("down")) },
    });
    const run = await t.start(buy, 5);
    await expect(run.result()).rejects.toThrow("failed after 5 attempts: down");
  });

  it("takes a count", () => {
    for (const times of [0, -1, 1.5, Number.NaN, "2"]) {
      expect(() => fails(times as number, new Error("x"))).toThrow(/times of fails/);
    }
  });
});

describe("takes and hangs", () => {
  it("take virtual time", async () => {
    const t = await testEngine({
      workflows: [buy],
      steps: { charge: takes("90m", returns(1)), "shipping/label": takes("30m") },
    });
    const run = await t.start(buy, 5);
    expect(await run.result()).toEqual({ charge: 1, label: "real label" });
    expect(t.now()).toBe(START + 2 * 3_600_000);
  });

  it("end by the step's time-out, whose reason they are given", async () => {
    const slow = workflow({ name: "slow" }, async (ctx) =>
      ctx.step("work", () => 1, { timeout: "10s", retry: { attempts: 2, initial: "1s" } }),
    );
    for (const mock of [hangs(), takes("1h")]) {
      const t = await testEngine({ workflows: [slow], steps: { work: mock } });
      const run = await t.start(slow, null);
      await expect(run.result()).rejects.toMatchObject({ cause: { cause: { code: "ATTEMPT_TIMEOUT" } } });
      expect(t.calls("work")).toHaveLength(2);
      await t.close();
    }
  });

  it("refuse what is no duration", async () => {
    const t = await testEngine({ workflows: [buy], steps: { charge: takes("soon") } });
    const run = await t.start(buy, 5);
    await expect(run.result()).rejects.toThrow(/expected a duration/);
  });
});

describe("held", () => {
  it("holds each attempt until the test ends it, the one that waits longest first, while time passes", async () => {
    const charge = held<string>();
    const t = await testEngine({ workflows: [buy], steps: { charge } });
    const first = await t.start(buy, 1);
    await t.advance("1h");
    const second = await t.start(buy, 2);
    await t.advance("1h");
    expect(charge.waiting).toBe(2);
    charge.release("first");
    charge.fail(new TerminalError("second"));
    expect(charge.waiting).toBe(0);
    expect((await first.result()).charge).toBe("first");
    await expect(second.result()).rejects.toThrow("second");
    expect(t.now()).toBe(START + 2 * 3_600_000);
  });

  it("lets go of one that was aborted", async () => {
    const charge = held();
    const t = await testEngine({ workflows: [buy], steps: { charge } });
    const run = await t.start(buy, 1);
    await run.cancel();
    expect(charge.waiting).toBe(0);
    expect(t.calls("charge")).toMatchObject([{ end: { kind: "error", error: { code: "RUN_CANCELLED" } } }]);
  });

  it("says so when nothing waits", () => {
    expect(() => held().release(1)).toThrow("expected an attempt that waits in this mock, but none does");
    expect(() => held().fail(1)).toThrow(expect.objectContaining({ code: "TEST_NOT_HELD" }));
  });
});

describe("a mock that waits for something real", () => {
  it("is refused, and told what to do: a test that holds it would wait for itself", async () => {
    let settle = (_: string) => {};
    const gate = new Promise<string>((resolve) => {
      settle = resolve;
    });
    const t = await testEngine({ workflows: [buy], steps: { charge: () => gate } });
    const run = await t.start(buy, 1);
    for (const wait of [() => run.result(), () => t.advance("1d"), () => t.until(() => false)]) {
      await expect(wait()).rejects.toMatchObject({
        name: "DefinitionError",
        code: "TEST_MOCK_PENDING",
        message: expect.stringMatching(/mock of step "charge".*attempt 1: hold it by held\(\).*realTime\(mock\)/),
        facts: { step: "charge", attempt: 1 },
      });
    }
    expect(t.now()).toBe(START);
    settle("in the end");
    expect((await run.result()).charge).toBe("in the end");
  });

  it("is waited for if it says that it takes real time", async () => {
    const slow = async () => {
      await new Promise((resolve) => setTimeout(resolve, 15));
      return "slow";
    };
    expect(await resultOf({ charge: realTime(slow) })).toMatchObject({ charge: "slow" });
    const own = workflow({ name: "own" }, async (ctx) => ctx.step("work", slow, { timeout: "5ms" }));
    const t = await testEngine({ workflows: [own], steps: { work: fails(1, new Error("once")) } });
    const run = await t.start(own, null);
    expect(await run.result()).toBe("slow");
  });

  it("may take some macrotasks, as promises of the platform do", async () => {
    const parsing: StepMock = async () => (await new Response('"parsed"').json()) as string;
    expect(await resultOf({ charge: parsing })).toMatchObject({ charge: "parsed" });
  });
});

describe("the key of a mock", () => {
  it("stands for one occurrence, and with a star for all, the more exact one first", async () => {
    const t = await testEngine({
      workflows: [polling],
      steps: { "poll#*": returns("any"), "poll#2": returns("second") },
    });
    const run = await t.start(polling, null);
    expect(await run.result()).toEqual(["any", "second", "any"]);
    expect(t.calls("poll").map(({ key }) => key)).toEqual(["poll"]);
    expect(t.calls("poll#*").map(({ key }) => key)).toEqual(["poll", "poll#2", "poll#3"]);
    await t.close();
  });

  it("that leaves out occurrences of its step is refused when one of them would run its own body", async () => {
    const t = await testEngine({ workflows: [polling], steps: { poll: returns("first") } });
    const run = await t.start(polling, null).catch((error: unknown) => error);
    const wrong = { name: "DefinitionError", code: "TEST_MOCK_MISSING", facts: { step: "poll#2", mocked: "poll" } };
    expect(run).toMatchObject(wrong);
    expect(t.calls()).toHaveLength(1);
    await expect(t.advance("1d")).rejects.toMatchObject(wrong);
    await expect(t.list()).rejects.toMatchObject(wrong);
    await expect(t.close()).rejects.toMatchObject(wrong);
  });

  it("that no step has had is told at the end, with the keys that there were", async () => {
    const t = await testEngine({
      workflows: [buy],
      steps: { charge: returns(1), chrage: returns(1), "label[*]": returns(1) },
    });
    expect(t.unusedMocks()).toEqual(["charge", "chrage", "label[*]"]);
    await (await t.start(buy, 1)).result();
    expect(t.unusedMocks()).toEqual(["chrage", "label[*]"]);
    await expect(t.close()).rejects.toMatchObject({
      code: "TEST_MOCK_UNUSED",
      message:
        'expected each mock to stand for a step, but found\n  "chrage": no step had this key\n  "label[*]": no step had this key\n' +
        'the steps were "charge", "shipping/label"; mocks that some tests do not reach are allowed by unusedMocks: "allow"',
      facts: { unused: ["chrage", "label[*]"] },
    });
  });

  it("of a call that is no step is told as such", async () => {
    const resting = workflow({ name: "resting" }, async (ctx) => ctx.sleep("cool-off", "1h"));
    const t = await testEngine({ workflows: [resting, buy], steps: { "cool-off": returns(1), shipping: returns(1) } });
    await (await t.start(resting, null)).result();
    await (await t.start(buy, 1)).result();
    await expect(t.close()).rejects.toThrow(
      '"cool-off": this was ctx.sleep "cool-off", which has no body to mock\n  "shipping": this was ctx.scope "shipping", which',
    );
  });

  it("may go unused where the test says so", async () => {
    const t = await testEngine({ workflows: [buy], steps: { other: returns(1) }, ...loose });
    await t.close();
    const none = await testEngine({ workflows: [buy], steps: { other: returns(1) } });
    await expect(none.close()).rejects.toThrow("the code has come to no step");
  });

  const fits: readonly (readonly [pattern: string, key: string, fits: boolean])[] = [
    ["charge", "charge", true],
    ["charge", "charge#2", false],
    ["charge#*", "charge", true],
    ["charge#*", "charge#17", true],
    ["charge#*", "recharge", false],
    ["ship[*]", "ship[12]", true],
    ["ship[*]", "ship", false],
    ["ship[*]/label", "ship[3]/label", true],
    ["ship[3]/label", "ship[4]/label", false],
    ["ship[*]#*/label#*", "ship[0]#2/label", true],
    ["ship[*][*]", "ship[1][2]", true],
    ["a.b+c", "a.b+c", true],
    ["a.b", "axb", false],
    ["50%25 off", "50%25 off", true],
    ["$1", "$1", true],
  ];
  for (const [pattern, key, isFit] of fits) {
    it(`"${pattern}" ${isFit ? "fits" : "does not fit"} "${key}"`, () => {
      expect(stepPattern("step", pattern).matches(key)).toBe(isFit);
      if (isFit) expect(shapeOf(pattern)).toBe(shapeOf(key));
    });
  }
  for (const wrong of [
    "",
    "a//b",
    "poll*",
    "*",
    "poll#",
    "poll#0",
    "poll#x",
    "ship[]",
    "ship[x]",
    "50% off",
    "a/",
    3,
    null,
  ]) {
    it(`is refused: ${JSON.stringify(wrong)}`, () => {
      expect(() => stepPattern("step", wrong)).toThrow(expect.objectContaining({ code: "TEST_INVALID" }));
    });
  }
});
