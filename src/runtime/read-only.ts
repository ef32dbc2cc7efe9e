/**
 * A log for reading, on Node: also while another process owns the file. Nothing is written, no worker is started and the
 * schema is left as it is.
 */
import { existsSync, statSync } from "node:fs";
import { type Config, createClient } from "@libsql/client";
import type { Engine } from "../engine/api.ts";
import type { ApiKey } from "../engine/api-keys.ts";
import { createEngineOf } from "../engine/engine.ts";
import { type VerifyOptions, type VerifyReport, verify } from "../history/verify.ts";
import { StoreError } from "../kernel/errors.ts";
import type { Ports } from "../kernel/ports.ts";
import { shownAddress } from "../kernel/text.ts";
import type { Database } from "../log/libsql/database.ts";
import { isBusy } from "../log/libsql/errors.ts";
import { type DatabaseFacts, databaseFacts, integrityFaults, type LogFacts, logFacts } from "../log/libsql/inspect.ts";
import { filePath, openForeign } from "../log/libsql/open.ts";
import { libsqlStore } from "../log/libsql/store.ts";
import { scheduleTimes } from "../scheduler/times.ts";
import { processSurroundings } from "./process.ts";
import { systemClock, systemRandom } from "./system.ts";

export type { VerifyReport } from "../history/verify.ts";
export type { DatabaseFacts, LogFacts } from "../log/libsql/inspect.ts";

export interface ReadOnlyOptions {
  readonly db: string;
  readonly authToken?: string;
}

/** What of the engine only reads. */
export type Reader = Pick<
  Engine,
  | "run"
  | "list"
  | "history"
  | "tail"
  | "lastPosition"
  | "schedules"
  | "deliveries"
  | "notifications"
  | "messages"
  | "message"
>;

export interface ReadOnlyLog {
  readonly engine: Reader;
  readonly facts: () => Promise<LogFacts>;
  /** The keys of the HTTP API. */
  readonly keys: () => Promise<readonly ApiKey[]>;
  /** Rebuilds each projection from the events and compares. */
  readonly verify: (onProgress: NonNullable<VerifyOptions["onProgress"]>) => Promise<VerifyReport>;
  /** What SQLite says of the file as a whole, one line a fault; null: a server looks after its own. */
  readonly integrity: () => Promise<readonly string[] | null>;
  readonly close: () => Promise<void>;
}

/**
 * Opens the log for reading.
 *
 * @throws StoreError `DATABASE_NOT_FOUND`, `SCHEMA_MISSING`, `SCHEMA_OLD`
 */
export async function openReadOnly(options: ReadOnlyOptions): Promise<ReadOnlyLog> {
  const ports = readerPorts();
  const db = openExisting(options, ports);
  try {
    checkSchema(options.db, await databaseFacts(db));
    const store = libsqlStore(db);
    const engine = await createEngineOf({ store, ports, workflows: [], times: scheduleTimes });
    return {
      engine,
      facts: () => logFacts(db),
      keys: () => engine.keys.list(),
      verify: (onProgress) => verify(store, { drain: ports.drain, onProgress }),
      integrity: () => integrityFaults(db),
      close: () => engine.close(),
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

/**
 * What can be said of a database whatever its schema.
 *
 * @throws StoreError `DATABASE_NOT_FOUND`
 */
export async function inspectDatabase(options: ReadOnlyOptions): Promise<DatabaseFacts> {
  const db = openExisting(options, readerPorts());
  try {
    return await databaseFacts(db);
  } finally {
    await db.close();
  }
}

/** The path of a database file; null for a server's address. */
export function databasePath(url: string): string | null {
  return filePath(url);
}

/** Whether a process owns the file at `path` now. */
export async function isOwned(path: string): Promise<boolean> {
  if (!existsSync(`${path}-owner`)) return false;
  const client = createClient({ url: `file:${path}-owner`, concurrency: 1, timeout: 0 });
  try {
    await client.execute("SELECT 1 FROM sqlite_schema");
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    client.close();
  }
}

/** Whether there is a database: a server is taken to be there. */
export function databaseExists(url: string): boolean {
  const path = filePath(url);
  return path === null || (existsSync(path) && statSync(path).isFile());
}

function openExisting({ db: url, authToken }: ReadOnlyOptions, ports: Ports): Database {
  // Opening would make an empty file.
  if (!databaseExists(url)) {
    throw new StoreError(
      "DATABASE_NOT_FOUND",
      `expected a database at ${url}, but there is none; \`varve serve\` and \`varve db migrate\` make one, and --db or VARVE_DB names another`,
      { url },
    );
  }
  const options = authToken === undefined ? { url } : { url, authToken };
  return openForeign((config: Config) => createClient(config), options, ports);
}

function checkSchema(url: string, { migrations }: DatabaseFacts): void {
  const missing = migrations.filter(({ appliedAt }) => appliedAt === null).map(({ name }) => name);
  if (missing.length === 0) return;
  const isEmpty = missing.length === migrations.length;
  throw new StoreError(
    isEmpty ? "SCHEMA_MISSING" : "SCHEMA_OLD",
    `expected ${shownAddress(url)} to have the schema of this version of Varve, but found ${isEmpty ? "none" : `no ${missing.join(", ")}`}; \`varve db migrate\` brings it up to date`,
    { url: shownAddress(url), missing },
  );
}

function readerPorts(): Ports {
  const { drain, stderr } = processSurroundings;
  return { clock: systemClock, random: systemRandom, drain, logger: stderr };
}
