import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isDeeper, type Json, lossyJson } from "../../src/kernel/json.ts";

const LONE = "\ud800";

/** A list in a list, and so on: `levels` of them. */
function nested(levels: number): Json {
  let json: Json = "leaf";
  for (let i = 0; i < levels; i++) json = i % 2 === 0 ? [json] : { in: json };
  return json;
}

function depthOf(json: Json): number {
  if (typeof json !== "object" || json === null) return 0;
  return 1 + Math.max(0, ...Object.values(json).map((item) => depthOf(item as Json)));
}

const anyJson = fc.jsonValue({ maxDepth: 6, noUnicodeString: false }).map((value) => value as Json);

describe("what JSON keeps of a value", () => {
  it.each<[string, unknown, Json | undefined]>([
    ["a text", "a", "a"],
    ["null", null, null],
    ["NaN", Number.NaN, null],
    ["a bigint", 2n ** 64n, "18446744073709551616"],
    ["bigints within", { list: [1n] }, { list: ["1"] }],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["what has a JSON form of its own", { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    ["a lone surrogate", LONE, "\ufffd"],
    ["lone surrogates within", { a: [`x${LONE}`] }, { a: ["x\ufffd"] }],
    ["an ill-formed key", { [`k${LONE}`]: 1, ok: 2 }, { ok: 2 }],
    ["fields without a JSON form", { fn: () => 1, none: undefined, symbol: Symbol("s"), ok: true }, { ok: true }],
    ["undefined", undefined, undefined],
    ["a function", () => 1, undefined],
    ["a symbol", Symbol("s"), undefined],
  ])("of %s is that", (_, value, kept) => {
    expect(lossyJson(value, 1_000)).toEqual(kept);
  });

  it("of well-formed JSON is all of it, and a copy", () => {
    fc.assert(
      fc.property(anyJson.filter(isWellFormed), (json) => {
        const kept = lossyJson(json, 100_000);
        expect(JSON.stringify(kept)).toBe(JSON.stringify(json));
        if (typeof json === "object" && json !== null) expect(kept).not.toBe(json);
      }),
    );
  });

  it("is nothing beyond the length that is asked for", () => {
    fc.assert(
      fc.property(anyJson.filter(isWellFormed), (json) => {
        const { length } = JSON.stringify(json);
        expect(lossyJson(json, length)).toBeDefined();
        expect(lossyJson(json, length - 1)).toBeUndefined();
      }),
    );
  });

  it("is nothing beyond 64 levels", () => {
    expect(lossyJson(nested(64), 10_000)).toEqual(nested(64));
    expect(lossyJson(nested(65), 10_000)).toBeUndefined();
  });

  it("is nothing of what throws or holds itself", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    const hostile = {
      toJSON: () => {
        throw new Error("no");
      },
    };
    expect(lossyJson(loop, 1_000)).toBeUndefined();
    expect(lossyJson(hostile, 1_000)).toBeUndefined();
    expect(lossyJson({ hostile }, 1_000)).toBeUndefined();
  });
});

function isWellFormed(json: Json): boolean {
  return !/\\ud[89a-f]/.test(JSON.stringify(json));
}

describe("the depth of JSON", () => {
  it.each([
    ["a text has none", "a", 0, false],
    ["null has none", null, 0, false],
    ["an empty list has one level", [], 0, true],
    ["an empty object has one level", {}, 0, true],
    ["one level is no deeper than one", [1, "a", null], 1, false],
    ["the deepest branch counts", [1, { a: [] }, 2], 2, true],
    ["and no other", [1, { a: [] }, 2], 3, false],
  ] as [string, Json, number, boolean][])("%s", (_, json, depthMax, deeper) => {
    expect(isDeeper(json, depthMax)).toBe(deeper);
  });

  it("is compared with any bound", () => {
    fc.assert(
      fc.property(anyJson, fc.integer({ min: 0, max: 8 }), (json, depthMax) => {
        expect(isDeeper(json, depthMax)).toBe(depthOf(json) > depthMax);
      }),
    );
  });
});
