import { describe, expect, it } from "vitest";
import * as z from "zod";
import { workflow } from "../../src/ctx/workflow.ts";
import type { FiringInfo } from "../../src/engine/api-schedules.ts";
import { schedule } from "../../src/scheduler/schedule.ts";
import { scheduleTimes } from "../../src/scheduler/times.ts";
import { rejection } from "../log/open.ts";
import { type EngineSetup, type Lab, openLab } from "../support/lab.ts";

const MINUTE = 60_000;

/** The lab's clock stands at 2025-11-21T10:13:20Z. */
const START = Date.parse("2025-11-21T10:13:20Z");

const at = (time: string) => Date.parse(`2025-11-21T${time}Z`);

/** Ends when it is told to. */
const report = workflow(
  { name: "report", signals: { end: z.unknown() } },
  async (ctx, input: { customer: string }): Promise<string> => {
    await ctx.waitFor("end");
    return `${input.customer} ${ctx.run.trigger?.id}`;
  },
);

const quick = workflow({ name: "quick" }, async () => {});

const setup = (more: Partial<EngineSetup> = {}): EngineSetup => ({
  workflows: [report, quick] as never,
  times: scheduleTimes,
  ...more,
});

const hourly = { id: "hourly", workflow: "report", input: { customer: "acme" }, cron: "0 * * * *" } as const;

async function opened(more: Partial<EngineSetup> = {}) {
  const lab = openLab();
  const engine = await lab.engine(setup(more));
  return { lab, engine, schedules: engine.schedules };
}

const told = (firings: readonly FiringInfo[]) =>
  [...firings]
    .reverse()
    .map(({ at: instant, decision, reason, lane, until }) =>
      [
        new Date(instant).toISOString().slice(11, 16) +
          (until === null ? "" : `-${new Date(until).toISOString().slice(11, 16)}`),
        decision,
        ...(lane === "schedule" ? [] : [lane]),
        ...(reason === null ? [] : [reason.replaceAll(/2025-\d\d-\d\dT(\d\d:\d\d):\S+Z/g, "$1")]),
      ].join(" "),
    );

const end = async (lab: Lab, engine: Awaited<ReturnType<typeof opened>>["engine"]) => {
  const runs = (await lab.rows("report")).filter(({ endedAt }) => endedAt === null);
  for (const { id } of runs) await engine.run(id).signal("end", null);
  await lab.pass(2_000);
};

