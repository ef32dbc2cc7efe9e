/**
 * Migrations: the SQL of `migrations/`, compiled into a module, because an isolate has no file system.
 *
 * Each is one batch that ends with its row in `varve_migrations`, so it is done or not done. Several processes may
 * start at once: whoever comes second finds the row there, and its batch fails as a whole.
 */
import type { Row } from "@libsql/client";
import { StoreError } from "../../kernel/errors.ts";
import type { Bound, Database } from "./database.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";

/** A migration and whether the database has it. */
export interface MigrationStatus {
  readonly name: string;
  readonly appliedAt: number | null;
}

const CREATE_TABLE = `
CREATE TABLE IF NOT EXISTS varve_migrations (name TEXT PRIMARY KEY NOT NULL, hash TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`;

const INSERT = "INSERT INTO varve_migrations (name, hash, applied_at) VALUES (:name, :hash, NOW)";

const READ = "SELECT name, hash, applied_at FROM varve_migrations ORDER BY name";

const TABLE_EXISTS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'varve_migrations'";

/**
 * Brings the database to this code's schema. Returns the names of the migrations that it applied.
 *
 * @throws StoreError `MIGRATION_CHANGED` when an applied migration is another text now; `MIGRATION_UNKNOWN` when a
 * later Varve has been here; `MIGRATION_MISSING` when one was left out.
 */
export async function migrate(db: Database, migrations: readonly Migration[] = MIGRATIONS): Promise<string[]> {
  if ((await pending(db, migrations)).length === 0) return [];
  await db.one(CREATE_TABLE);
  const applied: string[] = [];
  for (const migration of await pending(db, migrations)) {
    if (await apply(db, migration)) applied.push(migration.name);
  }
  await check(db, migrations);
  return applied;
}

/** Every known migration and when the database got it. Changes nothing. */
export async function migrationStatus(
  db: Database,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrationStatus[]> {
  const applied = await check(db, migrations);
  return migrations.map(({ name }) => ({ name, appliedAt: applied.get(name)?.appliedAt ?? null }));
}

async function pending(db: Database, migrations: readonly Migration[]): Promise<Migration[]> {
  const applied = await check(db, migrations);
  return migrations.filter(({ name }) => !applied.has(name));
}

interface Applied {
  readonly hash: string;
  readonly appliedAt: number;
}

/** What has been applied, after checking that it is a beginning of what this code knows. */
async function check(db: Database, migrations: readonly Migration[]): Promise<Map<string, Applied>> {
  const applied = await readApplied(db);
  const missing = migrations.findIndex(({ name }) => !applied.has(name));
  const after = missing < 0 ? undefined : migrations.slice(missing).find(({ name }) => applied.has(name));
  if (after !== undefined) {
    const name = (migrations[missing] as Migration).name;
    throw new StoreError(
      "MIGRATION_MISSING",
      `expected the database to have the migration ${name}, because it has ${after.name}, but it has not: each follows those before it, so restore the database, or give the new migration a later name`,
      { name, after: after.name },
    );
  }
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const [name, { hash }] of applied) {
    const migration = known.get(name);
    if (migration === undefined) {
      throw new StoreError(
        "MIGRATION_UNKNOWN",
        `expected the database to be of this version of Varve or an earlier one, but found the migration ${name}: a later version has been here; upgrade this one`,
        { name },
      );
    }
    if (migration.hash !== hash) {
      throw new StoreError(
        "MIGRATION_CHANGED",
        `expected the migration ${name} to be the one that the database got, but its text has another hash: restore the text, and put the change into a new migration`,
        { name, expected: hash, found: migration.hash },
      );
    }
  }
  return applied;
}

async function readApplied(db: Database): Promise<Map<string, Applied>> {
  if ((await db.one(TABLE_EXISTS)).length === 0) return new Map();
  return new Map(
    (await db.one(READ)).map((row: Row) => [
      row.name as string,
      { hash: row.hash as string, appliedAt: Number(row.applied_at) },
    ]),
  );
}

/** False: another process applied it first. */
async function apply(db: Database, migration: Migration): Promise<boolean> {
  // The row goes first, so that the second of two processes fails before it changes anything.
  const record: Bound = { sql: INSERT, args: { name: migration.name, hash: migration.hash } };
  try {
    await db.write([record, ...migration.statements.map((sql) => ({ sql, args: {} }))]);
    return true;
  } catch (error) {
    if ((await readApplied(db)).has(migration.name)) return false;
    throw error;
  }
}
