/** Recorded histories against the code, as before a deploy. */
import { type Ctx, type RunEvent, type Workflow, workflow } from "varve";
import { hangs, replayHistory, testEngine } from "varve/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { changed } from "../support/examples.ts";
import { caseNamed, type Recording, recordedNames, recordedText, standIn } from "../support/histories.ts";

beforeEach(() => standIn());

const recordingOf = (name: string): Recording => JSON.parse(recordedText(name));

/** What a replay comes to that must not go well. */
async function errorOf(replayed: Promise<unknown>) {
  return await replayed.then(
    () => null,
    (error: unknown) => error as Error & { code: string; facts: Record<string, unknown> },
  );
}

/** A function that shows each thing a history can hold. */
async function everything(ctx: Ctx, input: { parts: number }) {
  const [first] = await Promise.all([ctx.step("first", () => 1), ctx.step("beside", () => 2)]);
  for (let i = 0; i < input.parts; i++) {
    await ctx.scope("part", async (part) => {
      await part.step("inner", () => i);
      await part.scope("deep", async (deep) => deep.step("deepest", () => i));
    });
  }
  await ctx.sleep("pause", "1h");
  return first;
}

const version1 = workflow({ name: "everything" }, everything);

async function historyOf<Input>(flow: Workflow<Input, unknown>, input: Input, deadline?: string): Promise<RunEvent[]> {
  const t = await testEngine({ workflows: [flow] });
  const run = await t.start(flow, input, deadline === undefined ? {} : { deadline });
  await t.advance("2h");
  return await run.history();
}

describe("a history that the code goes along with", () => {
  for (const name of recordedNames()) {
    it(`is every one on file, whole and at each prefix: ${name}`, async () => {
      const text = recordedText(name);
      const recording = recordingOf(name);
      const { workflow: code } = caseNamed(recording.case);
      const report = await replayHistory(code, text);
      const { runId, events, version } = recording;
      expect(report).toMatchObject({ runId, workflow: recording.workflow, version, events: events.length });
      expect([...report.calls].sort()).toEqual([...recording.asked].sort());
      for (let count = 1; count < events.length; count++) {
        const prefix = await replayHistory(code, events.slice(0, count));
        expect(prefix.events).toBe(count);
      }
    });
  }

  it("may be the engine's events, an object with them, or the JSON text of either", async () => {
    const events = await historyOf(version1, { parts: 2 });
    const report = await replayHistory(version1, events);
    expect(report.calls).toEqual([
      "step first",
      "step beside",
      "scope part",
      "step part/inner",
      "scope part/deep",
      "step part/deep/deepest",
      "scope part#2",
      "step part#2/inner",
      "scope part#2/deep",
      "step part#2/deep/deepest",
      "timer pause",
    ]);
    for (const form of [{ events }, JSON.stringify(events), JSON.stringify({ events, exportedBy: "somebody" })]) {
      expect(await replayHistory(version1, form)).toEqual(report);
    }
  });

  it("starts no body", async () => {
    const flow = workflow({ name: "flow" }, async (ctx) => ctx.step("work", () => bodies.push("ran")));
    const bodies: string[] = [];
    const t = await testEngine({ workflows: [flow], steps: { work: hangs() } });
    const run = await t.start(flow, null);
    // An attempt is open: who goes on with the run repeats it.
    expect((await replayHistory(flow, await run.history())).calls).toEqual(["step work"]);
    expect(bodies).toEqual([]);
  });

  it("may be of code that names queues", async () => {
    const flow = workflow({ name: "flow", queue: "runs" }, (ctx) => ctx.step("work", () => 1, { queue: "steps" }));
    const queues = { runs: { concurrency: 1 }, steps: { concurrency: 1 } };
    const t = await testEngine({ workflows: [flow], queues });
    const run = await t.start(flow, null);
    await run.result();
    expect((await replayHistory(flow, await run.history())).calls).toEqual(["step work"]);
  });

  it("may have ended by a cancel, a deadline, a failure or a limit", async () => {
    const waiting = workflow({ name: "waiting" }, async (ctx) => ctx.sleep("long", "1d"));
    expect((await historyOf(waiting, null, "1h")).at(-1)?.type).toBe("run.failed");
    await replayHistory(waiting, await historyOf(waiting, null, "1h"));

    const t = await testEngine({ workflows: [waiting] });
    const early = await t.start(waiting, null, { delay: "1h" });
    const late = await t.start(waiting, null);
    for (const run of [early, late]) {
      await run.cancel({ reason: "no more" });
      expect((await run.history()).at(-1)?.type).toBe("run.cancelled");
      await replayHistory(waiting, await run.history());
    }
    const failing = workflow({ name: "failing" }, async (ctx) => {
      await ctx.step("fine", () => 1);
      throw new RangeError("always");
    });
    await replayHistory(failing, await historyOf(failing, null));
    const foreign = workflow({ name: "foreign" }, async (ctx) => {
      await ctx.step("fine", () => 1);
      await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    });
    await replayHistory(foreign, await historyOf(foreign, null));
  });
});

