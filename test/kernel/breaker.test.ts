import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../src/kernel/assert.ts";
import {
  admit,
  after,
  type BreakerOptions,
  type BreakerState,
  breakerPolicy,
  CLOSED,
} from "../../src/kernel/breaker.ts";

const policy = breakerPolicy({ name: "bank", failures: 3, window: "10s", resetAfter: "5s" });

const failed = (state: BreakerState, now: number, caller = "a") =>
  after(state, policy, { caller, passage: "failed", now });
const succeeded = (state: BreakerState, now: number, caller = "a") =>
  after(state, policy, { caller, passage: "succeeded", now });

/** Open at 2 s, until 7 s. */
const open = [0, 1_000, 2_000].reduce<BreakerState>((state, now) => failed(state, now), CLOSED);

describe("a breaker that is closed", () => {
  it("lets everybody pass", () => {
    expect(admit(CLOSED, policy, "a", 0)).toEqual({ kind: "pass" });
  });

  it("opens at so many failures within its window", () => {
    const twice = failed(failed(CLOSED, 0), 1_000);
    expect(twice).toEqual({ status: "closed", failedAt: [0, 1_000] });
    expect(failed(twice, 9_999)).toEqual({ status: "open", since: 9_999, until: 14_999 });
  });

  it("forgets failures that its window has left behind", () => {
    expect(failed(failed(failed(CLOSED, 0), 1_000), 10_000)).toEqual({ status: "closed", failedAt: [1_000, 10_000] });
  });

  it("is not changed by a success", () => {
    const once = failed(CLOSED, 0);
    expect(succeeded(once, 1)).toBe(once);
  });
});

describe("a breaker that is open", () => {
  it("refuses everybody until its time is over", () => {
    expect(open).toEqual({ status: "open", since: 2_000, until: 7_000 });
    expect(admit(open, policy, "a", 6_999)).toEqual({ kind: "refuse", until: 7_000 });
  });

  it("then lets the first through as a probe, and nobody else", () => {
    const state = { status: "half-open", since: 2_000, probe: "a", until: 12_000 } as const;
    expect(admit(open, policy, "a", 7_000)).toEqual({ kind: "probe", state });
    expect(admit(state, policy, "b", 11_999)).toEqual({ kind: "refuse", until: 12_000 });
  });

  it("is not changed by those who passed before", () => {
    expect(failed(open, 6_000)).toBe(open);
    expect(succeeded(open, 6_000)).toBe(open);
  });
});

describe("a breaker that is half-open", () => {
  const half: BreakerState = { status: "half-open", since: 2_000, probe: "a", until: 12_000 };

  it("closes when the probe succeeds, and opens again when it fails", () => {
    expect(succeeded(half, 8_000)).toEqual(CLOSED);
    expect(failed(half, 8_000)).toEqual({ status: "open", since: 2_000, until: 13_000 });
  });

  it("hears nobody but the probe", () => {
    expect(succeeded(half, 8_000, "b")).toBe(half);
    expect(failed(half, 8_000, "b")).toBe(half);
  });

  it("knows its probe again, and gives another a turn when nothing is heard of it", () => {
    expect(admit(half, policy, "a", 8_000)).toEqual({ kind: "probe", state: { ...half, until: 13_000 } });
    expect(admit(half, policy, "b", 12_000)).toEqual({
      kind: "probe",
      state: { ...half, probe: "b", until: 17_000 },
    });
  });
});

describe("any breaker", () => {
  const step = fc.record({
    caller: fc.constantFrom("a", "b", "c"),
    does: fc.constantFrom("ask", "succeed", "fail"),
    ms: fc.integer({ min: 0, max: 6_000 }),
  });

  it("has one probe at most for so long as it waits for it, and remembers fewer failures than open it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state: BreakerState = CLOSED;
        let now = 0;
        let probe: { caller: string; until: number } | null = null;
        for (const { caller, does, ms } of steps) {
          now += ms;
          const before: BreakerState = state;
          if (does === "ask") {
            const admission = admit(state, policy, caller, now);
            if (admission.kind === "probe") {
              if (probe !== null && now < probe.until) expect(caller).toBe(probe.caller);
              state = admission.state;
              probe = { caller, until: now + policy.resetAfterMs };
            } else if (admission.kind === "refuse") expect(admission.until).toBeGreaterThan(now);
          } else state = does === "fail" ? failed(state, now, caller) : succeeded(state, now, caller);
          if (state.status !== "half-open") probe = null;
          if (state.status === "closed") expect(state.failedAt.length).toBeLessThan(policy.failuresMax);
          if (before.status === "open" && state !== before) expect(state.status).toBe("half-open");
          if (before.status === "closed" && state.status !== "closed") expect(state.status).toBe("open");
        }
      }),
    );
  });
});

describe("a state that no breaker has", () => {
  const odd = { status: "ajar" } as unknown as BreakerState;

  it("is a bug of ours, and is shown", () => {
    for (const judge of [() => admit(odd, policy, "a", 0), () => failed(odd, 0)]) {
      expect(judge).toThrow(InvariantError);
      expect(judge).toThrow('unknown state of a breaker: {"status":"ajar"}');
    }
  });
});

describe("a breaker's options", () => {
  it("have defaults", () => {
    expect(breakerPolicy({ name: "bank" })).toEqual({
      name: "bank",
      failuresMax: 5,
      windowMs: 60_000,
      resetAfterMs: 30_000,
    });
  });

  it("are refused by name when they cannot be", () => {
    const refused = (options: unknown, code: string) =>
      expect(() => breakerPolicy(options as BreakerOptions)).toThrowError(expect.objectContaining({ code }));
    refused(undefined, "BREAKER_INVALID");
    refused(null, "BREAKER_INVALID");
    refused("bank", "BREAKER_INVALID");
    refused({}, "NAME_INVALID");
    refused({ name: "" }, "NAME_INVALID");
    refused({ name: "bank", failures: 0 }, "OPTION_INVALID");
    refused({ name: "bank", failures: 1_001 }, "OPTION_INVALID");
    refused({ name: "bank", window: 0 }, "OPTION_INVALID");
    refused({ name: "bank", resetAfter: "0s" }, "OPTION_INVALID");
    refused({ name: "bank", resetAfter: "soon" }, "DURATION_INVALID");
  });

  it.each([
    [7, "a breaker's options, but found number"],
    [{ name: "" }, "expected the name of a breaker"],
    [{ name: "bank", failures: 0 }, "breaker.failures to be a whole number"],
    [{ name: "bank", window: 0 }, "breaker.window to be longer than nothing, but found 0"],
    [{ name: "bank", resetAfter: "0s" }, 'breaker.resetAfter to be longer than nothing, but found "0s"'],
  ])("that are %j are refused by an error that names what is wrong", (options, words) => {
    expect(() => breakerPolicy(options as BreakerOptions)).toThrow(words);
  });
});
