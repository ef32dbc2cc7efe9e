/** What every log must do with the values that runs share. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import type { KeyedPut } from "../../src/log/port-keyed.ts";
import { beyond, ended, type Held, handAt, type OpenedLog } from "./hand.ts";
import { eventOf } from "./writes.ts";

export function keyedContract(log: () => OpenedLog): void {
  const store = (): LogStore => log().store;
  const { claim, claimed, goOn, parked, write, next } = handAt(store);

  const put = (key: string, value: string | null, more: Partial<KeyedPut> = {}) =>
    store().putKeyed({ scope: "s", key, value, ttlMs: null, ifVersion: null, operation: null, note: null, ...more });

  /** A put on behalf of a run's call. */
  const putFor = (run: Held, call: string, value: string, ifVersion: number, more: Partial<KeyedPut> = {}) =>
    put("k", value, {
      ifVersion,
      operation: { runId: run.id, epoch: run.epoch, key: call },
      note: `"of ${call}"`,
      ...more,
    });

  const get = (key = "k", scope = "s") => store().getKeyed(scope, key);

  const list = async (prefix: string, after: string | null = null, limit = 99) =>
    (await store().listKeyed("s", { prefix, after, limit })).map(({ key }) => key);

  describe("a keyed value", () => {
    it("that was never set is not there, and has version 0", async () => {
      expect(await get()).toEqual({ key: "k", value: null, version: 0, expiresAt: null });
    });

    it("is what was put last, and its version grows", async () => {
      expect(await put("k", '{"value":1}')).toEqual({ kind: "put", version: 1 });
      expect(await get()).toEqual({ key: "k", value: '{"value":1}', version: 1, expiresAt: null });
      expect(await put("k", '{"value":2}')).toEqual({ kind: "put", version: 2 });
      expect(await get()).toMatchObject({ value: '{"value":2}', version: 2 });
    });

    it("belongs to its scope", async () => {
      await put("k", "1");
      await put("k", "2", { scope: "other" });
      expect([(await get()).value, (await get("k", "other")).value]).toEqual(["1", "2"]);
      expect(await list("")).toEqual(["k"]);
    });

    it("is put only over the version that the put names", async () => {
      expect(await put("k", "1", { ifVersion: 1 })).toEqual({ kind: "conflict" });
      expect(await put("k", "1", { ifVersion: 0 })).toEqual({ kind: "put", version: 1 });
      expect(await put("k", "2", { ifVersion: 0 })).toEqual({ kind: "conflict" });
      expect(await put("k", "2", { ifVersion: 2 })).toEqual({ kind: "conflict" });
      expect(await get()).toMatchObject({ value: "1", version: 1 });
      expect(await put("k", "2", { ifVersion: 1 })).toEqual({ kind: "put", version: 2 });
    });

    it("that is deleted is gone, but for its version", async () => {
      await put("k", "1");
      expect(await put("k", null)).toEqual({ kind: "put", version: 2 });
      expect(await get()).toEqual({ key: "k", value: null, version: 2, expiresAt: null });
      expect(await put("k", "1", { ifVersion: 0 })).toEqual({ kind: "conflict" });
      expect(await put("k", "1", { ifVersion: 2 })).toEqual({ kind: "put", version: 3 });
      expect(await get()).toMatchObject({ value: "1", version: 3 });
    });

    it("expires by the database's clock, but for its version", async () => {
      const before = Math.floor(await store().now());
      await put("k", "1", { ttlMs: 60_000 });
      const { expiresAt } = await get();
      expect(expiresAt).toBeGreaterThanOrEqual(before + 60_000);
      expect(expiresAt).toBeLessThanOrEqual((await store().now()) + 60_000);
      expect(await get()).toMatchObject({ value: "1", version: 1 });
      await put("k", "2", { ttlMs: 20 });
      await log().pass(20);
      expect(await get()).toEqual({ key: "k", value: null, version: 2, expiresAt: null });
      expect(await list("")).toEqual([]);
      expect(await put("k", "3", { ifVersion: 0 })).toEqual({ kind: "conflict" });
      expect(await put("k", "3", { ifVersion: 2 })).toEqual({ kind: "put", version: 3 });
      expect(await get()).toEqual({ key: "k", value: "3", version: 3, expiresAt: null });
    });

    it("is listed by the beginning of its key, in the order of code points, and paged", async () => {
      const keys = ["a", "a%", "a%b", "a%c", "a_b", "aab", "b", "A%b", "a%\u{ffee}", "a%\u{1f600}", "a%\u{10ffff}x"];
      for (const key of keys) await put(key, "1");
      await put("a%gone", "1");
      await put("a%gone", null);
      await put("a%late", "1", { ttlMs: 0 });
      const found = ["a%", "a%b", "a%c", "a%\u{ffee}", "a%\u{1f600}", "a%\u{10ffff}x"];
      expect(await list("a%")).toEqual(found);
      expect(await list("a%", null, 2)).toEqual(["a%", "a%b"]);
      expect(await list("a%", "a%b", 2)).toEqual(["a%c", "a%\u{ffee}"]);
      expect(await list("a%", "a%\u{ffee}")).toEqual(["a%\u{1f600}", "a%\u{10ffff}x"]);
      expect(await list("a%", "a")).toEqual(found);
      expect(await list("a%", "b")).toEqual([]);
      expect(await list("\u{10ffff}")).toEqual([]);
      expect(await list("")).toEqual(["A%b", "a", ...found, "a_b", "aab", "b"]);
      const [first] = await store().listKeyed("s", { prefix: "a", after: null, limit: 1 });
      expect(first).toEqual({ key: "a", value: "1", version: 1, expiresAt: null });
    });
  });

  describe("a put on behalf of a run's call", () => {
    it("is done once: a repetition gets the answer of the first, whatever it would put", async () => {
      const run = await claimed();
      expect(await putFor(run, "c", "1", 0)).toEqual({ kind: "put", version: 1 });
      const done = { kind: "done", version: 1, note: '"of c"' };
      expect(await putFor(run, "c", "1", 0)).toEqual(done);
      expect(await putFor(run, "c", "9", 1, { note: '"another"' })).toEqual(done);
      await put("k", "2");
      expect(await putFor(run, "c", "1", 0)).toEqual(done);
      expect(await putFor(run, "c", "1", 2)).toEqual(done);
      expect(await get()).toMatchObject({ value: "2", version: 2 });
    });

    it("may come without a note, and may delete", async () => {
      const run = await claimed();
      await put("k", "1");
      const operation = { runId: run.id, epoch: run.epoch, key: "c" };
      const request = { ifVersion: 1, operation, note: null };
      expect(await put("k", null, request)).toEqual({ kind: "put", version: 2 });
      expect(await put("k", null, request)).toEqual({ kind: "done", version: 2, note: null });
      expect(await get()).toMatchObject({ value: null, version: 2 });
    });

    it("that met another version has not been done, and may be tried over the present one", async () => {
      const run = await claimed();
      await put("k", "1");
      expect(await putFor(run, "c", "2", 0)).toEqual({ kind: "conflict" });
      expect(await get()).toMatchObject({ value: "1", version: 1 });
      expect(await putFor(run, "c", "2", 1)).toEqual({ kind: "put", version: 2 });
    });

    it("is one of its own: other calls, and the same call of other runs, put too", async () => {
      const [one, two] = [await claimed(), await claimed()];
      expect(await putFor(one, "c", "1", 0)).toEqual({ kind: "put", version: 1 });
      expect(await putFor(one, "d", "2", 1)).toEqual({ kind: "put", version: 2 });
      expect(await putFor(two, "c", "3", 2)).toEqual({ kind: "put", version: 3 });
    });

    it("is found done by the run's next owner, and its last one is told that it lost the run", async () => {
      const run = await claimed();
      await putFor(run, "c", "1", 0);
      await store().closeWorker("w1");
      const { claims } = await claim("w2");
      expect(claims).toMatchObject([{ runId: run.id }]);
      expect(await putFor(run, "c", "1", 0)).toEqual({ kind: "lost" });
      expect(await putFor(run, "d", "1", 1)).toEqual({ kind: "lost" });
      const owned = { ...run, epoch: claims[0]?.epoch ?? 0 };
      const done = { kind: "done", version: 1, note: '"of c"' };
      const operation = { runId: run.id, epoch: owned.epoch, key: "c" };
      expect(await store().getOperation(operation)).toEqual(done);
      expect(await store().getOperation({ ...operation, key: "d" })).toBeNull();
      expect(await store().getOperation({ ...operation, epoch: owned.epoch - 1 })).toEqual({ kind: "lost" });
      expect(await putFor(owned, "c", "1", 0)).toEqual(done);
      expect(await get()).toMatchObject({ version: 1 });
    });

    it("of a run that is over, or was never there, is lost", async () => {
      const run = await claimed();
      await goOn(run, { row: ended("completed") });
      expect(await putFor(run, "c", "1", 0)).toEqual({ kind: "lost" });
      expect(await putFor({ ...run, id: "run_none" }, "c", "1", 0)).toEqual({ kind: "lost" });
      expect(await get()).toMatchObject({ version: 0 });
    });

    it("of a run that waits is done", async () => {
      expect(await putFor(await parked(), "c", "1", 0)).toEqual({ kind: "put", version: 1 });
    });

    it("is forgotten once its run has settled it, and a late repetition meets its own version", async () => {
      const run = await claimed();
      await putFor(run, "c", "1", 0);
      await putFor(run, "d", "2", 1);
      await goOn(run, { beyond: beyond({ settled: ["c", "never"] }) });
      expect(await putFor(run, "c", "1", 0)).toEqual({ kind: "conflict" });
      expect(await putFor(run, "d", "2", 1)).toMatchObject({ kind: "done" });
      expect(await get()).toMatchObject({ value: "2", version: 2 });
    });

    it("is not forgotten by a write that is not taken", async () => {
      const run = await claimed();
      await putFor(run, "c", "1", 0);
      await write({ runs: [next({ ...run, epoch: run.epoch - 1 }, { beyond: beyond({ settled: ["c"] }) })] });
      expect(await putFor(run, "c", "1", 0)).toMatchObject({ kind: "done" });
    });

    it("is forgotten when its run completes", async () => {
      const run = await claimed();
      const other = await claimed();
      await putFor(run, "c", "1", 0);
      await putFor(other, "c", "2", 1);
      await goOn(run, { row: ended("completed"), beyond: beyond({}) });
      expect(await store().strays()).toEqual([]);
      expect(await putFor(other, "c", "2", 1)).toMatchObject({ kind: "done" });
    });

    it.each(["failed", "cancelled"] as const)(
      "outlives its run if that was %s and goes on with the call",
      async (status) => {
        const run = await claimed();
        const other = await claimed();
        for (const [version, call] of ["c", "d", "e"].entries()) await putFor(run, call, "1", version);
        await putFor(other, "c", "2", 3);
        await goOn(run, { row: ended(status), beyond: beyond({ settled: ["e"] }) });
        const request = { runId: run.id, seq: run.head + 1, event: eventOf("run.reopened"), open: ["c", "never"] };
        expect(await store().reopen({ ...request, seq: run.head + 2, open: [] })).toBe(false);
        expect(await store().reopen(request)).toBe(true);
        const again = { ...run, epoch: (await claim()).claims[0]?.epoch ?? 0 };
        expect(await putFor(again, "c", "1", 0)).toEqual({ kind: "done", version: 1, note: '"of c"' });
        for (const [version, call] of ["d", "e"].entries())
          expect(await putFor(again, call, "1", version + 1)).toEqual({ kind: "conflict" });
        // Sent again, it changes nothing.
        expect(await store().reopen({ ...request, open: [] })).toBe(true);
        expect(await putFor(again, "c", "1", 0)).toMatchObject({ kind: "done" });
        expect(await putFor(other, "c", "2", 3)).toMatchObject({ kind: "done" });
      },
    );

    it("names the version that it is put over", async () => {
      const run = await claimed();
      const operation = { runId: run.id, epoch: run.epoch, key: "c" };
      await expect(put("k", "1", { operation })).rejects.toThrow("names no version");
    });
  });
}
