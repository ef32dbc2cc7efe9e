import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import { Database, type DatabaseKind } from "../../src/log/libsql/database.ts";
import { migrate, migrationStatus } from "../../src/log/libsql/migrate.ts";
import { MIGRATIONS, type Migration } from "../../src/log/libsql/migrations.ts";
import * as schema from "../../src/log/libsql/schema.ts";
import { startFaultProxy } from "../support/fault-proxy.mjs";
import { startHranaServer } from "../support/hrana-server.mjs";
import { realPorts } from "../support/ports.ts";
import { childProcesses, is } from "./children.ts";
import { newFolder, openFile, rejection } from "./open.ts";

const start = childProcesses();

/** A database that nobody has migrated. */
function fresh(url = `file:${join(newFolder(), "log.db")}`, file: DatabaseKind = "shared-file"): Database {
  const isFile = url.startsWith("file:");
  const client = createClient(isFile ? { url, concurrency: 1, timeout: 50 } : { url });
  return new Database({ client, kind: isFile ? file : "remote", name: url, ports: realPorts() });
}

const schemaOf = async (db: Database) => await db.one("SELECT type, name, sql FROM sqlite_schema ORDER BY name");
const NAMES = MIGRATIONS.map(({ name }) => name);
const later = (statements: string[], name = "9000_later"): Migration => ({ name, hash: `hash of ${name}`, statements });

describe("the migrations in the package", () => {
  it("are those of migrations/, statement by statement", () => {
    const folder = new URL("../../migrations/", import.meta.url);
    const files = readdirSync(folder).sort();
    expect(files).toEqual(NAMES.map((name) => `${name}.sql`));
    for (const [i, file] of files.entries()) {
      const plain = (sql: string) =>
        sql
          .replace(/^--.*$/gm, "")
          .replace(/;\s*$/gm, ";")
          .replace(/\s+/g, " ")
          .trim();
      const text = plain(readFileSync(new URL(file, folder), "utf8"));
      expect(plain(`${MIGRATIONS[i]?.statements.join(";\n")};`)).toBe(text);
    }
  });

  it("have the hash of their statements, and names in order", () => {
    for (const { statements, hash } of MIGRATIONS) {
      expect(createHash("sha256").update(statements.join(";\n")).digest("hex")).toBe(hash);
    }
    expect([...NAMES].sort()).toEqual(NAMES);
  });

  it("make the tables that drizzle knows, column by column", async () => {
    const { db } = await openFile();
    for (const table of Object.values(schema).filter((each) => each instanceof SQLiteTable)) {
      const { name, columns, primaryKeys } = getTableConfig(table);
      const composite = primaryKeys.flatMap((key) => key.columns.map((column) => column.name));
      const found = await db.one(`SELECT name, type, "notnull", pk FROM pragma_table_info('${name}')`);
      const expected = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        notnull: column.notNull ? 1 : 0,
        pk: column.primary || composite.includes(column.name) ? expect.toSatisfy((pk: number) => pk > 0) : 0,
      }));
      const integerKey = (row: { name: unknown }) => columns.find((each) => each.name === row.name)?.primary === true;
      // SQLite calls INTEGER PRIMARY KEY nullable, although it never is.
      expect(found.map((row) => ({ ...row, notnull: integerKey(row as never) ? 1 : row.notnull }))).toEqual(expected);
    }
  });
});

describe("a fresh database", () => {
  it("gets every migration once", async () => {
    const db = fresh();
    expect(await migrationStatus(db)).toEqual(NAMES.map((name) => ({ name, appliedAt: null })));
    expect(await migrate(db)).toEqual(NAMES);
    const before = await schemaOf(db);
    expect(await migrate(db)).toEqual([]);
    expect(await schemaOf(db)).toEqual(before);
    for (const { appliedAt } of await migrationStatus(db)) expect(appliedAt).toBeTypeOf("number");
  });

  it("gets one schema from eight processes that open it at once", async () => {
    const path = join(newFolder(), "log.db");
    const openers = Array.from({ length: 8 }, () => start({ task: "open", url: `file:${path}`, file: "shared" }));
    for (const opener of openers) await opener.told(is("opened"));
    const reference = fresh();
    await migrate(reference);
    const shared = fresh(`file:${path}`);
    expect(await schemaOf(shared)).toEqual(await schemaOf(reference));
    expect((await shared.one("SELECT name FROM varve_migrations ORDER BY name")).map(({ name }) => name)).toEqual(
      NAMES,
    );
    expect(await shared.one("PRAGMA integrity_check")).toMatchObject([{ integrity_check: "ok" }]);
  });

  it("on a server gets one schema from eight clients at once, whatever the network does", async () => {
    const server = await startHranaServer({ path: join(newFolder(), "log.db") });
    const proxy = await startFaultProxy({ target: server.url });
    const match = (body: string) => body.includes("CREATE TABLE events");
    for (const kind of ["drop-reply", "duplicate", "drop-request"] as const) void proxy.plan({ kind, match });
    const opened = Array.from({ length: 8 }, async () => {
      const db = fresh(proxy.url);
      for (;;) {
        try {
          await migrate(db);
          return await schemaOf(db);
        } catch (error) {
          if (!isVarveError(error, "STORE_UNAVAILABLE")) throw error;
        }
      }
    });
    const reference = fresh();
    await migrate(reference);
    for (const found of await Promise.all(opened)) expect(found).toEqual(await schemaOf(reference));
    expect(proxy.pending).toBe(0);
    await proxy.close();
    await server.close();
  });
});

