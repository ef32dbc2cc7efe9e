/** What every log must do for outgoing webhooks. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import type { EndpointHold, NoticeOutcome } from "../../src/log/port-outgoing.ts";
import type { OpenedLog } from "./hand.ts";

const LEASE_MS = 600;

export function outgoingContract(log: () => OpenedLog): void {
  const store = (): LogStore => log().store;

  const hold = (holder = "a", more: { takeOver?: boolean; endpoint?: string } = {}) =>
    store().holdEndpoint({ endpoint: "e", holder, leaseMs: LEASE_MS, takeOver: false, ...more });

  const held = async (holder = "a", endpoint = "e"): Promise<EndpointHold> => {
    const found = await hold(holder, { endpoint });
    if (found === null) throw new Error(`${holder} does not get ${endpoint}`);
    return found;
  };

  const notice = (position: number) => ({ position, runId: `run_${position}`, seq: 1, type: "run.failed" });

  const plan = (epoch: number, from: number, to: number, positions: readonly number[], endpoint = "e") =>
    store().planNotices({ endpoint, epoch, from, to, notices: positions.map(notice) });

  /** What came of a try; when that was due is looked up. */
  type Outcome = Omit<NoticeOutcome, "wasDueAt">;

  const due = async (outcomes: readonly Outcome[]): Promise<NoticeOutcome[]> => {
    const pending = await store().pendingNotices("e", 99);
    const dueAt = (position: number) => pending.find((row) => row.position === position)?.dueAt ?? 0;
    return outcomes.map((each) => ({ ...each, wasDueAt: dueAt(each.position) }));
  };

  const settleDue = (
    epoch: number,
    outcomes: readonly NoticeOutcome[],
    more: { restUntil?: number; disable?: boolean } = {},
  ) => store().settleNotices({ endpoint: "e", epoch, outcomes, restUntil: null, disable: false, ...more });

  const settle = async (...[epoch, outcomes, more]: [number, readonly Outcome[], Parameters<typeof settleDue>[2]?]) =>
    await settleDue(epoch, await due(outcomes), more);

  const outcome = (position: number, more: Partial<Outcome> = {}): Outcome => {
    return { position, tries: 1, status: "delivered", dueAt: null, firstAt: 5, note: "answered 200", ...more };
  };

  const positions = async (endpoint = "e") =>
    (await store().pendingNotices(endpoint, 99)).map(({ position }) => position);

  const list = (more: Partial<Parameters<LogStore["listNotices"]>[0]> = {}) =>
    store().listNotices({ endpoint: null, status: null, before: null, limit: 99, ...more });

  describe("an endpoint", () => {
    it("begins at the log's end, with the first holder", async () => {
      const now = await store().now();
      expect(await hold()).toMatchObject({
        name: "e",
        position: 0,
        holder: "a",
        epoch: 1,
        pending: 0,
        disabledAt: null,
      });
      expect((await held()).now).toBeGreaterThanOrEqual(now);
      expect(await store().listEndpoints()).toMatchObject([{ name: "e", epoch: 1, restUntil: null }]);
    });

    it("is held by one until its lease ends, or is let go", async () => {
      await held("a");
      expect(await hold("b")).toBeNull();
      await log().pass(LEASE_MS * 0.6);
      expect((await held("a")).epoch).toBe(1);
      await log().pass(LEASE_MS * 0.6);
      expect(await hold("b")).toBeNull();
      await log().pass(LEASE_MS * 0.6);
      expect((await held("b")).epoch).toBe(2);
      expect(await hold("a")).toBeNull();
      await store().releaseEndpoint("e", "a");
      expect(await hold("a")).toBeNull();
      await store().releaseEndpoint("e", "b");
      expect((await held("a")).epoch).toBe(3);
    });

    it("is taken over from a holder that cannot live", async () => {
      await held("a");
      expect((await hold("b", { takeOver: true }))?.epoch).toBe(2);
    });

    it("is disabled and rests until it is enabled", async () => {
      const { epoch, now } = await held();
      await settle(epoch, [], { restUntil: now + 60_000 });
      expect(await held()).toMatchObject({ restUntil: now + 60_000, disabledAt: null });
      await settle(epoch, [], { disable: true });
      const disabledAt = (await held()).disabledAt;
      expect(disabledAt).toBeGreaterThanOrEqual(now);
      await log().pass(50);
      await settle(epoch, [], { disable: true });
      expect(await held()).toMatchObject({ disabledAt, restUntil: now + 60_000 });
      expect(await store().enableEndpoint("e")).toBe(true);
      expect(await held()).toMatchObject({ restUntil: null, disabledAt: null });
      expect(await store().enableEndpoint("other")).toBe(false);
    });
  });

  describe("notices", () => {
    it("are made in the write that moves the endpoint, once", async () => {
      const { epoch, now } = await held();
      expect(await plan(epoch, 0, 9, [3, 7])).toBe(true);
      expect(await held()).toMatchObject({ position: 9, pending: 2 });
      const made = await store().pendingNotices("e", 99);
      expect(made).toMatchObject([
        { endpoint: "e", position: 3, runId: "run_3", seq: 1, type: "run.failed", status: "pending", tries: 0 },
        { position: 7, firstAt: null, endedAt: null, note: null },
      ]);
      expect(made[0]?.createdAt).toBeGreaterThanOrEqual(now);
      expect(made[0]?.dueAt).toBe(made[0]?.createdAt);
      expect(await plan(epoch, 0, 9, [3, 7])).toBe(true);
      expect(await positions()).toEqual([3, 7]);
    });

    it("are not made from another position, nor under an epoch that is over", async () => {
      const { epoch } = await held();
      expect(await plan(epoch, 1, 9, [3])).toBe(false);
      await store().releaseEndpoint("e", "a");
      await held("b");
      expect(await plan(epoch, 0, 9, [3])).toBe(false);
      expect(await held("b")).toMatchObject({ position: 0, pending: 0 });
    });

    it("need not be any: the endpoint just moves", async () => {
      const { epoch } = await held();
      expect(await plan(epoch, 0, 500, [])).toBe(true);
      expect((await held()).position).toBe(500);
    });

    it("of one endpoint are not another's", async () => {
      const [a, b] = [await held("a", "e"), await held("a", "f")];
      await plan(a.epoch, 0, 9, [3], "e");
      await plan(b.epoch, 0, 9, [3, 4], "f");
      expect([await positions("e"), await positions("f")]).toEqual([[3], [3, 4]]);
    });

    it("that are tried again come later, in the order of when they are due", async () => {
      const { epoch, now } = await held();
      await plan(epoch, 0, 9, [3, 4, 5]);
      await settle(epoch, [outcome(3, { status: "pending", dueAt: now + 5_000, note: "answered 500" })]);
      expect(await positions()).toEqual([4, 5, 3]);
      const [again] = await list({ status: "pending", endpoint: "e", before: { position: 4, endpoint: "e" } });
      expect(again).toMatchObject({ position: 3, tries: 1, firstAt: 5, dueAt: now + 5_000, note: "answered 500" });
      expect(again?.endedAt).toBeNull();
      expect((await store().pendingNotices("e", 2)).map(({ position }) => position)).toEqual([4, 5]);
    });

    it("that have ended are kept, with when and how", async () => {
      const { epoch, now } = await held();
      await plan(epoch, 0, 9, [3, 4]);
      await settle(epoch, [outcome(3), outcome(4, { status: "dead", note: "answered 500; given up" })]);
      const [dead, delivered] = await list();
      expect(dead).toMatchObject({
        position: 4,
        status: "dead",
        tries: 1,
        dueAt: null,
        note: "answered 500; given up",
      });
      expect(delivered).toMatchObject({ position: 3, status: "delivered", firstAt: 5 });
      expect(delivered?.endedAt).toBeGreaterThanOrEqual(now);
      expect(await held()).toMatchObject({ pending: 0 });
    });

    it("take each try once, in order, and none under an epoch that is over", async () => {
      const { epoch, now } = await held();
      await plan(epoch, 0, 9, [3]);
      const failed = await due([outcome(3, { status: "pending", dueAt: now + 60_000, note: "answered 500" })]);
      await settleDue(epoch, [{ ...outcome(3), wasDueAt: now - 1 }]);
      expect(await list()).toMatchObject([{ status: "pending", tries: 0 }]);
      await settleDue(epoch, failed);
      await settleDue(epoch, [{ ...outcome(3), wasDueAt: failed[0]?.wasDueAt ?? 0 }]);
      expect(await list()).toMatchObject([{ status: "pending", tries: 1 }]);
      await store().releaseEndpoint("e", "a");
      await held("b");
      await settle(epoch, [outcome(3, { tries: 2 })], { disable: true, restUntil: 9 });
      expect(await list()).toMatchObject([{ status: "pending", tries: 1 }]);
      expect(await held("b")).toMatchObject({ disabledAt: null, restUntil: null });
    });

    it("are retried by hand: one in any state, or those that are dead", async () => {
      const { epoch } = await held();
      await plan(epoch, 0, 9, [3, 4, 5, 6]);
      await settle(epoch, [outcome(3), ...[4, 5].map((position) => outcome(position, { status: "dead" }))]);
      expect(await store().retryNotices("e", 3, 99)).toBe(1);
      expect(await store().retryNotices("e", 8, 99)).toBe(0);
      expect((await positions()).sort()).toEqual([3, 6]);
      expect(await store().retryNotices("e", null, 1)).toBe(1);
      expect(await store().retryNotices("other", null, 9)).toBe(0);
      expect((await positions()).sort()).toEqual([3, 4, 6]);
      const again = (await list()).find(({ position }) => position === 4);
      expect(again).toMatchObject({ status: "pending", tries: 0, firstAt: null, endedAt: null });
    });

    it("that are asked for again are not settled by what was under way", async () => {
      const { epoch } = await held();
      await plan(epoch, 0, 9, [3, 4]);
      const before = await due([outcome(3, { status: "dead" })]);
      await settleDue(epoch, before);
      await log().pass(5);
      await store().retryNotices("e", null, 9);
      await settleDue(epoch, before);
      await settleDue(epoch, [{ ...outcome(3), wasDueAt: before[0]?.wasDueAt ?? 0 }]);
      expect(await list()).toMatchObject([{ status: "pending" }, { status: "pending", tries: 0 }]);
      await settle(epoch, [outcome(3)]);
      expect(await list({ status: "delivered" })).toMatchObject([{ position: 3, tries: 1 }]);
    });

    it("do not disable an endpoint by what was said before it was enabled", async () => {
      const { epoch } = await held();
      await settle(epoch, [], { disable: true });
      await store().enableEndpoint("e");
      const again = await held();
      expect(again.epoch).toBeGreaterThan(epoch);
      await settle(epoch, [], { disable: true, restUntil: again.now + 60_000 });
      expect(await held()).toMatchObject({ disabledAt: null, restUntil: null });
      await store().enableEndpoint("e");
      expect((await held()).epoch).toBe(again.epoch);
    });

    it("are listed latest first, by endpoint and status, in pages", async () => {
      const [e, f] = [await held("a", "e"), await held("a", "f")];
      await plan(e.epoch, 0, 9, [3, 4], "e");
      await plan(f.epoch, 0, 9, [3, 5], "f");
      await settle(e.epoch, [outcome(4)]);
      const short = async (page: Parameters<typeof list>[0]) =>
        (await list(page)).map(({ endpoint, position }) => `${endpoint}${position}`);
      expect(await short({})).toEqual(["f5", "e4", "e3", "f3"]);
      expect(await short({ limit: 2 })).toEqual(["f5", "e4"]);
      expect(await short({ before: { position: 4, endpoint: "e" } })).toEqual(["e3", "f3"]);
      expect(await short({ before: { position: 3, endpoint: "e" } })).toEqual(["f3"]);
      expect(await short({ endpoint: "f" })).toEqual(["f5", "f3"]);
      expect(await short({ status: "delivered" })).toEqual(["e4"]);
    });
  });
}
