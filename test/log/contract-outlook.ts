/** What every log must say in short of runs that do not go on. */
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import { append, beyond, handAt, LEASE_MS, left, runId, start } from "./hand.ts";
import { eventOf, moved, newRun, PROGRAM, turn } from "./writes.ts";

export function outlookContract(store: () => LogStore): void {
  const { write } = handAt(store);

  describe("an outlook", () => {
    it("has the last events of each run, without the values of users", async () => {
      const [a, b] = [runId(), runId()];
      const timer = { dueAt: 5_000 };
      await write(
        newRun(a, {}, [eventOf("step.completed", "s", { value: "long" }), eventOf("timer.armed", "t", timer)]),
      );
      await write(newRun(b, {}, [eventOf("wait.started", "w", { signal: "go" })]));
      const asked = [
        { runId: a, afterSeq: 1 },
        { runId: b, afterSeq: 0 },
        { runId: "run_none", afterSeq: 0 },
      ];
      const { events, places, locks } = await store().readOutlook(asked);
      expect(events.map((event) => [event.runId, event.seq, event.type, JSON.parse(event.data ?? "null")])).toEqual([
        [a, 2, "step.completed", null],
        [a, 3, "timer.armed", timer],
        [b, 1, "run.created", { availableAt: null }],
        [b, 2, "wait.started", { signal: "go" }],
      ]);
      expect([places, locks]).toEqual([[], []]);
      expect(await store().readOutlook([])).toEqual({ events: [], places: [], locks: [] });
    });

    it("has no places that were given back", async () => {
      const id = runId();
      await write({
        starts: [
          start(id, {
            limits: {
              places: [
                { line: "outlook/work", slots: 1, rank: 0, hold: "work" },
                { line: "outlook/life", slots: 1, rank: 0, hold: "life" },
              ],
              ...{ lineAt: 0, takes: [], singleton: null },
            },
          }),
        ],
        runs: [{ ...newRun(id).runs[0]!, row: moved({ availableAt: null }) }],
      });
      await store().openWorker("w-left", LEASE_MS);
      const claim = { worker: "w-left", programs: [PROGRAM], limit: 9, alone: false };
      await store().claim({ ...claim, turn: turn(), linesDue: true });
      const [held] = (await store().claim({ ...claim, turn: turn() })).claims;
      const row = held ?? ((await store().getRun(id)) as { epoch: number; head: number });
      const { epoch, head } = row;
      const read = async () => await store().readOutlook([{ runId: id, afterSeq: 99 }]);
      expect((await read()).places.map(({ line }) => line)).toEqual(["outlook/life", "outlook/work"]);
      await write({
        runs: [append(id, epoch, head + 1, { row: left("waiting"), beyond: beyond({ places: "yield" }) })],
      });
      expect((await read()).places.map(({ line }) => line)).toEqual(["outlook/life"]);
    });

    it("has a run's places, and how full their lines are", async () => {
      const ids = [runId(), runId()];
      const line = { line: "outlook", slots: 1, rank: 0, hold: "life" as const };
      for (const id of ids) {
        const limits = { places: [line], lineAt: 0, takes: [], singleton: null };
        await write({
          starts: [start(id, { limits })],
          runs: [{ ...newRun(id).runs[0]!, row: moved({ availableAt: null }) }],
        });
      }
      await store().openWorker("w-outlook", LEASE_MS);
      await store().claim({
        turn: turn(),
        worker: "w-outlook",
        programs: [PROGRAM],
        limit: 9,
        alone: false,
        linesDue: true,
      });
      const read = async () => (await store().readOutlook(ids.map((id) => ({ runId: id, afterSeq: 9 })))).places;
      expect(await read()).toMatchObject([
        { ...line, runId: ids[0], grantedAt: expect.any(Number), held: 1, slotsSet: null, paused: false },
        { ...line, runId: ids[1], grantedAt: null, held: 1, slotsSet: null, paused: false },
      ]);
      await store().setLine({ line: "outlook", slots: 1, paused: true });
      expect((await read())[1]).toMatchObject({ slotsSet: 1, paused: true });
    });

    it("has the locks that a run waits for, and none that it holds", async () => {
      const ids = [runId(), runId()];
      for (const id of ids) await write(newRun(id, { owner: "w-locks" }));
      for (const id of ids) {
        const { epoch } = (await store().getRun(id)) as { epoch: number };
        await store().requestLock({ name: "door", slots: 1, operation: { runId: id, epoch, key: "in" } });
      }
      const { locks } = await store().readOutlook(ids.map((id) => ({ runId: id, afterSeq: 9 })));
      expect(locks).toMatchObject([{ name: "door", runId: ids[1], key: "in", grantedAt: null }]);
    });
  });
}
