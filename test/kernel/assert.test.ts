import { describe, expect, it } from "vitest";
import { assert, assertNever, InvariantError } from "../../src/kernel/assert.ts";
import { isVarveError } from "../../src/kernel/errors.ts";

function thrownBy(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("an assertion", () => {
  it.each([true, 1, "a", {}, []])("of %j passes", (condition) => {
    expect(() => assert(condition, "never said")).not.toThrow();
  });

  it.each([false, 0, "", null, undefined, Number.NaN])("of %j throws, saying what is held to be so", (condition) => {
    const error = thrownBy(() => assert(condition, "a run has one writer"));
    expect(error).toBeInstanceOf(InvariantError);
    expect(error).toMatchObject({ name: "InvariantError", code: "INVARIANT", message: "a run has one writer" });
  });

  it("that fails is a bug of ours, and no error that a caller can mean", () => {
    expect(isVarveError(thrownBy(() => assert(false, "x")))).toBe(false);
  });
});

describe("the end of a switch", () => {
  it.each([
    ["a text", "odd", '"odd"'],
    ["an object", { type: "odd" }, '{"type":"odd"}'],
  ])("that meets %s which its type does not have throws, showing it", (_, value, shown) => {
    const error = thrownBy(() => assertNever(value as never, "event type"));
    expect(error).toBeInstanceOf(InvariantError);
    expect((error as Error).message).toContain("event type");
    expect((error as Error).message).toContain(shown);
  });
});
