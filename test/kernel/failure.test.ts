import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as errors from "../../src/kernel/errors.ts";
import { type Failure, fromFailure, isError, toFailure } from "../../src/kernel/failure.ts";
import { anyText } from "../support/storable.ts";

/** What the log keeps of it, and what comes back. */
function stored(thrown: unknown): { failure: Failure; error: Error } {
  const failure = JSON.parse(JSON.stringify(toFailure(thrown))) as Failure;
  return { failure, error: fromFailure(failure) };
}

describe("an error", () => {
  it("keeps name, message, code, stack and its own fields", () => {
    const thrown = Object.assign(new TypeError("no such order"), { code: "E_ORDER", status: 404, body: { id: "o-1" } });
    const { failure, error } = stored(thrown);
    expect(failure).toEqual({
      name: "TypeError",
      message: "no such order",
      code: "E_ORDER",
      stack: thrown.stack,
      fields: { status: 404, body: { id: "o-1" } },
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "TypeError", message: "no such order", code: "E_ORDER", status: 404 });
    expect(error.stack).toBe(thrown.stack);
    expect(Object.keys(error)).toEqual(["code", "status", "body"]);
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
  });

  it("has no fields for what it lacks", () => {
    expect(Object.keys(toFailure(new Error("m")))).toEqual(["name", "message", "stack"]);
    expect(Object.keys(toFailure(new Error("m", { cause: null })))).toEqual(["name", "message", "stack"]);
  });

  it("comes back with fields that can be changed, as they could before", () => {
    const thrown = Object.assign(new Error("m", { cause: new Error("c") }), { status: 404 });
    const { error } = stored(thrown);
    for (const field of ["status", "cause", "message"] as const) {
      const { value: _, ...was } = Object.getOwnPropertyDescriptor(thrown, field) ?? {};
      expect(Object.getOwnPropertyDescriptor(error, field)).toMatchObject(was);
    }
  });

  it("keeps a field that is null, or named as those of other errors are", () => {
    const thrown = Object.assign(new Error("m"), { nothing: null, facts: { a: 1 }, errors: [1, "two"] });
    const { failure, error } = stored(thrown);
    expect(failure.errors).toBeUndefined();
    expect(failure.fields).toEqual({ nothing: null, facts: { a: 1 }, errors: [1, "two"] });
    expect(error).toMatchObject({ nothing: null, facts: { a: 1 }, errors: [1, "two"] });
  });

  it("with a number for a code keeps it as a text", () => {
    expect(toFailure(Object.assign(new Error("x"), { code: 404 })).code).toBe("404");
    expect(toFailure(Object.assign(new Error("x"), { code: {} })).code).toBeUndefined();
  });

  it("comes back the same a second time", () => {
    const thrown = Object.assign(new RangeError("r", { cause: new Error("c") }), { a: 1 });
    const once = toFailure(thrown);
    expect(toFailure(fromFailure(once))).toEqual(once);
  });

  it("without a stack comes back without one", () => {
    const { error } = stored(Object.assign(new Error("x"), { stack: undefined }));
    expect(error.stack).toBeUndefined();
  });

  it("of another realm is an error", () => {
    const foreign: unknown = runInNewContext("Object.assign(new RangeError('far'), { code: 'E_FAR' })");
    expect(foreign instanceof Error).toBe(false);
    expect(isError(foreign)).toBe(true);
    expect(toFailure(foreign)).toMatchObject({ name: "RangeError", message: "far", code: "E_FAR" });
  });

  it("that an abort signal gives is an error by its name", () => {
    expect(toFailure(AbortSignal.abort().reason)).toMatchObject({ name: "AbortError" });
  });
});

