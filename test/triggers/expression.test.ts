import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import {
  compileExpression,
  compileKey,
  EXPRESSION_LENGTH_MAX,
  type ExpressionValues,
  LOOP_VISITS_MAX,
} from "../../src/triggers/expression.ts";

const VARIABLES = ["event", "run"];
const event = {
  ...{ amount: 100.5, whole: 101, two: 2, zero: 0, big: 1e20, none: null, text: "abc", yes: true },
  list: [1, 2, 3],
  lines: [
    { sku: "a", tags: ["x"] },
    { sku: "b", tags: [] },
  ],
  object: { a: 1, "odd key": 2 },
  at: new Date("2026-01-02T03:04:05Z"),
};
const values: ExpressionValues = { event, run: { id: "run_1", input: { order: "o-1" } } };

const condition = (text: string) => compileExpression(text, { variables: VARIABLES, what: "match" });

/** What a definition is refused with. */
function refusal(define: () => unknown): { message: string; facts: Readonly<Record<string, unknown>> } {
  try {
    define();
  } catch (error) {
    if (isVarveError(error, "EXPRESSION_INVALID")) return error;
    throw error;
  }
  throw new Error("expected it to be refused");
}

describe("a condition is true of", () => {
  it.each([
    "event.amount > 100",
    "event.whole > 100",
    "event.whole == 101",
    "101 == event.whole",
    "event.whole == 101.0",
    "1 == 1.0",
    "event.whole != 1",
    "event.whole + 1 == 102",
    "1 + event.whole == 102",
    "event.whole - 1 >= 100",
    "event.whole * 2 == 202",
    "event.whole / 2 == 50.5",
    "event.whole % 2 == 1",
    "-event.whole < 0",
    "event.big > 1",
    "event.two in [1, 2]",
    "event.two in event.list",
    "event.list[event.two] == 3",
    "size(event.list) == 3",
    "event.list == [1, 2, 3]",
    "event.object == {'a': 1, 'odd key': 2}",
    "event.object['odd key'] == 2",
    "event.text.startsWith('a') && event.text.contains('b')",
    "event.none == null",
    "event.yes",
    "!event.yes || event.zero == 0",
    "event.lines.exists(line, line.sku == 'b')",
    "event.lines.exists(line, line.tags.all(tag, tag == 'x'))",
    "event.lines.filter(line, line.sku > 'a').size() == 1",
    "event.list.map(x, x * 2)[0] == 2",
    "has(event.amount) && !has(event.other)",
    "event.missing == 1 || event.yes",
    "event.at > timestamp('2026-01-01T00:00:00Z')",
    "run.input.order == 'o-1' && run.id != event.text",
    "event.two == 2 ? event.yes : false",
  ])("%s", (text) => {
    expect(condition(text).judge(values)).toEqual({ kind: "value", value: true });
    expect(condition(text).evaluate(values)).toBe(true);
  });
});

describe("a condition that cannot be said is false, and says why", () => {
  it.each([
    ["event.missing == 1", "missing", /missing/],
    ["event.missing != 1", "missing", /missing/],
    ["event.missing.deeper > 1", "missing", /missing/],
    ["event.none.deeper == 1", "missing", /deeper/],
    ["event.list[7] == 1", "missing", /index/],
    ["event.constructor == 1", "missing", /constructor/],
    ["event.__proto__ == 1", "missing", /__proto__/],
    ["event.text > 1", "fault", /string> > int/],
    ["event.none > 1", "fault", /null/],
    ["event.text", "fault", /expected true or false, but found a text of 3 characters/],
    ["event.none", "fault", /found null/],
    ["event.list", "fault", /found a list/],
    ["int(event.text) == 1", "fault", /int/],
    ["1 / 0 == 1", "fault", /zero/],
  ])("%s", (text, kind, message) => {
    const judged = condition(text).judge(values);
    expect(judged).toEqual({ kind, message: expect.stringMatching(message) });
    expect(condition(text).evaluate(values)).toBe(false);
  });

  it("also without any values", () => {
    expect(condition("event.a == 1").evaluate({})).toBe(false);
  });
});

