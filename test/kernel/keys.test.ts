import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import { callKey, isItemKey, isWithin, itemKey, Occurrences, ROOT_SCOPE, scopeOfKey } from "../../src/kernel/keys.ts";
import { isStorableText } from "../../src/kernel/text.ts";

const name = fc.string({ minLength: 1, unit: "grapheme" }).filter(isStorableText);
const call = fc.record({ path: fc.array(name, { maxLength: 4 }), name, occurrence: fc.integer({ min: 1, max: 99 }) });

describe("a key", () => {
  it.each([
    [ROOT_SCOPE, "charge", 1, "charge"],
    [ROOT_SCOPE, "poll", 4, "poll#4"],
    ["order", "charge", 1, "order/charge"],
    ["order/lines", "pack", 2, "order/lines/pack#2"],
    ["ship[3]", "label", 1, "ship[3]/label"],
    [ROOT_SCOPE, "a/b", 1, "a%2Fb"],
    [ROOT_SCOPE, "poll#4", 1, "poll%234"],
    [ROOT_SCOPE, "ship[3]", 1, "ship%5B3%5D"],
    [ROOT_SCOPE, "100%", 2, "100%25#2"],
    [ROOT_SCOPE, "größe 漢字 🙂", 1, "größe 漢字 🙂"],
  ])("in scope %j of name %j, use %d is %j", (scope, name, occurrence, key) => {
    expect(callKey(scope, name, occurrence)).toBe(key);
  });

  /** The grammar of the header read backwards. */
  function parse(key: string): { path: string[]; name: string; occurrence: number } {
    const segments = key.split("/");
    const [last = "", occurrence = "1"] = (segments.pop() as string).split("#");
    const decode = (segment: string) => segment.replace(/%(25|2F|23|5B|5D)/g, (code) => decodeURIComponent(code));
    return { path: segments.map(decode), name: decode(last), occurrence: Number(occurrence) };
  }

  it("says its scope, name and occurrence, whatever the names hold", () => {
    fc.assert(
      fc.property(call, ({ path, name: own, occurrence }) => {
        const scope = path.reduce((outer, segment) => callKey(outer, segment, 1), ROOT_SCOPE);
        expect(parse(callKey(scope, own, occurrence))).toEqual({ path, name: own, occurrence });
      }),
    );
  });

  it("of two different calls is never the same", () => {
    type Tricky = { path: string[]; name: string; occurrence: number; item: number | null };
    const keyOf = ({ path, name: own, occurrence, item }: Tricky) => {
      const scope = path.reduce((outer, segment) => callKey(outer, segment, 1), ROOT_SCOPE);
      const key = callKey(scope, own, occurrence);
      return item === null ? key : itemKey(key, item);
    };
    const special = fc.string({
      minLength: 1,
      maxLength: 3,
      unit: fc.constantFrom("a", "/", "#", "[", "]", "%", "2", "F"),
    });
    const tricky = fc.record({
      path: fc.array(special, { maxLength: 2 }),
      name: special,
      occurrence: fc.integer({ min: 1, max: 22 }),
      item: fc.option(fc.nat({ max: 12 })),
    });
    fc.assert(
      fc.property(tricky, tricky, (a, b) => {
        expect(keyOf(a) === keyOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
        expect(isItemKey(keyOf(a))).toBe(a.item !== null);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("the scope of a key", () => {
  it.each([
    ["charge", ROOT_SCOPE],
    ["poll#4", ROOT_SCOPE],
    ["a%2Fb", ROOT_SCOPE],
    ["order/charge", "order"],
    ["order/lines/pack#2", "order/lines"],
  ])("%j is %j", (key, scope) => {
    expect(scopeOfKey(key)).toBe(scope);
  });

  it("is the one that the key was made in, and what lies in it lies within it", () => {
    fc.assert(
      fc.property(call, ({ path, name: own, occurrence }) => {
        const scope = path.reduce((outer, segment) => callKey(outer, segment, 1), ROOT_SCOPE);
        const key = callKey(scope, own, occurrence);
        expect(scopeOfKey(key)).toBe(scope);
        expect(isWithin(key, scope)).toBe(true);
        expect(isWithin(scope, key)).toBe(false);
      }),
    );
  });
});

describe("an item of a map", () => {
  it.each([
    [ROOT_SCOPE, "ship", 1, 0, "ship[0]"],
    [ROOT_SCOPE, "ship", 2, 9_999, "ship#2[9999]"],
    ["order/pack[3]", "ship", 1, 12, "order/pack[3]/ship[12]"],
    [ROOT_SCOPE, "a/b[1]", 1, 2, "a%2Fb%5B1%5D[2]"],
  ])(
    "in scope %j of name %j, use %d, at %d is %j, and a scope in that scope",
    (scope, name, occurrence, index, key) => {
      expect(itemKey(callKey(scope, name, occurrence), index)).toBe(key);
      expect(scopeOfKey(key)).toBe(scope);
      expect(scopeOfKey(callKey(key, "label", 1))).toBe(key);
    },
  );
});

describe("a scope", () => {
  it.each([
    ["order", ROOT_SCOPE, true],
    ["order", "order", true],
    ["order/pack", "order", true],
    ["order2", "order", false],
    ["order#2", "order", false],
    ["order", "order/pack", false],
    ["ship[1]/box", "ship[1]", true],
    ["ship[10]", "ship[1]", false],
    ["ship[1]", "ship", false],
    ["ship[1]", "ship[2]", false],
    [ROOT_SCOPE, "order", false],
  ])("%j within %j: %j", (scope, other, expected) => {
    expect(isWithin(scope, other)).toBe(expected);
  });
});

describe("occurrences", () => {
  it("count the uses of each name from 1", () => {
    const scope = new Occurrences();
    expect(["a", "b", "a", "a", "b"].map((each) => scope.next(each))).toEqual([1, 1, 2, 3, 2]);
  });

  it("of names that objects inherit are counted as any other", () => {
    const scope = new Occurrences();
    expect(["constructor", "__proto__", "constructor"].map((each) => scope.next(each))).toEqual([1, 1, 2]);
  });

  it.each([[""], ["a\0b"], ["\ud800"], ["x".repeat(257)], [5], [null], [undefined]])("of %j are refused", (bad) => {
    const scope = new Occurrences();
    for (let i = 0; i < 2; i++) {
      let thrown: unknown;
      try {
        scope.next(bad as string);
      } catch (error) {
        thrown = error;
      }
      expect(isVarveError(thrown, "NAME_INVALID")).toBe(true);
      expect((thrown as Error).message).toContain("the name of a call");
    }
  });
});
