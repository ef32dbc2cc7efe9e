/** What every log must do with schedules: changes under a fence, with what they start and tell. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import {
  FIRINGS_PRUNED_MAX,
  type FiringRow,
  type NewSchedule,
  type ScheduleChange,
  type ScheduleRow,
} from "../../src/log/port-schedules.ts";
import type { ChildStart } from "../../src/log/port-write.ts";
import { ended, handAt, message, runId, start } from "./hand.ts";
import { eventOf, PROGRAM } from "./writes.ts";

const FAR = 9_000_000_000_000;

let numbers = 0;
const token = () => `token-${++numbers}`;

export function schedulesContract(store: () => LogStore): void {
  const { claimed, goOn, mailOf, parked, pending, seqs } = handAt(store);

  const create = (more: Partial<NewSchedule> = {}): Promise<ScheduleRow> =>
    store().createSchedule({
      ...{ id: "s-1", workflow: "ship", version: null, definition: "{}", source: "api", token: token() },
      ...{ pausedAt: null, note: null, cursor: 100, nextAt: 200, createdAt: 1, updatedAt: 1, ...more },
    });

  const firing = (at: number, more: Partial<FiringRow> = {}): FiringRow => ({
    ...{ scheduleId: "s-1", at, lane: "schedule", until: null, instants: 1, decision: "skipped", cause: "schedule" },
    ...{ reason: "missed", runId: null, generation: 1, decidedAt: at + 5, isOpen: false, ...more },
  });

  const childOf = (key: string, more: Partial<ChildStart["start"]> = {}): ChildStart => {
    const id = runId();
    return {
      start: start(id, { idempotencyKey: key, ...more }),
      created: eventOf("run.created", null, { ...PROGRAM, input: { value: id } }),
      availableAt: 5,
    };
  };

  const fired = (at: number, { start: run }: ChildStart, more: Partial<FiringRow> = {}) =>
    firing(at, { decision: "fired", reason: null, runId: run.runId, isOpen: true, ...more });

  const changeOf = (
    row: ScheduleRow,
    { row: columns, ...more }: Partial<Omit<ScheduleChange, "row">> & { row?: Partial<ScheduleChange["row"]> } = {},
  ): ScheduleChange => {
    const { workflow, version, definition, source, generation, pausedAt, note, cursor, nextAt, waiting } = row;
    const same = { workflow, version, definition, source, generation, pausedAt, note, cursor, nextAt, waiting };
    return {
      ...{ scheduleId: row.id, revision: row.revision, token: token(), firings: [], closed: [], starts: [], tells: [] },
      ...{ keep: { decidedAfter: 0, count: 1_000 }, ...more, row: { ...same, updatedAt: 7, ...columns } },
    };
  };

  const change = (...args: Parameters<typeof changeOf>) => store().changeSchedule(changeOf(...args));

  const rowOf = async (id = "s-1") => (await store().getSchedule(id))?.row as ScheduleRow;

  const firings = (id = "s-1", decision: FiringRow["decision"] | null = null) =>
    store().listFirings({ scheduleId: id, decision }, { before: null, limit: 1_000 });

  const dueOf = async (workflows = ["ship"], limit = 9) => (await store().schedulesAhead(workflows, limit)).due;

  describe("a schedule", () => {
    it("is made once; who makes it again is told of the one that there is", async () => {
      const row = await create();
      expect(row).toEqual({
        ...{
          id: "s-1",
          workflow: "ship",
          version: null,
          definition: "{}",
          source: "api",
          token: row.token,
          waiting: 0,
        },
        ...{ pausedAt: null, note: null, cursor: 100, nextAt: 200, createdAt: 1, updatedAt: 1 },
        ...{ generation: 1, revision: 1 },
      });
      expect(await create({ definition: '{"other":1}' })).toEqual(row);
      expect((await store().getSchedule("s-1"))?.row).toEqual(row);
      expect(await store().getSchedule("s-2")).toBeNull();
    });

    it("is listed by its id, in pages", async () => {
      for (const id of ["b", "a", "c"]) await create({ id });
      const list = async (after: string | null, limit: number) =>
        (await store().listSchedules({ after, limit })).map(({ id }) => id);
      expect(await list(null, 2)).toEqual(["a", "b"]);
      expect(await list("b", 2)).toEqual(["c"]);
    });

    it("is deleted with its firings; its runs stay", async () => {
      const child = childOf("k");
      await change(await create(), { firings: [fired(200, child)], starts: [child] });
      await store().deleteSchedule("s-1");
      expect(await store().getSchedule("s-1")).toBeNull();
      expect(await firings()).toEqual([]);
      expect(await store().getRun(child.start.runId)).not.toBeNull();
      await store().deleteSchedule("s-1");
      expect((await create()).revision).toBe(1);
      expect((await store().getSchedule("s-1"))?.open).toEqual([]);
    });
  });

  describe("a change of a schedule", () => {
    it("moves its row, records firings, starts their runs and tells others, in one", async () => {
      const [child, waiting] = [childOf("k-1", { tags: { n: "1" } }), await parked()];
      const row = { cursor: 300, nextAt: 400, waiting: 1, pausedAt: 8, note: "n", generation: 2, version: "1" };
      const parts = {
        firings: [firing(200), firing(250, { until: 270, instants: null }), fired(300, child)],
        starts: [child],
        tells: [message(waiting.id)],
      };
      expect(await change(await create(), { ...parts, row })).toBe(true);
      expect(await rowOf()).toMatchObject({ ...row, revision: 2, updatedAt: 7, createdAt: 1 });
      expect(await firings()).toEqual([...parts.firings].reverse());
      expect(await store().getRun(child.start.runId)).toMatchObject({
        ...{ status: "pending", epoch: 0, head: 1, availableAt: 5, tags: { n: "1" }, idempotencyKey: "k-1" },
      });
      expect(await mailOf(waiting.id)).toHaveLength(1);
      expect((await store().getRun(waiting.id))?.status).toBe("pending");
    });

    it("does nothing when the row is of another revision", async () => {
      const [before, waiting] = [await create(), await parked()];
      await change(before);
      const row = await rowOf();
      await change(row, { firings: [firing(150, { decision: "waiting", decidedAt: null, isOpen: true })] });
      const [child, after] = [childOf("k-1"), await rowOf()];
      const parts = { firings: [fired(200, child), firing(150)], starts: [child], tells: [message(waiting.id)] };
      for (const late of [before, row]) {
        expect(await change(late, { ...parts, closed: [{ at: 150, lane: "schedule" }], row: { cursor: 999 } })).toBe(
          false,
        );
      }
      expect(await rowOf()).toEqual(after);
      expect(await firings()).toMatchObject([{ at: 150, decision: "waiting", isOpen: true }]);
      expect(await store().getRun(child.start.runId)).toBeNull();
      expect(await seqs(child.start.runId)).toEqual([]);
      expect(await mailOf(waiting.id)).toEqual([]);
      expect(await store().changeSchedule(changeOf({ ...after, id: "s-none" }))).toBe(false);
    });

    it("that is sent again changes nothing and gives the same answer", async () => {
      const child = childOf("k-1");
      const sent = changeOf(await create(), { firings: [fired(200, child)], starts: [child], row: { cursor: 200 } });
      expect(await store().changeSchedule(sent)).toBe(true);
      const [row, list] = [await rowOf(), await firings()];
      expect(await store().changeSchedule(sent)).toBe(true);
      expect([await rowOf(), await firings()]).toEqual([row, list]);
      expect(await seqs(child.start.runId)).toEqual([[1, 0]]);
    });

    it("gives a firing the run that there is under its key", async () => {
      const known = await pending({ idempotencyKey: "k-1" });
      const child = childOf("k-1");
      await change(await create(), { firings: [fired(200, child)], starts: [child] });
      expect(await firings()).toMatchObject([{ at: 200, runId: known }]);
      expect(await store().getRun(child.start.runId)).toBeNull();
    });

    it("never changes a firing that is decided, and decides one that waits", async () => {
      await change(await create(), { firings: [firing(200), waits(300), waits(400)] });
      const child = childOf("k-1");
      const later = [
        fired(200, child),
        fired(300, child, { cause: "catch-up" }),
        firing(400, { reason: "replaced", generation: 2 }),
        firing(200, { lane: "backfill", cause: "backfill" }),
      ];
      await change(await rowOf(), { firings: later, starts: [child] });
      expect(await firings()).toEqual([later[2], later[1], firing(200), later[3]]);
      expect(await firings("s-1", "fired")).toEqual([later[1]]);
    });

    const waits = (at: number, more: Partial<FiringRow> = {}) =>
      firing(at, { decision: "waiting", reason: null, decidedAt: null, isOpen: true, ...more });

    it("shows firings that wait and those whose runs were not seen to have ended, with what became of them", async () => {
      const [a, b] = [childOf("k-1"), childOf("k-2")];
      const list = [firing(150), fired(200, a), waits(300), fired(250, b, { lane: "manual", cause: "manual" })];
      await change(await create(), { firings: list, starts: [a, b] });
      const open = async () =>
        (await store().getSchedule("s-1"))?.open.map(({ at, runStatus }) => [at, runStatus] as const);
      expect(await open()).toEqual([
        [200, "pending"],
        [250, "pending"],
        [300, null],
      ]);
      await change(await rowOf(), {
        closed: [
          { at: 200, lane: "schedule" },
          { at: 250, lane: "schedule" },
        ],
      });
      expect((await open())?.map(([at]) => at)).toEqual([250, 300]);
      expect(await firings()).toMatchObject([{ at: 300 }, { at: 250, isOpen: true }, { at: 200, isOpen: false }, {}]);
    });

    it("prunes what is too old, and what is too many, a bounded number at a time", async () => {
      const count = FIRINGS_PRUNED_MAX + 50;
      const list = Array.from({ length: count }, (_, i) => firing(1_000 + i, { decidedAt: 1_000 + i }));
      await change(await create(), { firings: list });
      const keep = (decidedAfter: number, n: number) => ({ keep: { decidedAfter, count: n } });
      await change(await rowOf(), { firings: [waits(9_000)], ...keep(1_009, 1_000) });
      const ats = async () => (await firings()).map(({ at }) => at).reverse();
      expect(await ats()).toEqual([...list.slice(10).map(({ at }) => at), 9_000]);
      await change(await rowOf(), { firings: [waits(9_001)], ...keep(0, 10) });
      expect(await ats()).toEqual([
        ...list.slice(-(count - 10 - FIRINGS_PRUNED_MAX)).map(({ at }) => at),
        9_000,
        9_001,
      ]);
    });
  });

  describe("what is ahead", () => {
    it("is due by its instant, earliest first, of the workflows that are asked for", async () => {
      await create({ id: "late", nextAt: 300 });
      await create({ id: "early", nextAt: 100 });
      await create({ id: "other", nextAt: 50, workflow: "other" });
      await create({ id: "never", nextAt: null });
      await create({ id: "far", nextAt: FAR });
      await create({ id: "farther", nextAt: FAR + 1 });
      expect(await store().schedulesAhead(["ship"], 9)).toEqual({
        ...{ due: ["early", "late"], nextAt: FAR, waits: false, now: expect.any(Number) },
      });
      expect(await dueOf(["ship", "other"], 2)).toEqual(["other", "early"]);
      expect(await store().schedulesAhead([], 9)).toMatchObject({ due: [], nextAt: null });
    });

    it("is a firing that waits, once nothing of its lane runs", async () => {
      const run = await claimed();
      const waits = (at: number, lane: FiringRow["lane"]) =>
        firing(at, { lane, decision: "waiting", reason: null, decidedAt: null, isOpen: true });
      const open = firing(200, { decision: "fired", runId: run.id, isOpen: true });
      await change(await create({ nextAt: FAR }), { firings: [open, waits(300, "schedule")], row: { waiting: 1 } });
      expect(await store().schedulesAhead(["ship"], 9)).toMatchObject({ due: [], waits: true, nextAt: FAR });
      expect(await store().schedulesAhead(["other"], 9)).toMatchObject({ due: [], waits: false });
      // The other lane waits for nobody.
      await change(await rowOf(), { firings: [waits(100, "backfill")] });
      expect(await dueOf()).toEqual(["s-1"]);
      const pausedAt = { row: { pausedAt: 5 } };
      await change(await rowOf(), pausedAt);
      expect(await store().schedulesAhead(["ship"], 9)).toMatchObject({ due: [], waits: false });
      await change(await rowOf(), { row: { pausedAt: null }, firings: [firing(100, { lane: "backfill" })] });
      expect(await dueOf()).toEqual([]);
      await goOn(run, { row: ended("completed") });
      expect(await dueOf()).toEqual(["s-1"]);
    });
  });

  describe("firings", () => {
    it("are listed latest first, in pages", async () => {
      const list = [firing(200), firing(300, { lane: "backfill" }), firing(300), firing(400)];
      await change(await create(), { firings: list });
      const [first, second] = await store().listFirings(
        { scheduleId: "s-1", decision: null },
        { before: null, limit: 2 },
      );
      expect([first, second]).toEqual([list[3], list[2]]);
      const before = { at: 300, lane: "schedule" } as const;
      expect(await store().listFirings({ scheduleId: "s-1", decision: null }, { before, limit: 9 })).toEqual([
        list[1],
        list[0],
      ]);
    });

    it("are found by the instant that they decide, also within a range", async () => {
      const list = [firing(200), firing(300, { until: 350, instants: 3 }), firing(330, { lane: "manual" })];
      await change(await create(), { firings: list });
      const at = (instant: number) => store().getFiring("s-1", "schedule", instant);
      expect(await Promise.all([199, 200, 201, 300, 350, 351].map(at))).toEqual([
        ...[null, list[0], null, list[1], list[1], null],
      ]);
      expect(await store().getFiring("s-1", "manual", 330)).toEqual(list[2]);
      expect(await store().getFiring("s-2", "schedule", 200)).toBeNull();
    });
  });
}