describe("a bad expression is refused with its place and a hint", () => {
  it.each([
    ["event.a ==", 10, /such as: event\.total/],
    ["event.a = 1", 8, /equality is ==, not =/],
    ["event.a === 1", 10, /equality is ==/],
    ["event.a and event.b", 8, /and is &&/],
    ["evnt.a == 1", 0, /it can use event, run/],
    ["event.yes || nope", 13, /it can use event, run/],
    ["'a' > 1", 0, /both sides of an operator/],
    ["event.a.upper() == 'A'", 0, /both sides of an operator|convert/],
    ["'text'", null, /compare it with something/],
    ["1 + 1", null, /it must be true or false/],
    ["event.text.matches('^(a+)+$')", 0, /regular expressions are not bounded/],
    ["cel.bind(x, event.a, x == 1)", 0, /write the value/],
    [Array(6).fill("event.list.all(x, x > 1)").join(" && "), 112, /use a function in code/],
    ["'open", 0, /such as/],
  ])("%s", (text, position, hint) => {
    const { message, facts } = refusal(() => condition(text));
    expect(message).toMatch(/^expected match to be an expression in CEL, but found/);
    expect(facts).toMatchObject({ what: "match", text, position, hint: expect.stringMatching(hint) });
    expect(message).toMatch(hint);
  });

  it("shows the line and a caret below the place", () => {
    const { message } = refusal(() => condition('event.a == 1 &&\n  evnt.b == "x" &&\n event.c'));
    expect(message).toContain('\n    evnt.b == "x" &&\n    ^\n');
  });

  it.each([
    [7 as unknown as string, /expected match to be a text in CEL, but found number/],
    ["  ", /an empty text/],
    ["event.a == '\0'", /without NUL/],
    [`event.a == '${"a".repeat(EXPRESSION_LENGTH_MAX)}'`, /at most 2000 characters/],
  ])("%j", (text, message) => {
    expect(refusal(() => condition(text)).message).toMatch(message);
  });

  it("too many parts and too many levels", () => {
    expect(() => condition(`event.a in [${"1,".repeat(600)}1]`)).toThrow(/EXPRESSION|expected match/);
    expect(() => condition(`${"(".repeat(100)}event.yes${")".repeat(100)}`)).toThrow(/expected match/);
  });
});

describe("loops are bounded by what they look at", () => {
  const list = (length: number) => Array.from({ length }, (_, i) => i);

  it("one loop may see a whole message, and two within each other a smaller one", () => {
    const one = condition("event.list.all(x, x >= 0)");
    const two = condition("event.list.all(x, event.list.exists(y, y == 0))");
    expect(one.evaluate({ event: { list: list(50_000) } })).toBe(true);
    expect(two.evaluate({ event: { list: list(900) } })).toBe(true);
    expect(two.judge({ event: { list: list(1_100) } })).toEqual({
      kind: "fault",
      message: expect.stringContaining(`${LOOP_VISITS_MAX} elements`),
    });
  });

  it("in with a list of the values is a loop as well", () => {
    const within = condition("event.list.all(x, x in event.list)");
    expect(within.evaluate({ event: { list: list(900) } })).toBe(true);
    expect(within.evaluate({ event: { list: list(1_100) } })).toBe(false);
  });
});

describe("a key", () => {
  const key = (text: string) => compileKey(text, { variables: VARIABLES, what: "key" });

  it.each([
    ["event.text", "abc"],
    ["event.whole", "101"],
    ["7", "7"],
    ["7.0", "7"],
    ["event.amount", "100.5"],
    ["event.yes", "true"],
    ["run.input.order + '/' + event.text", "o-1/abc"],
    ["string(event.whole)", "101"],
  ])("%s comes to %s", (text, expected) => {
    expect(key(text).evaluate(values)).toBe(expected);
  });

  it.each([
    ["event.missing", "missing"],
    ["event.none", "fault"],
    ["event.list", "fault"],
    ["event.object", "fault"],
    ["event.text.substring(0, 0)", "fault"],
    ["event.zero / 0.0", "fault"],
  ])("%s is none", (text, kind) => {
    expect(key(text).evaluate(values)).toBeNull();
    expect(key(text).judge(values).kind).toBe(kind);
  });

  it("is neither too long nor what the store cannot keep", () => {
    const found = (text: string) => key("event").evaluate({ event: text });
    expect(found("a".repeat(256))).toHaveLength(256);
    expect([found("a".repeat(257)), found(""), found("\0"), found("\ud800")]).toEqual([null, null, null, null]);
  });

  it("that can be no key is refused", () => {
    expect(refusal(() => key("[1]")).message).toMatch(/expected it to come to a text of 1 to 256 characters/);
  });
});

describe("whatever is given", () => {
  it("a text is refused with a typed error, or compiled to what never throws", () => {
    const part = fc.constantFrom(
      ...[
        "event",
        ".a",
        "[0]",
        "==",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "1",
        "1.5",
        "'x'",
        "in",
        "has(",
        "?",
        ":",
        "{",
        "}",
        ",",
      ],
      ...[".all(x, ", ".map(x, ", ".size()", "null", "true", "run.id", "\n", "\\", '"', "-", "timestamp("],
    );
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.array(part, { maxLength: 14 }).map((parts) => parts.join(" ")),
    );
    fc.assert(
      fc.property(text, fc.jsonValue(), (written, payload) => {
        let compiled: ReturnType<typeof condition>;
        try {
          compiled = condition(written);
        } catch (error) {
          expect(isVarveError(error, "EXPRESSION_INVALID")).toBe(true);
          return;
        }
        expect(typeof compiled.evaluate({ event: payload, run: {} })).toBe("boolean");
      }),
      { numRuns: 3_000, seed: 5 },
    );
  });

  it("numbers compare as JavaScript compares them", () => {
    const number = fc.oneof(fc.integer(), fc.double({ noNaN: true }));
    const texts = ["event.a < event.b", "event.a == event.b", "event.a >= event.b"].map(condition);
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(texts.map((each) => each.evaluate({ event: { a, b } }))).toEqual([a < b, a === b, a >= b]);
      }),
      { numRuns: 1_000, seed: 5 },
    );
  });
});