describe("a schedule", () => {
  it("starts a run at each of its instants, which knows for which", async () => {
    const { lab, engine, schedules } = await opened();
    const made = await schedules.create(hourly);
    expect(made).toMatchObject({
      ...{ id: "hourly", workflow: "report", version: null, source: "api", generation: 1, paused: null, waiting: 0 },
      ...{ overlap: "skip", input: { customer: "acme" }, tags: {}, deadlineMs: null, nextAt: at("11:00:00") },
      ...{ createdAt: START, decidedUntil: START, spec: { cron: "0 * * * *" }, description: expect.any(String) },
      catchUp: { policy: "last", windowMs: 86_400_000, max: 100, graceMs: MINUTE },
    });
    await lab.pass(46 * MINUTE, 10_000);
    expect(await lab.rows("report")).toEqual([]);
    await lab.pass(2 * MINUTE, 10_000);
    const [run] = await lab.rows("report");
    expect(run).toMatchObject({ version: "1", idempotencyKey: "schedule/hourly/2025-11-21T11:00:00.000Z" });
    const [created] = await lab.history(run?.id as string);
    expect(created?.data).toMatchObject({
      trigger: { kind: "schedule", source: "hourly", id: "2025-11-21T11:00:00.000Z" },
    });
    await end(lab, engine);
    expect(await engine.run(run?.id as string).result()).toBe("acme 2025-11-21T11:00:00.000Z");
    const { firings } = await schedules.firings("hourly");
    expect(firings).toEqual([
      {
        ...{ at: at("11:00:00"), lane: "schedule", until: null, instants: 1, decision: "fired", cause: "schedule" },
        ...{ reason: null, runId: run?.id, decidedAt: expect.any(Number) },
      },
    ]);
    expect(await schedules.get("hourly")).toMatchObject({ nextAt: at("12:00:00"), decidedUntil: at("11:00:00") });
    await engine.close();
  });

  it("skips an instant while a run of an earlier one goes on, and says why", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create(hourly);
    await lab.pass(110 * MINUTE, 5_000);
    expect(told((await schedules.firings("hourly")).firings)).toEqual([
      "11:00 fired",
      "12:00 skipped overlap with 11:00",
    ]);
    expect(await schedules.why("hourly", at("12:00:00"))).toEqual({
      ...{ at: at("12:00:00"), decision: "skipped", reason: "overlap with 2025-11-21T11:00:00.000Z", runId: null },
    });
    expect((await schedules.why("hourly", at("11:00:00"))).decision).toBe("fired");
    expect(await schedules.why("hourly", at("13:00:00"))).toMatchObject({
      ...{ decision: "ahead", reason: "due at 2025-11-21T13:00:00.000Z" },
    });
    expect(await schedules.why("hourly", at("13:00:01"))).toMatchObject({
      ...{ decision: "none", reason: expect.stringContaining("the next is 2025-11-21T14:00:00.000Z") },
    });
    expect(await schedules.why("hourly", at("09:00:00"))).toMatchObject({ decision: "none" });
    await engine.close();
  });

  it("with a queue starts what waits as soon as the run before has ended", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create({ ...hourly, overlap: "queue-one" });
    await lab.pass(170 * MINUTE, 5_000);
    expect(told((await schedules.firings("hourly")).firings)).toEqual([
      ...["11:00 fired", "12:00 skipped replaced by 13:00", "13:00 waiting behind 11:00"],
    ]);
    expect(await schedules.get("hourly")).toMatchObject({ waiting: 1 });
    await end(lab, engine);
    const { firings } = await schedules.firings("hourly");
    expect(told(firings)).toEqual(["11:00 fired", "12:00 skipped replaced by 13:00", "13:00 fired"]);
    expect(firings[0]?.decidedAt).toBeGreaterThan(at("13:02:00"));
    expect(await schedules.get("hourly")).toMatchObject({ waiting: 0 });
    expect((await lab.rows("report")).map(({ status }) => status).sort()).toEqual(["completed", "waiting"]);
    await engine.close();
  });

  it("that cancels what runs asks for its end and starts at once", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create({ ...hourly, overlap: "cancel-running" });
    await lab.pass(110 * MINUTE, 5_000);
    expect((await lab.rows("report")).map(({ status }) => status).sort()).toEqual(["cancelled", "waiting"]);
    await engine.close();
  });

  it("is decided once by several engines, and by the one that is left when others die", async () => {
    const { lab, engine, schedules } = await opened();
    const others = [await lab.engine(setup()), await lab.engine(setup())];
    await schedules.create({ ...hourly, workflow: "quick", input: undefined, cron: "* * * * *" });
    await lab.pass(5 * MINUTE, 1_000);
    others[0]?.kill();
    await lab.pass(5 * MINUTE, 1_000);
    await engine.close();
    await lab.pass(5 * MINUTE, 1_000);
    expect(told((await (others[1] as typeof engine).schedules.firings("hourly")).firings)).toEqual(
      Array.from({ length: 15 }, (_, i) => `10:${14 + i} fired`),
    );
    expect(await lab.rows("quick")).toHaveLength(15);
    await others[1]?.close();
  });

  it("catches up with what nobody decided", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create({ ...hourly, overlap: "allow", catchUp: { policy: "all", window: "2h" } });
    await engine.close();
    lab.clock.advance(240 * MINUTE);
    const next = await lab.engine(setup());
    await lab.pass(1_000);
    expect(told((await next.schedules.firings("hourly")).firings)).toEqual([
      ...["11:00 skipped missed", "12:00 skipped missed", "13:00 fired", "14:00 fired"],
    ]);
    await next.close();
  });
});