describe("a history that the code does not go along with", () => {
  const v = (run: typeof everything) => workflow({ name: "everything" }, run);

  it("is told with the first difference, in both words and facts", async () => {
    const { case: name, ...recording } = recordingOf("order-fulfilment");
    const code = changed(caseNamed(name).workflow, { rename: (step) => (step === "charge" ? "charge-card" : step) });
    const error = await errorOf(replayHistory(code, recording));
    expect(error).toMatchObject({ name: "ReplayDivergedError", code: "REPLAY_DIVERGED" });
    expect(error?.message.split("\n").slice(0, 3)).toEqual([
      `run ${recording.runId} of ${recording.workflow}@1 does not go the way of its history`,
      '  - expected (event 6): ctx.step "charge"',
      '  + found:    the code waiting for ctx.step "charge-card"',
    ]);
    expect(error?.facts).toEqual({
      runId: recording.runId,
      workflow: recording.workflow,
      version: "1",
      expected: 'ctx.step "charge"',
      found: 'the code waiting for ctx.step "charge-card"',
      seq: 6,
    });
  });

  const changes: readonly (readonly [what: string, code: typeof everything, expected: string, found: string])[] = [
    [
      "a step is left out",
      async (ctx) => ctx.step("first", () => 1),
      'ctx.step "beside"',
      "the code waiting for nothing",
    ],
    [
      "a step was added behind the last one",
      async (ctx, input) => {
        const value = await everything(ctx, input);
        await ctx.step("receipt", () => 1);
        return value;
      },
      "the end of the function, which returned",
      'the code waiting for ctx.step "receipt"',
    ],
    [
      "it throws where it returned",
      async (ctx, input) => {
        await everything(ctx, input);
        throw new TypeError("since yesterday");
      },
      "the end of the function, which returned",
      "the end of the function, which threw TypeError: since yesterday",
    ],
    [
      "a timer stands where a step was",
      async (ctx) => {
        await Promise.all([ctx.step("first", () => 1), ctx.sleep("beside", "1s")]);
        return 1;
      },
      'ctx.step "beside"',
      'ctx.sleep "beside"',
    ],
    [
      "a scope that had concluded does something else",
      async (ctx, input) => {
        const [first] = await Promise.all([ctx.step("first", () => 1), ctx.step("beside", () => 2)]);
        for (let i = 0; i < input.parts; i++) await ctx.scope("part", async (part) => part.step("other", () => i));
        await ctx.sleep("pause", "1h");
        return first;
      },
      'ctx.step "part/inner"',
      'the code waiting for ctx.scope "part", ctx.step "part/other"',
    ],
    [
      "a scope within one that had concluded goes on for longer",
      async (ctx, input) => {
        const [first] = await Promise.all([ctx.step("first", () => 1), ctx.step("beside", () => 2)]);
        for (let i = 0; i < input.parts; i++) {
          await ctx.scope("part", async (part) => {
            await part.step("inner", () => i);
            await part.scope("deep", async (deep) => {
              await deep.step("deepest", () => i);
              await deep.sleep("rest", "1s");
            });
          });
        }
        await ctx.sleep("pause", "1h");
        return first;
      },
      'the end of ctx.scope "part/deep"',
      'the code waiting for ctx.scope "part", ctx.scope "part/deep", ctx.sleep "part/deep/rest"',
    ],
  ];
  for (const [what, code, expected, found] of changes) {
    it(what, async () => {
      const error = await errorOf(replayHistory(v(code), await historyOf(version1, { parts: 2 })));
      expect(error).toMatchObject({ code: "REPLAY_DIVERGED", facts: { expected, found } });
    });
  }

  it("an open run, whose code now awaits what replay cannot repeat", async () => {
    const events = await historyOf(version1, { parts: 0 });
    const foreign = v(async (ctx) => {
      await Promise.all([ctx.step("first", () => 1), ctx.step("beside", () => 2)]);
      await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
      return 1;
    });
    const steps = events.slice(
      0,
      events.findIndex(({ type }) => type === "timer.armed"),
    );
    const error = await errorOf(replayHistory(foreign, steps));
    expect(error).toMatchObject({ name: "ForeignAwaitError", code: "FOREIGN_AWAIT" });
  });

  it("one whose failure the code does not come to any more", async () => {
    const failing = workflow({ name: "failing" }, async (ctx) => {
      await ctx.step("fine", () => 1);
      throw new RangeError("always");
    });
    const fixed = workflow({ name: "failing" }, async (ctx) => ctx.step("fine", () => 1));
    expect(await errorOf(replayHistory(fixed, await historyOf(failing, null)))).toMatchObject({
      facts: {
        expected: "the end of the function, which threw",
        found: "the end of the function, which returned",
      },
    });
  });
});

