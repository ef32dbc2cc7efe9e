import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError, RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { type Failure, toFailure } from "../../src/kernel/failure.ts";
import {
  DEFAULT_RETRY,
  decideRetry,
  RETRY_ATTEMPTS_MAX,
  type RetryOptions,
  retryDelayMs,
  retryPolicy,
} from "../../src/kernel/retry.ts";

const FAILED: Failure = { name: "Error", message: "declined" };

/** The waits after the first attempts, without jitter. */
const delays = (options: RetryOptions, count = 6) =>
  Array.from({ length: count }, (_, i) => retryDelayMs(retryPolicy({ jitter: "none", ...options }), i + 1, 0.5));

describe("a back-off", () => {
  it("fixed is the same each time", () => {
    expect(delays({ backoff: "fixed", initial: "2s" })).toEqual([2_000, 2_000, 2_000, 2_000, 2_000, 2_000]);
  });

  it("linear grows by its first wait", () => {
    expect(delays({ backoff: "linear", initial: 100 })).toEqual([100, 200, 300, 400, 500, 600]);
  });

  it("exponential doubles up to its cap", () => {
    expect(delays({ initial: "1s", max: "10s" })).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("exponential grows by its factor", () => {
    expect(delays({ initial: 10, factor: 3, max: 500 })).toEqual([10, 30, 90, 270, 500, 500]);
  });

  it("of nothing stays nothing, however often", () => {
    expect(retryDelayMs(retryPolicy({ initial: 0, jitter: "none" }), 5_000, 0.5)).toBe(0);
    expect(retryDelayMs(retryPolicy({ initial: 0 }), 5_000, 0.999)).toBe(0);
  });

  it("that outgrows every number is its cap", () => {
    expect(retryDelayMs(retryPolicy({ initial: 1, max: "1h", jitter: "none" }), 5_000, 0.5)).toBe(3_600_000);
  });

  it("with a first wait above the default cap is capped by that wait", () => {
    expect(delays({ initial: "5m" }, 2)).toEqual([300_000, 300_000]);
  });

  it("with full jitter is a random part of itself", () => {
    const policy = retryPolicy({ initial: "1s" });
    expect([0, 0.25, 0.5, 0.9999].map((u) => retryDelayMs(policy, 2, u))).toEqual([0, 500, 1_000, 2_000]);
  });

  it("lies between nothing and its cap, and never shrinks without jitter", () => {
    const options = fc.record({
      backoff: fc.constantFrom("fixed" as const, "linear" as const, "exponential" as const),
      initial: fc.integer({ min: 0, max: 100_000 }),
      max: fc.integer({ min: 0, max: 1_000_000 }),
      factor: fc.double({ min: 1, max: 1e6, noNaN: true }),
    });
    const attempt = fc.integer({ min: 1, max: 2_000 });
    const u = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(options, attempt, u, (given, n, random) => {
        const plain = retryPolicy({ ...given, jitter: "none" });
        const jittered = retryDelayMs(retryPolicy(given), n, random);
        const whole = retryDelayMs(plain, n, random);
        return (
          Number.isInteger(jittered) &&
          jittered >= 0 &&
          jittered <= whole &&
          whole <= given.max &&
          whole <= retryDelayMs(plain, n + 1, random)
        );
      }),
    );
  });
});

describe("a policy", () => {
  it("without options is the default of the guide", () => {
    expect(retryPolicy(undefined)).toEqual(DEFAULT_RETRY);
    expect(retryPolicy({})).toEqual(DEFAULT_RETRY);
    expect(DEFAULT_RETRY).toEqual({
      attemptsMax: 5,
      backoff: "exponential",
      initialMs: 1_000,
      maxMs: 60_000,
      factor: 2,
      jitter: "full",
      nonRetryable: [],
    });
  });

  it.each([1, RETRY_ATTEMPTS_MAX])("of %d attempts is allowed", (attempts) => {
    expect(retryPolicy({ attempts }).attemptsMax).toBe(attempts);
  });

  it("of unlimited attempts has no bound", () => {
    expect(retryPolicy({ attempts: "unlimited" }).attemptsMax).toBe(Number.POSITIVE_INFINITY);
  });

  const bad: [string, Record<string, unknown>, string, string][] = [
    ["no attempts", { attempts: 0 }, "attempts", "0"],
    ["less than no attempts", { attempts: -1 }, "attempts", "-1"],
    ["half an attempt", { attempts: 1.5 }, "attempts", "1.5"],
    ["too many attempts", { attempts: RETRY_ATTEMPTS_MAX + 1 }, "attempts", "1001"],
    ["infinitely many attempts by number", { attempts: Number.POSITIVE_INFINITY }, "attempts", "Infinity"],
    ["attempts that are no number", { attempts: Number.NaN }, "attempts", "NaN"],
    ["attempts as a text", { attempts: "3" }, "attempts", '"3"'],
    ["an unknown back-off", { backoff: "fibonacci" }, "backoff", '"fibonacci"'],
    ["a shrinking factor", { factor: 0.5 }, "factor", "0.5"],
    ["an infinite factor", { factor: Number.POSITIVE_INFINITY }, "factor", "Infinity"],
    ["a factor that is no number", { factor: Number.NaN }, "factor", "NaN"],
    ["a factor as a text", { factor: "2" }, "factor", '"2"'],
    ["an unknown jitter", { jitter: "some" }, "jitter", '"some"'],
    ["a text for a list of names", { nonRetryable: "TypeError" }, "nonRetryable", '"TypeError"'],
    ["a class for a name", { nonRetryable: [TypeError] }, "nonRetryable", "function TypeError"],
    ["numbers and nothing for names", { nonRetryable: ["E_A", 5, null] }, "nonRetryable", '["E_A", 5, null]'],
    ["an object without a text", { backoff: Object.create(null) }, "backoff", "object"],
  ];

  const expected: Readonly<Record<string, string>> = {
    attempts: 'from 1 to 1000, or "unlimited"',
    backoff: '"fixed", "linear" or "exponential"',
    factor: "a number from 1",
    jitter: '"full" or "none"',
    nonRetryable: "a list of names or codes",
  };

  it.each(bad)("with %s is refused, naming the option and what it may be", (_, options, field, found) => {
    let thrown: unknown;
    try {
      retryPolicy(options as RetryOptions);
    } catch (error) {
      thrown = error;
    }
    expect(isVarveError(thrown, "RETRY_INVALID")).toBe(true);
    expect(thrown).toMatchObject({ name: "DefinitionError", facts: { field } });
    expect((thrown as Error).message).toContain(`expected retry.${field} to be`);
    expect((thrown as Error).message).toContain(expected[field]);
    expect((thrown as Error).message).toContain(found);
  });

  it.each([{ initial: "soon" }, { max: "-1s" }, { initial: -5 }, { max: Number.NaN }])(
    "with %j is refused",
    (options) => {
      let thrown: unknown;
      try {
        retryPolicy(options as RetryOptions);
      } catch (error) {
        thrown = error;
      }
      expect(isVarveError(thrown, "DURATION_INVALID")).toBe(true);
    },
  );
});

describe("after a failed attempt", () => {
  const options: RetryOptions = { attempts: 3, initial: "1s", jitter: "none", nonRetryable: ["TypeError", "E_CARD"] };
  const decide = (attempt: number, failure: Failure) => decideRetry(retryPolicy(options), attempt, failure, 0);

  it("another follows until they are used up", () => {
    expect(decide(1, FAILED)).toEqual({ kind: "retry", delayMs: 1_000 });
    expect(decide(2, FAILED)).toEqual({ kind: "retry", delayMs: 2_000 });
    expect(decide(3, FAILED)).toEqual({ kind: "give-up", reason: "exhausted" });
  });

  it("another follows for ever without a bound", () => {
    const unlimited = retryPolicy({ attempts: "unlimited", jitter: "none" });
    expect(decideRetry(unlimited, 1_000_000, FAILED, 0)).toEqual({ kind: "retry", delayMs: 60_000 });
  });

  it.each([
    ["a TerminalError", toFailure(new TerminalError("no"))],
    ["a value that the log cannot hold", { name: "PayloadError", message: "" }],
    ["an error named in the policy", toFailure(new TypeError("x"))],
    ["an error whose code the policy names", { ...FAILED, code: "E_CARD" }],
  ])("none follows %s", (_, failure) => {
    expect(decide(1, failure)).toEqual({ kind: "give-up", reason: "terminal" });
  });

  const asking = (retryAfterMs: unknown) => ({ ...FAILED, fields: { retryAfterMs } }) as Failure;

  it("an error that asks for a longer wait gets it, one that asks for a shorter gets the back-off", () => {
    const limited = toFailure(new RetryableError("limited", { retryAfterMs: 30_000 }));
    expect(decide(1, limited)).toEqual({ kind: "retry", delayMs: 30_000 });
    expect(decide(1, asking(10))).toEqual({ kind: "retry", delayMs: 1_000 });
  });

  it("an error may ask for more than the policy's cap, but for no more than a day", () => {
    expect(decide(1, asking(7_200_000))).toEqual({ kind: "retry", delayMs: 7_200_000 });
    expect(decide(1, asking(1e15))).toEqual({ kind: "retry", delayMs: 86_400_000 });
    expect(decide(1, asking(Number.POSITIVE_INFINITY))).toEqual({ kind: "retry", delayMs: 86_400_000 });
  });

  it("part of a millisecond is waited as a whole one", () => {
    expect(decideRetry(retryPolicy({ initial: 0 }), 1, asking(0.2), 0)).toEqual({ kind: "retry", delayMs: 1 });
  });

  it.each([["30000"], [null], [-1], [Number.NaN], [{}]])("a wait of %j is not heard", (asked) => {
    expect(decide(1, asking(asked))).toEqual({ kind: "retry", delayMs: 1_000 });
  });

  it("an error that asks for a wait does not get more attempts", () => {
    expect(decide(3, asking(5))).toEqual({ kind: "give-up", reason: "exhausted" });
  });
});
