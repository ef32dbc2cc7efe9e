import { describe, expect, test } from "vitest";
import { github } from "../../src/triggers/github.ts";
import { deliveryOf, webhook } from "../../src/triggers/hook.ts";
import { request } from "./request.ts";

const scheme = github({ secrets: ["s"] });
const workflow = { name: "w", version: "1", input: undefined, output: undefined };

describe("a hook", () => {
  test.each(["", "a/b", "a b", "ä", "x".repeat(65), "a\0", "..", 7 as never])("is not named %j", (name) => {
    expect(() => webhook({ name, scheme, workflow })).toThrow(expect.objectContaining({ code: "HOOK_INVALID" }));
  });

  test("gives its input the body as JSON if nothing else is asked for", () => {
    const { target } = webhook({ name: "h", scheme, workflow });
    const input = target.kind === "start" && target.input(deliveryOf("h", "1", request({}, '{"a":[1]}')));
    expect(input).toEqual({ a: [1] });
  });
});

describe("a delivery", () => {
  const delivery = (body: Uint8Array | string) => deliveryOf("h", "1", request({}, body));

  test("has its headers by lower-case name, and joins what came several times", () => {
    const pairs = [
      ["X-Event", "push"],
      ["x-many", "1"],
      ["X-Many", "2"],
      ["__proto__", "x"],
    ] as const;
    const { headers } = deliveryOf("h", "1", request(pairs, ""));
    expect(Object.entries(headers).filter(([name]) => name !== "__proto__")).toEqual([
      ["x-event", "push"],
      ["x-many", "1, 2"],
    ]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test("whose body is no UTF-8 has no text and no JSON", () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      const broken = delivery(Uint8Array.from(bytes));
      expect(() => broken.text()).toThrow(expect.objectContaining({ code: "BODY_INVALID" }));
      expect(() => broken.json()).toThrow(expect.objectContaining({ code: "BODY_INVALID" }));
    }
  });

  test("whose body is no JSON, or nested too deep for the log, has no JSON", () => {
    const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    for (const body of ["", "{", "{'a':1}", "NaN", deep(257), deep(200_000)]) {
      expect(() => delivery(body).json()).toThrow(expect.objectContaining({ code: "BODY_INVALID" }));
    }
    expect(delivery(deep(256)).json()).toHaveLength(1);
  });
});
