import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient, LibsqlError } from "@libsql/client";
import { describe, expect, it, vi } from "vitest";
import { StoreError } from "../../src/kernel/errors.ts";
import { BUSY_TIMEOUT_MS, Database } from "../../src/log/libsql/database.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { RunAppend } from "../../src/log/port-write.ts";
import { type Source, Writer } from "../../src/worker/writer.ts";
import { startFaultProxy } from "../support/fault-proxy.mjs";
import { startHranaServer } from "../support/hrana-server.mjs";
import { realPorts } from "../support/ports.ts";
import { childProcesses, is } from "./children.ts";
import { newFolder, openFile, openStore, rejection } from "./open.ts";
import { eventOf, idsOf, newRun, PROGRAM, turn } from "./writes.ts";

const start = childProcesses();

/** Resolves once `condition` holds, looking at every turn of the event loop. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("a busy database", () => {
  it("poisons the connection, and the adapter goes on with another: two clients lose nothing", async () => {
    const { path, store } = await openFile("shared-file");
    const other = await openFile("shared-file", { path });
    const names = Array.from({ length: 40 }, (_, i) => `run_${String(i).padStart(3, "0")}`);
    const held = createClient({ url: `file:${path}`, concurrency: 1 });
    const lock = await held.transaction("write");
    const writes = Promise.all(names.map((name, i) => (i % 2 === 0 ? store : other.store).append(newRun(name))));
    await new Promise((resolve) => setTimeout(resolve, 3 * BUSY_TIMEOUT_MS));
    await lock.rollback();
    for (const [i, verdict] of (await writes).entries()) {
      expect(verdict.runs.get(names[i] as string)).toMatchObject({ epoch: 0, head: 1 });
    }
    expect(await idsOf(store)).toEqual(names);
    for (const each of [store, other.store]) {
      await each.append({ ...newRun(`z-${each === store}`) });
      await each.claim({ turn: turn(), worker: "w", programs: [PROGRAM], limit: 1, alone: false });
    }
  });

  it.each(["shared-file", "foreign-file"] as const)(
    "gives its connection (%s) to nobody before it is replaced",
    async (kind) => {
      const order: string[] = [];
      let isBusy = true;
      const nothing = { rows: [], columns: [], columnTypes: [], rowsAffected: 0, lastInsertRowid: undefined };
      const client = {
        execute: async () => nothing,
        batch: async () => {
          order.push(isBusy ? "busy" : "read");
          if (isBusy) throw new LibsqlError("database is locked", "SQLITE_BUSY");
          return [];
        },
        reconnect: async () => {
          order.push("replaced");
          isBusy = false;
        },
        close: () => {},
      } as unknown as Client;
      const db = new Database({ client, kind, name: "a file", ports: realPorts() });
      await Promise.all([db.read([]), db.read([]), db.read([])]);
      expect(order).toEqual(["busy", "replaced", "read", "read", "read"]);
    },
  );

  it("because a reader of a shared file will not end leaves no lock behind when it does", async () => {
    const { path } = await openFile("shared-file");
    const reader = createClient({ url: `file:${path}`, concurrency: 1 });
    for (let i = 0; i < 3; i++) {
      const impatient = await openFile("shared-file", { path, busyMsMax: 1 });
      const snapshot = await reader.transaction("read");
      await snapshot.execute("SELECT count(*) FROM runs");
      expect((await rejection(impatient.store.append(newRun(`run_${i}`)))).code).toBe("STORE_BUSY");
      expect((await rejection(impatient.store.openWorker("w", 1_000))).code).toBe("STORE_BUSY");
      await snapshot.rollback();
      // Another process: it has none of this one's connections.
      const writer = start({ task: "write", url: `file:${path}`, file: "shared", name: `other-${i}`, runs: 1 });
      await writer.told(is("written"));
      await impatient.store.append(newRun(`run_${i}`));
    }
  });

  it("of a foreign process is waited for without holding the event loop, and written to in the end", async () => {
    const { path, client, store } = await openFile("owned-file");
    const holder = start({ task: "lock", path });
    await holder.told(is("locked"));
    const attempts = vi.spyOn(client, "batch");
    const turns: number[] = [];
    let turn = 0;
    let isDone = false;
    const write = store.append(newRun("run_1")).finally(() => {
      isDone = true;
    });
    await until(() => {
      turn++;
      if (attempts.mock.calls.length > turns.length) turns.push(turn);
      return turns.length >= 8;
    });
    // Between any two attempts the loop went on; within one SQLite waits no longer than its own time-out.
    expect(turns.every((at, i) => i === 0 || at > (turns[i - 1] as number))).toBe(true);
    expect((await client.execute("PRAGMA busy_timeout")).rows[0]).toMatchObject({ timeout: BUSY_TIMEOUT_MS });
    expect(isDone).toBe(false);
    await holder.kill();
    expect((await write).runs.get("run_1")).toMatchObject({ head: 1 });
    expect((await client.execute("PRAGMA journal_size_limit")).rows[0]).toMatchObject({
      journal_size_limit: 64 * 2 ** 20,
    });
  });

  it("that stays busy is STORE_BUSY, which may be tried again", async () => {
    const { path, db } = await openFile("owned-file");
    const short = await openFile("owned-file", { path, busyMsMax: 1 });
    const lock = await createClient({ url: `file:${path}`, concurrency: 1 }).transaction("write");
    const error = await rejection(short.store.append(newRun("run_1")));
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: "STORE_BUSY", facts: { retry: true, database: path } });
    await lock.rollback();
    await short.store.append(newRun("run_1"));
    expect(await db.one("SELECT head FROM runs")).toMatchObject([{ head: 1 }]);
  });
});

/** A run whose events wait to be written, as an execution gives them to the writer. */
function source(part: RunAppend): Source & { readonly told: string[] } {
  const told: string[] = [];
  let next: RunAppend | null = part;
  return {
    runId: part.runId,
    told,
    take: () => {
      const taken = next;
      next = null;
      return taken;
    },
    written: () => told.push("written"),
    lost: () => told.push("lost"),
    refused: (error) => told.push(`refused: ${error.message}`),
  };
}

