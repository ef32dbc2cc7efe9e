import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkSize,
  decodePayload,
  encodePayload,
  PAYLOAD_BYTES_MAX,
  PAYLOAD_DEPTH_MAX,
  type Payload,
  utf8Bytes,
} from "../../src/kernel/codec.ts";
import { PayloadError, TerminalError } from "../../src/kernel/errors.ts";
import { anyText, storable } from "../support/storable.ts";

/** What a reader of the log sees of `value`: through the text that is stored. */
function throughLog(value: unknown): unknown {
  return decodePayload(JSON.parse(JSON.stringify(encodePayload(value))) as Payload);
}

function refusal(value: unknown, bytesMax?: number): PayloadError {
  try {
    JSON.stringify(encodePayload(value, bytesMax));
  } catch (error) {
    return error as PayloadError;
  }
  throw new Error("the value is taken");
}

const LONE = "\ud800";

describe("plain JSON", () => {
  it.each([
    [null],
    [true],
    [0],
    [-1.5],
    [2 ** 53 + 2],
    [Number.MAX_VALUE],
    [Number.MIN_VALUE],
    [""],
    ["text, \u00fc, \u6f22, \u{1F600}, ' \" \\ \u2028"],
    ["with a NUL \0 inside"],
    [[]],
    [{}],
    [[1, [2, [3]], { a: null }]],
    [{ "": 1, "a.b": 2, 7: 3, "\0": 4, constructor: 5, toString: 6 }],
    [Object.assign(Object.create(null), { a: 1 })],
  ])("%j is stored as it is", (value) => {
    const payload = encodePayload(value);
    expect(payload).toEqual({ value });
    expect(JSON.stringify(payload.value)).toBe(JSON.stringify(value));
    expect(throughLog(value)).toEqual(value);
  });

  it("is not copied", () => {
    const value = { list: [{ a: 1 }] };
    expect(encodePayload(value).value).toBe(value);
    const beside = encodePayload({ value, at: new Date(0) }).value as { value: unknown };
    expect(beside.value).toBe(value);
  });

  it("of any form is the same text as JSON.stringify", () => {
    const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }).filter((value) => !hasSpecial(value));
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.stringify(encodePayload(value))).toBe(`{"value":${JSON.stringify(value)}}`);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Whether JSON itself cannot say the value. */
function hasSpecial(value: unknown): boolean {
  if (typeof value === "string") return !value.isWellFormed();
  if (Object.is(value, -0)) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => hasSpecial(key) || hasSpecial(item));
}