describe("one of Varve's own errors", () => {
  const classes = Object.values(errors).filter(
    (each): each is typeof errors.VarveError => typeof each === "function" && "prototype" in each,
  );
  const ours = classes.filter((each) => each === errors.VarveError || each.prototype instanceof errors.VarveError);
  const plain = ours.filter(
    (each) => (each as unknown) !== errors.TerminalError && (each as unknown) !== errors.RetryableError,
  );

  it.each(plain.map((type) => ({ name: type.name, type })))(
    "$name comes back as its class with code and facts",
    ({ type }) => {
      const { error } = stored(new type("E_CODE", "message", { found: 1 }, { cause: new Error("why") }));
      expect(error).toBeInstanceOf(type);
      expect(error.constructor).toBe(type);
      expect(error).toMatchObject({ name: type.name, code: "E_CODE", message: "message", facts: { found: 1 } });
      expect(error.cause).toMatchObject({ message: "why" });
      expect(Object.keys(error)).toEqual(Object.keys(new type("E_CODE", "message")));
    },
  );

  it("keeps its facts, also empty ones, and no other field that is empty", () => {
    const thrown = Object.assign(new errors.StoreError("E", "m"), { fn: () => 1, empty: {}, more: 1 });
    expect(toFailure(thrown).fields).toEqual({ facts: {}, more: 1 });
    expect(stored(thrown).error).toMatchObject({ facts: {}, more: 1 });
  });

  it("TerminalError and RetryableError come back as their classes", () => {
    const terminal = stored(new errors.TerminalError("declined", { code: "E_CARD" })).error;
    expect(terminal).toBeInstanceOf(errors.TerminalError);
    expect(terminal).toMatchObject({ code: "E_CARD", message: "declined" });
    expect(stored(new errors.RetryableError("limited", { code: "E_RATE" })).error).toMatchObject({ code: "E_RATE" });
    const retryable = stored(new errors.RetryableError("limited", { retryAfterMs: 5 })).error;
    expect(retryable).toBeInstanceOf(errors.RetryableError);
    expect(retryable).toMatchObject({ code: "RETRYABLE", retryAfterMs: 5 });
  });

  it("is not what only has its name", () => {
    const foreign = Object.assign(new Error("too late"), { name: "TimeoutError", code: "ETIMEDOUT" });
    const { error } = stored(foreign);
    expect(error).not.toBeInstanceOf(errors.TimeoutError);
    expect(error).toMatchObject({ name: "TimeoutError", code: "ETIMEDOUT" });
  });

  it.each<[string, object]>([
    ["whose facts are null", { name: "StoreError", code: "E", facts: null }],
    ["whose facts are a list", { name: "StoreError", code: "E", facts: [1] }],
    ["whose facts are a text", { name: "StoreError", code: "E", facts: "f" }],
    ["without a code", { name: "StoreError", facts: { a: 1 } }],
    ["of a name of its own", { name: "OrderError", code: "E", facts: { a: 1 } }],
  ])("is not one %s", (_, fields) => {
    const { error } = stored(Object.assign(new Error("m"), fields));
    expect(error).not.toBeInstanceOf(errors.VarveError);
    expect(error).toMatchObject(fields);
  });
});

describe("causes", () => {
  it("are kept in their order", () => {
    const { error } = stored(new Error("a", { cause: new TypeError("b", { cause: "c" }) }));
    expect(error.cause).toMatchObject({ name: "TypeError", message: "b", cause: { message: "thrown: c" } });
  });

  it("are kept to a depth of four", () => {
    const chain = Array.from({ length: 10 }, (_, i) => i).reduceRight<Error | undefined>(
      (cause, i) => new Error(`e${i}`, { cause }),
      undefined,
    );
    const messages: string[] = [];
    for (let at: Failure | undefined = toFailure(chain); at !== undefined; at = at.cause) messages.push(at.message);
    expect(messages).toEqual(["e0", "e1", "e2", "e3", "e4"]);
  });

  it("that are their own cause end", () => {
    const a = new Error("a");
    const b = new Error("b", { cause: a });
    a.cause = b;
    const failure = toFailure(a);
    expect(failure.cause?.cause?.message).toBe("a");
    expect(() => JSON.stringify(failure)).not.toThrow();
  });
});