describe("a pause", () => {
  it("skips instants and does not move them; what was due before fires", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create({ ...hourly, overlap: "allow" });
    expect(await schedules.pause("hourly", { note: "holidays" })).toMatchObject({
      ...{ paused: { at: START, note: "holidays" }, nextAt: null },
    });
    expect(await schedules.next("hourly", { count: 2 })).toEqual([at("11:00:00"), at("12:00:00")]);
    expect((await schedules.resume("hourly")).nextAt).toBe(at("11:00:00"));
    expect((await schedules.pause("hourly")).paused).toEqual({ at: START, note: null });
    expect(await schedules.why("hourly", at("11:00:00"))).toMatchObject({ decision: "ahead", reason: "paused" });
    await lab.pass(110 * MINUTE, 5_000);
    expect((await schedules.firings("hourly")).firings).toEqual([]);
    expect((await schedules.why("hourly", at("11:00:00"))).reason).toBe(
      "nobody has decided it yet; now it would be: paused",
    );
    expect((await schedules.resume("hourly")).nextAt).toBe(at("13:00:00"));
    expect(told((await schedules.firings("hourly")).firings)).toEqual(["11:00 skipped paused", "12:00 skipped paused"]);
    lab.clock.jump(57 * MINUTE + 10_000);
    expect((await schedules.pause("hourly")).decidedUntil).toBe(at("13:00:00"));
    expect(told((await schedules.firings("hourly", { decision: "fired" })).firings)).toEqual(["13:00 fired"]);
    await engine.close();
  });
});

describe("what somebody asks for", () => {
  it("starts a run now, also of a schedule that is paused, as often as it is asked for", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create(hourly);
    await schedules.pause("hourly");
    const [a, b] = [await schedules.trigger("hourly"), await schedules.trigger("hourly")];
    expect([a.at, b.at]).toEqual([START, START + 1]);
    expect((await lab.rows("report")).map(({ id }) => id).sort()).toEqual([a.runId, b.runId].sort());
    await schedules.resume("hourly");
    await lab.pass(50 * MINUTE, 5_000);
    expect(told((await schedules.firings("hourly")).firings)).toEqual([
      ...["10:13 fired manual", "10:13 fired manual", "11:00 skipped overlap with 10:13"],
    ]);
    await engine.close();
  });

  it("is a range once more: one after the other, beside the timetable", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create({ ...hourly, workflow: "quick", input: undefined });
    const range = { from: at("07:00:00"), until: at("10:00:00") };
    expect(await schedules.backfill("hourly", range)).toEqual({ instants: 3, known: 0 });
    await lab.pass(10_000);
    expect(await schedules.backfill("hourly", { ...range, until: at("11:00:00") })).toEqual({ instants: 4, known: 3 });
    await lab.pass(10_000);
    expect(told((await schedules.firings("hourly")).firings)).toEqual(
      ["07", "08", "09", "10"].map((hour) => `${hour}:00 fired backfill`),
    );
    const runs = await lab.rows("quick");
    expect(runs.map(({ status }) => status)).toEqual(["completed", "completed", "completed", "completed"]);
    const ended = runs.map(({ endedAt }) => endedAt).reverse();
    expect(ended).toEqual([...ended].sort());
    await engine.close();
  });

  it("is a range at once", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create(hourly);
    await schedules.backfill("hourly", { from: at("07:00:00"), until: at("10:00:00"), overlap: "allow" });
    expect(await lab.rows("report")).toHaveLength(3);
    const error = await rejection(schedules.backfill("hourly", { from: 0, until: START }));
    expect(error).toMatchObject({ code: "BACKFILL_LIMIT" });
    await engine.close();
  });

  it("is the end of a schedule: its runs go on", async () => {
    const { lab, engine, schedules } = await opened();
    await schedules.create(hourly);
    await schedules.trigger("hourly");
    await schedules.delete("hourly");
    expect(await schedules.get("hourly")).toBeNull();
    await lab.pass(50 * MINUTE, 5_000);
    expect((await lab.rows("report")).map(({ status }) => status)).toEqual(["waiting"]);
    for (const call of [
      () => schedules.delete("hourly"),
      () => schedules.pause("hourly"),
      () => schedules.trigger("hourly"),
      () => schedules.firings("hourly"),
      () => schedules.next("hourly"),
      () => schedules.update("hourly", {}),
    ]) {
      expect(await rejection(call())).toMatchObject({ code: "SCHEDULE_NOT_FOUND" });
    }
    await engine.close();
  });
});

