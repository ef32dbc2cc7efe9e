import { describe, expect, it } from "vitest";
import * as errors from "../../src/kernel/errors.ts";

describe("an error of Varve", () => {
  it("says its code, its facts and its cause", () => {
    const cause = new Error("disk");
    const error = new errors.StoreError("STORE_FULL", "expected room", { path: "a.db" }, { cause });
    expect(error).toBeInstanceOf(errors.VarveError);
    expect(error).toMatchObject({ name: "StoreError", code: "STORE_FULL", message: "expected room" });
    expect(error.facts).toEqual({ path: "a.db" });
    expect(error.cause).toBe(cause);
  });

  it("without facts has none, and without a cause no field for one", () => {
    const error = new errors.VarveError("E", "m");
    expect(error).toMatchObject({ name: "VarveError", facts: {} });
    expect(Object.hasOwn(error, "cause")).toBe(false);
  });
});

describe("the guard", () => {
  it("knows Varve's errors, and one of them by its code", () => {
    const error = new errors.LimitError("HISTORY_LIMIT", "m");
    expect(errors.isVarveError(error)).toBe(true);
    expect(errors.isVarveError(error, "HISTORY_LIMIT")).toBe(true);
    expect(errors.isVarveError(error, "HISTORY")).toBe(false);
  });

  it("knows those of another copy of the package", () => {
    const copy = Object.assign(new Error("m"), { code: "HISTORY_LIMIT", facts: {} });
    expect(errors.isVarveError(copy, "HISTORY_LIMIT")).toBe(true);
  });

  it.each([
    ["undefined", undefined],
    ["a text", "HISTORY_LIMIT"],
    ["what only looks like an error", { code: "HISTORY_LIMIT", facts: {} }],
    ["an error without code and facts", new Error("m")],
    ["an error without facts, as Node's are", Object.assign(new Error("m"), { code: "HISTORY_LIMIT" })],
    ["an error without a code", Object.assign(new Error("m"), { facts: {} })],
  ])("does not take %s for one", (_, value) => {
    expect(errors.isVarveError(value)).toBe(false);
    expect(errors.isVarveError(value, "HISTORY_LIMIT")).toBe(false);
  });
});

describe("an error that steers retries", () => {
  it("has a code of its own unless it is given one", () => {
    expect(new errors.TerminalError("declined")).toMatchObject({ code: "TERMINAL", message: "declined", facts: {} });
    expect(new errors.TerminalError("declined", { code: "E_CARD" }).code).toBe("E_CARD");
    expect(new errors.RetryableError("limited")).toMatchObject({ code: "RETRYABLE", message: "limited", facts: {} });
    expect(new errors.RetryableError("limited", { code: "E_RATE" }).code).toBe("E_RATE");
  });

  it("keeps its cause", () => {
    const cause = new Error("why");
    expect(new errors.TerminalError("m", { cause }).cause).toBe(cause);
    expect(new errors.RetryableError("m", { cause }).cause).toBe(cause);
  });

  it("asks for a wait only if it is given one", () => {
    expect(new errors.RetryableError("m").retryAfterMs).toBeUndefined();
    expect(new errors.RetryableError("m", { retryAfterMs: 5 }).retryAfterMs).toBe(5);
  });
});