describe("an AggregateError", () => {
  it("keeps what it gathers and comes back as one", () => {
    const thrown = new AggregateError([new TypeError("first"), "second"], "all failed");
    const { failure, error } = stored(thrown);
    expect(failure).toMatchObject({
      name: "AggregateError",
      message: "all failed",
      errors: [{ name: "TypeError", message: "first" }, { message: "thrown: second" }],
    });
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toMatchObject([{ name: "TypeError" }, { message: "thrown: second" }]);
    expect(Object.keys(error)).toEqual([]);
    expect(toFailure(error)).toEqual(failure);
  });

  it("that gathers nothing comes back as one", () => {
    const { failure, error } = stored(new AggregateError([], "none"));
    expect(failure).not.toHaveProperty("errors");
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([]);
  });

  it("keeps the first few of many, and says how many there were", () => {
    const failure = toFailure(
      new AggregateError(
        Array.from({ length: 500 }, (_, i) => new Error(`e${i}`)),
        "all",
      ),
    );
    expect(failure.errors?.map(({ message }) => message)).toEqual(["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"]);
    expect(failure.fields).toEqual({ errorsInAll: 500 });
  });

  it("that gathers itself ends", () => {
    const thrown = new AggregateError([], "loop");
    thrown.errors.push(thrown, thrown);
    const text = JSON.stringify(toFailure(thrown));
    expect(text.match(/"message":"loop"/g)?.length).toBe(12);
  });

  it("that gathers what throws is still kept", () => {
    const hostile = new Proxy([], {
      get: () => {
        throw new Error("no");
      },
    });
    const thrown = Object.defineProperty(new AggregateError([], "m"), "errors", { value: hostile });
    expect(toFailure(thrown)).toMatchObject({ name: "AggregateError", message: "m" });
  });
});

describe("what is thrown and is no error", () => {
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error("get");
      },
      getPrototypeOf: () => {
        throw new Error("prototype");
      },
      ownKeys: () => {
        throw new Error("keys");
      },
    },
  );
  const cases: [string, unknown, string][] = [
    ["a text", "boom", "thrown: boom"],
    ["undefined", undefined, "thrown: undefined"],
    ["null", null, "thrown: null"],
    ["a number", 5, "thrown: 5"],
    ["a bigint", 5n, "thrown: 5"],
    ["a symbol", Symbol("s"), "thrown: Symbol(s)"],
    ["an object", { status: 500 }, 'thrown: {"status":500}'],
    ["what looks like an error", { name: "Error", message: "m" }, 'thrown: {"name":"Error","message":"m"}'],
    [
      "an object without a text",
      Object.create(null, { toJSON: { value: () => undefined } }),
      "thrown: a value of type object that has no text",
    ],
    ["a proxy that throws on all", hostile, "thrown: a value of type object that has no text"],
  ];

  it.each(cases)("%s becomes an error that says so", (_, thrown, message) => {
    expect(toFailure(thrown)).toEqual({ name: "Error", message });
    expect(isError(thrown)).toBe(false);
  });

  it("and holds itself is told as far as it has a text", () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    expect(toFailure(loop)).toEqual({ name: "Error", message: "thrown: [object Object]" });
  });
});

