/** Values that runs and others share. A change is one batch, and what it came to is read in the same. */
import type { Row } from "@libsql/client";
import { assert } from "../../kernel/assert.ts";
import type { LogStore } from "../port.ts";
import type { KeyedPut, KeyedValue, KeyedVerdict, Operation } from "../port-keyed.ts";
import type { Database } from "./database.ts";
import * as sql from "./statements-keyed.ts";

export async function getKeyed(db: Database, scope: string, key: string): Promise<KeyedValue> {
  const [row] = await db.one(sql.READ_KEYED, { scope, key });
  return row === undefined ? { key, value: null, version: 0, expiresAt: null } : keyedValue(key, row);
}

export async function listKeyed(
  db: Database,
  scope: string,
  page: { readonly prefix: string; readonly after: string | null; readonly limit: number },
): Promise<KeyedValue[]> {
  const rows = await db.one(sql.LIST_KEYED, { scope, until: endOf(page.prefix), ...page });
  return rows.map((row) => keyedValue(row.key as string, row));
}

/** The least text that is greater than all that begin with `prefix`; null: there is none. */
function endOf(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0) as number);
  while (points.length > 0) {
    const last = points.pop() as number;
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}

function keyedValue(key: string, { value, version, expires_at }: Row): KeyedValue {
  return {
    key,
    value: value as string | null,
    version: Number(version),
    expiresAt: expires_at === null ? null : Number(expires_at),
  };
}

export async function putKeyed(db: Database, put: KeyedPut): Promise<KeyedVerdict> {
  const { scope, key, value, ttlMs, ifVersion, operation } = put;
  if (operation !== null) return await putOnce(db, put, operation);
  const [done, read] = await db.write([
    { sql: sql.PUT_KEYED, args: { scope, key, value, ttlMs, ifVersion } },
    { sql: sql.READ_VERSION, args: { scope, key } },
  ]);
  return done?.rowsAffected === 1 ? { kind: "put", version: Number(read?.rows[0]?.version) } : { kind: "conflict" };
}

async function putOnce(db: Database, put: KeyedPut, operation: Operation): Promise<KeyedVerdict> {
  const { scope, key, value, ttlMs, ifVersion, note } = put;
  const { runId, epoch, key: call } = operation;
  assert(ifVersion !== null, `the put of call ${call} names no version`);
  const [, done, read] = await db.write([
    { sql: sql.NOTE_OPERATION, args: { runId, epoch, call, scope, key, ifVersion, note } },
    { sql: sql.PUT_NOTED, args: { runId, call, scope, key, value, ttlMs, ifVersion } },
    { sql: sql.READ_OPERATION, args: { runId, epoch, call } },
  ]);
  const noted = notedOperation(read?.rows[0]);
  if (noted === null) return { kind: "conflict" };
  return noted.kind === "done" && done?.rowsAffected === 1 ? { kind: "put", version: noted.version } : noted;
}

export async function getOperation(db: Database, { runId, epoch, key: call }: Operation): Promise<Noted> {
  const [row] = await db.one(sql.READ_OPERATION, { runId, epoch, call });
  return notedOperation(row);
}

type Noted = Awaited<ReturnType<LogStore["getOperation"]>>;

function notedOperation(row: Row | undefined): Noted {
  if (row === undefined) return { kind: "lost" };
  return row.version === null ? null : { kind: "done", note: row.note as string | null, version: Number(row.version) };
}