describe("what is no history is refused, and says where", () => {
  const created = {
    seq: 1,
    type: "run.created",
    at: 5,
    data: { workflow: "everything", version: "1", input: { value: null } },
  };
  const wrong: readonly (readonly [what: string, history: unknown, message: string])[] = [
    ["nothing", undefined, "history of a recorded history"],
    ["a number", 3, "a list of events"],
    ["text that is no JSON", "run.created", "a history as JSON"],
    ["an object without events", {}, "a list of events"],
    ["no events", [], 'events[0].type of a recorded history to be "run.created"'],
    ["an event that is none", [null], "events[0] of"],
    ["a part", [{ ...created, seq: 2 }], "events[0].seq of a recorded history to be 1, but found 2"],
    ["a gap", [created, { ...created, seq: 3 }], "events[1].seq"],
    ["another beginning", [{ ...created, type: "run.claimed", data: { worker: "w" } }], "events[0].type"],
    ["a type that is no text", [{ ...created, type: 1 }], "events[0].type"],
    ["no instant", [{ ...created, at: undefined }], "events[0].at"],
    ["an instant that is a text", [{ ...created, at: "today" }], "events[0].at"],
    ["a key that is a number", [created, { seq: 2, type: "timer.fired", at: 6, key: 7 }], "events[1].key"],
    ["data that is a list", [{ ...created, data: [] }], "events[0].data"],
    [
      "two runs",
      [
        { ...created, runId: "run_a" },
        { seq: 2, runId: "run_b", type: "cancel.requested", at: 6 },
      ],
      "events[1].runId",
    ],
    [
      "another workflow",
      [{ ...created, data: { ...created.data, workflow: "other" } }],
      "expected a history of everything@1, but found one of other@1",
    ],
    ["another version", [{ ...created, data: { ...created.data, version: "2" } }], "but found one of everything@2"],
  ];
  for (const [what, history, message] of wrong) {
    it(what, async () => {
      const error = await errorOf(replayHistory(version1, history as never));
      expect(error).toMatchObject({ name: "DefinitionError", code: "HISTORY_INVALID" });
      expect(error?.message).toContain(message);
    });
  }

  it("an event that no version knows", async () => {
    const events = [created, { seq: 2, type: "run.paused-for-lunch", at: 6 }];
    expect(await errorOf(replayHistory(version1, events))).toMatchObject({ code: "EVENT_UNREADABLE" });
  });

  it("an event that cannot follow", async () => {
    const events = [created, { ...created, seq: 2 }];
    expect(await errorOf(replayHistory(version1, events))).toMatchObject({ code: "HISTORY_INVALID" });
  });

  it("what is no workflow", async () => {
    expect(await errorOf(replayHistory({} as never, [created]))).toMatchObject({ code: "WORKFLOW_INVALID" });
  });
});
