/** What every log must do with workers that serve some queues only: what they claim, and what is ahead of them. */
import { describe, expect, it } from "vitest";
import type { PlaceLimit } from "../../src/kernel/place-limit.ts";
import { DEFAULT_QUEUE } from "../../src/kernel/pool.ts";
import type { LogStore } from "../../src/log/port.ts";
import { created, handAt, LEASE_MS, type OpenedLog, runId, start } from "./hand.ts";
import { moved, PROGRAM, turn } from "./writes.ts";

type Queues = readonly string[] | null;

/** What a run in a queue needs, after which come other limits. */
const inQueue = (queue: string, more: readonly PlaceLimit[] = []): readonly PlaceLimit[] => [
  { line: `queue/${queue}`, slots: 100, rank: 0, hold: "work" },
  ...more,
];

const ACTIVE: PlaceLimit = { line: "workflow/ship", slots: 100, rank: 0, hold: "life" };

export function poolsContract(store: () => LogStore, pass: OpenedLog["pass"]): void {
  const { write, pending } = handAt(store);

  /** A run that is admitted. */
  async function queued(places: readonly PlaceLimit[]): Promise<string> {
    const id = runId();
    await write({
      starts: [start(id, { limits: { places, lineAt: 0, takes: [], singleton: null } })],
      runs: [created(id, { row: moved({ availableAt: null }) })],
    });
    await store().openWorker("usher", LEASE_MS);
    const usher = { worker: "usher", turn: turn(), programs: [], limit: 0, alone: false, linesDue: true };
    expect((await store().claim(usher)).claims).toEqual([]);
    return id;
  }

  const request = (worker: string, queues: Queues, alone: boolean) => ({
    ...{ worker, turn: turn(), programs: [PROGRAM], queues },
    ...{ limit: 9, alone },
  });

  async function claimed(queues: Queues, worker = "w1", alone = false): Promise<string[]> {
    await store().openWorker(worker, LEASE_MS, [PROGRAM], queues);
    const { claims } = await store().claim(request(worker, queues, alone));
    return claims.map((claim) => claim.runId).sort();
  }

  const ahead = (queues: Queues, worker = "w1") => store().workAhead(worker, [PROGRAM], queues);

  describe("a worker of a pool", () => {
    it("takes runs of its queues, and leaves those of others and of none", async () => {
      const heavy = await queued(inQueue("heavy"));
      const [mail, plain] = [await queued(inQueue("mail", [ACTIVE])), await pending()];
      expect(await claimed(["heavy"])).toEqual([heavy]);
      expect(await claimed(["heavy"])).toEqual([]);
      expect(await claimed(["other", "mail"], "w2")).toEqual([mail]);
      expect(await claimed(null, "w3")).toEqual([plain]);
    });

    it("takes runs that are in no queue, with limits or without, as those of the default queue", async () => {
      await queued(inQueue("heavy"));
      const [plain, limited] = [await pending(), await queued([ACTIVE])];
      const named = await queued(inQueue(DEFAULT_QUEUE));
      expect(await claimed([DEFAULT_QUEUE])).toEqual([plain, limited, named].sort());
    });

    it("takes what has waited longest, whatever its queue", async () => {
      const late = await queued(inQueue("a"));
      const early = await pending();
      await store().openWorker("w1", LEASE_MS, [PROGRAM], ["a", DEFAULT_QUEUE]);
      const one = async () =>
        (await store().claim({ ...request("w1", ["a", DEFAULT_QUEUE], false), limit: 1 })).claims.map(
          (claim) => claim.runId,
        );
      expect(await one()).toEqual([early]);
      expect(await one()).toEqual([late]);
    });

    it("takes no run of a program that it does not have", async () => {
      await queued(inQueue("heavy"));
      await store().openWorker("w1", LEASE_MS);
      const other = { ...request("w1", ["heavy"], false), programs: [{ workflow: "ship", version: "2" }] };
      expect((await store().claim(other)).claims).toEqual([]);
      expect((await store().workAhead("w1", other.programs, ["heavy"])).dueAt).toBeNull();
    });

    it("takes over from dead workers what is in its queues alone", async () => {
      const heavy = await queued(inQueue("heavy"));
      const plain = await pending();
      expect(await claimed(null, "dead")).toEqual([heavy, plain].sort());
      await pass(LEASE_MS + 20);
      expect(await claimed(["heavy"], "w1")).toEqual([heavy]);
      expect(await claimed([DEFAULT_QUEUE], "w2")).toEqual([plain]);
    });

    it("takes suspects of its queues alone", async () => {
      const heavy = await queued(inQueue("heavy"));
      for (const worker of ["dead-1", "dead-2"]) {
        expect(await claimed(["heavy"], worker)).toEqual([heavy]);
        await store().closeWorker(worker);
      }
      expect(await ahead([DEFAULT_QUEUE], "w1")).toMatchObject({ suspectDue: false, dueAt: null });
      expect(await claimed([DEFAULT_QUEUE], "w1", true)).toEqual([]);
      expect(await ahead(["heavy"], "w2")).toMatchObject({ suspectDue: true });
      expect(await claimed(["heavy"], "w2", true)).toEqual([heavy]);
    });

    it("is told what is ahead of its queues, and of the lines of all", async () => {
      const now = await store().now();
      const later = now + 60_000;
      const row = moved({ availableAt: later });
      const id = runId();
      await write({ starts: [start(id)], runs: [created(id, { row })] });
      expect((await ahead([DEFAULT_QUEUE])).dueAt).toBe(later);
      expect((await ahead(["heavy"])).dueAt).toBeNull();
      await queued(inQueue("heavy"));
      expect((await ahead(["heavy"])).dueAt).toBeLessThanOrEqual(await store().now());
      expect((await ahead([DEFAULT_QUEUE])).dueAt).toBe(later);
      const delayed = runId();
      await write({
        starts: [
          start(delayed, { limits: { places: inQueue("mail"), lineAt: later - 1, takes: [], singleton: null } }),
        ],
        runs: [created(delayed, { row: moved({ availableAt: null }) })],
      });
      expect((await ahead([DEFAULT_QUEUE])).dueAt).toBe(later - 1);
    });

    it("is told when the lease ends of whoever has a run of its queues", async () => {
      await queued(inQueue("heavy"));
      expect(await claimed(["heavy"], "holder")).toHaveLength(1);
      const lease = (await store().listWorkers()).find(({ id }) => id === "holder")?.expiresAt;
      expect((await ahead(["heavy"])).dueAt).toBe(lease);
      expect((await ahead([DEFAULT_QUEUE])).dueAt).toBeNull();
    });

    it("says in its row what it serves", async () => {
      await store().openWorker("w1", LEASE_MS, [PROGRAM], ["heavy"]);
      await store().openWorker("w2", LEASE_MS, [PROGRAM]);
      const rows = new Map((await store().listWorkers()).map(({ id, queues }) => [id, queues]));
      expect([rows.get("w1"), rows.get("w2")]).toEqual([["heavy"], null]);
    });
  });
}
