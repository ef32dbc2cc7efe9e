/** What every log must do with messages: each is dispatched as a whole and once, and a wait ends in one way. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import type { GatheredMessage, MessageDispatch, NewMessage, SubscriptionRow } from "../../src/log/port-messages.ts";
import type { ChildStart } from "../../src/log/port-write.ts";
import { beyond, ended, type Held, handAt, message as mail, type OpenedLog, runId, start } from "./hand.ts";
import { eventOf, PROGRAM } from "./writes.ts";

let tokens = 0;

const newMessage = (topic: string, id: string, more: Partial<NewMessage> = {}): NewMessage => ({
  ...{ topic, id, payload: `{"value":"${id}"}`, tags: { t: "1" }, at: 500, token: `p-${++tokens}` },
  ...more,
});

const NOTHING: Omit<MessageDispatch, "position"> = { starts: [], cancels: [], waits: [], gathered: [], decisions: [] };

const startOf = (id = runId()): ChildStart => ({
  start: start(id, { idempotencyKey: `k/${id}` }),
  created: eventOf("run.created", null, { ...PROGRAM, input: { value: id } }),
  availableAt: 5,
});

const batchOf = (more: Partial<GatheredMessage> = {}): GatheredMessage => ({
  ...{ subject: "ship/s", key: "", kind: "batch", periodMs: 60_000, maxMs: 60_000 },
  ...{ size: 2, length: 10, lengthMax: 100 },
  ...more,
});

const subscription = (workflow: string, name: string, text: object): SubscriptionRow => ({
  ...{ workflow, name, version: "1", text: JSON.stringify(text) },
});

export function messagesContract(opened: () => { readonly store: LogStore; readonly pass: OpenedLog["pass"] }): void {
  const store = () => opened().store;
  const { claimed, goOn, parked, pending, mailOf, statusOf } = handAt(store);

  const publish = async (topic: string, id: string, more: Partial<NewMessage> = {}) =>
    (await store().publishMessage(newMessage(topic, id, more))).position;

  const dispatch = async (position: number, more: Partial<MessageDispatch> = {}) =>
    await store().dispatchMessage({ position, ...NOTHING, ...more });

  const ahead = async () => await store().dispatchAhead({ after: 0, limit: 10 });

  const became = async (position: number) =>
    (await store().listDispatches(position, { after: 0, limit: 99 })).map(({ position: _, ...row }) => row);

  const callOf = ({ id, epoch }: Held, key = "w") => ({ runId: id, epoch, key });

  const wait = async (run: Held, topic: string, key = "w", isOpen = true) =>
    await store().requestWait({ topic, match: null, isOpen, operation: callOf(run, key) });

  const waitsFor = async (position: number) =>
    (await store().listWaits(position, { after: 0, limit: 99 })).map(({ id }) => id);

  describe("a message", () => {
    it("that is published again is the same one, whatever it says", async () => {
      const first = newMessage("orders", "m-1");
      const { position, created } = await store().publishMessage(first);
      expect(created).toBe(true);
      expect(await store().publishMessage(first)).toEqual({ position, created: true });
      const again = newMessage("orders", "m-1", { payload: '{"value":"other"}' });
      expect(await store().publishMessage(again)).toEqual({ position, created: false });
      expect(await store().publishMessage(newMessage("other", "m-1"))).toMatchObject({ created: true });
      const { token: _, ...kept } = first;
      expect(await store().getMessage("orders", "m-1")).toEqual({
        ...{ ...kept, position, dispatchedAt: null, publishedAt: expect.any(Number) },
      });
      expect(await store().getMessage("orders", "m-2")).toBeNull();
    });

    it("is listed, newest first, of all topics or of one", async () => {
      const positions = [await publish("a", "1"), await publish("b", "2"), await publish("a", "3")];
      const list = async (topic: string | null, before: number | null, limit = 9) =>
        (await store().listMessages({ topic, before, limit })).map(({ id }) => id);
      expect(await list(null, null)).toEqual(["3", "2", "1"]);
      expect(await list(null, positions[2] as number)).toEqual(["2", "1"]);
      expect(await list("a", null)).toEqual(["3", "1"]);
      expect(await list("a", positions[2] as number)).toEqual(["1"]);
      expect(await list(null, null, 1)).toEqual(["3"]);
    });

    it("is ahead until it is dispatched, oldest first", async () => {
      const [a, b] = [await publish("a", "1"), await publish("a", "2")];
      expect((await ahead()).messages.map(({ position }) => position)).toEqual([a, b]);
      await dispatch(a);
      expect((await ahead()).messages.map(({ position }) => position)).toEqual([b]);
      expect((await store().dispatchAhead({ after: b, limit: 10 })).messages).toEqual([]);
    });

    it("is dispatched as a whole, and once: a later dispatch of it does nothing", async () => {
      const position = await publish("orders", "m");
      const begun = startOf();
      const live = await parked();
      const over = await claimed();
      await goOn(over, { row: ended("completed") });
      const decisions = [{ subject: "ship/other", decision: "filtered", reason: "its match is false" } as const];
      const cancels = [live, over].map(({ id }) => ({ subject: "ship/cancel", mail: mail(id) }));
      const told = await dispatch(position, { starts: [{ subject: "ship/s", start: begun }], cancels, decisions });
      expect(told).toEqual(expect.arrayContaining([live.id]));
      expect(await became(position)).toEqual([
        { subject: "ship/s", decision: "started", reason: null, runId: begun.start.runId },
        { subject: "ship/other", decision: "filtered", reason: "its match is false", runId: null },
        { subject: "ship/cancel", decision: "cancelled", reason: null, runId: live.id },
      ]);
      expect(await statusOf(begun.start.runId)).toBe("pending");
      expect(await statusOf(live.id)).toBe("pending");
      expect((await mailOf(live.id)).map(({ kind }) => kind)).toEqual(["cancel"]);
      const other = startOf();
      await dispatch(position, {
        starts: [{ subject: "ship/s", start: other }],
        cancels: [{ subject: "ship/cancel", mail: mail(live.id) }],
        gathered: [batchOf()],
        decisions,
      });
      expect(await became(position)).toHaveLength(3);
      expect(await statusOf(other.start.runId)).toBeUndefined();
      expect(await mailOf(live.id)).toHaveLength(1);
      expect((await ahead()).dueAt).toBeNull();
      expect((await store().getMessage("orders", "m"))?.dispatchedAt).not.toBeNull();
    });

    it("that nobody has published does nothing", async () => {
      const begun = startOf();
      await dispatch(4_711, { starts: [{ subject: "ship/s", start: begun }], gathered: [batchOf()] });
      expect([await statusOf(begun.start.runId), await became(4_711)]).toEqual([undefined, []]);
    });

    it("is forgotten after its time with what became of it, once it was dispatched", async () => {
      const [a, b] = [await publish("a", "1"), await publish("a", "2")];
      await dispatch(a, { decisions: [{ subject: "ship/s", decision: "filtered", reason: null }] });
      expect(await store().sweepMessages(0)).toBe(0);
      const later = (await store().now()) + 60_000;
      expect([await store().sweepMessages(later), await store().sweepMessages(later)]).toEqual([1, 0]);
      expect(await became(a)).toEqual([]);
      expect((await store().listMessages({ topic: null, before: null, limit: 9 })).map(({ id }) => id)).toEqual(["2"]);
      expect(await publish("a", "1")).toBeGreaterThan(b);
    });
  });

  describe("subscriptions", () => {
    it("are those that were put last, by workflow", async () => {
      expect((await ahead()).subscriptions).toEqual([]);
      await publish("orders", "m");
      const [a, b, c] = [subscription("a", "1", {}), subscription("b", "1", {}), subscription("a", "2", { x: 1 })];
      await store().putSubscriptions(["a", "b"], [a, b]);
      expect((await ahead()).subscriptions).toEqual([a, b]);
      await store().putSubscriptions(["a"], [c]);
      expect((await ahead()).subscriptions).toEqual([c, b]);
      await store().putSubscriptions(["b"], []);
      expect((await ahead()).subscriptions).toEqual([c]);
    });
  });

  describe("a wait", () => {
    it("is given a message that comes after it, with mail that says so", async () => {
      const run = await claimed();
      const before = await publish("orders", "m-0");
      expect(await wait(run, "orders")).toEqual({ kind: "waiting", isOpen: true });
      const position = await publish("orders", "m-1");
      expect([await waitsFor(before), await waitsFor(await publish("other", "m-1"))]).toEqual([[], []]);
      const waits = await waitsFor(position);
      expect(waits).toHaveLength(1);
      expect(await dispatch(position, { waits })).toEqual([run.id]);
      const message = { topic: "orders", id: "m-1", payload: { value: "m-1" }, tags: { t: "1" }, at: 500 };
      const [told] = await mailOf(run.id);
      expect(told).toMatchObject({ kind: "message", token: `message/${position}/${waits[0]}` });
      expect(JSON.parse(told?.data as string)).toEqual({ key: "w", message });
      expect(await became(position)).toEqual([{ subject: "w", decision: "woke", reason: null, runId: run.id }]);
      expect(await wait(run, "orders")).toMatchObject({ kind: "given", message: { position, id: "m-1" } });
      expect(await waitsFor(await publish("orders", "m-2"))).toEqual([]);
    });

    it("wakes a run that is parked", async () => {
      const run = await claimed();
      await wait(run, "orders");
      await goOn(run, { row: { ...ended("completed"), status: "waiting", result: null, endedAt: null } });
      const position = await publish("orders", "m");
      await dispatch(position, { waits: await waitsFor(position) });
      expect(await statusOf(run.id)).toBe("pending");
    });

    it("takes one of two messages, and is given to by nobody once it has expired", async () => {
      const [a, b] = [await claimed(), await claimed()];
      await wait(a, "orders");
      await wait(b, "orders");
      const [first, second] = [await publish("orders", "1"), await publish("orders", "2")];
      const waits = await waitsFor(first);
      expect(await waitsFor(second)).toEqual(waits);
      expect(await store().expireWait(callOf(b))).toEqual({ kind: "expired" });
      await dispatch(second, { waits });
      await dispatch(first, { waits });
      expect(await became(second)).toMatchObject([{ runId: a.id }]);
      expect(await became(first)).toEqual([]);
      expect(await mailOf(a.id, b.id)).toHaveLength(1);
      expect(await store().expireWait(callOf(a))).toMatchObject({ kind: "given", message: { id: "2" } });
      expect(await store().expireWait(callOf(b))).toEqual({ kind: "expired" });
    });

    it("looks back at what its run was not given before", async () => {
      const run = await claimed();
      const positions: number[] = [];
      for (const [id, at] of [
        ["1", 10],
        ["2", 20],
        ["3", 30],
      ] as const) {
        positions.push(await publish("orders", id, { at }));
      }
      expect(await wait(run, "orders", "w", false)).toEqual({ kind: "waiting", isOpen: false });
      expect(await waitsFor(await publish("orders", "4", { at: 5 }))).toEqual([]);
      const back = async (since: number, after = 0) =>
        (await store().lookBack(run.id, { topic: "orders", since, after, limit: 9 })).map(({ id }) => id);
      expect(await back(0)).toEqual(["1", "2", "3", "4"]);
      expect(await back(20)).toEqual(["2", "3"]);
      expect(await back(0, positions[1] as number)).toEqual(["3", "4"]);
      const given = await store().giveMessage(callOf(run), positions[1] as number);
      expect(given).toMatchObject({ kind: "given", message: { id: "2" } });
      expect(await store().giveMessage(callOf(run), positions[0] as number)).toEqual(given);
      expect(await mailOf(run.id)).toHaveLength(1);
      expect(await back(0)).toEqual(["1", "3", "4"]);
      expect(await became(positions[1] as number)).toMatchObject([{ decision: "woke", runId: run.id }]);
    });

    it("is opened once nothing is left to look back at, and then messages come to it", async () => {
      const run = await claimed();
      const open = async (seen: number, since = 0) => await store().openWait(callOf(run), { since, seen });
      const first = await publish("orders", "1", { at: 10 });
      await wait(run, "orders", "w", false);
      expect([await open(0), await open(0, 11)]).toMatchObject([{ isOpen: false }, { isOpen: true }]);
      await wait(run, "orders", "v", false);
      await store().giveMessage(callOf(run, "v"), first);
      await wait(run, "orders", "x", false);
      // What its run was given is nothing to look back at.
      expect(await store().openWait(callOf(run, "x"), { since: 0, seen: 0 })).toMatchObject({ isOpen: true });
      expect(await waitsFor(first)).toEqual([]);
      expect(await waitsFor(await publish("orders", "2"))).toHaveLength(2);
      expect(await wait(run, "orders", "w", false)).toEqual({ kind: "waiting", isOpen: true });
    });

    it("is its run's alone, and ends with it", async () => {
      const run = await claimed();
      await wait(run, "orders");
      const stranger = { ...run, epoch: run.epoch + 1 };
      expect(await wait(stranger, "orders", "other")).toEqual({ kind: "lost" });
      expect(await store().expireWait(callOf(stranger))).toEqual({ kind: "lost" });
      const position = await publish("orders", "m");
      expect(await store().giveMessage(callOf(stranger), position)).toEqual({ kind: "lost" });
      expect(await waitsFor(position)).toHaveLength(1);
      await goOn(run, { row: ended("completed"), beyond: beyond({}) });
      expect(await waitsFor(position)).toEqual([]);
      expect(await wait(run, "orders")).toEqual({ kind: "lost" });
    });
  });

  describe("what is gathered", () => {
    const gather = async (id: string, more: Partial<GatheredMessage> = {}) => {
      const position = await publish("orders", id);
      await dispatch(position, { gathered: [batchOf(more)] });
      return position;
    };

    it("is due once it has its size, and a next message begins another one", async () => {
      const first = await gather("1");
      expect(await ahead()).toMatchObject({ due: [], dueAt: expect.any(Number) });
      await gather("2");
      await gather("3");
      const { due, dueAt } = await ahead();
      expect(due).toEqual([
        { id: expect.any(Number), subject: "ship/s", key: "", kind: "batch", count: 2, dueAt: expect.any(Number) },
      ]);
      expect(dueAt).toBeGreaterThan((await store().now()) + 30_000);
      const id = due[0]?.id as number;
      expect((await store().readGathered(id, 9)).map((each) => each.id)).toEqual(["1", "2"]);
      expect((await store().readGathered(id, 1)).map((each) => each.id)).toEqual(["2"]);
      expect(await became(first)).toEqual([{ subject: "ship/s", decision: "batched", reason: null, runId: null }]);
    });

    it("is due when another one would make it too large", async () => {
      await gather("1", { length: 60, size: 9 });
      await gather("2", { length: 60, size: 9 });
      expect((await ahead()).due).toMatchObject([{ count: 1 }]);
    });

    it("by debounce is put off by each message, at the latest until its bound", async () => {
      const debounce = { kind: "debounce", size: 1_000_000, periodMs: 10_000, maxMs: 15_000 } as const;
      await gather("1", debounce);
      const { dueAt: first } = await ahead();
      await opened().pass(100);
      await gather("2", debounce);
      const { dueAt: second } = await ahead();
      expect(second).toBeGreaterThanOrEqual((first as number) + 100);
      expect(second).toBeLessThanOrEqual((first as number) + 5_000);
      await gather("3", { ...debounce, periodMs: 90_000 });
      expect((await ahead()).dueAt).toBe((first as number) + 5_000);
    });

    it("is apart by key and by subscription", async () => {
      await gather("1", { key: "a" });
      await gather("2", { key: "b" });
      await gather("3", { subject: "ship/t", key: "a" });
      expect((await ahead()).due).toEqual([]);
      await gather("4", { key: "b" });
      expect((await ahead()).due).toMatchObject([{ subject: "ship/s", key: "b", count: 2 }]);
    });

    it("is fired once, as it was seen, and its messages say what came of them", async () => {
      const [a] = [await gather("1", { size: 1 })];
      const gathering = (await ahead()).due[0] as { id: number; count: number };
      const { id, count } = gathering;
      const [begun, other] = [startOf(), startOf()];
      expect(await store().fireGathering({ id, count: count + 1, start: other, reason: null })).toBe(false);
      expect(await store().fireGathering({ id, count, start: begun, reason: null })).toBe(true);
      expect(await store().fireGathering({ id, count, start: other, reason: null })).toBe(false);
      expect([await statusOf(begun.start.runId), await statusOf(other.start.runId)]).toEqual(["pending", undefined]);
      expect(await became(a)).toMatchObject([{ decision: "batched", runId: begun.start.runId }]);
      expect((await ahead()).due).toEqual([]);
    });

    it("keeps its messages until it is fired, however old they are, and what came of it as long as one is left", async () => {
      const later = (await store().now()) + 60_000;
      const first = await gather("1");
      expect(await store().sweepMessages(later)).toBe(0);
      const position = await publish("orders", "2");
      await dispatch(position, { gathered: [batchOf(), batchOf({ subject: "ship/t" })] });
      const { id, count } = (await ahead()).due[0] as { id: number; count: number };
      expect((await store().readGathered(id, 9)).map((each) => each.id)).toEqual(["1", "2"]);
      const begun = startOf();
      await store().fireGathering({ id, count, start: begun, reason: null });
      expect(await store().sweepMessages(later)).toBe(1);
      expect(await became(first)).toEqual([]);
      expect(await became(position)).toMatchObject([
        { subject: "ship/s", decision: "batched", runId: begun.start.runId },
        { subject: "ship/t", decision: "batched", runId: null },
      ]);
    });

    it("that comes to nothing says why", async () => {
      const position = await gather("1", { size: 1 });
      const { id, count } = (await ahead()).due[0] as { id: number; count: number };
      await store().fireGathering({ id, count, start: null, reason: "no input" });
      expect(await became(position)).toMatchObject([{ decision: "batched", reason: "no input", runId: null }]);
    });
  });

  describe("the ends of runs", () => {
    it("are captured of workflows that are listened to, from then on", async () => {
      expect(await store().endsAhead(99)).toBeNull();
      const early = await claimed();
      await goOn(early, { events: [eventOf("run.completed", null, { value: 0 })], row: ended("completed") });
      await store().putSubscriptions(["b"], [subscription("b", "s", { run: "ship" })]);
      expect(await store().endsAhead(99)).toMatchObject({ ends: [] });
      const run = await claimed();
      await goOn(run, { events: [eventOf("run.completed", null, { value: 1 })], row: ended("completed") });
      const found = await store().endsAhead(99);
      expect(found?.ends).toMatchObject([{ event: { type: "run.completed", runId: run.id }, ...PROGRAM, tags: {} }]);
      const { from, until } = found as { from: number; until: number };
      const end = newMessage("varve.run.completed", `${run.id}/2`);
      await store().publishEnds(from, until, [end]);
      await store().publishEnds(from, until + 5, [newMessage("varve.run.completed", "late")]);
      expect(await store().endsAhead(99)).toEqual({ from: until, until, ends: [] });
      const kept = await store().listMessages({ topic: "varve.run.completed", before: null, limit: 9 });
      expect(kept.map(({ id }) => id)).toEqual([end.id]);
    });
  });

  describe("for what decides", () => {
    it("what runs were created with is read", async () => {
      const [b, a] = [await claimed(), await pending()];
      const rows = await store().readCreated([a, "unknown", b.id]);
      expect(rows.map(({ runId: id, type }) => [id, type])).toEqual([
        [a, "run.created"],
        [b.id, "run.created"],
      ]);
    });
  });
}