describe("what JSON cannot say", () => {
  it.each<[string, unknown, Payload]>([
    ["undefined", undefined, { value: null, meta: [[[], "undefined"]] }],
    ["-0", -0, { value: 0, meta: [[[], "-0"]] }],
    ["NaN", Number.NaN, { value: null, meta: [[[], "nan"]] }],
    ["Infinity", Number.POSITIVE_INFINITY, { value: null, meta: [[[], "+inf"]] }],
    ["-Infinity", Number.NEGATIVE_INFINITY, { value: null, meta: [[[], "-inf"]] }],
    ["2^53+1", 2n ** 53n + 1n, { value: "9007199254740993", meta: [[[], "bigint"]] }],
    ["a negative bigint", -(2n ** 70n), { value: "-1180591620717411303424", meta: [[[], "bigint"]] }],
    ["a date", new Date(0), { value: "1970-01-01T00:00:00.000Z", meta: [[[], "date"]] }],
    ["a date far away", new Date(8.64e15), { value: "+275760-09-13T00:00:00.000Z", meta: [[[], "date"]] }],
    ["a date before year 0", new Date(-8.64e15), { value: "-271821-04-20T00:00:00.000Z", meta: [[[], "date"]] }],
    ["an invalid date", new Date(Number.NaN), { value: null, meta: [[[], "date"]] }],
    ["a map", new Map([["a", 1]]), { value: [["a", 1]], meta: [[[], "map"]] }],
    ["an empty map", new Map(), { value: [], meta: [[[], "map"]] }],
    ["a set", new Set([1, "a"]), { value: [1, "a"], meta: [[[], "set"]] }],
    [
      "a URL",
      new URL("https://user:p%40ss@example.org/a?b#c"),
      { value: "https://user:p%40ss@example.org/a?b#c", meta: [[[], "url"]] },
    ],
    ["a lone surrogate", LONE, { value: "ANg=", meta: [[[], "utf16"]] }],
    [
      "an object with an ill-formed key",
      { [`k${LONE}`]: 1 },
      {
        value: [["awAA2A==", 1]],
        meta: [
          [[0, 0], "utf16"],
          [[], "object"],
        ],
      },
    ],
    ["an ArrayBuffer", new Uint8Array([1, 2, 255]).buffer, { value: "AQL/", meta: [[[], "ArrayBuffer"]] }],
    ["bytes", new Uint8Array([1, 2, 255]), { value: "AQL/", meta: [[[], "Uint8Array"]] }],
    ["no bytes", new Uint8Array(), { value: "", meta: [[[], "Uint8Array"]] }],
  ])("%s has a readable form and comes back", (_name, value, payload) => {
    expect(encodePayload(value)).toEqual(payload);
    expect(throughLog(value)).toStrictEqual(value);
  });

  it("is found by its path, inner places before outer ones", () => {
    const at = new Date(5);
    const payload = encodePayload({ order: { at, lines: [{ n: 1n }] }, seen: new Map([["k", new Set([at])]]) });
    expect(payload.value).toEqual({
      order: { at: at.toISOString(), lines: [{ n: "1" }] },
      seen: [["k", [at.toISOString()]]],
    });
    expect(payload.meta).toEqual([
      [["order", "at"], "date"],
      [["order", "lines", 0, "n"], "bigint"],
      [["seen", 0, 1, 0], "date"],
      [["seen", 0, 1], "set"],
      [["seen"], "map"],
    ]);
  });

  it.each([
    ["in an object", (value: unknown) => ({ a: { b: value }, c: 1 })],
    ["in an array", (value: unknown) => [0, value, [value]]],
    ["as a value of a map", (value: unknown) => new Map([["k", value]])],
    ["as a key of a map", (value: unknown) => new Map([[value, "v"]])],
    ["in a set", (value: unknown) => new Set([value, 1])],
    ["under an ill-formed key", (value: unknown) => ({ [LONE]: value, plain: value })],
    ["under a key named __proto__", (value: unknown) => JSON.parse('{"__proto__":0}', () => value)],
  ])("comes back %s", (_where, wrap) => {
    const values = [
      undefined,
      -0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      10n ** 30n,
      new Date(1),
      new Date(Number.NaN),
      new Map([[{ a: 1 }, new Map()]]),
      new Set([new Set([undefined])]),
      { [`x${LONE}`]: LONE },
      "\udc00\ud800",
      new URL("https://example.org/"),
      new Uint8Array([9, 8]),
      new Float64Array([-0, Number.NaN, 1.5]),
    ];
    for (const value of values) expect(throughLog(wrap(value))).toStrictEqual(wrap(value));
  });

  it("keeps undefined apart from what is missing", () => {
    const back = throughLog({ a: undefined, list: [undefined, null] }) as Record<string, unknown>;
    expect(Object.keys(back)).toEqual(["a", "list"]);
    expect(back).toStrictEqual({ a: undefined, list: [undefined, null] });
  });

  it("fills the holes of an array with undefined", () => {
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    expect(throughLog([1, , 3])).toStrictEqual([1, undefined, 3]);
    expect(throughLog(new Array(2))).toStrictEqual([undefined, undefined]);
  });

  it("keeps -0 apart from 0 also within a typed array", () => {
    const back = throughLog([new Float32Array([-0, 0]), [-0, 0]]) as [Float32Array, number[]];
    expect([...back[0]].map((value) => Object.is(value, -0))).toEqual([true, false]);
    expect(back[1].map((value) => Object.is(value, -0))).toEqual([true, false]);
  });

  it("never puts a lone surrogate into the text", () => {
    const value = { [`k${LONE}`]: LONE, list: [`a${LONE}b`, new Map([[LONE, LONE]])], error: new Error(`m${LONE}`) };
    const text = JSON.stringify(encodePayload(value));
    expect(text).not.toMatch(/\\ud[89a-f]/i);
    expect(text.isWellFormed()).toBe(true);
    const { error: _, ...strings } = throughLog(value) as typeof value;
    const { error: __, ...expected } = value;
    expect(strings).toStrictEqual(expected);
  });
});

