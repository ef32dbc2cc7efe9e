/** Schedules, messages, queues and limits in a test engine: as in every engine, in virtual time. */
import { type Ctx, schedule, workflow } from "varve";
import { fails, returns, takes, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";

const START = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

const report = workflow({ name: "report" }, async (ctx, what: string) =>
  ctx.step("write", () => `${what} of ${ctx.run.trigger?.id}`),
);
const hourly = schedule({ id: "hourly", workflow: report, input: "report", cron: "0 * * * *" });

const outputs = async (t: Awaited<ReturnType<typeof testEngine>>) =>
  (await t.list()).runs.map(({ output }) => output).reverse();

describe("a test engine with schedules", () => {
  it("fires each instant when time comes to it, and not before", async () => {
    const t = await testEngine({ workflows: [report], schedules: [hourly] });
    await t.advance(HOUR_MS - 1);
    expect(await outputs(t)).toEqual([]);
    await t.advance(1);
    expect(await outputs(t)).toEqual(["report of 2026-01-01T01:00:00.000Z"]);
    expect(t.calls("write")).toMatchObject([{ at: START + HOUR_MS }]);
    await t.advance("1d");
    expect(await outputs(t)).toHaveLength(25);
    await t.close();
  });

  it("decides each instant once, whoever dies", async () => {
    const t = await testEngine({ workflows: [report], schedules: [hourly] });
    for (let i = 0; i < 5; i++) {
      await t.advance("30m");
      await t.crash();
    }
    const { firings } = await t.schedules.firings("hourly");
    expect(firings.map(({ at, decision }) => [at, decision])).toEqual([
      [START + 2 * HOUR_MS, "fired"],
      [START + HOUR_MS, "fired"],
    ]);
    expect(await outputs(t)).toHaveLength(2);
    await t.close();
  });

  it("says why an instant did not fire, also through a death", async () => {
    const slow = workflow({ name: "slow" }, (ctx: Ctx) => ctx.sleep("nap", "90m"));
    const t = await testEngine({
      workflows: [slow],
      schedules: [schedule({ id: "slow", workflow: slow, cron: "0 * * * *" })],
    });
    const { schedules } = t;
    await t.advance("2h");
    await t.crash();
    expect(await schedules.why("slow", START + 2 * HOUR_MS)).toMatchObject({
      decision: "skipped",
      reason: "overlap with 2026-01-01T01:00:00.000Z",
    });
    await t.advance("1h");
    expect(await schedules.why("slow", START + 3 * HOUR_MS)).toMatchObject({ decision: "fired" });
    await t.close();
  });

  it("takes schedules that are made in it, pauses, triggers and fills back", async () => {
    const t = await testEngine({ workflows: [report] });
    await t.schedules.create({
      id: "daily",
      workflow: report,
      input: "day",
      cron: "@daily",
      timezone: "Europe/Berlin",
    });
    await t.advance("2d");
    expect(await outputs(t)).toEqual(["day of 2026-01-01T23:00:00.000Z", "day of 2026-01-02T23:00:00.000Z"]);
    await t.schedules.pause("daily", { note: "holidays" });
    await t.advance("1d");
    const paused = await t.schedules.why("daily", Date.parse("2026-01-03T23:00:00Z"));
    expect(paused).toMatchObject({ decision: "due", reason: "nobody has decided it yet; now it would be: paused" });
    const { runId } = await t.schedules.trigger("daily");
    expect(await t.run(runId).result()).toBe(`day of ${new Date(t.now()).toISOString()}`);
    await t.schedules.resume("daily");
    await t.schedules.backfill("daily", { from: START - 2 * 24 * HOUR_MS, until: START });
    expect(await outputs(t)).toHaveLength(5);
    await t.close();
  });

  it("gives up a run that waits for a person, although its schedules never end", async () => {
    const waits = workflow({ name: "waits" }, (ctx: Ctx) => ctx.waitFor("approval"));
    const t = await testEngine({ workflows: [waits, report], schedules: [hourly] });
    const run = await t.start(waits, undefined);
    await expect(run.result({ timeout: "3h" })).rejects.toMatchObject({ code: "RESULT_TIMEOUT" });
    expect(await outputs(t)).toHaveLength(4);
    await run.signal("approval", "yes");
    await t.close();
  });

  it("refuses a schedule of a workflow that it does not have", async () => {
    await expect(testEngine({ workflows: [], schedules: [hourly] })).rejects.toMatchObject({
      code: "WORKFLOW_UNKNOWN",
    });
    await expect(testEngine({ workflows: [report], schedules: "hourly" as never })).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
  });
});

describe("a test engine with queues and limits", () => {
  it("holds a queue to its slots", async () => {
    const job = workflow({ name: "job", queue: "heavy" }, (ctx, _: number) =>
      ctx.step("work", () => "done", { queue: "light" }),
    );
    const t = await testEngine({
      workflows: [job],
      queues: { heavy: { concurrency: 2 }, light: { concurrency: 9 } },
      steps: { work: takes("10m", returns("done")) },
    });
    for (let i = 0; i < 6; i++) await t.start(job, i);
    expect(t.calls("work")).toHaveLength(2);
    await t.advance("10m");
    expect(t.calls("work")).toHaveLength(4);
    const { runs } = await t.list({ status: "pending" });
    expect((await t.run(runs[0]?.id as string).why()).waitsFor).toMatchObject([{ kind: "slot", name: "queue/heavy" }]);
    await t.queues.pause("heavy");
    await t.crash();
    await t.advance("1h");
    expect(t.calls("work").length).toBeLessThanOrEqual(6);
    await t.queues.resume("heavy");
    await t.crash();
    await t.advance("1h");
    expect(await outputs(t)).toEqual(Array.from({ length: 6 }, () => "done"));
    await t.close();
  });

  it("gives a step's slot to the next when its attempt ends, also by a retry, a death and a cancel", async () => {
    const job = workflow({ name: "job" }, (ctx, _: number) => ctx.step("work", () => "done", { queue: "light" }));
    const t = await testEngine({
      workflows: [job],
      queues: { light: { concurrency: 1 } },
      steps: { work: fails(1, new Error("no"), takes("10m", returns("done"))) },
    });
    const runs = [await t.start(job, 0), await t.start(job, 1), await t.start(job, 2), await t.start(job, 3)];
    await t.advance("5m");
    const waiting = [];
    for (const run of runs) waiting.push(...(await run.why()).waitsFor);
    expect(waiting.filter(({ kind }) => kind === "slot")).toHaveLength(3);
    expect(waiting.filter(({ kind }) => kind === "step")).toHaveLength(1);
    await t.crash();
    await runs[3]?.cancel();
    await t.advance("2h");
    expect((await t.list()).runs.map(({ status }) => status)).toEqual(["cancelled", ...Array(3).fill("completed")]);
    await t.close();
  });

  it("spreads starts by a throttle over virtual time", async () => {
    const mail = workflow({ name: "mail", throttle: { limit: 1, period: "1h" } }, (ctx, _: number) =>
      ctx.step("send", () => "sent"),
    );
    const t = await testEngine({ workflows: [mail] });
    for (let i = 0; i < 4; i++) await t.start(mail, i);
    await t.advance("3h");
    expect(t.calls("send").map(({ at }) => at - START)).toEqual([0, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]);
    await t.close();
  });
});
