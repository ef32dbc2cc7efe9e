/** What every log must do with locks: lines of places, first come first served. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import { append, beyond, ended, type Held, handAt, left } from "./hand.ts";
import { eventOf } from "./writes.ts";

export function locksContract(store: () => LogStore): void {
  const { claim, claimed, goOn, mailOf, next, parked, statusOf, write } = handAt(store);

  const ask = ({ id, epoch }: Held, key = "lock", name = "n", slots = 1) =>
    store().requestLock({ name, slots, operation: { runId: id, epoch, key } });

  const unlock = (...keys: string[]) => ({ beyond: beyond({ unlocks: keys }) });

  const places = async (name: string | null = null, limit = 99) => await store().listLocks({ name, limit });

  /** Who holds and who waits, in line. */
  const line = async (name: string | null = "n") =>
    (await places(name)).map(({ runId, grantedAt }) => `${runId} ${grantedAt === null ? "waits" : "holds"}`);

  const runs = async (count: number): Promise<Held[]> => {
    const list: Held[] = [];
    for (let i = 0; i < count; i++) list.push(await claimed());
    return list;
  };

  describe("a lock", () => {
    it("is granted to who comes first; the next one waits", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      const before = Math.floor(await store().now());
      expect([await ask(a), await ask(b)]).toEqual(["granted", "waiting"]);
      const after = await store().now();
      const [first, second] = await places("n");
      expect(first).toMatchObject({ name: "n", runId: a.id, key: "lock" });
      expect(first?.grantedAt).toBeGreaterThanOrEqual(first?.requestedAt as number);
      expect(second).toMatchObject({ name: "n", runId: b.id, key: "lock", grantedAt: null });
      for (const place of [first, second]) {
        expect(place?.requestedAt).toBeGreaterThanOrEqual(before);
        expect(place?.grantedAt ?? place?.requestedAt).toBeLessThanOrEqual(after);
      }
      expect(second?.ticket).toBeGreaterThan(first?.ticket as number);
      expect(await mailOf(a.id, b.id)).toEqual([]);
    });

    it("that is asked for again has one place, and gives the same answer", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await ask(a);
      await ask(b);
      const before = await places();
      expect([await ask(b), await ask(a)]).toEqual(["waiting", "granted"]);
      expect(await places()).toEqual(before);
    });

    it("that is let go of is granted to the next in line, which gets mail and wakes", async () => {
      const [a, b, c] = [await claimed(), await parked(), await parked()];
      for (const run of [a, b, c]) await ask(run, `key of ${run.id}`);
      const waiting = (await places())[1];
      await goOn(a, unlock(`key of ${a.id}`));
      expect(await line()).toEqual([`${b.id} holds`, `${c.id} waits`]);
      expect((await places())[0]).toEqual({ ...waiting, grantedAt: expect.any(Number) });
      const [mail, ...more] = await mailOf(a.id, b.id, c.id);
      expect(mail).toMatchObject({ id: b.id, kind: "lock", token: `lock/${waiting?.ticket}` });
      expect(JSON.parse(mail?.data as string)).toEqual({ key: `key of ${b.id}` });
      expect(more).toEqual([]);
      expect([await statusOf(b.id), await statusOf(c.id)]).toEqual(["pending", "waiting"]);
      expect((await claim()).claims).toMatchObject([{ runId: b.id, hasMail: true }]);
      expect(await ask(b, `key of ${b.id}`)).toBe("lost");
    });

    it("is granted in the order of arrival", async () => {
      const list = await runs(6);
      for (const run of list) await ask(run);
      const order: string[] = [];
      for (const run of list) {
        order.push((await line())[0] as string);
        await goOn(run, unlock("lock"));
      }
      expect(order).toEqual(list.map(({ id }) => `${id} holds`));
      expect(await places()).toEqual([]);
      expect((await mailOf(...list.map(({ id }) => id))).map(({ id }) => id)).toEqual(
        list.slice(1).map(({ id }) => id),
      );
    });

    it("with slots is held by so many at once", async () => {
      const list = (await runs(5)) as [Held, Held, Held, Held, Held];
      const [a, b, c, d, e] = list;
      const answers: string[] = [];
      for (const run of list) answers.push(await ask(run, "lock", "n", 2));
      expect(answers).toEqual(["granted", "granted", "waiting", "waiting", "waiting"]);
      await goOn(b, unlock("lock"));
      expect(await line()).toEqual([`${a.id} holds`, `${c.id} holds`, `${d.id} waits`, `${e.id} waits`]);
      await write({ runs: [next(a, unlock("lock")), next(c, unlock("lock"))] });
      expect(await line()).toEqual([`${d.id} holds`, `${e.id} holds`]);
      expect((await mailOf(...list.map(({ id }) => id))).map(({ id }) => id)).toEqual([c.id, d.id, e.id]);
    });

    it("is granted by each one's own slots", async () => {
      const [a, b, c, d] = (await runs(4)) as [Held, Held, Held, Held];
      expect(await ask(a)).toBe("granted");
      expect(await ask(b)).toBe("waiting");
      expect(await ask(c, "lock", "n", 2)).toBe("waiting");
      expect(await ask(d, "lock", "n", 4)).toBe("granted");
      expect(await line()).toEqual([`${a.id} holds`, `${b.id} waits`, `${c.id} waits`, `${d.id} holds`]);
      await goOn(a, unlock("lock"));
      expect(await line()).toEqual([`${b.id} holds`, `${c.id} holds`, `${d.id} holds`]);
      expect((await mailOf(b.id, c.id, d.id)).map(({ id }) => id)).toEqual([b.id, c.id]);
    });

    it("may be asked for again with other slots", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      for (const run of [a, b, c]) await ask(run);
      expect(await ask(b, "lock", "n", 2)).toBe("granted");
      expect(await ask(c, "lock", "n", 2)).toBe("waiting");
      await goOn(a, unlock("lock"));
      expect(await line()).toEqual([`${b.id} holds`, `${c.id} holds`]);
      expect((await mailOf(b.id, c.id)).map(({ id }) => id)).toEqual([c.id]);
    });

    it("is one of many: each name has its line, listed by name and arrival", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      expect(await ask(a, "1", "z")).toBe("granted");
      expect(await ask(b, "1", "\u{1f600}")).toBe("granted");
      expect(await ask(b, "2", "\u{ffee}")).toBe("granted");
      expect(await ask(b, "3", "z")).toBe("waiting");
      expect((await places()).map(({ name, key }) => [name, key])).toEqual([
        ["z", "1"],
        ["z", "3"],
        ["\u{ffee}", "2"],
        ["\u{1f600}", "1"],
      ]);
      expect((await places(null, 1)).map(({ key }) => key)).toEqual(["1"]);
      expect((await places("z", 9)).map(({ key }) => key)).toEqual(["1", "3"]);
      expect(await places("none")).toEqual([]);
      await goOn(b, unlock("1", "2"));
      expect((await places()).map(({ key }) => key)).toEqual(["1", "3"]);
    });

    it("may be wanted by several calls of one run", async () => {
      const run = await claimed();
      expect([await ask(run, "a"), await ask(run, "b")]).toEqual(["granted", "waiting"]);
      await goOn(run, unlock("a"));
      expect(await ask(run, "b")).toBe("granted");
      expect((await mailOf(run.id)).map(({ kind }) => kind)).toEqual(["lock"]);
    });
  });

  describe("a place in line", () => {
    it("that is given up lets those behind it move up, and grants nothing that is held", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      for (const run of [a, b, c]) await ask(run);
      await goOn(b, unlock("lock"));
      expect(await line()).toEqual([`${a.id} holds`, `${c.id} waits`]);
      await goOn(a, unlock("lock"));
      expect(await line()).toEqual([`${c.id} holds`]);
      expect((await mailOf(a.id, b.id, c.id)).map(({ id }) => id)).toEqual([c.id]);
    });

    it("ends with its run, held or waited for", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      await ask(a, "1", "n");
      await ask(b, "1", "n");
      await ask(b, "2", "m");
      await ask(a, "2", "m");
      await ask(c, "1", "m");
      await goOn(a, { row: ended("failed"), beyond: beyond({}) });
      expect(await line(null)).toEqual([`${b.id} holds`, `${c.id} waits`, `${b.id} holds`]);
      expect((await mailOf(a.id, b.id, c.id)).map(({ id }) => id)).toEqual([b.id]);
      await goOn(b, { row: ended("completed"), beyond: beyond({ unlocks: ["1"] }) });
      expect(await line(null)).toEqual([`${c.id} holds`]);
      expect(await ask(a, "1", "n")).toBe("lost");
      expect(await line(null)).toEqual([`${c.id} holds`]);
    });

    it("does not end by a write that is not taken", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await ask(a);
      await ask(b);
      const before = await places();
      for (const [epoch, seq] of [
        [a.epoch - 1, 2],
        [a.epoch, 3],
      ] as const) {
        await write({ runs: [append(a.id, epoch, seq, unlock("lock"))] });
        await write({ runs: [append(a.id, epoch, seq, { row: ended("failed"), beyond: beyond({}) })] });
      }
      expect(await places()).toEqual(before);
      expect(await mailOf(b.id)).toEqual([]);
    });

    it("ends once: sent again the write grants nothing, and nobody gets mail twice", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      for (const run of [a, b, c]) await ask(run);
      const part = await goOn(a, unlock("lock"));
      const mail = await store().readInbox([b.id]);
      await goOn(b, { drained: mail.map(({ id }) => id) });
      await write({ runs: [part] });
      await goOn(a, unlock("lock"));
      expect(await line()).toEqual([`${b.id} holds`, `${c.id} waits`]);
      expect(await mailOf(a.id, b.id, c.id)).toEqual([]);
    });

    it("that has ended is the call's last: a request that arrives late takes no other", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await ask(a);
      await goOn(a, unlock("lock"));
      expect(await ask(a)).toBe("lost");
      expect(await places()).toEqual([]);
      expect(await ask(b)).toBe("granted");
    });

    it("that ended before anybody had asked for it has ended: a late request takes no slot", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await goOn(a, unlock("lock"));
      expect(await ask(a)).toBe("lost");
      expect(await places()).toEqual([]);
      expect(await ask(b)).toBe("granted");
      await goOn(a, { row: ended("cancelled"), beyond: beyond({}) });
      await store().reopen({ runId: a.id, seq: a.head + 1, event: eventOf("run.reopened"), open: [] });
      const again = { ...a, epoch: (await claim()).claims[0]?.epoch ?? 0 };
      expect(await ask(again)).toBe("waiting");
    });

    it("belongs to the run: its next owner finds it, and its last one is told that it lost the run", async () => {
      const a = await claimed();
      await ask(a);
      await store().closeWorker("w1");
      const again = { ...a, epoch: (await claim("w2")).claims[0]?.epoch ?? 0 };
      expect([await ask(a), await ask(a, "another")]).toEqual(["lost", "lost"]);
      expect(await ask(again)).toBe("granted");
      expect(await places()).toHaveLength(1);
    });

    it("is not to be had by a run that is over, or was never there", async () => {
      const a = await claimed();
      await goOn(a, { row: ended("completed") });
      expect(await ask(a)).toBe("lost");
      expect(await ask({ ...a, id: "run_none" })).toBe("lost");
      expect(await places()).toEqual([]);
    });

    it("is a new one when the run has been reopened", async () => {
      const a = await claimed();
      await ask(a);
      await goOn(a, { row: ended("cancelled"), beyond: beyond({}) });
      await store().reopen({ runId: a.id, seq: a.head + 1, event: eventOf("run.reopened"), open: [] });
      const again = { ...a, epoch: (await claim()).claims[0]?.epoch ?? 0 };
      expect(await ask(again)).toBe("granted");
    });
  });

  describe("who is granted a lock", () => {
    it("does not wait, if it would from the same write on", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await ask(a);
      await ask(b);
      const verdict = await write({ runs: [next(b, { row: left("waiting") }), next(a, unlock("lock"))] });
      expect(await store().getRun(b.id)).toMatchObject({ status: "pending", owner: null });
      expect(verdict.runs.get(b.id)?.availableAt).not.toBeNull();
    });

    it("stays paused, and has its mail", async () => {
      const [a, b] = [await claimed(), await parked("paused")];
      await ask(a);
      await ask(b);
      await goOn(a, unlock("lock"));
      expect(await line()).toEqual([`${b.id} holds`]);
      expect(await statusOf(b.id)).toBe("paused");
      expect(await mailOf(b.id)).toHaveLength(1);
    });

    it("is none that ends in the same write, or gives up in it", async () => {
      const [a, b, c, d] = (await runs(4)) as [Held, Held, Held, Held];
      for (const run of [a, b, c, d]) await ask(run);
      await write({
        runs: [next(a, unlock("lock")), next(b, { row: ended("failed"), beyond: beyond({}) }), next(c, unlock("lock"))],
      });
      expect(await line()).toEqual([`${d.id} holds`]);
      expect((await mailOf(a.id, b.id, c.id, d.id)).map(({ id }) => id)).toEqual([d.id]);
    });

    it("may be the run that let go", async () => {
      const a = await claimed();
      await ask(a, "1");
      await ask(a, "2");
      await goOn(a, { row: left("waiting"), ...unlock("1") });
      expect(await statusOf(a.id)).toBe("pending");
      expect(await mailOf(a.id)).toHaveLength(1);
    });

    it("gets mail though its inbox is full", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await ask(a);
      await ask(b);
      const messages = Array.from({ length: 1_000 }, (_, i) => ({
        ...{ runId: b.id, kind: "signal" as const, token: `${b.id}/${i}`, data: null, at: 1 },
      }));
      await write({ messages });
      await goOn(a, unlock("lock"));
      expect((await mailOf(b.id)).at(-1)).toMatchObject({ kind: "lock" });
    });
  });

  describe("a slot of a queue", () => {
    const enter = ({ id, epoch }: Held, name = "q", more: { slots?: number; priority?: number; key?: string } = {}) => {
      const { slots = 1, priority = 0, key } = more;
      const line = `queue/${name}${key === undefined ? "" : `/${key}`}`;
      const queue = { name, headStartMs: priority * 60_000 };
      return store().requestLock({ name: line, slots, queue, operation: { runId: id, epoch, key: "slot" } });
    };

    const set = (name: string, change: { slots?: number | null; paused?: boolean }) =>
      store().setLine({ line: `queue/${name}`, slots: null, paused: false, ...change });

    it("goes to who has more priority, and to nobody in place of who has it", async () => {
      const [a, b, c, d] = (await runs(4)) as [Held, Held, Held, Held];
      expect(await enter(a)).toBe("granted");
      expect([await enter(b), await enter(c, "q", { priority: 1 })]).toEqual(["waiting", "waiting"]);
      expect(await enter(d, "q", { priority: 9 })).toBe("waiting");
      expect(await line("queue/q")).toEqual([`${a.id} holds`, `${d.id} waits`, `${c.id} waits`, `${b.id} waits`]);
      const order: string[] = [];
      for (let [run, ...rest] = [a, b, c, d] as (Held | undefined)[]; run !== undefined; ) {
        await goOn(run, unlock("slot"));
        const next = (await places("queue/q")).find(({ grantedAt }) => grantedAt !== null);
        if (next !== undefined) order.push(next.runId);
        run = rest.find((each) => each?.id === next?.runId);
      }
      expect(order).toEqual([d.id, c.id, b.id]);
    });

    it("that was waited for longer makes up for priority", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      await enter(a);
      await store().requestLock({
        ...{ name: "queue/q", slots: 1, queue: { name: "q", headStartMs: 60_000 } },
        operation: { runId: b.id, epoch: b.epoch, key: "slot" },
      });
      // As if it had come two minutes before.
      await store().requestLock({
        ...{ name: "queue/q", slots: 1, queue: { name: "q", headStartMs: 120_000 } },
        operation: { runId: c.id, epoch: c.epoch, key: "slot" },
      });
      await goOn(a, unlock("slot"));
      expect(await line("queue/q")).toEqual([`${c.id} holds`, `${b.id} waits`]);
    });

    it("of a paused queue is given to nobody until it is resumed, in each of its lines, with mail that wakes", async () => {
      await set("q", { paused: true });
      const [a, b, c, d] = [await claimed(), await parked(), await parked(), await parked()];
      expect(await enter(a)).toBe("waiting");
      for (const [run, key] of [
        [b, "x"],
        [c, "x"],
        [d, "y"],
      ] as const)
        expect(await enter(run, "q", { key })).toBe("waiting");
      expect(await store().countPlaces("queue/q")).toMatchObject({ held: 0, steps: { held: 0, waiting: 4 } });
      await set("other", { paused: false });
      expect(await line("queue/q")).toEqual([`${a.id} waits`]);
      await set("q", { paused: false });
      expect(await line("queue/q")).toEqual([`${a.id} holds`]);
      expect(await line("queue/q/x")).toEqual([`${b.id} holds`, `${c.id} waits`]);
      expect(await line("queue/q/y")).toEqual([`${d.id} holds`]);
      expect(await mailOf(a.id, b.id, c.id, d.id)).toMatchObject([{ id: a.id }, { id: b.id }, { id: d.id }]);
      expect([await statusOf(b.id), await statusOf(c.id)]).toEqual(["pending", "waiting"]);
      expect(await store().countPlaces("queue/q")).toMatchObject({ steps: { held: 3, waiting: 1 } });
    });

    it("is given to as many as was set, also as places end and others come; what is set of one queue is no lock's", async () => {
      const all = await runs(5);
      for (const run of all.slice(0, 4)) await enter(run);
      await set("q", { slots: 3 });
      expect((await line("queue/q")).filter((place) => place.endsWith("holds"))).toHaveLength(3);
      await goOn(all[0] as Held, unlock("slot"));
      expect((await line("queue/q")).filter((place) => place.endsWith("holds"))).toHaveLength(3);
      await set("q", { slots: 1 });
      await goOn(all[1] as Held, unlock("slot"));
      expect(await enter(all[4] as Held)).toBe("waiting");
      expect((await line("queue/q")).filter((place) => place.endsWith("holds"))).toHaveLength(2);
      await set("q", {});
      await goOn(all[2] as Held, unlock("slot"));
      await goOn(all[3] as Held, unlock("slot"));
      expect(await line("queue/q")).toEqual([`${all[4]?.id} holds`]);
    });

    it("of a queue that is paused while it is held stays, and goes to nobody else when it ends", async () => {
      const [a, b] = (await runs(2)) as [Held, Held];
      await enter(a);
      await enter(b);
      await set("q", { paused: true });
      await goOn(a, unlock("slot"));
      expect(await line("queue/q")).toEqual([`${b.id} waits`]);
      expect([await enter(b), await places("queue/q")]).toMatchObject(["waiting", [{ queue: "q", slots: 1 }]]);
      await set("q", { slots: 5 });
      expect(await line("queue/q")).toEqual([`${b.id} holds`]);
    });

    it("is counted apart from the places of runs, and for the whole queue", async () => {
      const [a, b, c] = (await runs(3)) as [Held, Held, Held];
      await enter(a, "q", { key: "x" });
      await enter(b, "q", { key: "x" });
      await enter(c, "q", { key: "y" });
      expect(await store().countPlaces("queue/q")).toEqual({ held: 0, waiting: 0, steps: { held: 2, waiting: 1 } });
      expect(await store().countPlaces("queue/q/x")).toMatchObject({ steps: { held: 0, waiting: 0 } });
    });
  });
}
