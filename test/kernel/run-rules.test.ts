import { describe, expect, it } from "vitest";
import { type Duration, parseDuration } from "../../src/kernel/duration.ts";
import { checkPriority, checkRunRules, invalidLimit, type RunRules, SLOTS_MAX } from "../../src/kernel/run-rules.ts";

const check = (rules: object) => checkRunRules("ship", rules as never);
const key = (order: { customer: string }) => order.customer;

/** What the rules of a definition become. */
function checkedForm({ concurrency = [], singleton, rateLimit, throttle, ...rest }: RunRules<never>): object {
  const rate = (rule: { limit: number; period: Duration; burst?: number }) => {
    const { period, ...given } = { burst: 1, ...rule };
    return { key: null, ...given, periodMs: parseDuration(period) };
  };
  return {
    ...rest,
    concurrency: [concurrency].flat(),
    ...(singleton === undefined ? {} : { singleton: { key: null, ...singleton } }),
    ...(rateLimit === undefined ? {} : { rateLimit: rate({ burst: rateLimit.limit, ...rateLimit }) }),
    ...(throttle === undefined ? {} : { throttle: rate(throttle) }),
  };
}

const refusal = (code: string, message: string) =>
  expect.objectContaining({ name: "DefinitionError", code, message: expect.stringContaining(message) });