describe("binary values", () => {
  const types = [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ];

  it.each(types.map((type) => [type.name, type] as const))("%s comes back as its type", (name, type) => {
    const bytes = new Uint8Array(32).map((_, i) => i * 7);
    const value = new type(bytes.buffer);
    const back = throughLog(value) as typeof value;
    expect(back).toStrictEqual(value);
    expect(encodePayload(value).meta).toEqual([[[], name]]);
  });

  it("a view is stored without what lies beside it", () => {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
    const view = throughLog(new Uint16Array(buffer, 2, 2)) as Uint16Array;
    expect(view).toStrictEqual(new Uint16Array(new Uint8Array([3, 4, 5, 6]).buffer));
    expect(view.buffer.byteLength).toBe(4);
    const data = throughLog(new DataView(buffer, 6)) as DataView;
    expect([data.byteLength, data.getUint8(0), data.getUint8(1)]).toEqual([2, 7, 8]);
  });

  it("a Buffer comes back as a Uint8Array", () => {
    const back = throughLog(Buffer.from("abc"));
    expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype);
    expect(back).toEqual(new Uint8Array([97, 98, 99]));
  });

  it("of 100,000 bytes come back", () => {
    const value = new Uint8Array(100_000).map((_, i) => i % 251);
    const back = throughLog(value) as Uint8Array;
    expect(back.length).toBe(value.length);
    expect(back.every((byte, i) => byte === value[i])).toBe(true);
  });

  it("bytes of another realm are refused, as none of its types is known", () => {
    const bytes = runInContext("new Uint8Array(2)", createContext({}));
    expect(refusal(bytes)).toMatchObject({ code: "PAYLOAD_UNSTORABLE", facts: { found: "an instance of Uint8Array" } });
  });

  it("memory that others can write is refused", () => {
    expect(refusal(new SharedArrayBuffer(2))).toMatchObject({ code: "PAYLOAD_UNSTORABLE" });
  });
});

describe("an error", () => {
  it("comes back with its name, code, cause and fields", () => {
    const cause = new TypeError("inner");
    const error = Object.assign(new RangeError("outer", { cause }), { code: "E_X", status: 404 });
    const back = throughLog({ error }) as { error: RangeError & { code: string; status: number } };
    expect(back.error).toBeInstanceOf(Error);
    expect(back.error).toMatchObject({ name: "RangeError", message: "outer", code: "E_X", status: 404 });
    expect(back.error.stack).toBe(error.stack);
    expect(back.error.cause).toMatchObject({ name: "TypeError", message: "inner" });
  });

  it("of Varve's own comes back as its class", () => {
    expect(throughLog(new TerminalError("no"))).toBeInstanceOf(TerminalError);
  });

  it("with a lone surrogate in its message is made well-formed", () => {
    expect((throughLog(new Error(`a${LONE}`)) as Error).message).toBe("a\ufffd");
  });
});