describe("a full disk", () => {
  const large = { ...eventOf("attempt.failed", "k", { pad: "x".repeat(300_000) }) };
  const fill = (id: string) => newRun(id, {}, [large]);

  it("is STORE_FULL, keeps what was there, and is written to again when there is room", async () => {
    const { client, store, path } = await openFile("owned-file");
    await store.append(newRun("run_0"));
    const [pages] = (await client.execute("PRAGMA page_count")).rows;
    await client.execute(`PRAGMA max_page_count = ${Number(pages?.page_count) + 20}`);
    for (let i = 0; i < 3; i++) {
      const error = await rejection(store.append(fill("run_1")));
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ code: "STORE_FULL", facts: { retry: true, database: path } });
    }
    expect(await idsOf(store)).toEqual(["run_0"]);
    await store.append(newRun("run_2"));
    await client.execute("PRAGMA max_page_count = 1000000");
    expect((await store.append(fill("run_1"))).runs.get("run_1")).toMatchObject({ head: 2 });
    expect(await idsOf(store)).toEqual(["run_0", "run_1", "run_2"]);
    expect((await client.execute("PRAGMA integrity_check")).rows).toMatchObject([{ integrity_check: "ok" }]);
  });

  it("makes the writer keep what it has, say so once, and go on by itself", async () => {
    const { client, store } = await openFile("owned-file");
    const [pages] = (await client.execute("PRAGMA page_count")).rows;
    await client.execute(`PRAGMA max_page_count = ${Number(pages?.page_count) + 20}`);
    const said: string[] = [];
    const appends = vi.spyOn(store, "append");
    const writer: Writer = new Writer(store, realPorts(), {
      schedule: () => queueMicrotask(() => writer.flush()),
      failing: (error) => said.push(error.code),
      recovered: () => said.push("recovered"),
    });
    const { starts, runs } = fill("run_1");
    const run = source(runs[0] as RunAppend);
    const started = writer.start(starts[0] as (typeof starts)[0], run);
    await until(() => appends.mock.calls.length >= 4);
    expect({ said, told: run.told }).toEqual({ said: ["STORE_FULL"], told: [] });
    await client.execute("PRAGMA max_page_count = 1000000");
    expect(await started).toEqual({ runId: "run_1", created: true });
    expect({ said, told: run.told }).toEqual({ said: ["STORE_FULL", "recovered"], told: ["written"] });
    expect(new Set(appends.mock.calls.map(([write]) => JSON.stringify(write))).size).toBe(1);
    writer.close(new Error("the test is over"));
  });
});

describe("the write-ahead log", () => {
  it("grows while a reader holds a state of the database, and is cut back once it is gone", async () => {
    const LIMIT = 64 * 2 ** 20;
    const { path, store } = await openFile("owned-file");
    const wal = `${path}-wal`;
    const reader = createClient({ url: `file:${path}`, concurrency: 1 });
    const snapshot = await reader.transaction("read");
    await snapshot.execute("SELECT count(*) FROM runs");
    const pad = eventOf("step.completed", "k", { value: "x".repeat(1_000_000) });
    for (let i = 0; i < 9; i++) await store.append(newRun(`run_${i}`, {}, Array(8).fill(pad)));
    expect(statSync(wal).size).toBeGreaterThan(LIMIT);
    await snapshot.rollback();
    // The next commits take the log up into the file and begin it anew, within its limit.
    for (let i = 10; i < 14; i++) await store.append(newRun(`run_${i}`));
    expect(statSync(wal).size).toBeLessThanOrEqual(LIMIT);
    await store.close();
    reader.close();
    expect(existsSync(path)).toBe(true);
  });
});

