import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findJsonError } from "../../src/http/json-error.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

let site: TestSite;
beforeAll(async () => {
  site = await openSite({ apiBytesMax: 10_000 });
});
afterAll(async () => await site.close());

describe("a body that is no JSON", () => {
  test.each([
    ["{", 1, 2, "a name in quotes or }", "the end of the text"],
    ['{"workflow":}', 1, 13, "a value", '"}"'],
    ['{\n  "workflow": "echo",\n}', 3, 1, "a name in quotes", '"}"'],
    ['{"a" 1}', 1, 6, "a colon", '"1"'],
    ["[1 2]", 1, 4, "a comma or ]", '"2"'],
    ['{"a":1', 1, 7, "a comma or }", "the end of the text"],
    ["[1,]", 1, 4, "a value", '"]"'],
    ["{} {}", 1, 4, "the end of the text", '"{"'],
    ['"a\tb"', 1, 3, "an escape", '"\\t"'],
    ['"\\x"', 1, 3, "an escape", '"x"'],
    ['"\\u12g4"', 1, 3, "an escape", '"u"'],
    ['"abc', 1, 5, "the closing quote", "the end of the text"],
    ["undefined", 1, 1, "a value", '"u"'],
    ["01", 1, 2, "the end of the text", '"1"'],
    ["{'a':1}", 1, 2, "a name in quotes or }", `"'"`],
    ["[", 1, 2, "a value or ]", "the end of the text"],
  ])("%j is refused with its place", async (body, line, column, expected, found) => {
    const problem = await problemOf(await site.post("/api/v1/runs", body));
    expect(problem).toMatchObject({ status: 400, code: "JSON_INVALID", facts: { line, column, found } });
    expect(problem.detail).toContain(`${expected}`);
    expect(problem.detail).toContain(`at line ${line}, column ${column}, but found ${found}`);
  });

  test("is found wherever JSON.parse finds it, and nowhere else", () => {
    const parses = (text: string) => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const near = fc.tuple(
      fc.json({ stringUnit: "binary" }),
      fc.nat(),
      fc.constantFrom("", ",", "]", "}", '"', "\\", "\0", "-", ".", "e", "\ud800"),
    );
    const broken = near.map(
      ([text, at, char]) => `${text.slice(0, at % text.length)}${char}${text.slice((at % text.length) + 1)}`,
    );
    const pieces = fc.array(
      fc.constantFrom("[", "]", "{", "}", ":", ",", '"a"', "1", "-0", "1.5e+3", "true", "nul", " ", "\n", "\u00a0"),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          broken,
          pieces.map((each) => each.join("")),
          fc.string(),
        ),
        (text) => {
          const error = findJsonError(text);
          expect(error === null, text).toBe(parses(text));
          if (error !== null) expect(error.offset).toBeLessThanOrEqual(text.length);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test("is found at any depth", () => {
    expect(findJsonError("[".repeat(1_000_000))).toMatchObject({ offset: 1_000_000 });
    expect(findJsonError("[".repeat(100_000) + "]".repeat(100_000))).toBeNull();
  });

  test("is refused when it is no UTF-8", async () => {
    for (const bytes of [[0xff], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xc3]]) {
      const init = { method: "POST", body: Uint8Array.from(bytes), headers: { "content-type": "application/json" } };
      expect(await problemOf(await site.ask("/api/v1/runs", init))).toMatchObject({
        status: 400,
        code: "JSON_INVALID",
      });
    }
  });

  test("is refused when it is nested deeper than the log takes", async () => {
    const deep = (levels: number) => `{"workflow":"echo","input":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    expect(await problemOf(await site.post("/api/v1/runs", deep(4_000)))).toMatchObject({
      status: 400,
      code: "JSON_INVALID",
    });
    expect((await site.post("/api/v1/runs", deep(250))).status).toBe(201);
  });
});

describe("a body of the API", () => {
  test("above the limit is refused for what it holds, also on a route that needs little", async () => {
    const run = await site.engine.start("sleepy");
    const big = JSON.stringify({ workflow: "echo", input: "x".repeat(10_000) });
    for (const path of ["/api/v1/runs", `/api/v1/runs/${run.id}/cancel`]) {
      for (const headers of [{}, { "content-length": "10" }]) {
        expect(await problemOf(await site.post(path, big, headers))).toMatchObject({
          status: 413,
          facts: { max: 10_000 },
        });
      }
    }
  });

  test("is not read before the key is known", async () => {
    let pulls = 0;
    const body = new ReadableStream({ pull: () => void pulls++ }, { highWaterMark: 0 });
    const init = { method: "POST", body, duplex: "half", headers: { "content-type": "application/json" } } as const;
    expect((await site.app.request("/api/v1/runs", init)).status).toBe(401);
    expect(pulls).toBe(0);
  });

  test("whatever it holds, is taken or refused without a fault", async () => {
    const name = fc.oneof(fc.constantFrom("echo", "strict", "nope"), fc.string({ unit: "binary" }));
    const meta = fc.array(
      fc.tuple(
        fc.array(fc.oneof(fc.string(), fc.constantFrom("length", "__proto__"), fc.nat(3))),
        fc.constantFrom(
          "date",
          "map",
          "set",
          "bigint",
          "error",
          "object",
          "utf16",
          "Uint8Array",
          "undefined",
          "url",
          "x",
        ),
      ),
    );
    const body = fc.record(
      {
        workflow: fc.oneof(name, fc.jsonValue()),
        input: fc.jsonValue(),
        inputMeta: fc.oneof(meta, fc.jsonValue()),
        idempotencyKey: fc.oneof(name, fc.jsonValue()),
        delay: fc.oneof(fc.integer(), fc.double(), fc.string()),
        tags: fc.oneof(fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), fc.jsonValue()),
        deadline: fc.oneof(fc.string(), fc.jsonValue()),
      },
      { requiredKeys: ["workflow"] },
    );
    await fc.assert(
      fc.asyncProperty(body, async (body) => {
        const response = await site.post("/api/v1/runs", body);
        if (response.status >= 400) await problemOf(response);
        expect([200, 201, 400, 404, 409, 413, 422]).toContain(response.status);
      }),
      { numRuns: 500 },
    );
    expect(site.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});