describe("prototypes", () => {
  it("an own key named __proto__ stays a key and pollutes nothing", () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as Record<string, unknown>;
    const back = throughLog({ value, at: new Date(0) }) as { value: Record<string, unknown> };
    expect(Object.keys(back.value)).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(back.value)).toBe(Object.prototype);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(JSON.stringify(back.value)).toBe('{"__proto__":{"polluted":true},"a":1}');
  });

  it("a key named __proto__ is one like others", () => {
    const value = JSON.parse('{"__proto__":0,"a":0}', (_, item) => (item === 0 ? 1n : item)) as object;
    const { __proto__: own, a } = Object.getOwnPropertyDescriptors(throughLog(value) as { a: unknown });
    expect(own).toEqual({ value: 1n, enumerable: true, configurable: true, writable: true });
    expect(own).toEqual(a);
  });

  it("a special value under __proto__ or beside it leaves the prototype alone", () => {
    const value = JSON.parse('{"__proto__":null,"b":1}') as Record<string, unknown>;
    Object.defineProperty(value, "__proto__", {
      value: new Date(7),
      enumerable: true,
      configurable: true,
      writable: true,
    });
    value["b"] = 1n;
    const back = throughLog(value) as Record<string, unknown>;
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(Object.entries(back)).toEqual([
      ["__proto__", new Date(7)],
      ["b", 1n],
    ]);
  });

  it("an ill-formed key beside __proto__ pollutes nothing", () => {
    const value = JSON.parse('{"__proto__":{"polluted":1}}') as Record<string, unknown>;
    value[LONE] = 1;
    const back = throughLog(value) as Record<string, unknown>;
    expect(Object.keys(back)).toEqual(["__proto__", LONE]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it("a path of a damaged row through the prototype is refused", () => {
    for (const path of [["__proto__", "polluted"], ["constructor", "name"], ["a", "length"], ["none"]]) {
      expect(() => decodePayload({ value: { a: "text" }, meta: [[path, "nan"]] })).toThrow(PayloadError);
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("an object without a prototype comes back as a plain one", () => {
    const value = Object.assign(Object.create(null), { a: 1n });
    expect(throughLog(value)).toStrictEqual({ a: 1n });
  });

  it("a plain object of another realm is plain", () => {
    const context = createContext({});
    const value = runInContext("({ a: [1, { b: 'x' }], n: -0 })", context);
    expect(Object.getPrototypeOf(value)).not.toBe(Object.prototype);
    expect(throughLog(value)).toStrictEqual({ a: [1, { b: "x" }], n: -0 });
    expect(throughLog({ list: runInContext("[1, [2]]", context) })).toStrictEqual({ list: [1, [2]] });
  });

  it("an error of another realm is an error", () => {
    const error = runInContext("Object.assign(new TypeError('far'), { code: 'E_FAR' })", createContext({}));
    expect(error instanceof Error).toBe(false);
    expect(throughLog(error)).toMatchObject({ name: "TypeError", message: "far", code: "E_FAR" });
  });
});

class Money {
  readonly cents = 5;
}

/** An instance of a class whose `name` is that. */
function instanceOf(name: unknown): object {
  return new (Object.defineProperty(class {}, "name", { value: name }))();
}

describe("what the log cannot hold", () => {
  it.each<[string, unknown, (string | number)[], string]>([
    ["a function", { a: [() => 1] }, ["a", 0], "a function at $.a[0]"],
    ["a symbol", [Symbol("x")], [0], "a symbol at $[0]"],
    ["an object with symbol keys", { a: { [Symbol("k")]: 1 } }, ["a"], "an object with symbol keys at $.a"],
    ["a plain object that calls itself an error", { [Symbol.toStringTag]: "Error" }, [], "an object with symbol keys"],
    ["a class instance", { price: new Money() }, ["price"], "an instance of Money at $.price"],
    ["a promise", { list: [1, Promise.resolve()] }, ["list", 1], "an instance of Promise at $.list[1]"],
    ["a Response", new Response("x"), [], "an instance of Response at $;"],
    ["a regular expression", /x/, [], "an instance of RegExp at $;"],
    ["a WeakMap", new WeakMap(), [], "an instance of WeakMap"],
    ["a boxed text", { a: Object("text") }, ["a"], "an instance of String at $.a"],
    ["a generator", (function* () {})(), [], "an instance of"],
    ["an anonymous class", new (class {})(), [], "an instance of an anonymous class"],
    [
      "a class with a buffer of its own",
      new (class Tape {
        buffer = -1;
      })(),
      [],
      "an instance of Tape",
    ],
    ["a class whose name is no text", instanceOf(5), [], "an instance of an anonymous class"],
    ["an object made from one without a prototype", Object.create(Object.create(null)), [], "an anonymous class"],
    ["a class that is called as plain objects' is", instanceOf("Object"), [], "an instance of Object"],
    ["a value of a map", new Map([["k", () => 1]]), [0, 1], "a function at $[0][1]"],
    ["a key of a map", new Map([[Symbol("k"), 1]]), [0, 0], "a symbol at $[0][0]"],
    ["a member of a set", { s: new Set([Symbol("k")]) }, ["s", 0], "a symbol at $.s[0]"],
  ])("%s is refused with its place", (_what, value, path, text) => {
    const error = refusal(value);
    expect(error).toBeInstanceOf(PayloadError);
    expect(error).toMatchObject({ code: "PAYLOAD_UNSTORABLE", facts: { path } });
    expect(error.message).toContain(text);
  });

  it("an object that would tell JSON something else about itself is refused", () => {
    const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => LONE, enumerable: false });
    const list = Object.assign([1], { toJSON: () => LONE });
    class Lines extends Array<number> {
      toJSON(): string {
        return "lines";
      }
    }
    for (const value of [{ toJSON: () => 1 }, hidden, list, Lines.of(1)]) {
      expect(refusal({ value })).toMatchObject({
        code: "PAYLOAD_UNSTORABLE",
        facts: { path: ["value"], found: expect.stringContaining("toJSON") },
      });
    }
    expect(throughLog({ toJSON: "a text" })).toEqual({ toJSON: "a text" });
  });

  it("a cycle is refused as too deep", () => {
    const loop: Record<string, unknown> = { a: 1 };
    loop["self"] = loop;
    const list: unknown[] = [];
    list.push(list);
    const map = new Map();
    map.set("me", map);
    for (const value of [loop, list, map]) {
      expect(refusal(value)).toMatchObject({ code: "PAYLOAD_TOO_DEEP", facts: { max: PAYLOAD_DEPTH_MAX } });
    }
    expect(refusal(loop).message).toContain("$.self.self.self.self…");
  });

  it(`more than ${PAYLOAD_DEPTH_MAX} levels are refused, as many are not`, () => {
    const nested = (levels: number) => {
      let value: unknown = [];
      for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { v: value };
      return value;
    };
    expect(throughLog(nested(PAYLOAD_DEPTH_MAX))).toEqual(nested(PAYLOAD_DEPTH_MAX));
    expect(refusal(nested(PAYLOAD_DEPTH_MAX + 1)).code).toBe("PAYLOAD_TOO_DEEP");
  });
});

describe("the size of a payload", () => {
  it("is bounded by the text that is stored", () => {
    const value = "\u00fc".repeat(10);
    const text = JSON.stringify(encodePayload(value));
    expect(() => checkSize(() => "it", text, utf8Bytes(text))).not.toThrow();
    expect(() => checkSize(() => "it", text, utf8Bytes(text) - 1)).toThrow(PayloadError);
  });

  it("names what was found and what is allowed", () => {
    const error = refusal(new Array(11), 10);
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", facts: { found: 11, max: 10 } });
    expect(error.message).toContain("at most 10 bytes");
  });

  it.each<[string, () => unknown]>([
    ["an array of more places than bytes", () => new Array(PAYLOAD_BYTES_MAX + 1)],
    ["a very long text", () => "x".repeat(PAYLOAD_BYTES_MAX + 1)],
    ["many bytes", () => new Uint8Array(PAYLOAD_BYTES_MAX + 1)],
    ["an array of arrays that share their parts", () => doubled((part) => [part, part])],
    ["objects that share their parts", () => doubled((part) => ({ a: part, b: part }))],
    ["maps that share their parts", () => doubled((part) => new Map([[part, part]]))],
    ["a long text at many places", () => new Array(2_000).fill("x".repeat(1_000))],
    ["long keys at many places", () => new Array(2_000).fill({ ["k".repeat(1_000)]: 1 })],
  ])("of %s is refused before it is written", (_what, value) => {
    expect(() => encodePayload(value())).toThrow(PayloadError);
  });

  it.each<[string, unknown, number]>([
    ["a number", 5, 1],
    ["a text", "ab", 3],
    ["a list", [1, 2], 3],
    ["an object", { key: 1 }, 5],
    ["what JSON cannot say", undefined, 10],
    ["the same at a place", { a: undefined }, 13],
    ["bytes", new Uint8Array(4), 15],
  ])("of %s is counted while it is encoded: values, texts, keys and tags", (_, value, bytes) => {
    expect(() => encodePayload(value, bytes)).not.toThrow();
    expect(refusal(value, bytes - 1)).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      facts: { what: "a value", found: bytes },
    });
  });

  it("counts no more while it encodes than the text has", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const bytes = utf8Bytes(JSON.stringify(encodePayload(value)));
        expect(() => encodePayload(value, bytes)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["the last of one byte", "\u007f"],
    ["the first of two", "\u0080"],
    ["the last of two", "\u07ff"],
    ["the first of three", "\u0800"],
    ["the last before the surrogates", "\ud7ff"],
    ["the first after them", "\ue000"],
    ["the last of three", "\uffff"],
    ["the first of four", "\u{10000}"],
    ["the last of four", "\u{10ffff}"],
    ["the second half of a pair alone", "\udc00"],
  ])("in UTF-8 of %s is the encoder's", (_, char) => {
    for (const text of [char, `a${char}`, `${char}a`, char.repeat(3)]) {
      expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
    }
  });

  it("in UTF-8 is counted without encoding", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(utf8Bytes(text.toWellFormed())).toBe(new TextEncoder().encode(text).length);
      }),
    );
  });
});

