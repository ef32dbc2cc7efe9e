/** What every log must do with what one run does to others, with runs that are paused, and with runs that are reopened. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import { INBOX_ROWS_MAX, type MessageKind, WAKES_PAUSED } from "../../src/log/port-inbox.ts";
import type { ChildStart } from "../../src/log/port-write.ts";
import { append, beyond, created, ended, handAt, LEASE_MS, left, message, runId, start } from "./hand.ts";
import { eventOf, moved } from "./writes.ts";

export function beyondContract(store: () => LogStore): void {
  const { write, pending, claim, claimed, next, goOn, parked, mailOf, statusOf, seqs } = handAt(store);

  const child = (parentId: string, more: Partial<ChildStart["start"]> = {}, availableAt = 5): ChildStart => {
    const id = more.runId ?? runId();
    return {
      start: start(id, { parentId, ...more }),
      created: eventOf("run.created", null, { workflow: "ship", version: "1", input: { value: id } }),
      availableAt,
    };
  };

  describe("children", () => {
    it("start in the write of their parent: pending, each with its first event", async () => {
      const parent = await claimed();
      const [a, b] = [child(parent.id, { tags: { n: "1" } }), child(parent.id)];
      await goOn(parent, { beyond: beyond({ children: [a, b] }) });
      const id = a.start.runId;
      expect(await store().getRun(id)).toMatchObject({
        ...{ id, parentId: parent.id, status: "pending", epoch: 0, head: 1, owner: null, unclean: 0 },
        ...{ availableAt: 5, startedAt: null, createdAt: 1_000, tags: { n: "1" } },
      });
      expect(await store().readHistory(id, { afterSeq: 0, limit: 9 })).toMatchObject([
        { runId: id, seq: 1, epoch: 0, ...a.created },
      ]);
      expect(await seqs(b.start.runId)).toEqual([[1, 0]]);
      expect(await store().getRun(parent.id)).toMatchObject({ parentId: null });
      const { claims } = await claim("w1", 9);
      expect(claims).toMatchObject([
        { runId: a.start.runId, epoch: 1, head: 1 },
        { runId: b.start.runId, epoch: 1, head: 1 },
      ]);
    });

    it("are not claimed before they are available", async () => {
      const parent = await claimed();
      const availableAt = Math.floor(await store().now()) + 60_000;
      await goOn(parent, { beyond: beyond({ children: [child(parent.id, {}, availableAt)] }) });
      expect((await claim()).claims).toEqual([]);
      expect((await store().workAhead("w1", [{ workflow: "ship", version: "1" }])).dueAt).toBe(availableAt);
    });

    it("are listed by their parent, newest first and paged", async () => {
      const [one, two] = [await claimed(), await claimed()];
      const children = [child(one.id), child(one.id), child(one.id)];
      await goOn(one, { beyond: beyond({ children }) });
      await goOn(two, { beyond: beyond({ children: [child(two.id)] }) });
      const ids = children.map((each) => each.start.runId).reverse();
      const list = async (before: string | null, limit: number) =>
        (await store().listRuns({ parentId: one.id }, { before, limit })).map(({ id }) => id);
      expect(await list(null, 9)).toEqual(ids);
      expect(await list(ids[0] as string, 1)).toEqual([ids[1]]);
      expect(await store().listRuns({ parentId: "run_none" }, { before: null, limit: 9 })).toEqual([]);
    });

    it("start once, however often the write is sent, and whatever has become of them", async () => {
      const parent = await claimed();
      const each = child(parent.id);
      const part = await goOn(parent, { beyond: beyond({ children: [each] }) });
      await write({ runs: [part] });
      const { claims } = await claim();
      await write({ runs: [append(each.start.runId, claims[0]?.epoch ?? 0, 2)] });
      await write({ runs: [part] });
      expect(await store().getRun(each.start.runId)).toMatchObject({ status: "running", epoch: 1, head: 2 });
      expect(await seqs(each.start.runId)).toEqual([
        [1, 0],
        [2, 1],
      ]);
    });

    it("of a run that has another epoch, or another head, do not start", async () => {
      const parent = await claimed();
      const [old, early] = [child(parent.id), child(parent.id)];
      await write({ runs: [append(parent.id, parent.epoch - 1, 2, { beyond: beyond({ children: [old] }) })] });
      await write({ runs: [append(parent.id, parent.epoch, 3, { beyond: beyond({ children: [early] }) })] });
      for (const { start: each } of [old, early]) {
        expect(await store().getRun(each.runId)).toBeNull();
        expect(await seqs(each.runId)).toEqual([]);
      }
    });

    it("whose id exists are left as they are, and their parent's write is taken", async () => {
      const other = await claimed();
      await goOn(other);
      const parent = await claimed();
      const fresh = await pending();
      const children = [child(parent.id, { runId: other.id }), child(parent.id, { runId: fresh }), child(parent.id)];
      await goOn(parent, { beyond: beyond({ children }) });
      expect(await store().getRun(other.id)).toMatchObject({ parentId: null, status: "running", head: 2 });
      expect(await store().getRun(fresh)).toMatchObject({ parentId: null, head: 1 });
      expect(await seqs(fresh)).toEqual([[1, 0]]);
      expect(await store().getRun(children[2]?.start.runId as string)).toMatchObject({ parentId: parent.id });
    });

    it("whose idempotency key has a run do not exist", async () => {
      const id = await pending({ idempotencyKey: "k-1", workflow: "other" });
      const parent = await claimed();
      const [same, another] = [
        child(parent.id, { idempotencyKey: "k-1", workflow: "other" }),
        child(parent.id, { idempotencyKey: "k-1" }),
      ];
      await goOn(parent, { beyond: beyond({ children: [same, another] }) });
      expect(await store().getRun(same.start.runId)).toBeNull();
      expect(await seqs(same.start.runId)).toEqual([]);
      expect(await store().getRun(another.start.runId)).toMatchObject({ idempotencyKey: "k-1" });
      expect(await seqs(id)).toEqual([[1, 0]]);
    });

    it("start in the write that starts and claims their parent", async () => {
      await store().openWorker("w1", LEASE_MS);
      const id = runId();
      const each = child(id);
      const row = moved({ status: "running", availableAt: null, startedAt: 1_000 });
      await write({
        starts: [start(id, { owner: "w1" })],
        runs: [created(id, { epoch: 1, row, beyond: beyond({ children: [each] }) })],
      });
      expect(await store().getRun(id)).toMatchObject({ status: "running", head: 1 });
      expect(await store().getRun(each.start.runId)).toMatchObject({ status: "pending", parentId: id });
    });
  });

  describe("what a run tells another", () => {
    it("is mail, in order, and makes a waiting run claimable", async () => {
      const target = await parked();
      const teller = await claimed();
      const tells = [message(target.id, "child"), message(target.id, "signal")];
      await goOn(teller, { beyond: beyond({ tells }) });
      expect(await store().readInbox([target.id])).toMatchObject(tells);
      expect((await claim()).claims).toMatchObject([{ runId: target.id, hasMail: true }]);
    });

    it("comes to nothing if that run is over or unknown, and its own write is taken", async () => {
      const over = await claimed();
      await goOn(over, { row: ended("completed") });
      const teller = await claimed();
      await goOn(teller, { beyond: beyond({ tells: [message(over.id, "signal"), message("run_none", "signal")] }) });
      expect(await mailOf(over.id, "run_none")).toEqual([]);
      expect(await store().getRun(over.id)).toMatchObject({ status: "completed", availableAt: null });
    });

    it("is not held to the inbox's bound", async () => {
      const target = await claimed();
      await write({ messages: Array.from({ length: INBOX_ROWS_MAX }, () => message(target.id)) });
      const teller = await claimed();
      await goOn(teller, { beyond: beyond({ tells: [message(target.id, "child")] }) });
      expect((await mailOf(target.id)).at(-1)).toMatchObject({ kind: "child" });
      expect(await mailOf(target.id)).toHaveLength(INBOX_ROWS_MAX + 1);
    });

    it("is told once, though the write is sent again when the other has read it", async () => {
      const target = await claimed();
      const teller = await claimed();
      const part = await goOn(teller, { beyond: beyond({ tells: [message(target.id, "child")] }) });
      await write({ runs: [part] });
      const mail = await store().readInbox([target.id]);
      expect(mail).toHaveLength(1);
      await goOn(target, { drained: mail.map(({ id }) => id) });
      await write({ runs: [part] });
      expect(await mailOf(target.id)).toEqual([]);
    });

    it("under an old epoch is not told, and wakes nobody", async () => {
      const target = await claimed();
      await write({ messages: [message(target.id)] });
      await goOn(target, { row: left("stuck") });
      const teller = await claimed();
      const tells = [message(target.id, "child")];
      await write({ runs: [append(teller.id, teller.epoch - 1, 2, { beyond: beyond({ tells }) })] });
      expect(await mailOf(target.id)).toHaveLength(1);
      expect(await statusOf(target.id)).toBe("stuck");
      await goOn(teller, { beyond: beyond({ tells }) });
      expect(await mailOf(target.id)).toHaveLength(2);
      expect(await statusOf(target.id)).toBe("pending");
    });

    it("needs an event of the one that tells", async () => {
      const target = await parked();
      const teller = await claimed();
      const part = next(teller, { events: [], beyond: beyond({ tells: [message(target.id, "child")] }) });
      await expect(write({ runs: [part] })).rejects.toThrow("without an event");
      expect(await mailOf(target.id)).toEqual([]);
    });

    it("reaches a parent that would wait from the same write on", async () => {
      const parent = await claimed();
      const each = await claimed();
      const parts = [
        next(parent, { row: left("waiting") }),
        next(each, { row: ended("completed"), beyond: beyond({ tells: [message(parent.id, "child")] }) }),
      ];
      const verdict = await write({ runs: parts });
      expect(await store().getRun(parent.id)).toMatchObject({ status: "pending", owner: null, head: 2 });
      expect(verdict.runs.get(parent.id)?.availableAt).not.toBeNull();
      expect((await claim()).claims).toMatchObject([{ runId: parent.id, hasMail: true }]);
    });

    it("is discarded if that run ends in the same write", async () => {
      const parent = await claimed();
      const each = await claimed();
      const tells = [message(parent.id, "child")];
      await write({
        runs: [
          next(each, { row: ended("completed"), beyond: beyond({ tells }) }),
          next(parent, { row: ended("failed") }),
        ],
      });
      expect(await mailOf(parent.id)).toEqual([]);
      expect(await store().getRun(parent.id)).toMatchObject({ status: "failed", availableAt: null });
    });

    it("reaches a child that starts in the same write", async () => {
      const parent = await claimed();
      const each = child(parent.id, {}, Math.floor(await store().now()) + 60_000);
      const tells = [message(each.start.runId, "cancel")];
      await goOn(parent, { beyond: beyond({ children: [each], tells }) });
      expect(await mailOf(each.start.runId)).toHaveLength(1);
      expect((await claim()).claims).toMatchObject([{ runId: each.start.runId, hasMail: true }]);
    });

    it("reaches itself, if it would wait", async () => {
      const run = await claimed();
      await goOn(run, { row: left("waiting"), beyond: beyond({ tells: [message(run.id, "signal")] }) });
      expect(await statusOf(run.id)).toBe("pending");
    });
  });

  describe("a paused run", () => {
    const KINDS: readonly MessageKind[] = ["cancel", "terminate", "pause", "resume", "signal", "child", "lock"];

    it.each(KINDS)("goes on when it is sent %s, if that is to wake it", async (kind) => {
      const run = await parked("paused");
      expect((await claim()).claims).toEqual([]);
      const verdict = await write({ messages: [message(run.id, kind)] });
      expect([...verdict.messages.values()]).toEqual(["accepted"]);
      expect(await statusOf(run.id)).toBe(WAKES_PAUSED.includes(kind) ? "pending" : "paused");
      expect((await claim()).claims).toHaveLength(WAKES_PAUSED.includes(kind) ? 1 : 0);
    });

    it.each(KINDS)("stays awake with mail of the kind %s, if that is to wake it", async (kind) => {
      const [earlier, same] = [await claimed(), await claimed()];
      await write({ messages: [message(earlier.id, kind)] });
      const verdict = await write({
        runs: [next(earlier, { row: left("paused") }), next(same, { row: left("paused") })],
        messages: [message(same.id, kind)],
      });
      for (const { id } of [earlier, same]) {
        expect(await statusOf(id)).toBe(WAKES_PAUSED.includes(kind) ? "pending" : "paused");
        expect(verdict.runs.get(id)?.availableAt !== null).toBe(WAKES_PAUSED.includes(kind));
      }
    });

    it("has all mail of the meantime when it is resumed", async () => {
      const run = await parked("paused");
      await write({ messages: [message(run.id, "signal")] });
      const teller = await claimed();
      await goOn(teller, { beyond: beyond({ tells: [message(run.id, "child")] }) });
      expect(await statusOf(run.id)).toBe("paused");
      await write({ messages: [message(run.id, "resume")] });
      expect((await claim()).claims).toMatchObject([{ runId: run.id, hasMail: true }]);
      expect((await mailOf(run.id)).map(({ kind }) => kind)).toEqual(["signal", "child", "resume"]);
    });

    it("wakes when another run tells it to", async () => {
      const run = await parked("paused");
      const teller = await claimed();
      await goOn(teller, { beyond: beyond({ tells: [message(run.id, "terminate")] }) });
      expect(await statusOf(run.id)).toBe("pending");
    });
  });

  describe("a run that is reopened", () => {
    const reopened = (at = 3_000) => ({ ...eventOf("run.reopened", null, { by: "ada" }), at });

    async function over(status: Parameters<typeof ended>[0]) {
      const run = await claimed();
      await goOn(run, { events: [eventOf(`run.${status}`, null, {})], row: ended(status) });
      return run;
    }

    it.each(["failed", "cancelled"] as const)("because it was %s goes on under a new epoch", async (status) => {
      const run = await over(status);
      expect(await store().reopen({ runId: run.id, seq: 3, event: reopened(), open: [] })).toBe(true);
      expect(await store().getRun(run.id)).toMatchObject({
        ...{ status: "pending", owner: null, epoch: run.epoch + 1, head: 3, unclean: 0, result: null, stuck: null },
        ...{ endedAt: null },
      });
      expect(await store().readHistory(run.id, { afterSeq: 2, limit: 9 })).toMatchObject([
        { ...reopened(), seq: 3, epoch: run.epoch + 1 },
      ]);
      const { claims } = await claim();
      expect(claims).toMatchObject([{ runId: run.id, epoch: run.epoch + 2, head: 3, uncleanBefore: 0 }]);
    });

    it("is so once: sent again it says yes and changes nothing", async () => {
      const run = await over("failed");
      const request = { runId: run.id, seq: 3, event: reopened(), open: [] };
      expect([await store().reopen(request), await store().reopen(request)]).toEqual([true, true]);
      expect(await store().getRun(run.id)).toMatchObject({ epoch: run.epoch + 1, head: 3 });
      await claim();
      expect(await store().reopen(request)).toBe(true);
      expect(await store().getRun(run.id)).toMatchObject({ status: "running", epoch: run.epoch + 2, head: 3 });
      expect(await store().reopen({ ...request, event: reopened(4_000) })).toBe(false);
      expect(await seqs(run.id)).toHaveLength(3);
    });

    it("can fail and be reopened again", async () => {
      const run = await over("failed");
      await store().reopen({ runId: run.id, seq: 3, event: reopened(), open: [] });
      const epoch = (await claim()).claims[0]?.epoch ?? 0;
      await write({ runs: [append(run.id, epoch, 4, { row: ended("failed") })] });
      expect(await store().reopen({ runId: run.id, seq: 4, event: reopened(), open: [] })).toBe(false);
      expect(await store().reopen({ runId: run.id, seq: 5, event: reopened(), open: [] })).toBe(true);
      expect(await store().getRun(run.id)).toMatchObject({ status: "pending", epoch: epoch + 1, head: 5 });
    });

    it("was over with a failure or a cancel, and its event follows its last one", async () => {
      const completed = await over("completed");
      const failed = await over("failed");
      const others = [await claimed(), await parked("waiting"), await parked("paused"), await parked("stuck")];
      const allRows = async () => await store().listRuns({}, { before: null, limit: 99 });
      const rows = await allRows();
      for (const { id, head } of [completed, ...others]) {
        expect(await store().reopen({ runId: id, seq: head + 1, event: reopened(), open: [] })).toBe(false);
      }
      for (const seq of [2, 4])
        expect(await store().reopen({ runId: failed.id, seq, event: reopened(), open: [] })).toBe(false);
      expect(await store().reopen({ runId: "run_none", seq: 1, event: reopened(), open: [] })).toBe(false);
      expect(await allRows()).toEqual(rows);
    });

    it("takes nothing from its old owner any more, which may write late outcomes until then", async () => {
      const run = await over("failed");
      const late = eventOf("attempt.late", "k", { value: { value: 1 } });
      await goOn(run, { events: [late], row: ended("failed") });
      await store().reopen({ runId: run.id, seq: 4, event: reopened(), open: [] });
      const told = await claimed();
      const verdict = await write({
        runs: [
          append(run.id, run.epoch, 4, { events: [late], beyond: beyond({ tells: [message(told.id, "child")] }) }),
          append(run.id, run.epoch, 5, { events: [late] }),
        ],
      });
      expect(verdict.runs.get(run.id)).toMatchObject({ epoch: run.epoch + 1, head: 4 });
      expect(await seqs(run.id)).toHaveLength(4);
      expect(await mailOf(told.id)).toEqual([]);
      expect(await statusOf(run.id)).toBe("pending");
    });
  });
}
