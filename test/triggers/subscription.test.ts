import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError, type VarveError } from "../../src/kernel/errors.ts";
import { cel } from "../../src/triggers/cel.ts";
import type { MessageExpression } from "../../src/triggers/message-expression.ts";
import {
  type CancelOn,
  defineSubscriptions,
  judgeMessage,
  type Message,
  matchesRun,
  type Subscription,
  type WorkflowTrigger,
} from "../../src/triggers/subscription.ts";
import { checkPattern, checkTopic, meansTopic } from "../../src/triggers/topic.ts";

const message = (more: Partial<Message> = {}): Message => ({
  ...{ topic: "orders.paid", id: "m", payload: { total: 11, user: "a" }, at: 7, tags: {} },
  ...more,
});

const one = (trigger: WorkflowTrigger): Subscription => defineSubscriptions("ship", [trigger])[0] as Subscription;

const refusal = (define: () => unknown): VarveError | null => {
  try {
    define();
  } catch (error) {
    if (isVarveError(error)) return error;
    throw error;
  }
  return null;
};

const codeOf = (define: () => unknown): string => refusal(define)?.code ?? "accepted";

describe("a topic", () => {
  it.each([
    ["orders.paid", "orders.paid", true],
    ["orders.paid", "orders.paid.late", false],
    ["orders.*", "orders.paid", true],
    ["orders.*", "orders.paid.late", true],
    ["orders.*", "orders", false],
    ["*.paid", "orders.paid", true],
    ["*.paid", "orders.eu.paid", false],
    ["orders.*.late", "orders.eu.late", true],
    ["*", "orders", true],
    ["*", "orders.paid", true],
  ])("by %s %s is meant: %s", (pattern, topic, isMeant) => {
    expect(meansTopic(pattern, topic)).toBe(isMeant);
  });

  it("that is its own pattern means itself, whatever it is", () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
    const topics = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join("."));
    fc.assert(
      fc.property(topics, topics, (a, b) => {
        if (a.startsWith("varve.")) return;
        expect(checkPattern("it", checkTopic(a))).toBe(a);
        expect([meansTopic(a, a), meansTopic("*", a), meansTopic(a, b)]).toEqual([true, true, a === b]);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it.each(["", ".", "a.", ".a", "a..b", "a b", "a.*b", "ä", "varve.x", "a".repeat(129), 7, null])(
    "%j is none",
    (bad) => {
      expect(codeOf(() => checkTopic(bad))).toBe("TOPIC_INVALID");
      expect(codeOf(() => checkPattern("it", bad))).toBe("TOPIC_INVALID");
    },
  );

  it("that is wrong is shown with the place", () => {
    expect(() => checkTopic("orders.pa id")).toThrow(/found "orders.pa id": look at character 10/);
  });
});

describe("a subscription is refused", () => {
  const debounce = { period: "1m" };
  const batch = { size: 2, timeout: "1m" };
  it.each<[unknown, string]>([
    [{}, "TRIGGER_INVALID"],
    [null, "TRIGGER_INVALID"],
    [{ topic: "a", run: "b" }, "TRIGGER_INVALID"],
    [{ topic: "a b" }, "TOPIC_INVALID"],
    [{ topic: "a", match: cel("message.a =") }, "EXPRESSION_INVALID"],
    [{ topic: "a", match: cel("run.id == 'x'") }, "EXPRESSION_INVALID"],
    [{ topic: "a", match: 7 }, "EXPRESSION_INVALID"],
    [{ topic: "a", input: "message.payload" }, "TRIGGER_INVALID"],
    [{ topic: "a", name: "" }, "NAME_INVALID"],
    [{ topic: "a", debounce, batch }, "TRIGGER_INVALID"],
    [{ topic: "a", debounce: { period: "soon" } }, "DURATION_INVALID"],
    [{ topic: "a", debounce: { period: 0 } }, "OPTION_INVALID"],
    [{ topic: "a", debounce: { period: "2d" } }, "OPTION_INVALID"],
    [{ topic: "a", debounce: { period: "2m", max: "1m" } }, "TRIGGER_INVALID"],
    [{ topic: "a", debounce: { ...debounce, key: cel("message.") } }, "EXPRESSION_INVALID"],
    [{ topic: "a", debounce: { ...debounce, key: 7 } }, "EXPRESSION_INVALID"],
    [{ topic: "a", batch: { ...batch, size: 0 } }, "OPTION_INVALID"],
    [{ topic: "a", batch: { ...batch, size: 1_001 } }, "OPTION_INVALID"],
    [{ topic: "a", batch: { size: 2 } }, "DURATION_INVALID"],
    [{ run: "" }, "NAME_INVALID"],
    [{ run: 7 }, "NAME_INVALID"],
    [{ run: "a", ends: [] }, "TRIGGER_INVALID"],
    [{ run: "a", ends: ["stuck"] }, "TRIGGER_INVALID"],
  ])("%j: %s", (bad, code) => {
    expect(codeOf(() => defineSubscriptions("ship", [bad as WorkflowTrigger]))).toBe(code);
  });

  it.each<[unknown, string]>([
    [{}, "TOPIC_INVALID"],
    [null, "TRIGGER_INVALID"],
    [{ topic: "a", match: () => true }, "EXPRESSION_INVALID"],
    [{ topic: "a", match: "run.id == message.id" }, "EXPRESSION_INVALID"],
    [{ topic: "a", match: cel("event.id") }, "EXPRESSION_INVALID"],
  ])("as cancelOn %j: %s", (bad, code) => {
    expect(codeOf(() => defineSubscriptions("ship", [], [bad as CancelOn]))).toBe(code);
  });

  it.each<[object, string, RegExp]>([
    [{ match: "true" }, "match of on[0]", /found "true"; a plain text is no expression: write cel\("true"\)$/],
    [{ match: " " }, "match of on[0]", /write cel\("\.\.\."\)$/],
    [{ match: 7 }, "match of on[0]", /a function of the message, or an expression such as cel\(.*found 7$/],
    [{ match: { text: "true" } }, "match of on[0]", /found object$/],
    [{ debounce: { period: 1, key: "message.id" } }, "debounce.key of on[0]", /write cel\("message\.id"\)$/],
    [{ batch: { size: 2, timeout: 1, key: "message.id" } }, "batch.key of on[0]", /write cel\("message\.id"\)$/],
  ])("for an expression that is none, by its field, with what to write: %j", (bad, field, message) => {
    const refused = refusal(() => defineSubscriptions("ship", [{ topic: "a", ...bad } as WorkflowTrigger]));
    expect(refused).toMatchObject({ code: "EXPRESSION_INVALID", facts: { what: `${field} of workflow "ship"` } });
    expect(refused?.message).toMatch(message);
  });

  it.each<[unknown, RegExp]>([
    ["run.id == message.id", /found "run\.id == message\.id"; .*: write cel\("run\.id == message\.id"\)$/],
    [
      () => true,
      /expression such as cel\(.*found function; any process may have to decide it, also one without this code$/,
    ],
    [null, /found null$/],
  ])("for a cancelOn that matches by %s", (match, message) => {
    const refused = refusal(() => defineSubscriptions("ship", [], [{ topic: "a", match } as CancelOn]));
    expect(refused?.facts).toMatchObject({ what: 'match of cancelOn[0] of workflow "ship"' });
    expect(refused?.message).toMatch(message);
  });

  it.each<[WorkflowTrigger, string, number]>([
    [{ topic: "a", match: cel("message.payload.total >") }, "match of on[0]", 23],
    [{ topic: "a", match: cel("mesage.id == 'a'") }, "match of on[0]", 0],
    [{ topic: "a", debounce: { period: 1, key: cel("message.id + run.id") } }, "debounce.key of on[0]", 13],
    [{ topic: "a", batch: { size: 2, timeout: 1, key: cel("message.id.matches('a')") } }, "batch.key of on[0]", 0],
  ])("for an expression that is wrong, with the place: %j", (bad, field, position) => {
    const refused = refusal(() => defineSubscriptions("ship", [bad]));
    expect(refused).toMatchObject({
      code: "EXPRESSION_INVALID",
      facts: { what: `${field} of workflow "ship"`, position, hint: expect.stringMatching(/./) },
    });
  });

  it("when two have one name, when there are too many, and when it is no list", () => {
    const twice = [{ topic: "a" }, { topic: "a" }];
    expect(() => defineSubscriptions("ship", twice)).toThrow(/give one of two that listen to the same a name/);
    expect(defineSubscriptions("ship", [{ topic: "a" }, { topic: "a", name: "b" }])).toHaveLength(2);
    const many = Array.from({ length: 101 }, (_, i) => ({ topic: `t.${i}` }));
    expect(codeOf(() => defineSubscriptions("ship", many))).toBe("TRIGGER_INVALID");
    expect(codeOf(() => defineSubscriptions("ship", {} as never))).toBe("OPTION_INVALID");
    expect(codeOf(() => defineSubscriptions("ship", [], {} as never))).toBe("OPTION_INVALID");
  });
});

describe("a message is judged", () => {
  it.each<[WorkflowTrigger, string, RegExp]>([
    [{ topic: "orders.*" }, "start", /^$/],
    [{ topic: "other" }, "other", /^$/],
    [{ topic: "orders.*", match: cel("message.payload.total > 10") }, "start", /^$/],
    [{ topic: "orders.*", match: cel("message.payload.total > 20") }, "filtered", /its match is false/],
    [{ topic: "orders.*", match: cel("message.payload.none == 1") }, "filtered", /asks for what is not there/],
    [{ topic: "orders.*", match: cel("message.payload.user > 1") }, "invalid", /its match cannot be said/],
    [{ topic: "orders.*", match: (found) => found.at === 7 }, "start", /^$/],
    [{ topic: "orders.*", match: () => false }, "filtered", /a function/],
    [{ topic: "orders.*", match: () => JSON.parse("{") }, "invalid", /it threw/],
    [{ topic: "orders.*", debounce: { period: "1s", key: cel("message.payload.user") } }, "gather", /^$/],
    [
      { topic: "orders.*", debounce: { period: "1s", key: cel("message.payload.none") } },
      "invalid",
      /the key of its debounce/,
    ],
    [{ topic: "orders.*", batch: { size: 1, timeout: "1s", key: () => "" } }, "invalid", /the key of its batch/],
    [{ topic: "orders.*", batch: { size: 1, timeout: "1s", key: () => JSON.parse("{") } }, "invalid", /it threw/],
  ])("by %j: %s", (trigger, kind, reason) => {
    const judged = judgeMessage(one(trigger), message());
    expect(judged.kind).toBe(kind);
    expect("reason" in judged ? judged.reason : "").toMatch(reason);
  });

  it("by its key, or by none", () => {
    const keyOf = (key?: MessageExpression) => {
      const debounce = key === undefined ? { period: "1s" } : { period: "1s", key };
      return judgeMessage(one({ topic: "orders.*", debounce }), message());
    };
    expect([keyOf(), keyOf(cel("message.payload.user")), keyOf(cel("message.payload.total"))]).toEqual([
      { kind: "gather", key: "" },
      { kind: "gather", key: "a" },
      { kind: "gather", key: "11" },
    ]);
  });

  it("as the end of a run of the workflow that is listened to, and of no other", () => {
    const subscription = one({ run: { name: "first" }, ends: ["failed", "cancelled"] });
    const end = (status: string, workflow: string) =>
      judgeMessage(subscription, message({ topic: `varve.run.${status}`, payload: { workflow, status } })).kind;
    expect([end("failed", "first"), end("cancelled", "first")]).toEqual(["start", "start"]);
    expect([end("completed", "first"), end("failed", "other")]).toEqual(["other", "other"]);
  });

  it("for a run that waits: what cannot be said means none", () => {
    const run = { id: "r", workflow: "ship", input: { user: "a" }, tags: { t: "x" } };
    const means = (match: string | null) => matchesRun(match, message(), run);
    expect(means(null)).toBe(true);
    expect(means("message.payload.user == run.input.user && run.tags.t == 'x' && run.id == 'r'")).toBe(true);
    expect(means("message.payload.user == run.input.none")).toBe(false);
    expect(means("message.payload.user > 1")).toBe(false);
  });
});

describe("a subscription's text", () => {
  it("needs code for what is a function, and for a schema, and for nothing else", () => {
    const needs = (trigger: WorkflowTrigger, hasSchema = false) =>
      defineSubscriptions("ship", [trigger], [], hasSchema)[0]?.text.needsCode;
    expect(needs({ topic: "a", match: cel("true"), batch: { size: 2, timeout: 1, key: cel("message.id") } })).toBe(
      false,
    );
    expect(needs({ topic: "a" }, true)).toBe(true);
    expect(needs({ topic: "a", match: () => true })).toBe(true);
    expect(needs({ topic: "a", input: () => 1 })).toBe(true);
    expect(needs({ topic: "a", debounce: { period: 1, key: () => "k" } })).toBe(true);
    expect(defineSubscriptions("ship", [], [{ topic: "a" }], true)[0]?.text.needsCode).toBe(false);
  });

  it("is what was written, whatever it was written with", () => {
    const kept = one({
      topic: "a",
      match: cel("message.id == 'a'"),
      batch: { size: 2, timeout: 1, key: cel("message.at") },
    });
    expect(JSON.parse(JSON.stringify(kept.text))).toMatchObject({
      match: "message.id == 'a'",
      gather: { kind: "batch", key: "message.at" },
    });
    const [cancel] = defineSubscriptions("ship", [], [{ topic: "a", match: cel("run.id == message.id") }]);
    expect(cancel?.text.match).toBe("run.id == message.id");
  });

  it("has the bound of a debounce, ten periods if none is given and a day at most", () => {
    const gather = (period: string, max?: string) =>
      one({ topic: "a", debounce: max === undefined ? { period } : { period, max } }).text.gather;
    expect(gather("1m")).toEqual({ kind: "debounce", key: null, periodMs: 60_000, maxMs: 600_000 });
    expect(gather("1m", "2m")).toMatchObject({ maxMs: 120_000 });
    expect(gather("1d")).toMatchObject({ maxMs: 86_400_000 });
  });
});
