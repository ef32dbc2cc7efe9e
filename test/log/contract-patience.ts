/** What every log must do with runs that hold places and that no worker takes. */
import { describe, expect, it } from "vitest";
import type { PlaceLimit } from "../../src/kernel/place-limit.ts";
import type { LogStore } from "../../src/log/port.ts";
import { ASIDE_MS, type PassRequest } from "../../src/log/port-patience.ts";
import { beyond, created, ended, handAt, LEASE_MS, left, message, type OpenedLog, runId, start } from "./hand.ts";
import { moved, PROGRAM, turn } from "./writes.ts";

const OTHER = { workflow: "old", version: "1" };

const PATIENCE_MS = 200;

export function patienceContract(store: () => LogStore, pass: OpenedLog["pass"]): void {
  const { write, statusOf, next } = handAt(store);

  const line = (name: string, more: Partial<PlaceLimit> = {}): PlaceLimit => ({
    ...{ line: name, slots: 1, rank: 0, hold: "work" as const },
    ...more,
  });

  /** A run of a program, in line or admitted. */
  async function limited(program: typeof PROGRAM, places: readonly PlaceLimit[]): Promise<string> {
    const id = runId();
    await write({
      starts: [start(id, { ...program, limits: { places, lineAt: 0, takes: [], singleton: null } })],
      runs: [created(id, { row: moved({ availableAt: null }) })],
    });
    await arrive();
    return id;
  }

  async function arrive(): Promise<void> {
    await store().openWorker("usher", LEASE_MS, []);
    await store().claim({ worker: "usher", turn: turn(), programs: [], limit: 0, alone: false, linesDue: true });
  }

  const passOver = (more: Partial<PassRequest> = {}) =>
    store().passOver({ programs: [PROGRAM], queues: null, patienceMs: PATIENCE_MS, ...more });

  const inLine = async (name: string) =>
    (await store().listPlaces({ line: name, limit: 99 })).map(
      ({ runId: id, grantedAt }) => `${id} ${grantedAt === null ? "waits" : "holds"}`,
    );

  const NOTHING = { passed: 0, returned: 0 };

  describe("a run that is admitted and that no worker takes", () => {
    it("gives its places to others after a while, and not before", async () => {
      const untaken = await limited(OTHER, [line("queue/q")]);
      const next = await limited(PROGRAM, [line("queue/q")]);
      expect(await passOver({ patienceMs: 60_000 })).toEqual(NOTHING);
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toEqual({ passed: 1, returned: 0 });
      expect(await inLine("queue/q")).toEqual([`${next} holds`]);
      expect((await store().getRun(next))?.availableAt).not.toBeNull();
      const row = await store().getRun(untaken);
      expect(row).toMatchObject({ status: "pending", availableAt: null, passedAt: expect.any(Number) });
      expect((row?.lineAt ?? 0) - (row?.passedAt ?? 0)).toBe(ASIDE_MS);
      expect(await passOver()).toEqual(NOTHING);
    });

    it("keeps them while nobody else waits for them, or only such as nobody takes either", async () => {
      const [holds, waits] = [await limited(OTHER, [line("queue/q")]), await limited(OTHER, [line("queue/q")])];
      await limited(PROGRAM, [line("queue/other")]);
      // Who has a place does not wait for one.
      for (const program of [OTHER, PROGRAM]) await limited(program, [line("queue/two", { slots: 2 })]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toEqual(NOTHING);
      expect(await inLine("queue/q")).toEqual([`${holds} holds`, `${waits} waits`]);
    });

    it("keeps them while a worker lives that takes it, however busy, or is itself asked", async () => {
      const holds = await limited(OTHER, [line("queue/q")]);
      await limited(PROGRAM, [line("queue/q")]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver({ programs: [OTHER] })).toEqual(NOTHING);
      expect(await passOver({ programs: [OTHER], queues: ["q"] })).toEqual(NOTHING);
      await store().openWorker("busy", LEASE_MS, [OTHER]);
      expect(await passOver()).toEqual(NOTHING);
      expect((await inLine("queue/q"))[0]).toBe(`${holds} holds`);
      await store().closeWorker("busy");
      expect(await passOver()).toMatchObject({ passed: 1 });
    });

    it("is not held by a worker, nor by the one that asks, that serves other queues", async () => {
      const rules = (queue: string) => [line(`queue/${queue}`), line("key/k", { hold: "life" })];
      const untaken = await limited(PROGRAM, rules("heavy"));
      const taken = await limited(PROGRAM, rules("mail"));
      await store().openWorker("mail", LEASE_MS, [PROGRAM], ["mail"]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver({ queues: ["mail", "default"] })).toEqual({ passed: 1, returned: 0 });
      expect(await inLine("key/k")).toEqual([`${taken} holds`]);
      expect(await inLine("queue/heavy")).toEqual([]);
      expect(await passOver({ queues: ["heavy"] })).toEqual({ passed: 0, returned: 1 });
      await arrive();
      expect(await inLine("key/k")).toEqual([`${taken} holds`, `${untaken} waits`]);
    });

    it("is not held by a worker whose lease is over, and is by one that takes whatever there is", async () => {
      await limited(OTHER, [line("queue/q")]);
      await limited(PROGRAM, [line("queue/q")]);
      await pass(PATIENCE_MS + 20);
      await store().openWorker("any", LEASE_MS);
      expect(await passOver()).toEqual(NOTHING);
      await store().closeWorker("any");
      await store().openWorker("late", LEASE_MS, [OTHER]);
      expect(await passOver()).toEqual(NOTHING);
      await pass(LEASE_MS + 20);
      expect(await passOver()).toMatchObject({ passed: 1 });
    });

    it("is not held by a worker that has another version of it, or another workflow of that version", async () => {
      await limited({ workflow: "old", version: "2" }, [line("queue/q")]);
      await limited(PROGRAM, [line("queue/q")]);
      await store().openWorker("near", LEASE_MS, [OTHER, { workflow: "older", version: "2" }]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver({ programs: [PROGRAM, OTHER] })).toMatchObject({ passed: 1 });
    });

    it("is found whatever its queue, its workflow and its version are", async () => {
      const kinds = ["a", "b"].flatMap((workflow) => ["1", "2"].map((version) => ({ workflow, version })));
      const lines = [null, "p", "q"].flatMap((queue) =>
        kinds.map((program) => ({ program, name: `key/${queue}/${program.workflow}/${program.version}`, queue })),
      );
      for (const { program, name, queue } of lines) {
        await limited(program, [...(queue === null ? [] : [line(`queue/${queue}`, { slots: 9 })]), line(name)]);
        await limited(PROGRAM, [line(name)]);
      }
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toEqual({ passed: lines.length, returned: 0 });
    });

    it("leaves alone those of its kind that came later, or hold what nobody else waits for", async () => {
      const [wanted, alone] = [await limited(OTHER, [line("queue/q")]), await limited(OTHER, [line("key/alone")])];
      const waits = await limited(OTHER, [line("key/alone")]);
      await limited(PROGRAM, [line("queue/q")]);
      const now = await store().now();
      await pass(PATIENCE_MS);
      const young = await limited(OTHER, [line("key/young")]);
      await limited(PROGRAM, [line("key/young")]);
      // What was admitted before it has waited for long enough.
      const patienceMs = (await store().now()) - now;
      expect(await passOver({ patienceMs })).toEqual({ passed: 1, returned: 0 });
      expect((await store().getRun(wanted))?.passedAt).not.toBeNull();
      for (const id of [alone, waits, young]) expect((await store().getRun(id))?.passedAt).toBeNull();
    });

    it("stays aside while those that come serve other queues, or have another version of it", async () => {
      const untaken = await limited(OTHER, [line("queue/q")]);
      const taken = await limited(PROGRAM, [line("queue/q")]);
      await pass(PATIENCE_MS + 20);
      await passOver();
      // Neither one that asks for other queues, nor one of another program, brings it back.
      expect(await passOver({ programs: [OTHER], queues: ["heavy"] })).toEqual(NOTHING);
      expect(await passOver({ programs: [{ ...OTHER, version: "2" }] })).toEqual(NOTHING);
      expect(await inLine("queue/q")).toEqual([`${taken} holds`]);
      expect((await store().getRun(untaken))?.passedAt).not.toBeNull();
    });

    it("takes with it those that wait and that nobody takes either", async () => {
      await limited(OTHER, [line("queue/q")]);
      const waiting = [await limited(OTHER, [line("queue/q")]), await limited(OTHER, [line("queue/q", { rank: -5 })])];
      const taken = await limited(PROGRAM, [line("queue/q", { rank: 5 })]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toEqual({ passed: 3, returned: 0 });
      expect(await inLine("queue/q")).toEqual([`${taken} holds`]);
      for (const id of waiting) expect((await store().getRun(id))?.passedAt).not.toBeNull();
    });

    it("gets in line again in its old place when somebody comes that takes it", async () => {
      const untaken = await limited(OTHER, [line("queue/q")]);
      const [first, second] = [
        await limited(PROGRAM, [line("queue/q", { rank: 1 })]),
        await limited(PROGRAM, [line("queue/q", { rank: 2 })]),
      ];
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toMatchObject({ passed: 1 });
      expect(await passOver({ programs: [OTHER], queues: ["q"] })).toEqual({ passed: 0, returned: 1 });
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: true });
      await arrive();
      expect(await inLine("queue/q")).toEqual([`${first} holds`, `${untaken} waits`, `${second} waits`]);
      expect(await store().getRun(untaken)).toMatchObject({ passedAt: null, lineAt: null });
    });

    it("keeps what it holds for life once it has begun, and gives the rest back", async () => {
      const [queue, active] = [line("queue/q"), line("workflow/old", { hold: "life" })];
      const begun = await limited(OTHER, [queue, active]);
      await store().openWorker("w1", LEASE_MS, [OTHER]);
      const { claims } = await store().claim({ worker: "w1", turn: turn(), programs: [OTHER], limit: 1, alone: false });
      const [claim] = claims;
      const run = { id: begun, epoch: claim?.epoch ?? 0, head: claim?.head ?? 0 };
      await write({ runs: [next(run, { row: left("waiting"), beyond: beyond({ places: "yield" }) })] });
      await write({ messages: [message(begun, "signal")] });
      await arrive();
      await store().closeWorker("w1", { forget: true });
      const unbegun = await limited(OTHER, [active]);
      const blocked = await limited(PROGRAM, [active]);
      await pass(PATIENCE_MS + 20);
      expect(await passOver()).toEqual(NOTHING);
      const taken = await limited(PROGRAM, [queue, active]);
      expect(await inLine("queue/q")).toEqual([`${begun} holds`, `${taken} waits`]);
      expect(await passOver()).toMatchObject({ passed: 1 });
      expect(await inLine("queue/q")).toEqual([`${taken} waits`]);
      expect(await inLine("workflow/old")).toEqual(
        [begun, unbegun, blocked, taken].map((id) => `${id} ${id === begun ? "holds" : "waits"}`),
      );
    });

    it("ends at once when it is cancelled meanwhile", async () => {
      const untaken = await limited(OTHER, [line("queue/q")]);
      await limited(PROGRAM, [line("queue/q")]);
      await pass(PATIENCE_MS + 20);
      await passOver();
      await write({ messages: [message(untaken, "cancel")] });
      await arrive();
      await store().openWorker("w1", LEASE_MS, [OTHER]);
      const { claims } = await store().claim({ worker: "w1", turn: turn(), programs: [OTHER], limit: 1, alone: false });
      const [claim] = claims;
      expect(claim?.runId).toBe(untaken);
      const run = { id: untaken, epoch: claim?.epoch ?? 0, head: claim?.head ?? 0 };
      await write({ runs: [next(run, { row: ended("cancelled"), beyond: beyond({ places: "end" }) })] });
      expect(await statusOf(untaken)).toBe("cancelled");
      expect((await inLine("queue/q")).some((place) => place.startsWith(untaken))).toBe(false);
    });
  });
}
