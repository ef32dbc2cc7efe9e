/** What `varve runs show` makes of a history. */
import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type CallLine, type NoteLine, Timeline } from "../../src/cli/timeline.ts";
import type { RunEvent } from "../../src/kernel/events.ts";
import { openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx, input: unknown) => Promise<unknown>, name = "flow") => workflow({ name }, code);

function timelineOf(events: readonly RunEvent[]): Timeline {
  const timeline = new Timeline();
  for (const event of events) timeline.add(event);
  return timeline;
}

const text = (line: CallLine | NoteLine) =>
  "key" in line ? `${line.kind} ${line.key} ${line.status}` : `note ${line.text}`;

describe("a timeline", () => {
  it("tells of waits, of runs that were started, and of what the run was told, in the order of the log", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.waitFor("approval", { timeout: "1h" });
      await ctx.waitFor("more", { timeout: "1s" });
      await ctx.child("sub", "good");
      await ctx.child("sub", "bad", { key: "second" }).catch(() => {});
      await ctx.start("sub", "good", { key: "aside" });
      await ctx.child("none").catch(() => {});
      await ctx.waitFor("end");
    });
    const sub = flow(async (_ctx, input) => (input === "bad" ? Promise.reject(new Error("as told")) : input), "sub");
    const engine = await lab.engine({ workflows: [code, sub] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.pause({ reason: "a look" });
    await lab.settle();
    await run.signal("approval", { by: "ada" }, { dedupeKey: "k" });
    await run.resume();
    await lab.pass(10_000);
    await run.cancel({ reason: "enough" });
    await lab.pass(2_000);
    const timeline = timelineOf(await lab.history(run.id));
    expect(timeline.lines.map(text)).toEqual([
      "wait approval completed",
      "note paused: a look",
      "note signal approval has come in",
      "note resumed",
      "wait more expired",
      "child sub completed",
      "child second failed",
      "start aside completed",
      "child none failed",
      "wait end open",
      "note cancel requested: enough",
    ]);
    expect(timeline.call("approval")).toMatchObject({ awaits: "approval", dueAt: expect.any(Number) });
    const ids = (await lab.rows("sub")).map(({ id }) => id);
    for (const key of ["sub", "second", "aside"]) expect(ids).toContain(timeline.call(key)?.runId);
    expect(timeline.call("second")?.error).toMatchObject({ message: "as told" });
    expect(timeline.call("none")?.error).toMatchObject({ code: "WORKFLOW_UNKNOWN" });
  });

  it("shows what failed as open again when the run is retried, with all its attempts", async () => {
    const lab = openLab();
    let isBroken = true;
    const code = flow(async (ctx) => {
      await ctx.step("first", () => 1);
      await ctx.scope("inner", async (inner) => {
        await inner.step("second", () => (isBroken ? Promise.reject(new Error("broken")) : 2), {
          retry: { attempts: 1 },
        });
      });
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    const failed = await lab.history(run.id);
    expect(timelineOf(failed).lines.map(text)).toEqual([
      "step first completed",
      "scope inner failed",
      "step inner/second failed",
    ]);
    isBroken = false;
    await run.retry();
    await lab.settle();
    await run.result();
    const history = await lab.history(run.id);
    const reopened = history.findIndex(({ type }) => type === "run.reopened");
    const halfway = timelineOf(history.slice(0, reopened + 1));
    expect(halfway.lines.map(text)).toEqual([
      "step first completed",
      "scope inner open",
      "step inner/second open",
      expect.stringMatching(/^note retried: goes on from seq \d+$/),
    ]);
    const timeline = timelineOf(history);
    expect(timeline.calls.map(text)).toEqual([
      "step first completed",
      "scope inner completed",
      "step inner/second completed",
    ]);
    expect(timeline.call("inner/second")?.attempts.map(({ attempt, status }) => [attempt, status])).toEqual([
      [1, "failed"],
      [2, "completed"],
    ]);
  });

  it("tells of what runs share: values, locks and breakers", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      await ctx.kv("global").set("a", 1);
      await ctx.lock("door", {}, async () => {});
    });
    const engine = await lab.engine({ workflows: [code] });
    const run = await engine.start("flow");
    await lab.pass(2_000);
    await run.result();
    const timeline = timelineOf(await lab.history(run.id));
    expect(timeline.calls.map(({ kind, status }) => [kind, status])).toEqual([
      ["kv", "completed"],
      ["lock", "completed"],
      ["scope", "completed"],
    ]);
    const at = { position: 0, runId: run.id, epoch: 1, v: 1, scope: null, attempt: null, at: 0 };
    const more: RunEvent[] = [
      { ...at, seq: 1, key: "gate", type: "breaker.refused", data: { name: "mail", until: 7 } },
      { ...at, seq: 2, key: "pay", type: "breaker.changed", data: { name: "mail", from: "closed", to: "open" } },
      { ...at, seq: 3, key: "door", type: "lock.requested", data: { name: "door", slots: 1, dueAt: 9 } },
      { ...at, seq: 4, key: "door", type: "lock.expired", data: {} },
      { ...at, seq: 5, key: "door", type: "lock.released", data: {} },
    ];
    expect(timelineOf(more).lines.map(text)).toEqual([
      "breaker gate failed",
      "note breaker mail was closed and is open",
      "lock door expired",
    ]);
  });

  it("says that a run was terminated", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [flow(async (ctx) => ctx.waitFor("x"))] });
    const run = await engine.start("flow");
    await lab.settle();
    await run.terminate({ reason: "now" });
    await lab.settle();
    expect(timelineOf(await lab.history(run.id)).notes).toMatchObject([
      { type: "run.cancelled", text: "terminated: now" },
    ]);
  });
});
