import { describe, expect, it } from "vitest";
import { checkQueues } from "../../src/kernel/queues.ts";
import { SLOTS_MAX } from "../../src/kernel/run-rules.ts";

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`q${i}`, { concurrency: 1 }]));

describe("an engine's queues", () => {
  it("are kept by name, with what of them is known", () => {
    expect([...checkQueues({})]).toEqual([]);
    const queues = { heavy: { concurrency: 4, colour: "red" }, light: { concurrency: SLOTS_MAX } };
    expect([...checkQueues(queues)]).toEqual([
      ["heavy", { concurrency: 4 }],
      ["light", { concurrency: SLOTS_MAX }],
    ]);
  });

  it("are 1,000 at most", () => {
    expect(checkQueues(many(1_000)).size).toBe(1_000);
    expect(() => checkQueues(many(1_001))).toThrow(
      expect.objectContaining({
        code: "LIMIT_INVALID",
        message: "expected the number of queues to be a whole number from 0 to 1000, but found 1001",
      }),
    );
  });

  it.each([
    [null, "LIMIT_INVALID", "expected queues to be queues by name"],
    ["heavy", "LIMIT_INVALID", 'expected queues to be queues by name, but found "heavy"'],
    [{ "": { concurrency: 1 } }, "NAME_INVALID", "the name of a queue"],
    [{ "..": { concurrency: 1 } }, "NAME_INVALID", "steps of a path"],
    // Its line would be that of the key "b" of the queue "a".
    [
      { "a/b": { concurrency: 1 } },
      "NAME_INVALID",
      'to have no slash, behind which the key of a step\'s queue stands, but found "a/b"; "a-b" will do',
    ],
    [{ heavy: null }, "LIMIT_INVALID", "queues.heavy.concurrency to be a whole number from 1 to 10000"],
    [{ heavy: {} }, "LIMIT_INVALID", "queues.heavy.concurrency"],
    [{ heavy: { concurrency: 0 } }, "LIMIT_INVALID", "but found 0"],
    [{ heavy: { concurrency: SLOTS_MAX + 1 } }, "LIMIT_INVALID", "but found 10001"],
  ])("cannot be %j", (queues, code, message) => {
    expect(() => checkQueues(queues)).toThrow(
      expect.objectContaining({ name: "DefinitionError", code, message: expect.stringContaining(message) }),
    );
  });
});