describe("a hostile error", () => {
  const throwing = (field: string) =>
    Object.defineProperty(new Error("m"), field, {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });

  it.each(["name", "message", "code", "stack", "cause", "extra", "errors"])(
    "whose %s throws is kept without it",
    (field) => {
      const failure = toFailure(throwing(field));
      expect(failure.name).toBe("Error");
      expect(failure.message).toBe(field === "message" ? "" : "m");
      expect(failure.fields).toBeUndefined();
    },
  );

  it("whose name and message are objects without a text is kept", () => {
    const thrown = new Error("x");
    Object.defineProperty(thrown, "name", { value: Object.create(null) });
    Object.defineProperty(thrown, "message", {
      value: {
        toString: () => {
          throw new Error("no");
        },
      },
    });
    expect(toFailure(thrown)).toMatchObject({
      name: "a value of type object that has no text",
      message: "a value of type object that has no text",
    });
  });

  it("behind a proxy that throws on its keys is kept", () => {
    const thrown = new Proxy(new Error("m"), {
      ownKeys: () => {
        throw new Error("no");
      },
    });
    expect(toFailure(thrown)).toMatchObject({ name: "Error", message: "m" });
  });

  it("with a field __proto__ pollutes nothing", () => {
    const thrown = Object.defineProperty(new Error("m"), "__proto__", { value: { polluted: 1 }, enumerable: true });
    const { error } = stored(thrown);
    expect((error as unknown as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("with fields that JSON cannot keep is kept without them", () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const thrown = Object.assign(new Error("m"), {
      loop,
      fn: () => 1,
      none: undefined,
      empty: {},
      facts: {},
      big: 5n,
      ok: true,
    });
    expect(toFailure(thrown).fields).toEqual({ big: "5", ok: true });
  });

  it("with lone surrogates and NULs everywhere becomes well-formed text", () => {
    const thrown = Object.assign(new Error("\ud800m\0"), {
      name: "\udc00",
      code: "\ud800",
      "\ud800": 1,
      field: ["\ud800"],
    });
    const text = JSON.stringify(toFailure(thrown));
    expect(text).not.toMatch(/\\ud[89a-f]/i);
    expect(text.isWellFormed()).toBe(true);
  });
});

describe("the size of a failure", () => {
  it("is bounded, whatever the error holds", () => {
    const huge = "\u0001".repeat(1_000_000);
    const make = (depth: number): Error =>
      Object.assign(
        new AggregateError(depth === 0 ? [] : Array.from({ length: 20 }, () => make(depth - 1)), huge, {
          cause: depth === 0 ? undefined : make(depth - 1),
        }),
        {
          name: huge,
          code: huge,
          stack: huge,
          a: huge,
          b: Array.from({ length: 1_000 }, () => "x".repeat(100)),
          c: "ok",
        },
      );
    const failure = toFailure(make(2));
    expect(failure.message.length).toBe(4_096);
    expect(failure.name.length).toBe(256);
    expect(failure.fields).toMatchObject({ c: "ok" });
    expect(JSON.stringify(failure).length).toBeLessThan(1_048_576);
  });

  it("is bounded in its own fields, with their names, to 8,192 characters", () => {
    const kept = (fields: object) => toFailure(Object.assign(new Error("m"), fields)).fields;
    const most = { a: "x".repeat(8_189) };
    expect(kept(most)).toEqual(most);
    expect(kept({ a: "x".repeat(8_190) })).toBeUndefined();
    expect(kept({ a: 1, ["k".repeat(8_192)]: 1 })).toEqual({ a: 1 });
    expect(kept({ a: "x".repeat(9_000), b: 1 })).toEqual({ b: 1 });
  });

  it("is bounded also by the number of fields", () => {
    const fields = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`field${i}`, "x".repeat(50)]));
    const text = JSON.stringify(toFailure(Object.assign(new Error("m"), fields)).fields);
    expect(text.length).toBeGreaterThan(1_000);
    expect(text.length).toBeLessThan(20_000);
  });
});

describe("anything that is thrown", () => {
  it("becomes a failure that JSON and SQLite keep, and that comes back equal", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }), anyText),
        (thrown) => {
          const failure = toFailure(thrown);
          const text = JSON.stringify(failure);
          expect(text).not.toMatch(/\\ud[89a-f]/i);
          expect(toFailure(fromFailure(JSON.parse(text))).message).toBe(failure.message);
        },
      ),
    );
  });
});
