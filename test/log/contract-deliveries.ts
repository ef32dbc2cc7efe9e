/** What every log must do with webhook deliveries: each has one decision, in the write that does what is decided. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import {
  type DeliveryDecision,
  type DeliveryRow,
  type DeliveryVerdict,
  UNTOLD,
} from "../../src/log/port-deliveries.ts";
import { INBOX_ROWS_MAX, type InboxMessage } from "../../src/log/port-inbox.ts";
import { created, ended, handAt, type OpenedLog, runId, start } from "./hand.ts";

const CONTENT = { headers: { "x-github-event": "push" }, body: new Uint8Array([0, 255, 10]) };
const REASON = '{"code":"FILTERED","message":"no"}';

export function deliveriesContract(log: () => OpenedLog): void {
  const store = (): LogStore => log().store;
  const { claimed, goOn, parked, write } = handAt(store);

  let made = 0;
  /** A delivery that no other test has. */
  const delivery = (more: Partial<DeliveryRow> = {}): DeliveryRow => {
    const deliveryId = `d-${++made}`;
    return { hook: "github", deliveryId, replay: 0, receivedAt: 5, content: CONTENT, ...more };
  };

  /** A write that starts a run by a delivery. */
  const starting = (id: string, row: DeliveryRow, more: Partial<Parameters<typeof start>[1]> = {}) => {
    const idempotencyKey = `hook/${row.hook}/${row.deliveryId}/${row.replay}`;
    return { starts: [start(id, { idempotencyKey, delivery: row, ...more })], runs: [created(id)] };
  };

  const decide = (row: DeliveryRow, decision: DeliveryVerdict["decision"], signal: InboxMessage | null = null) =>
    store().decideDelivery({ row, decision, reason: signal === null ? REASON : null, signal });

  const signalTo = (runId: string, row: DeliveryRow): InboxMessage => {
    return { runId, kind: "signal", token: `hook/${row.hook}/${row.deliveryId}`, data: "{}", at: 7 };
  };

  const list = async (hook: string | null, decision: DeliveryDecision | null = null, before: number | null = null) =>
    (await store().listDeliveries({ hook, decision }, { before, limit: 2 })).map(({ deliveryId, replay }) =>
      replay === 0 ? deliveryId : `${deliveryId}+${replay}`,
    );

  describe("a delivery", () => {
    it("is stored in the write that starts its run, once, as its bytes", async () => {
      const [a, b] = [runId(), runId()];
      const row = delivery();
      await write(starting(a, row));
      const verdict = await write(starting(b, { ...row, receivedAt: 9 }));
      expect(verdict.starts.get(b)).toBe(a);
      expect(await store().getRun(b)).toBeNull();
      const found = await store().getDelivery(row);
      expect(found).toMatchObject({ ...row, decision: "started", runId: a, reason: null, bytes: 3 });
      expect(await store().getDecided(row)).toEqual({ ...found, content: undefined });
      expect(await store().getDelivery({ ...row, replay: 1 })).toBeNull();
      expect(await store().getDecided({ ...row, hook: "other" })).toBeNull();
    });

    it("of which nothing is left, but whose run is there under its key, starts no other", async () => {
      const [a, b] = [runId(), runId()];
      const row = delivery({ receivedAt: 1 });
      await write(starting(a, row));
      expect(await store().pruneDeliveries({ before: 2, limit: 10 })).toBe(1);
      expect(await store().getDecided(row)).toBeNull();
      expect((await write(starting(b, { ...row, receivedAt: 9 }))).starts.get(b)).toBe(a);
      expect(await store().getRun(b)).toBeNull();
      expect(await store().getDecided(row)).toMatchObject({ decision: "started", runId: a, receivedAt: 9 });
    });

    it("that was ignored starts nothing, and the verdict on a start by it has none", async () => {
      const id = runId();
      const row = delivery();
      await decide(row, "ignored");
      const verdict = await write(starting(id, row));
      expect(verdict.starts.has(id)).toBe(false);
      expect(await store().getRun(id)).toBeNull();
      expect(await store().readHistory(id, { afterSeq: 0, limit: 9 })).toEqual([]);
      expect(await store().getDecided(row)).toMatchObject({ decision: "ignored", runId: null });
    });

    it("that comes twice in one write starts one run", async () => {
      const [a, b] = [runId(), runId()];
      const row = delivery();
      const [one, two] = [starting(a, row), starting(b, row)];
      const verdict = await write({ starts: [...one.starts, ...two.starts], runs: [...one.runs, ...two.runs] });
      expect([verdict.starts.get(a), verdict.starts.get(b)]).toEqual([a, a]);
      expect(await store().getRun(b)).toBeNull();
    });

    it("keeps its first decision, whatever is sent later", async () => {
      const row = delivery();
      const first = await decide(row, "invalid");
      expect(first).toMatchObject({ decision: "invalid", reason: REASON, runId: null, bytes: 3 });
      expect(await decide({ ...row, receivedAt: 9 }, "ignored")).toEqual(first);
      const run = await parked();
      expect(await decide(row, "signalled", signalTo(run.id, row))).toEqual(first);
      expect(await store().readInbox([run.id])).toEqual([]);
      expect(await store().getRun(run.id)).toMatchObject({ status: "waiting" });
    });

    it("has replays of its own, without content, and knows the last", async () => {
      const row = delivery();
      expect(await store().lastReplay(row.hook, row.deliveryId)).toBeNull();
      await decide(row, "ignored");
      expect(await store().lastReplay(row.hook, row.deliveryId)).toBe(0);
      const id = runId();
      const replay = { ...row, replay: 1, content: null };
      await write(starting(id, replay));
      expect(await store().getDelivery(replay)).toMatchObject({
        decision: "started",
        runId: id,
        content: null,
        bytes: 0,
      });
      await decide({ ...row, replay: 2, content: null }, "ignored");
      expect(await store().lastReplay(row.hook, row.deliveryId)).toBe(2);
      expect(await store().getDelivery(row)).toMatchObject({ decision: "ignored", content: CONTENT });
    });
  });

  describe("a signal of a delivery", () => {
    it("wakes its run, is stored with its delivery, and is sent once", async () => {
      const run = await parked();
      const row = delivery();
      const first = await decide(row, "signalled", signalTo(run.id, row));
      expect(first).toMatchObject({ decision: "signalled", runId: run.id, reason: null });
      expect(await store().getRun(run.id)).toMatchObject({ status: "pending" });
      expect(await decide(row, "signalled", signalTo(run.id, row))).toEqual(first);
      const mail = await store().readInbox([run.id]);
      expect(mail).toMatchObject([{ kind: "signal", token: `hook/github/${row.deliveryId}`, data: "{}", at: 7 }]);
    });

    it("comes to nothing for a run that is over, or that never was", async () => {
      const run = await claimed();
      await goOn(run, { row: ended("completed") });
      const [late, lost] = [delivery(), delivery()];
      expect(await decide(late, "signalled", signalTo(run.id, late))).toMatchObject({
        decision: "ignored",
        reason: UNTOLD.over,
        runId: run.id,
      });
      expect(await decide(lost, "signalled", signalTo("nobody", lost))).toMatchObject({
        decision: "ignored",
        reason: UNTOLD.unknown,
      });
      expect(await store().readInbox([run.id, "nobody"])).toEqual([]);
    });

    it("is not decided about while its run has as much mail as it can, and is as soon as it has less", async () => {
      const run = await claimed();
      const messages = Array.from({ length: INBOX_ROWS_MAX }, (_, i) => {
        return { runId: run.id, kind: "signal" as const, token: `${run.id}-${i}`, data: "{}", at: 1 };
      });
      await write({ messages });
      const row = delivery();
      expect(await decide(row, "signalled", signalTo(run.id, row))).toBeNull();
      expect(await store().getDecided(row)).toBeNull();
    });
  });

  describe("the list of deliveries", () => {
    it("is newest first, by hook and decision, and paged", async () => {
      const hook = `h-${runId()}`;
      const [a, b, c] = [delivery({ hook }), delivery({ hook }), delivery({ hook })];
      await decide(a, "ignored");
      await write(starting(runId(), b));
      await decide(c, "ignored");
      await decide({ ...a, replay: 1, content: null }, "invalid");
      expect(await list(hook)).toEqual([`${a.deliveryId}+1`, c.deliveryId]);
      const { position } = (await store().getDecided(c))!;
      expect(await list(hook, null, position)).toEqual([b.deliveryId, a.deliveryId]);
      expect(await list(hook, "ignored")).toEqual([c.deliveryId, a.deliveryId]);
      expect(await list(hook, "signalled")).toEqual([]);
      expect(await list(null)).toEqual([`${a.deliveryId}+1`, c.deliveryId]);
      expect(await list("unheard-of")).toEqual([]);
    });
  });

  describe("pruning", () => {
    it("takes away what is old with its replays, a bounded number at a time, oldest first", async () => {
      const [a, b, c] = [delivery({ receivedAt: 100 }), delivery({ receivedAt: 101 }), delivery({ receivedAt: 500 })];
      for (const row of [a, b, c]) await decide(row, "ignored");
      await decide({ ...a, replay: 1, receivedAt: 102, content: null }, "ignored");
      while ((await store().pruneDeliveries({ before: 100, limit: 50 })) > 0);
      const kept = async () => {
        const rows = [a, { ...a, replay: 1 }, b, c].map(async (row) => (await store().getDecided(row)) !== null);
        return await Promise.all(rows);
      };
      expect(await kept()).toEqual([true, true, true, true]);
      expect(await store().pruneDeliveries({ before: 500, limit: 2 })).toBe(2);
      expect(await kept()).toEqual([false, true, false, true]);
      expect(await store().pruneDeliveries({ before: 500, limit: 2 })).toBe(1);
      expect(await store().pruneDeliveries({ before: 500, limit: 2 })).toBe(0);
      expect(await kept()).toEqual([false, false, false, true]);
    });

    it("leaves a delivery whose replay is young", async () => {
      const row = delivery({ receivedAt: 10 });
      await decide(row, "ignored");
      await decide({ ...row, replay: 1, receivedAt: 900, content: null }, "ignored");
      expect(await store().pruneDeliveries({ before: 20, limit: 50 })).toBe(0);
      expect(await store().getDelivery(row)).toMatchObject({ content: CONTENT });
    });
  });
}
