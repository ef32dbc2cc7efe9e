import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, type InStatement } from "@libsql/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientFor } from "../../src/runtime/file-client.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-client-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const ours = (name: string) => clientFor({ url: `file:${join(folder, name)}`, timeout: 0 }, "owned-file");
const theirs = (name: string) => createClient({ url: `file:${join(folder, name)}`, concurrency: 1, timeout: 0 });

const TABLE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c BLOB, d REAL) STRICT";

const STATEMENTS: readonly InStatement[] = [
  TABLE,
  { sql: "INSERT INTO t (a, b, c, d) VALUES (?, ?, ?, ?)", args: [1, "one", new Uint8Array([1, 2]), 1.5] },
  { sql: "INSERT INTO t (a, b, c, d) VALUES (:a, $b, @c, :d)", args: { a: 2, $b: null, "@c": null, d: -0.5 } },
  { sql: "INSERT INTO t (a, b) VALUES (?, ?)", args: [2 ** 53 - 1, ""] },
  { sql: "INSERT INTO t (a, b) VALUES (?, ?)", args: [true, "a boolean"] },
  "SELECT * FROM t ORDER BY a",
  "SELECT a, a AS a, count(*) AS n, b FROM t GROUP BY b ORDER BY b",
  { sql: "UPDATE t SET b = b || ? WHERE a > ?", args: ["!", 1] },
  "DELETE FROM t WHERE a = 1 RETURNING a, b",
  "SELECT 1 WHERE 0",
  "PRAGMA journal_mode",
];

/** What a call comes to, as far as callers can tell. */
async function outcome(client: Client, statement: InStatement): Promise<unknown> {
  try {
    const { columns, columnTypes, rows, rowsAffected, lastInsertRowid } = await client.execute(statement);
    const cells = rows.map((row) => [Object.entries(row), Array.from({ length: row.length }, (_, i) => row[i])]);
    return { columns, columnTypes, cells, rowsAffected, lastInsertRowid };
  } catch (error) {
    const { name, code, extendedCode, rawCode } = error as Error & Record<string, unknown>;
    return { name, code, extendedCode, rawCode };
  }
}

describe("the client of an owned file", () => {
  it("answers as the package's own does, the first time and when the statement is kept", async () => {
    const [mine, other] = [ours("mine.db"), theirs("other.db")];
    for (const statement of STATEMENTS) expect(await outcome(mine, statement)).toEqual(await outcome(other, statement));
    for (const statement of STATEMENTS.slice(5)) {
      expect(await outcome(mine, statement)).toEqual(await outcome(other, statement));
    }
    for (const client of [mine, other]) client.close();
  });

  it("answers more texts than it keeps, the oldest again after it was let go", async () => {
    const client = ours("many.db");
    const texts = Array.from({ length: 1_000 }, (_, n) => `SELECT ${n} AS n`);
    for (const text of [...texts, ...texts]) {
      expect((await client.execute(text)).rows[0]?.n).toBe(Number(text.split(" ")[1]));
    }
    client.close();
  });

  it("fails as the package's own does, and goes on", async () => {
    const [mine, other] = [ours("mine.db"), theirs("other.db")];
    const wrong: readonly InStatement[] = [
      "SELECT nothing FROM nowhere",
      "not SQL",
      { sql: "INSERT INTO t (a) VALUES (?)", args: ["a text"] },
      { sql: "INSERT INTO t (a, b) VALUES (1, ?)", args: ["twice"] },
      { sql: "INSERT INTO t (a, b) VALUES (1, ?)", args: ["twice"] },
    ];
    for (const client of [mine, other]) await client.execute(TABLE);
    for (const statement of wrong) expect(await outcome(mine, statement)).toEqual(await outcome(other, statement));
    expect((await mine.execute("SELECT count(*) AS n FROM t")).rows[0]?.["n"]).toBe(1);
    for (const client of [mine, other]) client.close();
  });

  it("writes a batch whole or not at all, and can write the next one", async () => {
    const client = ours("batch.db");
    await client.execute(TABLE);
    const insert = (a: number) => ({ sql: "INSERT INTO t (a) VALUES (?)", args: [a] });
    await client.batch([insert(1), insert(2)], "write");
    await expect(client.batch([insert(3), insert(1)], "write")).rejects.toMatchObject({ code: "SQLITE_CONSTRAINT" });
    await client.batch([insert(4)], "write");
    expect((await client.execute("SELECT group_concat(a) AS all_ FROM t")).rows[0]?.["all_"]).toBe("1,2,4");
    client.close();
  });

  it("goes on with another connection after the file was locked by somebody else", async () => {
    const [client, other] = [ours("busy.db"), theirs("busy.db")];
    await client.execute(TABLE);
    const insert = { sql: "INSERT INTO t (b) VALUES (?)", args: ["x"] };
    const lock = await other.transaction("write");
    await expect(client.batch([insert], "write")).rejects.toMatchObject({ code: "SQLITE_BUSY" });
    await lock.rollback();
    // A statement that met the lock is still under way, and its connection commits nothing any more.
    client.reconnect();
    await client.batch([insert], "write");
    expect((await client.execute("SELECT count(*) AS n FROM t")).rows[0]?.["n"]).toBe(1);
    for (const each of [client, other]) each.close();
  });

  it("opens the file anew when it reconnects, and answers nothing once it is closed", async () => {
    const client = ours("again.db");
    await client.execute(TABLE);
    await client.reconnect();
    await client.execute("INSERT INTO t (b) VALUES ('x')");
    client.close();
    await expect(client.execute("SELECT 1")).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
    await expect(client.transaction()).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});
