/**
 * One libSQL database behind the few calls that are safe to use.
 *
 * Owns: the client, its settings and its healing. Called by the rest of this folder only.
 *
 * I1 Only single statements and `batch(..., "write")`: an interactive transaction gives its connection away. The one
 *    exception is I5.
 * I2 After SQLITE_BUSY the pooled connection is poisoned: it is replaced before the next call
 *    (tursodatabase/libsql-client-ts#352), and the PRAGMAs, which belong to a connection, are set again. Calls that had
 *    the old one in hand have done nothing, and are made again.
 * I3 Waiting is asynchronous. `busy_timeout` waits on the thread, so it is short.
 * I4 A call to a server has a deadline of our own; when it passes the outcome is unknown.
 * I5 A write to a shared file takes the exclusive lock first. With a rollback journal it is otherwise the COMMIT that
 *    meets a reader, and a COMMIT that failed keeps its lock until the driver's statement is garbage collected, also after
 *    a reconnect: every process would wait for that.
 */
import type { Client, InArgs, InStatement, ResultSet, Row } from "@libsql/client";
import { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { LibSQLSession } from "drizzle-orm/libsql/session";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import { StoreError } from "../../kernel/errors.ts";
import type { Ports } from "../../kernel/ports.ts";
import { isBusy, isReplaced, storeError } from "./errors.ts";

/** Where the database is, and who else writes to it. */
export type DatabaseKind =
  /** An embedded file that this process owns: WAL, one connection. */
  | "owned-file"
  /** An embedded file that several processes write: rollback journal, because of the WAL-reset bug of SQLite before 3.51.3. */
  | "shared-file"
  /** An embedded file of somebody else, opened for reading. */
  | "foreign-file"
  /** A libSQL server. */
  | "remote";

export interface DatabaseOptions {
  readonly client: Client;
  readonly kind: DatabaseKind;
  /** Its path or address, for errors. */
  readonly name: string;
  readonly ports: Ports;
  /** How long a call to a server may take, milliseconds. @default 10_000 */
  readonly callMsMax?: number;
  /** How long a call keeps trying while the database is busy, milliseconds. @default 5_000 */
  readonly busyMsMax?: number;
}

/** The time for which SQLite itself may wait for a lock, on the thread: see I3. Given to `createClient({ timeout })`. */
export const BUSY_TIMEOUT_MS = 50;

const CALL_MS_MAX = 10_000;
const BUSY_MS_MAX = 5_000;
/** Within a transaction that has not begun to read, because the client knows no exclusive ones. */
const BEGIN_EXCLUSIVE = "ROLLBACK; BEGIN EXCLUSIVE";

const READS = /^\s*(SELECT|PRAGMA)\b/;

const BUSY_WAIT_MS = { first: 5, max: 100 } as const;

/** The WAL is cut back to this size at a checkpoint: one open reader can let it grow. */
const JOURNAL_BYTES_MAX = 64 * 1_048_576;

/**
 * A checkpoint comes once the write-ahead log has so many pages (16 MB), in place of SQLite's 1,000: the same pages of the
 * indexes are written again by each commit, and are brought over once. Opening reads no more than that after a crash.
 */
const CHECKPOINT_PAGES = 4_000;

/** The server's clock in milliseconds, in SQL. */
const SERVER_NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

export type Args = Readonly<Record<string, string | number | null | Uint8Array>>;

/** A statement with its arguments: by name, or in their order where there are many of a kind. */
export interface Bound {
  readonly sql: string;
  readonly args: Args | ArgList;
}

type ArgList = readonly (string | number | null)[];

function isList(args: Args | ArgList): args is ArgList {
  return Array.isArray(args);
}

export class Database {
  readonly kind: DatabaseKind;
  readonly name: string;
  readonly #client: Client;
  readonly #ports: Ports;
  readonly #callMsMax: number;
  readonly #busyMsMax: number;
  /** For reads and schema, never for the hot path. */
  readonly query: LibSQLDatabase<Record<string, unknown>>;
  #ready: Promise<void> | null = null;
  #lastTurn: Promise<void> = Promise.resolve();
  #closed = false;
  #dataVersion: number | null = null;

  constructor(options: DatabaseOptions) {
    this.kind = options.kind;
    this.name = options.name;
    this.#client = options.client;
    this.#ports = options.ports;
    this.#callMsMax = options.callMsMax ?? CALL_MS_MAX;
    this.#busyMsMax = options.busyMsMax ?? BUSY_MS_MAX;
    // Drizzle's own constructor function for libSQL imports the client of one runtime; its parts do not.
    const dialect = new SQLiteAsyncDialect();
    const session = new LibSQLSession(options.client, dialect, undefined, {}, undefined);
    this.query = new LibSQLDatabase("async", dialect, session, undefined);
  }

  /** A server's: then its clock judges leases, and others may have written at any time. */
  get isRemote(): boolean {
    return this.kind === "remote";
  }

  /** `sql` of `statements.ts` with `NOW` filled in. */
  bind({ sql, args }: Bound): InStatement {
    if (isList(args) || !sql.includes("NOW")) return { sql, args: args as InArgs };
    if (this.isRemote) return { sql: sql.replaceAll("NOW", SERVER_NOW), args: { ...args } };
    return { sql: sql.replaceAll("NOW", ":now"), args: { ...args, now: Math.floor(this.#ports.clock.now()) } };
  }

  /** One statement. Safe to repeat, or it does not belong here. */
  async one(sql: string, args: Args = {}): Promise<Row[]> {
    if (this.kind === "shared-file" && !READS.test(sql)) return (await this.write([{ sql, args }]))[0]?.rows ?? [];
    const result = await this.attempt(() => this.#client.execute(this.bind({ sql, args })));
    return result.rows;
  }

  /** Statements in one write transaction: all or nothing. */
  async write(statements: readonly Bound[]): Promise<ResultSet[]> {
    const bound = statements.map((statement) => this.bind(statement));
    if (this.kind === "shared-file") return await this.attempt(() => this.#writeExclusively(bound));
    return await this.attempt(() => this.#client.batch(bound, "write"));
  }

  /** I5. */
  async #writeExclusively(statements: InStatement[]): Promise<ResultSet[]> {
    const transaction = await this.#client.transaction("deferred");
    try {
      await transaction.executeMultiple(BEGIN_EXCLUSIVE);
      const results = await transaction.batch(statements);
      await transaction.commit();
      return results;
    } finally {
      transaction.close();
    }
  }

  /** Statements in one read transaction: one state of the database. */
  async read(statements: readonly Bound[]): Promise<ResultSet[]> {
    const bound = statements.map((statement) => this.bind(statement));
    return await this.attempt(() => this.#client.batch(bound, "read"));
  }

  /** Whether another connection may have written since the last call. A file can tell; of a server it is assumed. */
  async changed(): Promise<boolean> {
    if (this.isRemote) return true;
    const [row] = await this.one("PRAGMA data_version");
    const version = Number(row?.data_version);
    const changed = version !== this.#dataVersion;
    this.#dataVersion = version;
    return changed;
  }

  /** Runs a call until it succeeds or fails for another reason than a busy database. */
  async attempt<T>(call: () => Promise<T>): Promise<T> {
    const { clock } = this.#ports;
    const giveUpAt = clock.monotonic() + this.#busyMsMax;
    let waitMs: number = BUSY_WAIT_MS.first;
    for (;;) {
      try {
        return await this.#inTurn(() => this.#tried(call));
      } catch (error) {
        if (this.#closed || !(isBusy(error) || isReplaced(error))) throw storeError(error, this);
        if (clock.monotonic() >= giveUpAt) throw storeError(error, this);
        await new Promise<void>((resolve) => clock.timer(waitMs * (0.5 + this.#ports.random.float()), resolve));
        waitMs = Math.min(waitMs * 2, BUSY_WAIT_MS.max);
      }
    }
  }

  async #tried<T>(call: () => Promise<T>): Promise<T> {
    try {
      await this.#configured();
      return await this.#withDeadline(call());
    } catch (error) {
      if (isBusy(error) && !this.#closed) await this.#replaceConnection();
      throw error;
    }
  }

  /**
   * One call after the other, where several processes meet. A write to a shared file is several calls of its one connection:
   * nothing may come between them. And a call that came between SQLITE_BUSY and the other connection would succeed on the
   * poisoned one, whose lock then stays until garbage collection: nobody could write to the file (I2).
   */
  async #inTurn<T>(call: () => Promise<T>): Promise<T> {
    if (this.kind !== "shared-file" && this.kind !== "foreign-file") return await call();
    const before = this.#lastTurn;
    let end = () => {};
    this.#lastTurn = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    try {
      return await call();
    } finally {
      end();
    }
  }

  /** A statement before the database is set up for its use, which may be refused to this process. */
  async beforeUse(sql: string): Promise<Row[]> {
    try {
      return (await this.#client.execute(sql)).rows;
    } catch (error) {
      throw storeError(error, this);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.kind === "owned-file" && this.#ready !== null) await this.#leaveOneFile();
    this.#client.close();
  }

  /**
   * Ends the write-ahead log. Otherwise nobody could share the file while this process lives: in WAL a connection always
   * holds a lock, and the driver lets go of a closed one when it is garbage collected. If a reader has the file open, the
   * log stays for the next opener.
   */
  async #leaveOneFile(): Promise<void> {
    try {
      await this.#client.execute("PRAGMA journal_mode = DELETE");
    } catch (error) {
      if (!isBusy(error)) throw storeError(error, this);
    }
  }

  /** Sets the connection up, once. A failure is that of this call only: the next one tries again. */
  async #configured(): Promise<void> {
    this.#ready ??= this.#configure();
    const ready = this.#ready;
    try {
      await ready;
    } catch (error) {
      if (this.#ready === ready) this.#ready = null;
      throw error;
    }
  }

  async #configure(): Promise<void> {
    for (const pragma of this.#pragmas()) {
      const { rows } = await this.#client.execute(pragma);
      const mode = rows[0]?.journal_mode;
      if (mode !== undefined && !pragma.endsWith(String(mode).toUpperCase())) throw this.#wrongJournal(pragma, mode);
    }
  }

  /** SQLite does not fail where it cannot change the journal, such as without shared memory: it stays as it was. */
  #wrongJournal(pragma: string, mode: unknown): StoreError {
    return new StoreError(
      "STORE_JOURNAL",
      `expected the database ${this.name} to do "${pragma}", but its journal mode is ${JSON.stringify(mode)}: the file system cannot hold it, or somebody else keeps the file open in that mode`,
      { retry: false, database: this.name, mode },
    );
  }

  #pragmas(): string[] {
    switch (this.kind) {
      case "owned-file":
        return [
          "PRAGMA journal_mode = WAL",
          "PRAGMA synchronous = FULL",
          `PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX}`,
          `PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`,
        ];
      case "shared-file":
        return ["PRAGMA journal_mode = DELETE", "PRAGMA synchronous = FULL"];
      case "foreign-file":
        return ["PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0"];
      case "remote":
        return [];
    }
  }

  async #replaceConnection(): Promise<void> {
    this.#ready = null;
    this.#dataVersion = null;
    if (!this.isRemote) await this.#client.reconnect();
  }

  async #withDeadline<T>(call: Promise<T>): Promise<T> {
    if (!this.isRemote) return await call;
    let cancel = () => {};
    const deadline = new Promise<never>((_, reject) => {
      cancel = this.#ports.clock.timer(this.#callMsMax, () =>
        reject(new Error(`no answer from the libSQL server within ${this.#callMsMax} ms`)),
      );
    });
    try {
      return await Promise.race([call, deadline]);
    } finally {
      cancel();
    }
  }
}