describe("a workflow's rules", () => {
  it("are none if it says nothing", () => {
    expect(check({})).toBeUndefined();
    expect(check({ queue: undefined, priority: undefined })).toBeUndefined();
  });

  it("are what it says, and nothing else of its definition", () => {
    const rules = {
      queue: "heavy",
      maxActiveRuns: 50,
      concurrency: [{ key, limit: 2 }],
      singleton: { key, mode: "skip" },
      rateLimit: { limit: 10, period: "1m", key },
      throttle: { limit: 5, period: 1_000, burst: 3 },
      priority: () => 5,
    };
    const checked = check({ ...rules, name: "ship", retries: 3 });
    expect(checked).toEqual({
      ...rules,
      rateLimit: { limit: 10, periodMs: 60_000, key, burst: 10 },
      throttle: { limit: 5, periodMs: 1_000, key: null, burst: 3 },
    });
    expect(check({ queue: "heavy", maxActiveRuns: undefined })).toEqual({ queue: "heavy", concurrency: [] });
  });

  const rule = { key, limit: 1 };
  it.each([
    { maxActiveRuns: 1 },
    { maxActiveRuns: SLOTS_MAX },
    { concurrency: { key, limit: 1 } },
    { concurrency: { key, limit: SLOTS_MAX } },
    { concurrency: [] },
    { concurrency: Array.from({ length: 8 }, () => rule) },
    { singleton: { mode: "skip" } },
    { singleton: { mode: "cancel" } },
    { singleton: { mode: "queue", key } },
    { rateLimit: { limit: 1, period: 1 } },
    { rateLimit: { limit: 1_000_000, period: "1d" } },
    { throttle: { limit: 1, period: "1s" } },
    { throttle: { limit: 1, period: "1s", burst: 1 } },
    { throttle: { limit: 1, period: "1s", burst: 1_000_000 } },
    { priority: -1_000 },
    { priority: 1_000 },
    { priority: () => 0 },
  ] as RunRules<never>[])("may be %j", (rules) => {
    expect(check(rules)).toMatchObject({ concurrency: [], ...checkedForm(rules) });
  });

  it.each([
    [{ queue: "" }, "NAME_INVALID", 'the queue of workflow "ship"'],
    [{ queue: 7 }, "NAME_INVALID", "but found number"],
    [
      { maxActiveRuns: 0 },
      "LIMIT_INVALID",
      'maxActiveRuns of workflow "ship" to be a whole number from 1 to 10000, but found 0',
    ],
    [{ maxActiveRuns: SLOTS_MAX + 1 }, "LIMIT_INVALID", "but found 10001"],
    [{ maxActiveRuns: 1.5 }, "LIMIT_INVALID", "but found 1.5"],
    [{ maxActiveRuns: "5" }, "LIMIT_INVALID", 'but found "5"'],
    [
      { concurrency: Array.from({ length: 9 }, () => rule) },
      "LIMIT_INVALID",
      'the number of concurrency rules of workflow "ship" to be a whole number from 0 to 8, but found 9',
    ],
    [
      { concurrency: [rule, 5] },
      "LIMIT_INVALID",
      'concurrency[1] of workflow "ship" to be { key, limit }, but found 5',
    ],
    [{ concurrency: [rule, null] }, "LIMIT_INVALID", "concurrency[1] of workflow"],
    [
      { concurrency: { limit: 1 } },
      "LIMIT_INVALID",
      'concurrency[0].key of workflow "ship" to be a function of the input, such as (input) => input.customer',
    ],
    [
      { concurrency: { key, limit: 0 } },
      "LIMIT_INVALID",
      'concurrency[0].limit of workflow "ship" to be a whole number from 1 to 10000',
    ],
    [
      { singleton: { mode: "wait" } },
      "LIMIT_INVALID",
      'singleton.mode of workflow "ship" to be "skip", "cancel" or "queue", but found "wait"',
    ],
    [{ singleton: { mode: "skip", key: 7 } }, "LIMIT_INVALID", 'singleton.key of workflow "ship"'],
    [
      { rateLimit: { limit: 0, period: "1m" } },
      "LIMIT_INVALID",
      'rateLimit.limit of workflow "ship" to be a whole number from 1 to 1000000',
    ],
    [{ rateLimit: { limit: 1_000_001, period: "1m" } }, "LIMIT_INVALID", "rateLimit.limit"],
    [
      { rateLimit: { limit: 1, period: 0 } },
      "LIMIT_INVALID",
      'rateLimit.period of workflow "ship" to be a duration of at least 1 ms, but found 0',
    ],
    [{ rateLimit: { limit: 1, period: "soon" } }, "DURATION_INVALID", "soon"],
    [{ rateLimit: { limit: 1, period: "1m", key: false } }, "LIMIT_INVALID", 'rateLimit.key of workflow "ship"'],
    [{ throttle: { limit: 1, period: 0 } }, "LIMIT_INVALID", "throttle.period"],
    [
      { throttle: { limit: 1, period: "1m", burst: 0 } },
      "LIMIT_INVALID",
      'throttle.burst of workflow "ship" to be a whole number from 1 to 1000000',
    ],
    [{ throttle: { limit: 1, period: "1m", burst: 1_000_001 } }, "LIMIT_INVALID", "throttle.burst"],
    [
      { priority: 1_001 },
      "LIMIT_INVALID",
      'priority of workflow "ship" to be a whole number from -1000 to 1000, but found 1001',
    ],
    [{ priority: -1_001 }, "LIMIT_INVALID", "but found -1001"],
    [{ priority: Number.NaN }, "LIMIT_INVALID", "but found NaN"],
    [{ priority: null }, "LIMIT_INVALID", "priority of workflow"],
    [
      { priority: "input.rank" },
      "LIMIT_INVALID",
      'priority of workflow "ship" to be a number, a function of the input, or an expression such as cel("input.seats"), but found "input.rank"; a plain text is no expression: write cel("input.rank")',
    ],
    [
      { fairness: { key, weight: " " } },
      "LIMIT_INVALID",
      'but found " "; a plain text is no expression: write cel("...")',
    ],
    [
      { singleton: { mode: "skip", key: 'input.a == "b"' } },
      "LIMIT_INVALID",
      'but found "input.a == \\"b\\""; a plain text is no expression: write cel("input.a == \\"b\\"")',
    ],
  ])("cannot be %j", (rules, code, message) => {
    expect(() => check(rules)).toThrow(refusal(code, message));
  });

  it("say nothing of expressions where something else than a text was found", () => {
    expect(() => check({ singleton: { mode: "skip", key: 7 } })).toThrow(/but found 7$/);
    expect(() => check({ priority: {} })).toThrow(/but found object$/);
  });

  it("say in the facts which is wrong", () => {
    expect(() => check({ maxActiveRuns: 0 })).toThrow(
      expect.objectContaining({ facts: { what: 'maxActiveRuns of workflow "ship"' } }),
    );
  });
});

describe("a priority that a function has told", () => {
  it("is held to the same bounds", () => {
    expect(checkPriority("priority", 7)).toBe(7);
    expect(() => checkPriority("the priority of this run", 5_000)).toThrow(
      refusal(
        "LIMIT_INVALID",
        "expected the priority of this run to be a whole number from -1000 to 1000, but found 5000",
      ),
    );
  });
});

describe("the error of a limit", () => {
  it("quotes texts, shows numbers, and names the type of anything else", () => {
    expect(invalidLimit("x", "a y", "a").message).toBe('expected x to be a y, but found "a"');
    expect(invalidLimit("x", "a y", 7).message).toBe("expected x to be a y, but found 7");
    expect(invalidLimit("x", "a y", true).message).toBe("expected x to be a y, but found true");
  });
});