/** A small graph with 2^60 leaves. */
function doubled(double: (part: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < 60; i++) value = double(value);
  return value;
}

describe("decoding", () => {
  it("changes nothing of the payload, so it can be done again", () => {
    const value = { at: new Date(0), list: [1n, { bytes: new Uint8Array([1]) }], map: new Map([["k", LONE]]) };
    const payload = JSON.parse(JSON.stringify(encodePayload(value))) as Payload;
    const before = JSON.stringify(payload);
    expect(decodePayload(payload)).toStrictEqual(value);
    expect(JSON.stringify(payload)).toBe(before);
    expect(decodePayload(payload)).toStrictEqual(value);
  });

  // A copy of the array for each of its values would take minutes.
  it("of an array with 200,000 special values copies it once", () => {
    const value = Array.from({ length: 200_000 }, (_, i) => BigInt(i));
    const decoded = decodePayload(encodePayload(value, 2 ** 30)) as bigint[];
    expect(decoded.length).toBe(value.length);
    expect(decoded.every((item, i) => item === value[i])).toBe(true);
  });

  it.each<[string, Payload]>([
    ["places that are no list", { value: {}, meta: 5 } as unknown as Payload],
    ["places that are a text", { value: {}, meta: "date" } as unknown as Payload],
    ["a place that is no pair", { value: {}, meta: [5] } as unknown as Payload],
    ["a place that is no pair beside one that is", { value: [null], meta: [[[0], "nan"], 5] } as unknown as Payload],
    ["a place without a path", { value: {}, meta: [[null, "date"]] } as unknown as Payload],
    ["a path of objects", { value: {}, meta: [[[{}], "date"]] } as unknown as Payload],
    ["a path to nowhere", { value: {}, meta: [[["a"], "date"]] }],
    ["an array's length", { value: [1], meta: [[["length"], "undefined"]] }],
    ["an array's length cut off", { value: [1], meta: [[["length"], "-0"]] }],
    ["a path through null", { value: null, meta: [[["a", "b"], "date"]] }],
    ["a path through a text", { value: { a: "text" }, meta: [[["a", 0], "date"]] }],
    ["an unknown tag", { value: 1, meta: [[[], "temporal" as "date"]] }],
    ["a tag of another object", { value: "AQ==", meta: [[[], "constructor" as "date"]] }],
    ["a bigint that is none", { value: "x1", meta: [[[], "bigint"]] }],
    ["a URL that is none", { value: "x1", meta: [[[], "url"]] }],
    ["a map that is none", { value: 5, meta: [[[], "map"]] }],
    ["bytes that are no base64", { value: "~", meta: [[[], "Uint8Array"]] }],
    ["bytes that do not fill the type", { value: "AQL/", meta: [[[], "Float64Array"]] }],
    ["an error that is null", { value: null, meta: [[[], "error"]] }],
  ])("%s is refused with a typed error", (_what, payload) => {
    expect(() => decodePayload(payload)).toThrow(expect.objectContaining({ code: "PAYLOAD_CORRUPT" }));
  });

  it.each<[string, Payload, { path: unknown[]; tag: string }]>([
    ["the places as a whole", { value: {}, meta: 5 } as unknown as Payload, { path: [], tag: "meta" }],
    [
      "a path that ends early",
      { value: { a: {} }, meta: [[["a", "b", 0], "date"]] },
      { path: ["a", "b", 0], tag: "date" },
    ],
    ["an unknown tag", { value: [1], meta: [[[0], "temporal" as "date"]] }, { path: [0], tag: "temporal" }],
    ["a bigint that is none", { value: { a: "x1" }, meta: [[["a"], "bigint"]] }, { path: ["a"], tag: "bigint" }],
  ])("of %s says which place does not fit", (_what, payload, facts) => {
    expect(() => decodePayload(payload)).toThrow(expect.objectContaining({ facts }));
    expect(() => decodePayload(payload)).toThrow(`of kind "${facts.tag}"`);
  });

  it("of a place that its own reader refuses says why", () => {
    const payload: Payload = { value: { at: { url: "x1" } }, meta: [[["at", "url"], "url"]] };
    expect(() => decodePayload(payload)).toThrow(expect.objectContaining({ cause: expect.any(TypeError) }));
    expect(() => decodePayload(payload)).toThrow("a place $.at.url of kind");
  });

  it("of a text of a damaged row ends with its last whole unit", () => {
    expect(decodePayload({ value: "YQBi", meta: [[[], "utf16"]] })).toBe("a");
  });
});

describe("any storable value", () => {
  it("comes back equal", () => {
    fc.assert(
      fc.property(storable, (value) => {
        // Text tells apart what a key named "constructor" hides from `toStrictEqual`.
        expect(fc.stringify(throughLog(value))).toBe(fc.stringify(value));
      }),
      { numRuns: 3_000 },
    );
  });

  it("is well-formed text in the log", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const text = JSON.stringify(encodePayload(value));
        expect(text).not.toMatch(/(?<!\\)(\\\\)*\\ud[89a-f]/i);
      }),
      { numRuns: 500 },
    );
  });
});