describe("a definition", () => {
  it("that changes decides what was due by the old one, and begins anew with another timetable", async () => {
    const { lab, engine, schedules } = await opened({ worker: false });
    await schedules.create({ ...hourly, overlap: "allow" });
    lab.clock.advance(60 * MINUTE);
    const changed = await schedules.update("hourly", { cron: null, every: "10m", tags: { n: "1" } });
    expect(changed).toMatchObject({
      ...{ generation: 2, spec: { every: "10m" }, nextAt: at("11:20:00"), decidedUntil: at("11:13:20") },
      ...{ overlap: "allow", tags: { n: "1" }, input: { customer: "acme" } },
    });
    expect(told((await schedules.firings("hourly")).firings)).toEqual(["11:00 fired"]);
    lab.clock.advance(10 * MINUTE);
    const same = await schedules.update("hourly", { input: { customer: "b" }, version: "7" });
    expect(same).toMatchObject({ generation: 3, version: "7", input: { customer: "b" }, nextAt: at("11:30:00") });
    expect((await schedules.update("hourly", {})).generation).toBe(3);
    expect((await schedules.update("hourly", { version: null })).version).toBeNull();
    expect((await lab.rows("report")).map(({ version, tags }) => [version, tags])).toEqual([
      ["1", { n: "1" }],
      ["1", {}],
    ]);
    await engine.close();
  });

  it("is refused with its field when it is wrong", async () => {
    const { engine, schedules } = await opened({ worker: false });
    const wrong: readonly (readonly [object, string, RegExp])[] = [
      [{ cron: "61 * * * *" }, "SCHEDULE_INVALID", /cron/],
      [{ cron: undefined }, "SCHEDULE_INVALID", /cron/],
      [{ timezone: "Mars/Olympus" }, "SCHEDULE_INVALID", /timezone/],
      [{ nonsense: 1 }, "SCHEDULE_INVALID", /nonsense/],
      [{ overlap: "sometimes" }, "OPTION_INVALID", /overlap.*queue-one/],
      [{ catchUp: "most" }, "OPTION_INVALID", /catchUp/],
      [{ catchUp: { policy: "all", max: 0 } }, "OPTION_INVALID", /catchUp\.max/],
      [{ catchUp: { policy: "all", window: "soon" } }, "DURATION_INVALID", /soon/],
      [{ deadline: "never" }, "DURATION_INVALID", /never/],
      [{ tags: { a: 1 } }, "NAME_INVALID", /tag/],
      [{ workflow: "nobody" }, "WORKFLOW_UNKNOWN", /registered: quick, report/],
      [{ id: "" }, "NAME_INVALID", /id of a schedule/],
      [{ input: () => {} }, "PAYLOAD_UNSTORABLE", /function/],
    ];
    for (const [change, code, message] of wrong) {
      const error = await rejection(schedules.create({ ...hourly, ...change } as never));
      expect([change, error.code, error.message]).toEqual([change, code, expect.stringMatching(message)]);
    }
    expect((await schedules.list()).schedules).toEqual([]);
    await engine.close();
  });

  it("that is made again is the same; another one of its id is refused", async () => {
    const { engine, schedules } = await opened({ worker: false });
    const first = await schedules.create(hourly);
    expect(await schedules.create(hourly)).toEqual(first);
    expect(await rejection(schedules.create({ ...hourly, cron: "1 * * * *" }))).toMatchObject({
      code: "SCHEDULE_EXISTS",
    });
    await engine.close();
  });
});