describe("a migration", () => {
  it("that is killed in the middle has done nothing, and is done whole the next time", async () => {
    const path = join(newFolder(), "log.db");
    const killed = start({ task: "migrate-slowly", path });
    await killed.told(is("migrating"));
    // Its own transaction has begun once nobody else can write.
    const probe = createClient({ url: `file:${path}`, concurrency: 1 });
    for (;;) {
      try {
        await probe.execute("UPDATE varve_migrations SET applied_at = applied_at");
        await new Promise((resolve) => setImmediate(resolve));
      } catch {
        break;
      }
    }
    await killed.kill();
    const db = fresh(`file:${path}`, "owned-file");
    const names = (await schemaOf(db)).map(({ name }) => name);
    expect(names).toContain("events");
    expect(names).not.toContain("slow_before");
    const slow = later(["CREATE TABLE slow_before (n)", "CREATE TABLE slow_after (n)"], "9999_slow");
    expect(await migrate(db, [...MIGRATIONS, slow])).toEqual(["9999_slow"]);
    expect((await schemaOf(db)).map(({ name }) => name)).toEqual(expect.arrayContaining(["slow_before", "slow_after"]));
  });

  it("of which one statement fails has done nothing", async () => {
    const { db } = await openFile();
    const bad = later(["CREATE TABLE first (n)", "CREATE TABLE events (n)"]);
    const error = await rejection(migrate(db, [...MIGRATIONS, bad]));
    expect(isVarveError(error, "STORE_REJECTED")).toBe(true);
    expect(error.message).toContain("table events already exists");
    expect((await schemaOf(db)).map(({ name }) => name)).not.toContain("first");
    expect((await migrationStatus(db)).map(({ name }) => name)).toEqual(NAMES);
  });

  it("that was changed after it was applied is refused with its name and both hashes", async () => {
    const { db } = await openFile();
    const [first, ...others] = MIGRATIONS as [Migration, ...Migration[]];
    const error = await rejection(migrate(db, [{ ...first, hash: "another" }, ...others]));
    expect(isVarveError(error, "MIGRATION_CHANGED")).toBe(true);
    expect(error).toMatchObject({ facts: { name: first.name, expected: first.hash, found: "another" } });
    expect(error.message).toContain(first.name);
  });

  it("whose row was tampered with is refused, by a status too", async () => {
    const { db } = await openFile();
    await db.one("UPDATE varve_migrations SET hash = 'tampered'");
    for (const call of [migrate(db), migrationStatus(db)]) {
      expect(await rejection(call)).toMatchObject({ code: "MIGRATION_CHANGED", facts: { expected: "tampered" } });
    }
  });

  it("of a later version is refused with its name, and nothing is changed", async () => {
    const { db } = await openFile();
    await migrate(db, [...MIGRATIONS, later(["CREATE TABLE added (n)"])]);
    const before = await schemaOf(db);
    for (const call of [migrate(db), migrationStatus(db)]) {
      const error = await rejection(call);
      expect(error).toMatchObject({ code: "MIGRATION_UNKNOWN", facts: { name: "9000_later" } });
      expect(error.message).toContain("a later version has been here; upgrade this one");
    }
    expect(await schemaOf(db)).toEqual(before);
  });

  it("that comes before one that was applied is refused: what was applied must be a beginning", async () => {
    const { db } = await openFile();
    const early = later(["CREATE TABLE early (n)"], "0000_early");
    const error = await rejection(migrate(db, [early, ...MIGRATIONS]));
    expect(error).toMatchObject({ code: "MIGRATION_MISSING", facts: { name: "0000_early" } });
    expect((await schemaOf(db)).map(({ name }) => name)).not.toContain("early");
  });
});