describe("numbers", () => {
  it("of events and payloads are exact up to 2^53 - 1, in rows and in SQL", async () => {
    const { client, store } = await openFile();
    const at = Number.MAX_SAFE_INTEGER;
    const event = { ...eventOf("timer.armed", "k", { dueAt: at }), at };
    await store.append(newRun("run_1", { createdAt: at }, [event]));
    expect((await store.readHistory("run_1", { afterSeq: 1, limit: 1 }))[0]).toMatchObject({ at });
    expect(await store.getRun("run_1")).toMatchObject({ createdAt: at });
    const { rows } = await client.execute(
      "SELECT typeof(at) AS t, data ->> '$.dueAt' AS due FROM events WHERE seq = 2",
    );
    expect(rows).toMatchObject([{ t: "integer", due: at }]);
  });

  it("above that, put there by somebody else, are STORE_CORRUPT and not repeated for ever", async () => {
    const { client, store } = await openFile();
    await store.append(newRun("run_1"));
    await client.execute("UPDATE events SET at = 9007199254740993");
    const error = await rejection(store.readHistory("run_1", { afterSeq: 0, limit: 1 }));
    expect(error).toMatchObject({ code: "STORE_CORRUPT", facts: { retry: false } });
  });

  it("that are no integers are refused for a column of integers, and the write as a whole", async () => {
    const { store } = await openFile();
    const error = await rejection(store.append(newRun("run_1", { createdAt: 1.5 })));
    expect(error).toMatchObject({ code: "STORE_REJECTED", facts: { retry: false } });
    expect(await idsOf(store)).toEqual([]);
  });
});

describe("rowsAffected", () => {
  it("is 0 for an UPDATE that returns rows, so claims and heartbeats are judged by the rows", async () => {
    const { client, store } = await openFile();
    await store.append(newRun("run_1"));
    const returned = await client.execute("UPDATE runs SET unclean = 0 RETURNING id");
    expect({ rows: returned.rows.length, affected: returned.rowsAffected }).toEqual({ rows: 1, affected: 0 });
    await store.openWorker("w1", 1_000);
    expect((await store.heartbeat("w1", 1_000)).alive).toBe(true);
    const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 5, alone: false });
    expect(claims.map(({ runId }) => runId)).toEqual(["run_1"]);
  });
});

describe("a connection to a server", () => {
  async function behindProxy(callMsMax?: number) {
    const server = await startHranaServer({ path: join(newFolder(), "log.db") });
    const proxy = await startFaultProxy({ target: server.url });
    const direct = await openStore(server.url);
    const options = callMsMax === undefined ? {} : { callMsMax };
    const client = createClient({ url: proxy.url });
    const db = new Database({ client, kind: "remote", name: proxy.url, ports: realPorts(), ...options });
    const close = async () => {
      await db.close();
      await proxy.close();
      await server.close();
    };
    return { store: libsqlStore(db), direct, proxy, close };
  }

  const appended = async (store: LogStore) =>
    (await store.readLog({ afterPosition: 0, limit: 100 })).map(({ runId, seq }) => `${runId} ${seq}`);

  it.each(["drop-request", "drop-reply"] as const)(
    "that is cut (%s) leaves the outcome unknown, and the write is sent again",
    async (kind) => {
      const { store, direct, proxy, close } = await behindProxy();
      const cut = proxy.plan({ kind, match: (body) => body.includes("INSERT INTO events") });
      const error = await rejection(store.append(newRun("run_1")));
      await cut;
      expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", facts: { retry: true } });
      expect(await appended(direct)).toEqual(kind === "drop-reply" ? ["run_1 1"] : []);
      expect((await store.append(newRun("run_1"))).runs.get("run_1")).toMatchObject({ epoch: 0, head: 1 });
      expect(await appended(direct)).toEqual(["run_1 1"]);
      await close();
    },
  );

  it("that gives no answer in time is left, and its late write changes nothing any more", async () => {
    const { store, direct, proxy, close } = await behindProxy(50);
    const late = proxy.plan({ kind: "delay", ms: 600, match: (body) => body.includes("INSERT INTO events") });
    const error = await rejection(store.append(newRun("run_1")));
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(error.message).toContain("no answer from the libSQL server within 50 ms");
    await direct.append(newRun("run_1"));
    await direct.openWorker("w1", 60_000);
    const { claims } = await direct.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false });
    await late;
    expect(await appended(direct)).toEqual(["run_1 1"]);
    expect(await direct.getRun("run_1")).toMatchObject({ status: "running", epoch: claims[0]?.epoch, head: 1 });
    await close();
  });

  it.each([500, 502, 503, 429])("that answers %d is out of reach, and may be tried again", async (status) => {
    const { store, proxy, close } = await behindProxy();
    void proxy.plan({ kind: "status", status });
    expect(await rejection(store.append(newRun("run_1")))).toMatchObject({
      code: "STORE_UNAVAILABLE",
      facts: { retry: true },
    });
    await store.append(newRun("run_1"));
    await close();
  });
});
