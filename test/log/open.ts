/** Logs for tests, each of its own, and what closes them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { onTestFinished } from "vitest";
import { BUSY_TIMEOUT_MS, Database, type DatabaseKind, type DatabaseOptions } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import type { FileUse } from "../../src/log/libsql/ownership.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { realPorts } from "../support/ports.ts";

/** A folder that is gone after the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface OpenedFile {
  readonly path: string;
  readonly client: Client;
  readonly db: Database;
  readonly store: LogStore;
}

/** The bytes of a migrated file in which nothing is: made once a process, as migrating took half the time of a short test. */
let migrated: Promise<Buffer> | null = null;

async function migratedFile(): Promise<Buffer> {
  const path = join(newFolder(), "log.db");
  const client = createClient({ url: `file:${path}`, concurrency: 1 });
  const db = new Database({ client, kind: "owned-file", name: path, ports: realPorts() });
  await migrate(db);
  await db.close();
  return readFileSync(path);
}

/** A migrated log in a file, with the client under it. */
export async function openFile(
  kind: DatabaseKind = "owned-file",
  options: Partial<DatabaseOptions> & { readonly path?: string } = {},
): Promise<OpenedFile> {
  const path = options.path ?? join(newFolder(), "log.db");
  if (options.path === undefined) {
    migrated ??= migratedFile();
    writeFileSync(path, await migrated);
  }
  const client = createClient({ url: `file:${path}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS });
  const db = new Database({ client, kind, name: path, ports: realPorts(), ...options });
  onTestFinished(() => db.close());
  await migrate(db);
  return { path, client, db, store: libsqlStore(db) };
}

/** The log at `url`, as the runtimes open it. */
export async function openStore(url: string, file: FileUse = "owned"): Promise<LogStore> {
  const store = await openLog(clientFor, { url, file }, realPorts());
  onTestFinished(() => store.close());
  return store;
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string; facts?: unknown }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not rejected");
}
