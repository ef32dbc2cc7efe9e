/** Options of a test engine, arguments of its methods, and histories, that are anything but that. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { workflow } from "varve";
import { fails, replayHistory, snapshotOf, type TestEngineOptions, testEngine } from "varve/testing";
import { isVarveError } from "../../src/kernel/errors.ts";
import { oddText } from "../support/storable.ts";
import { type Effort, type Property, typedErrorOf } from "./lane.ts";
import { junk } from "./values.ts";

const one = workflow({ name: "one" }, async (ctx) => ctx.step("a", () => 1));

/** What a user's own function throws comes as it is: `env` may be one, and a mock as well. */
const data = junk.filter((value) => typeof value !== "function");

async function testEnginesAreMadeOrRefused(effort: Effort): Promise<void> {
  const crash = fc.record({ step: junk, write: junk, moment: junk, attempt: junk }, { requiredKeys: [] });
  const options = fc.record(
    {
      workflows: fc.oneof({ weight: 4, arbitrary: fc.constant([one]) }, data, fc.array(data)),
      env: data,
      steps: fc.oneof(data, fc.dictionary(oddText, junk)),
      unusedMocks: fc.constantFrom("allow", "refuse", undefined, true),
      start: data,
      crashes: fc.oneof(data, fc.array(fc.oneof(crash, junk), { maxLength: 3 })),
      replay: fc.oneof(fc.boolean(), data),
      seed: data,
      hooks: data,
      limits: fc.oneof(data, fc.record({ payloadBytesMax: junk }, { requiredKeys: [] })),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(options, junk), async (given) => {
      const error = await typedErrorOf(async () => {
        const t = await testEngine(given as TestEngineOptions);
        await t.start("one");
        await t.close();
      });
      if (error !== null) assert.match(error.name, /^(Definition|NotFound|Payload)Error$/);
    }),
    effort,
  );
}

async function methodsServeOrRefuse(effort: Effort): Promise<void> {
  const t = await testEngine({ workflows: [one], unusedMocks: "allow", steps: { other: () => 1 } });
  const calls = fc.oneof(
    data.map((duration) => () => t.advance(typeof duration === "number" ? duration % 1_000 : (duration as string))),
    // A time that is far away is reached in no time, and nothing can come before it afterwards.
    data.map((instant) => () => t.advanceTo(typeof instant === "number" ? t.now() : (instant as string))),
    data.map((condition) => () => t.until(condition as () => boolean)),
    junk.map((step) => () => t.calls(step as string)),
    junk.map((times) => () => fails(times as number, new Error("x"))),
    data.map((duration) => () => t.world.wait(typeof duration === "number" ? duration % 1_000 : (duration as string))),
  );
  await fc.assert(
    fc.asyncProperty(calls, async (call) => {
      await typedErrorOf(async () => {
        const answer = call();
        await Promise.all([answer, t.advance(1_000)]);
      });
    }),
    effort,
  );
}

/** Something like an event of a history. */
const event = fc.record(
  {
    seq: fc.oneof(fc.integer({ min: 1, max: 4 }), junk),
    runId: fc.oneof(fc.constant("run_1"), junk),
    type: fc.oneof(
      fc.constantFrom("run.created", "attempt.started", "step.completed", "run.completed", "timer.fired"),
      junk,
    ),
    at: fc.oneof(fc.integer(), junk),
    key: fc.oneof(fc.constantFrom("a", null), junk),
    attempt: fc.oneof(fc.constantFrom(1, null), junk),
    epoch: fc.oneof(fc.constant(1), junk),
    v: fc.oneof(fc.constant(1), junk),
    data: fc.oneof(
      fc.constantFrom<unknown>({ workflow: "one", version: "1", input: { value: null } }, { value: 1 }, {}),
      fc.dictionary(fc.constantFrom("workflow", "version", "input", "value", "meta", "error", "worker"), junk),
      junk,
    ),
  },
  { requiredKeys: ["seq", "type", "at"] },
);

async function historiesAreReadOrRefused(effort: Effort): Promise<void> {
  const created = {
    seq: 1,
    type: "run.created",
    at: 5,
    data: { workflow: "one", version: "1", input: { value: null } },
  };
  const events = fc.oneof(
    fc.array(event, { maxLength: 4 }),
    fc.array(event, { maxLength: 3 }).map((rest) => [created, ...rest.map((each, i) => ({ ...each, seq: i + 2 }))]),
  );
  const history = fc.oneof(
    events,
    events.map((list) => ({ events: list })),
    events.map((list) => JSON.stringify(list, (_, value) => (typeof value === "bigint" ? null : value))),
    junk,
  );
  await fc.assert(
    fc.asyncProperty(history, async (given) => {
      const error = await typedErrorOf(() => replayHistory(one, given as string));
      const text = await typedErrorOf(() => snapshotOf(given as string));
      // What can be replayed can be shown.
      if (error === null) assert.equal(text, null);
      else assert.ok(isVarveError(error));
    }),
    effort,
  );
}

export const testingKit: readonly Property[] = [
  {
    title: "a test engine is made and works, or is refused by a typed error",
    runs: 300,
    holds: testEnginesAreMadeOrRefused,
  },
  { title: "its methods serve or refuse by a typed error", runs: 500, holds: methodsServeOrRefuse },
  {
    title: "a history is replayed and shown, or refused by a typed error",
    runs: 800,
    holds: historiesAreReadOrRefused,
  },
];
