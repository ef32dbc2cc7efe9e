import { describe, expect, it } from "vitest";
import { Batch } from "../../src/log/libsql/batch.ts";
import type { DatabaseKind } from "../../src/log/libsql/database.ts";
import { addGuardedStarts, addGuardedTells, askStarts } from "../../src/log/libsql/guarded.ts";
import type { InboxMessage } from "../../src/log/port-inbox.ts";
import type { ChildStart } from "../../src/log/port-write.ts";
import { ended, handAt, message, runId, start } from "./hand.ts";
import { type OpenedFile, openFile } from "./open.ts";
import { eventOf, PROGRAM } from "./writes.ts";

/** A guard over a row of ours: a keyed value that has this version. */
const GUARD = "EXISTS (SELECT 1 FROM kv WHERE scope = 's' AND key = :key AND version = :version)";

const childOf = (more: Partial<ChildStart["start"]> = {}): ChildStart => {
  const id = runId();
  return {
    start: start(id, more),
    created: eventOf("run.created", null, { ...PROGRAM, input: { value: id } }),
    availableAt: 5,
  };
};

describe.each<DatabaseKind>(["owned-file", "shared-file"])("under a guard, in a database of kind %s", (kind) => {
  async function opened(): Promise<OpenedFile> {
    const file = await openFile(kind);
    await file.store.putKeyed({
      ...{ scope: "s", key: "k", value: "1", ttlMs: null, ifVersion: null, operation: null, note: null },
    });
    return file;
  }

  /** Starts and tells while the value has `version`, and moves it on. Returns which run each start has. */
  async function send(
    { db }: OpenedFile,
    version: number,
    { starts = [], tells = [] }: { starts?: readonly ChildStart[]; tells?: readonly InboxMessage[] },
  ) {
    const batch = new Batch();
    const args = { key: "k", version };
    addGuardedStarts(batch, GUARD, args, starts);
    addGuardedTells(batch, GUARD, args, tells);
    askStarts(batch, starts);
    batch.statements.push({ sql: "UPDATE kv SET version = version + 1 WHERE key = :key AND version = :version", args });
    const results = await db.write(batch.statements);
    return batch.rowsOf("starts", results).map(({ actual }) => actual);
  }

  it("runs are started, each pending with its first event, in the order given", async () => {
    const file = await opened();
    const [a, b] = [childOf({ tags: { n: "1" } }), childOf()];
    expect(await send(file, 1, { starts: [a, b] })).toEqual([a.start.runId, b.start.runId]);
    const { store } = file;
    expect(await store.getRun(a.start.runId)).toMatchObject({
      ...{ status: "pending", epoch: 0, head: 1, owner: null, availableAt: 5, tags: { n: "1" }, parentId: null },
    });
    const events = await store.readLog({ afterPosition: 0, limit: 9 });
    expect(events.map(({ runId: id, seq, type }) => [id, seq, type])).toEqual([
      [a.start.runId, 1, "run.created"],
      [b.start.runId, 1, "run.created"],
    ]);
    const { claim } = handAt(() => store);
    expect((await claim("w", 9)).claims.map((each) => each.runId)).toEqual([a.start.runId, b.start.runId]);
  });

  it("nothing is started or told when it does not hold", async () => {
    const file = await opened();
    const { parked, mailOf, statusOf } = handAt(() => file.store);
    const run = await parked();
    const lost = childOf();
    expect(await send(file, 2, { starts: [lost], tells: [message(run.id)] })).toEqual([null]);
    expect(await file.store.getRun(lost.start.runId)).toBeNull();
    expect(await file.store.readHistory(lost.start.runId, { afterSeq: 0, limit: 9 })).toEqual([]);
    expect(await mailOf(run.id)).toEqual([]);
    expect(await statusOf(run.id)).toBe("waiting");
  });

  it("what is sent again changes nothing, and gives the same answer", async () => {
    const file = await opened();
    const { parked, mailOf, seqs } = handAt(() => file.store);
    const run = await parked();
    const parts = { starts: [childOf({ idempotencyKey: "k-1" })], tells: [message(run.id)] };
    const first = await send(file, 1, parts);
    expect(await send(file, 1, parts)).toEqual(first);
    expect(await mailOf(run.id)).toHaveLength(1);
    expect(await seqs(first[0] as string)).toEqual([[1, 0]]);
  });

  it("a start whose idempotency key has a run finds that run, and adds no event", async () => {
    const file = await opened();
    const { pending, seqs } = handAt(() => file.store);
    const known = await pending({ idempotencyKey: "k-1" });
    const start = childOf({ idempotencyKey: "k-1" });
    expect(await send(file, 1, { starts: [start] })).toEqual([known]);
    expect(await file.store.getRun(start.start.runId)).toBeNull();
    expect(await seqs(start.start.runId)).toEqual([]);
    expect(await seqs(known)).toEqual([[1, 0]]);
  });

  it("a run that waits is woken by what it is told; one that is over is told nothing", async () => {
    const file = await opened();
    const { claimed, goOn, parked, mailOf, statusOf } = handAt(() => file.store);
    const [waiting, over] = [await parked(), await claimed()];
    await goOn(over, { row: ended("completed") });
    await send(file, 1, { tells: [message(waiting.id, "signal"), message(over.id), message("run_none")] });
    expect(await statusOf(waiting.id)).toBe("pending");
    expect(await mailOf(waiting.id, over.id, "run_none")).toMatchObject([{ id: waiting.id, kind: "signal" }]);
  });
});
