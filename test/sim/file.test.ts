import { join } from "node:path";
import { createClient } from "@libsql/client";
import { describe, expect, it } from "vitest";
import type { EventRow } from "../../src/kernel/events.ts";
import { BUSY_TIMEOUT_MS, Database } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { newFolder } from "../log/open.ts";
import { realPorts } from "../support/ports.ts";
import { runSeed, type SeedReport } from "./seed.ts";

/** As a runtime makes it, and as the package does: the one keeps its statements. */
const CLIENTS = { ours: clientFor, "the package's": createClient } as const;

/** Every commit of a file is durable, so a seed takes fifty times as long as in memory. */
const SEEDS = { ours: 20, "the package's": 8 } as const;

/** A file whose clock is that of a simulation which does not exist yet. */
async function openFile(createClientOf: (typeof CLIENTS)[keyof typeof CLIENTS]) {
  const time = { now: () => 0 };
  const path = join(newFolder(), "log.db");
  const client = createClientOf({ url: `file:${path}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS }, "owned-file");
  const ports = realPorts();
  const clock = { ...ports.clock, now: () => time.now() };
  const db = new Database({ client, kind: "owned-file", name: path, ports: { ...ports, clock } });
  await migrate(db);
  const store = (simulated: { now(): number }): LogStore => {
    time.now = simulated.now;
    // All processes share one connection, which never sees another's writes.
    return { ...libsqlStore(db), changed: async () => true };
  };
  return { store, close: () => db.close() };
}

/** Everything that a log holds when a seed is over. */
async function runOn(
  seed: number,
  store?: (clock: { now(): number }) => LogStore,
): Promise<SeedReport & { rows: EventRow[] }> {
  let log: LogStore | null = null;
  const open = (clock: { now(): number }) => {
    log = (store ?? memoryStore)(clock);
    return log;
  };
  const report = await runSeed(seed, { store: open });
  const rows: EventRow[] = [];
  for (;;) {
    const page = await (log as unknown as LogStore).readLog({
      afterPosition: rows.at(-1)?.position ?? 0,
      limit: 1_000,
    });
    rows.push(...page);
    if (page.length < 1_000) return { ...report, rows };
  }
}

/** Stacks name the code that threw, which is not the store's to keep equal. */
const comparable = (rows: readonly EventRow[]) =>
  rows.map((row) => ({ ...row, data: row.data?.replace(/"stack":"(?:[^"\\]|\\.)*"/g, "") ?? null }));

describe("the log in a real file", () => {
  it.each(Object.keys(CLIENTS) as (keyof typeof CLIENTS)[])(
    "comes to what the log in memory comes to, seed by seed, with %s client",
    async (whose) => {
      let events = 0;
      for (let seed = 0; seed < SEEDS[whose]; seed++) {
        const { store, close } = await openFile(CLIENTS[whose]);
        const inMemory = await runOn(seed);
        const inFile = await runOn(seed, store);
        expect(inFile.failures, `seed ${seed}`).toEqual([]);
        expect(comparable(inFile.rows), `seed ${seed}`).toEqual(comparable(inMemory.rows));
        expect(inFile.hash, `seed ${seed}`).toBe(inMemory.hash);
        events += inFile.rows.length;
        await close();
      }
      expect(events).toBeGreaterThan(SEEDS[whose] * 10);
    },
    120_000,
  );
});
