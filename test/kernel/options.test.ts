import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError, type VarveError } from "../../src/kernel/errors.ts";
import { checkLimits, DEFAULT_LIMITS, type Limits } from "../../src/kernel/limits.ts";
import { checkNumbers, invalidOption } from "../../src/kernel/options.ts";

const DEFAULTS = { slots: 10, leaseMs: 30_000 } as const;
const RANGES = { slots: [1, 100], leaseMs: [0, 60_000] } as const;

const check = (given: object) => checkNumbers("worker", given, DEFAULTS, RANGES);

function refusal(call: () => unknown): VarveError {
  try {
    call();
  } catch (error) {
    if (isVarveError(error, "OPTION_INVALID")) return error;
    throw error;
  }
  throw new Error("the option is taken");
}

describe("options that are numbers", () => {
  it("are by default what the defaults say, which stay as they are", () => {
    const checked = check({});
    expect(checked).toEqual(DEFAULTS);
    expect(checked).not.toBe(DEFAULTS);
    expect(check({ slots: undefined })).toEqual(DEFAULTS);
  });

  it("take the place of their defaults, and nothing else does", () => {
    expect(check({ slots: 5 })).toEqual({ slots: 5, leaseMs: 30_000 });
    expect(check({ slots: 5, other: 1 })).toEqual({ slots: 5, leaseMs: 30_000 });
  });

  it("are taken from the least to the greatest, both included", () => {
    fc.assert(
      fc.property(fc.integer({ min: -10, max: 110 }), (slots) => {
        if (slots >= 1 && slots <= 100) expect(check({ slots }).slots).toBe(slots);
        else expect(refusal(() => check({ slots })).facts).toEqual({ what: "worker.slots" });
      }),
    );
  });

  it.each<[unknown, string]>([
    [0, "0"],
    [101, "101"],
    [1.5, "1.5"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    ["5", '"5"'],
    ["", '""'],
    [null, "null"],
    [5n, "bigint"],
    [true, "true"],
    [[5], "a list"],
    [Symbol("5"), "symbol"],
  ])("are refused if they are %s, naming the option and its range", (slots, shown) => {
    const error = refusal(() => check({ slots }));
    expect(error).toMatchObject({ name: "DefinitionError", facts: { what: "worker.slots" } });
    expect(error.message).toMatch(/worker\.slots .* from 1 to 100\b/);
    expect(error.message.endsWith(`found ${shown}`)).toBe(true);
  });
});

describe("the error of a wrong option", () => {
  it("names it, what it should be and what it is", () => {
    const error = invalidOption("mode", '"owned" or "shared"', "both");
    expect(error).toMatchObject({ name: "DefinitionError", code: "OPTION_INVALID", facts: { what: "mode" } });
    expect(error.message).toBe('expected mode to be "owned" or "shared", but found "both"');
  });
});

describe("the limits", () => {
  it("are by default those of the guide", () => {
    expect(checkLimits({})).toEqual({
      payloadBytesMax: 1_048_576,
      historyEventsMax: 51_200,
      historyEventsWarn: 10_240,
      childrenMax: 10_000,
      childDepthMax: 32,
    });
    expect(checkLimits({ historyEventsMax: 5 })).toEqual({ ...DEFAULT_LIMITS, historyEventsMax: 5 });
  });

  it.each<[keyof Limits, number]>([
    ["payloadBytesMax", 134_217_728],
    ["historyEventsMax", 1_000_000_000],
    ["historyEventsWarn", 1_000_000_000],
  ])("of %s are 1 to %d", (name, max) => {
    for (const value of [1, max]) expect(checkLimits({ [name]: value })[name]).toBe(value);
    for (const value of [0, max + 1]) {
      expect(refusal(() => checkLimits({ [name]: value })).facts).toEqual({ what: `limits.${name}` });
    }
  });
});
