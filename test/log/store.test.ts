import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { describe } from "vitest";
import { BUSY_TIMEOUT_MS, Database, type DatabaseKind } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import { memoryStore } from "../../src/log/memory.ts";
import { manualClock, realPorts } from "../support/ports.ts";
import { logContract, type OpenedLog } from "./contract.ts";

async function openFile(kind: DatabaseKind): Promise<OpenedLog> {
  const folder = mkdtempSync(join(tmpdir(), "varve-log-"));
  const clock = manualClock();
  const client = createClient({ url: `file:${join(folder, "log.db")}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS });
  const db = new Database({ client, kind, ports: { ...realPorts(), clock } });
  await migrate(db);
  const store = libsqlStore(db);
  const close = async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  };
  return { store: { ...store, close }, pass: async (ms) => clock.advance(ms) };
}

describe("the in-memory log", () => {
  logContract(async () => {
    const clock = manualClock();
    return { store: memoryStore(clock), pass: async (ms) => clock.advance(ms) };
  });
});

describe("the log in an owned file", () => {
  logContract(() => openFile("owned-file"));
});

describe("the log in a shared file", () => {
  logContract(() => openFile("shared-file"));
});