describe("schedules in code", () => {
  const inCode = (more: object = {}) =>
    schedule({ id: "tidy", workflow: quick, every: "10m", ...more } as Parameters<typeof schedule<unknown>>[0]);

  it("come into the log when the work begins, change with the code, and are paused when they leave it", async () => {
    const lab = openLab();
    const first = await lab.engine(setup({ schedules: [inCode()] }));
    expect(await first.schedules.get("tidy")).toMatchObject({ source: "code", generation: 1, nextAt: at("10:20:00") });
    await first.close();
    const second = await lab.engine(setup({ schedules: [inCode({ every: "5m" })] }));
    expect(await second.schedules.get("tidy")).toMatchObject({ generation: 2, nextAt: at("10:15:00") });
    await second.schedules.create({ ...hourly, workflow: "quick", input: undefined });
    await second.close();
    const silent = await lab.engine(setup());
    expect(await silent.schedules.get("tidy")).toMatchObject({ paused: null });
    await silent.close();
    const without = await lab.engine(setup({ schedules: [] }));
    expect(await without.schedules.get("tidy")).toMatchObject({ paused: { note: "it is no longer in the code" } });
    expect(await without.schedules.get("hourly")).toMatchObject({ paused: null });
    await without.close();
    const again = await lab.engine(setup({ schedules: [inCode({ every: "5m" })] }));
    expect(await again.schedules.get("tidy")).toMatchObject({ paused: null, generation: 2, nextAt: at("10:15:00") });
    await again.schedules.pause("tidy", { note: "by hand" });
    await again.close();
    const paused = await lab.engine(setup({ schedules: [inCode({ every: "5m" })] }));
    expect(await paused.schedules.get("tidy")).toMatchObject({ paused: { note: "by hand" } });
    await paused.close();
  });

  it("are refused when the engine is made, if they are wrong", async () => {
    const lab = openLab();
    const made = (schedules: readonly unknown[]) => rejection(lab.engine(setup({ schedules: schedules as never })));
    expect(await made([inCode({ every: "1ms" })])).toMatchObject({ code: "SCHEDULE_INVALID" });
    expect(await made([inCode(), inCode()])).toMatchObject({ code: "OPTION_INVALID" });
    expect(await made([{ id: "x" }])).toMatchObject({ code: "OPTION_INVALID" });
    const stranger = schedule({ id: "x", workflow: workflow({ name: "stranger" }, async () => {}), every: "5m" });
    expect(await made([stranger])).toMatchObject({ code: "WORKFLOW_UNKNOWN" });
  });
});

describe("a tick", () => {
  it("decides what is due, and counts schedules in when it says when to come again", async () => {
    const { lab, engine, schedules } = await opened({ worker: false });
    await schedules.create({ ...hourly, workflow: "quick", input: undefined });
    expect(await engine.tick({ budgetMs: 1_000 })).toEqual({ more: false, nextAt: at("11:00:00") });
    lab.clock.advance(47 * MINUTE);
    const ticked = engine.tick({ budgetMs: 1_000 });
    await lab.settle();
    expect(await ticked).toEqual({ more: false, nextAt: at("12:00:00") });
    expect((await lab.rows("quick")).map(({ status }) => status)).toEqual(["completed"]);
    await engine.close();
  });
});

it("an engine without what computes timetables says so", async () => {
  const lab = openLab();
  const engine = await lab.engine({ workflows: [quick] as never });
  expect(await rejection(engine.schedules.list())).toMatchObject({ code: "SCHEDULES_OFF" });
  await engine.close();
});

it("schedules are listed by id, and firings latest first, in pages", async () => {
  const { lab, engine, schedules } = await opened();
  for (const id of ["b", "a", "c"]) await schedules.create({ ...hourly, id, workflow: "quick", input: undefined });
  const first = await schedules.list({ limit: 2 });
  expect(first.schedules.map(({ id }) => id)).toEqual(["a", "b"]);
  const rest = await schedules.list({ limit: 2, cursor: first.cursor as string });
  expect([rest.schedules.map(({ id }) => id), rest.cursor]).toEqual([["c"], null]);
  await lab.pass(170 * MINUTE, 5_000);
  const page = await schedules.firings("a", { limit: 2 });
  expect(told(page.firings)).toEqual(["12:00 fired", "13:00 fired"]);
  expect(told((await schedules.firings("a", { limit: 2, cursor: page.cursor as string })).firings)).toEqual([
    "11:00 fired",
  ]);
  expect(await rejection(schedules.firings("a", { cursor: "x" }))).toMatchObject({ code: "OPTION_INVALID" });
  expect(await rejection(schedules.firings("a", { decision: "odd" as never }))).toMatchObject({
    code: "OPTION_INVALID",
  });
  await engine.close();
});
