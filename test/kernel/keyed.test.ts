import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkKeyedKey,
  checkKeyedPage,
  checkTtl,
  decodeKeyed,
  encodeKeyed,
  KEYED_KEY_LENGTH_MAX,
  KEYED_TRIES_MAX,
  KEYED_VALUE_BYTES_MAX,
  type KeyedScope,
  keyedScopeText,
} from "../../src/kernel/keyed.ts";

const thrown = (fn: () => unknown) => {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return null;
};

describe("the bounds of keyed values", () => {
  it("are those that docs/GUARANTEES.md says", () => {
    expect([KEYED_KEY_LENGTH_MAX, KEYED_VALUE_BYTES_MAX, KEYED_TRIES_MAX]).toEqual([200, 262_144, 100]);
  });
});

describe("the scope of a keyed value", () => {
  it.each([
    ["global", "global"],
    [{ run: "run_1" }, "run/run_1"],
    [{ workflow: "fulfil" }, "workflow/fulfil"],
    [{ tenant: "acme/eu" }, "tenant/acme/eu"],
  ] as [KeyedScope, string][])("%j is stored as %s", (scope, text) => {
    expect(keyedScopeText(scope)).toBe(text);
  });

  it.each([
    ["tenant", '"tenant"'],
    ["", '""'],
    [null, "object"],
    [undefined, "undefined"],
    [7, "number"],
    [{}, "object"],
    [{ team: "a" }, "object"],
    [{ run: "a", tenant: "b" }, "object"],
  ])("cannot be %j, and the error says what was found", (scope, shown) => {
    expect(thrown(() => keyedScopeText(scope as KeyedScope))).toMatchObject({
      code: "KV_SCOPE_INVALID",
      message: `expected a scope of keyed values: "global", a run, a workflow or a tenant, but found ${shown}`,
    });
  });

  it("has a name that can be stored", () => {
    expect(thrown(() => keyedScopeText({ tenant: "" }))).toMatchObject({
      code: "NAME_INVALID",
      message: expect.stringContaining("the tenant of a scope of keyed values"),
    });
  });
});

describe("the key of a keyed value", () => {
  it.each(["a", " ", "k".repeat(KEYED_KEY_LENGTH_MAX), "🙂"])("can be %j", (key) => {
    expect(checkKeyedKey(key)).toBe(key);
  });

  it.each([
    ["", "one of 0 characters"],
    ["k".repeat(KEYED_KEY_LENGTH_MAX + 1), "one of 201 characters"],
    ["a\0b", "one of 3 characters"],
    ["\ud800", "one of 1 characters"],
    [7, "number"],
    [null, "object"],
  ])("cannot be %j", (key, shown) => {
    expect(thrown(() => checkKeyedKey(key))).toMatchObject({
      code: "KV_KEY_INVALID",
      message: `expected a key of keyed values to be a text of 1 to 200 characters without NUL and lone surrogates, but found ${shown}`,
      facts: { key },
    });
  });
});

describe("how long a keyed value stays", () => {
  it("is without bound, or a duration", () => {
    expect(checkTtl(undefined)).toBeNull();
    expect(checkTtl("2s")).toBe(2_000);
    expect(checkTtl(1)).toBe(1);
  });

  it("is longer than nothing", () => {
    expect(thrown(() => checkTtl(0))).toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("ttl to be longer than nothing"),
    });
  });
});

describe("a page of keyed values", () => {
  it("begins at the beginning, and has 100 of them, if nothing else is said", () => {
    expect(checkKeyedPage({})).toEqual({ prefix: "", after: null, limit: 100 });
    expect(checkKeyedPage({ prefix: "a", after: "ab", limit: 1_000 })).toEqual({
      prefix: "a",
      after: "ab",
      limit: 1_000,
    });
    expect(checkKeyedPage({ limit: 1 }).limit).toBe(1);
  });

  it.each([
    [{ limit: 0 }, "OPTION_INVALID", "list.limit to be a whole number from 1 to 1000"],
    [{ limit: 1_001 }, "OPTION_INVALID", "limit"],
    [{ prefix: "\0" }, "KV_KEY_INVALID", "the prefix of a list of keyed values to be a text of 0 to 200"],
    [{ prefix: 7 as never }, "KV_KEY_INVALID", "number"],
    [{ prefix: [] as never }, "KV_KEY_INVALID", "the prefix of a list of keyed values to be a text"],
    [{ after: "a".repeat(201) }, "KV_KEY_INVALID", "the after of a list"],
  ])("cannot be %j", (page, code, words) => {
    expect(thrown(() => checkKeyedPage(page))).toMatchObject({ code, message: expect.stringContaining(words) });
  });
});

describe("the stored form of a keyed value", () => {
  it("gives the same value back", () => {
    for (const value of [null, 0, -0, "", [1n, new Date(5)], { a: new Map([["b", new Uint8Array([1])]]) }]) {
      expect(decodeKeyed(encodeKeyed(value))).toEqual(value);
    }
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeKeyed(encodeKeyed(value))).toEqual(value);
      }),
    );
  });

  it("is none where there is no value", () => {
    expect(decodeKeyed(null)).toBeUndefined();
    expect(thrown(() => encodeKeyed(undefined))).toMatchObject({
      code: "KV_VALUE_INVALID",
      message: expect.stringContaining("delete the key instead"),
    });
  });

  it("has a bound, which holds for the whole of it", () => {
    const room = KEYED_VALUE_BYTES_MAX - JSON.stringify({ value: "" }).length;
    expect(encodeKeyed("x".repeat(room))).toHaveLength(KEYED_VALUE_BYTES_MAX);
    expect(thrown(() => encodeKeyed("x".repeat(room + 1)))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      message: expect.stringContaining("the keyed value"),
    });
  });
});
