import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Client, type Config, createClient, LibsqlBatchError } from "@libsql/client";
import { createClient as createWebClient } from "@libsql/client/web";
import { describe, expect, onTestFinished, test } from "vitest";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.mjs";
import { type HranaServer, type HranaServerOptions, startHranaServer } from "./hrana-server.mjs";

type Open = (config: Config) => Client;

function databasePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-hrana-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "log.db");
}

async function serve(options: Partial<HranaServerOptions> = {}): Promise<HranaServer> {
  const server = await startHranaServer({ path: databasePath(), ...options });
  onTestFinished(() => server.close());
  return server;
}

function connect(url: string, open: Open = createClient): Client {
  const client = open({ url, intMode: "bigint" });
  onTestFinished(() => client.close());
  return client;
}

async function serveTable(open: Open = createClient, options: Partial<HranaServerOptions> = {}) {
  const server = await serve(options);
  const client = connect(server.url, open);
  await client.batch(["CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, size ANY)"], "write");
  return { server, client };
}

const insert = (name: string) => ({ sql: "INSERT INTO items (name) VALUES (?)", args: [name] });

async function names(client: Client): Promise<unknown[]> {
  const { rows } = await client.execute("SELECT name FROM items ORDER BY id");
  return rows.map((row) => row["name"]);
}

/** The client passes on what `fetch` threw: not a LibsqlError, and without a code of its own. */
function expectCut(error: unknown): void {
  expect(error).toBeInstanceOf(TypeError);
  expect(error).not.toHaveProperty("code");
  expect(error).toHaveProperty("message", "fetch failed");
}

async function post(server: HranaServer, body: unknown, version = 2): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(`${server.url}/v${version}/pipeline`, { method: "POST", body: text });
}

async function results(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(200);
  const { results } = (await response.json()) as { results: unknown[] };
  return results;
}

describe.each<[string, Open]>([
  ["@libsql/client", createClient],
  ["@libsql/client/web", createWebClient],
])("%s", (_name, open) => {
  test("every type of value comes back as it was sent", async () => {
    const client = connect((await serve()).url, open);
    const blob = Uint8Array.from({ length: 256 }, (_, index) => index);
    const values = [null, "text, ü, 漢, 😀 and '", 1.5, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), blob];
    const { rows } = await client.execute({ sql: "SELECT ?, ?, ?, ?, ?, ?, ?", args: values });
    expect(Array.from(rows[0]!)).toEqual([...values.slice(0, -1), blob.buffer]);
  });

  test("blobs of every padding come back, also an empty one", async () => {
    const client = connect((await serve()).url, open);
    const blobs = [0, 1, 2, 3].map((length) => new Uint8Array(length).fill(7));
    const { rows } = await client.execute({ sql: "SELECT ?, ?, ?, ?, typeof(?1)", args: blobs });
    expect(Array.from(rows[0]!)).toEqual([...blobs.map((blob) => blob.buffer), "blob"]);
  });

  test("a number is stored as REAL and a bigint as INTEGER", async () => {
    const client = connect((await serve()).url, open);
    const { rows } = await client.execute({ sql: "SELECT typeof(?), typeof(?), typeof(?)", args: [1, 1n, true] });
    expect(Array.from(rows[0]!)).toEqual(["real", "integer", "integer"]);
  });

  test("an integer above 2^53 is refused by a client that reads numbers", async () => {
    const client = open({ url: (await serve()).url });
    onTestFinished(() => client.close());
    await expect(client.execute("SELECT 9007199254740993")).rejects.toThrow(RangeError);
  });

  test("named, numbered and positional arguments find their parameters", async () => {
    const client = connect((await serve()).url, open);
    const named = await client.execute({ sql: "SELECT :a, @b, $c, :a", args: { a: "A", "@b": "B", c: "C" } });
    const numbered = await client.execute({ sql: "SELECT ?2, ?1, ?", args: ["1", "2", "3"] });
    expect(Array.from(named.rows[0]!)).toEqual(["A", "B", "C", "A"]);
    expect(Array.from(numbered.rows[0]!)).toEqual(["2", "1", "3"]);
  });

  test("a question mark inside a literal or a comment is no parameter", async () => {
    const client = connect((await serve()).url, open);
    const sql = `SELECT '?''?', "?", [?], ? /* ? ; */ FROM (SELECT 1 AS "?") -- ?`;
    const { rows } = await client.execute({ sql, args: ["only"] });
    expect(Array.from(rows[0]!)).toEqual(["?'?", 1n, 1n, "only"]);
  });

  test("a write batch commits all of its statements", async () => {
    const { server, client } = await serveTable(open);
    await client.batch([insert("a"), insert("b")], "write");
    expect(await names(connect(server.url, open))).toEqual(["a", "b"]);
  });

  test("a write batch whose middle statement fails leaves nothing and names the statement", async () => {
    const { client } = await serveTable(open);
    const error = await client.batch([insert("a"), insert("a"), insert("b")], "write").catch((thrown) => thrown);
    expect(error).toBeInstanceOf(LibsqlBatchError);
    expect(error).toMatchObject({ code: "SQLITE_CONSTRAINT", statementIndex: 1 });
    expect(await names(client)).toEqual([]);
  });

  test("after a failed batch the next one commits", async () => {
    const { client } = await serveTable(open);
    await client.batch([insert("a"), insert("a")], "write").catch(() => undefined);
    await client.batch([insert("a")], "write");
    expect(await names(client)).toEqual(["a"]);
  });

  test.each([
    ["UNIQUE", "INSERT INTO items (name) SELECT 'a' UNION ALL SELECT 'a' RETURNING id"],
    ["NOT NULL", "INSERT INTO items (name) VALUES (NULL)"],
  ])("a broken %s constraint has the primary code only", async (reason, sql) => {
    const { client } = await serveTable(open);
    const error = await client.execute(sql).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "SQLITE_CONSTRAINT", extendedCode: undefined });
    expect(error.message).toContain(`SQLite error: ${reason} constraint failed`);
  });

  test("RETURNING gives its rows, the count of changed rows and the last row id", async () => {
    const { client } = await serveTable(open);
    const [inserted, updated] = await client.batch(
      [
        "INSERT INTO items (id, name) VALUES (9007199254740993, 'a'), (9007199254740994, 'b') RETURNING id, name",
        "UPDATE items SET size = 1 RETURNING size",
      ],
      "write",
    );
    expect(inserted!.rows.map((row) => row["name"])).toEqual(["a", "b"]);
    expect(inserted).toMatchObject({ rowsAffected: 2, lastInsertRowid: 9007199254740994n, columns: ["id", "name"] });
    expect(updated).toMatchObject({ rowsAffected: 2, lastInsertRowid: undefined });
    expect(updated!.rows).toHaveLength(2);
  });

  test("a change counts its rows and a query counts none", async () => {
    const { client } = await serveTable(open);
    const [two, none, one] = await client.batch(
      [
        "INSERT INTO items (name) VALUES ('a'), ('b')",
        "SELECT 1",
        "WITH gone AS (SELECT 'a' AS name) DELETE FROM items WHERE name IN (SELECT name FROM gone)",
      ],
      "write",
    );
    expect([two, none, one].map((result) => result!.rowsAffected)).toEqual([2, 0, 1]);
  });

  test("one statement fed by json_each inserts 1,000 rows", async () => {
    const { client } = await serveTable(open);
    const items = Array.from({ length: 1_000 }, (_, index) => ({ name: `item ${index}`, size: index }));
    const sql = `INSERT INTO items (name, size) SELECT value ->> 'name', value ->> 'size' FROM json_each(?) RETURNING id`;
    const [result] = await client.batch([{ sql, args: [JSON.stringify(items)] }], "write");
    expect(result!.rows).toHaveLength(1_000);
    const { rows } = await client.execute("SELECT count(*), sum(size) FROM items");
    expect(Array.from(rows[0]!)).toEqual([1_000n, 499_500n]);
  });

  test("two clients lose none of each other's writes", async () => {
    const { server, client } = await serveTable(open);
    const clients = [client, connect(server.url, open)];
    await client.batch(["INSERT INTO items (name, size) VALUES ('counter', 0)"], "write");
    const add = { sql: "UPDATE items SET size = size + 1", args: [] };
    await Promise.all(clients.flatMap((each) => Array.from({ length: 50 }, () => each.batch([add], "write"))));
    const { rows } = await clients[1]!.execute("SELECT size FROM items");
    expect(rows[0]!["size"]).toBe(100n);
    expect(server.streams).toBe(0);
  });

  test("executeMultiple runs a script with a trigger and stops at the first failure", async () => {
    const { client } = await serveTable(open);
    await client.executeMultiple(`
      CREATE TRIGGER copy AFTER INSERT ON items WHEN new.size IS NULL BEGIN
        INSERT INTO items (name, size) VALUES (new.name || ';', 1);
        UPDATE items SET size = 2 WHERE id = new.id;
      END;
      INSERT INTO items (name) VALUES ('a');`);
    const script = "INSERT INTO items (name) VALUES ('b'); INSERT INTO items (name) VALUES ('a'); DELETE FROM items";
    await expect(client.executeMultiple(script)).rejects.toMatchObject({ code: "SQLITE_CONSTRAINT" });
    expect(await names(client)).toEqual(["a", "a;", "b", "b;"]);
  });

  test.each([
    ["several statements", "SELECT 1; SELECT 2", "SQL_MANY_STATEMENTS"],
    ["no statement", " -- nothing\n;", "SQL_NO_STATEMENT"],
    ["a misspelt verb", "SELEC 1", "SQL_PARSE_ERROR"],
    ["a syntax error", "SELECT FROM WHERE", "SQL_PARSE_ERROR"],
    ["a PRAGMA that sets the journal", "PRAGMA journal_mode = DELETE", "SQL_PARSE_ERROR"],
    ["an unknown PRAGMA", "PRAGMA wal_checkpoint(TRUNCATE)", "SQL_PARSE_ERROR"],
    ["ATTACH", "ATTACH 'other.db' AS other", "SQL_PARSE_ERROR"],
    ["VACUUM", "VACUUM", "SQL_PARSE_ERROR"],
    ["a temporary table", "CREATE TEMP TABLE t (x)", "SQL_PARSE_ERROR"],
    ["an unknown table", "SELECT * FROM nowhere", "SQLITE_UNKNOWN"],
    ["an unknown column", "SELECT nowhere", "SQL_INPUT_ERROR"],
    ["a missing argument", "SELECT ?", "ARGS_INVALID"],
  ])("%s is refused as a server refuses it", async (_what, sql, code) => {
    const client = connect((await serve()).url, open);
    await expect(client.execute(sql)).rejects.toMatchObject({ code });
  });

  test("an argument too many is refused", async () => {
    const client = connect((await serve()).url, open);
    await expect(client.execute({ sql: "SELECT ?", args: [1, 2] })).rejects.toMatchObject({ code: "ARGS_INVALID" });
  });

  test("PRAGMA user_version is read and written", async () => {
    const client = connect((await serve()).url, open);
    await client.execute("PRAGMA user_version = 7");
    expect((await client.execute("PRAGMA user_version")).rows[0]!["user_version"]).toBe(7n);
  });

  test("a migration turns foreign keys off for itself only", async () => {
    const { client } = await serveTable(open);
    await client.migrate(["CREATE TABLE parts (item INTEGER REFERENCES items)", "INSERT INTO parts VALUES (404)"]);
    const orphan = client.batch(["INSERT INTO parts VALUES (405)"], "write");
    await expect(orphan).rejects.toMatchObject({ code: "SQLITE_CONSTRAINT" });
  });

  test("an interactive transaction commits and a rolled back one leaves nothing", async () => {
    const { server, client } = await serveTable(open);
    const kept = await client.transaction("write");
    await kept.execute(insert("kept"));
    await kept.commit();
    const dropped = await client.transaction("write");
    await dropped.execute(insert("dropped"));
    await dropped.rollback();
    expect(await names(client)).toEqual(["kept"]);
    expect(server.streams).toBe(0);
  });
});

describe("streams", () => {
  test("the file is in WAL and waits for the disk at every commit", async () => {
    const client = connect((await serve()).url);
    expect((await client.execute("PRAGMA journal_mode")).rows[0]!["journal_mode"]).toBe("wal");
    expect((await client.execute("PRAGMA synchronous")).rows[0]!["synchronous"]).toBe(2n);
  });

  test("a writer waits until the transaction before it has ended, and a reader does not", async () => {
    const { client } = await serveTable();
    const first = await client.transaction("write");
    await first.execute(insert("first"));
    const second = client.batch([insert("second")], "write");
    expect(await names(client)).toEqual([]);
    await first.commit();
    await second;
    expect(await names(client)).toEqual(["first", "second"]);
  });

  test("a transaction that holds up a writer for too long is rolled back", async () => {
    const { client } = await serveTable(createClient, { transactionMs: 20 });
    const slow = await client.transaction("write");
    await slow.execute(insert("slow"));
    await client.batch([insert("quick")], "write");
    await expect(slow.execute(insert("late"))).rejects.toMatchObject({ code: "TRANSACTION_TIMEOUT" });
    slow.close();
    expect(await names(client)).toEqual(["quick"]);
  });

  test("an idle stream is closed and its transaction rolled back", async () => {
    const { server, client } = await serveTable(createClient, { streamIdleMs: 20 });
    const idle = await client.transaction("write");
    await idle.execute(insert("idle"));
    await expect.poll(() => server.streams).toBe(0);
    await expect(idle.execute(insert("late"))).rejects.toMatchObject({ code: "STREAM_EXPIRED" });
    await client.batch([insert("next")], "write");
    expect(await names(client)).toEqual(["next"]);
  });

  test("a closed server releases the writer that waits", async () => {
    const { server, client } = await serveTable();
    const first = await client.transaction("write");
    await first.execute(insert("first"));
    const waiting = client.batch([insert("second")], "write").catch((thrown) => thrown);
    await expect.poll(() => server.streams).toBe(2);
    await server.close();
    expectCut(await waiting);
    expect(server.streams).toBe(0);
  });

  test("a baton is good for one request", async () => {
    const server = await serve();
    const { baton } = (await (await post(server, { requests: [] })).json()) as { baton: string };
    expect((await post(server, { baton, requests: [] })).status).toBe(200);
    const again = await post(server, { baton, requests: [{ type: "close" }] });
    expect([again.status, await again.text()]).toEqual([400, "Received a baton that has already been used"]);
    expect((await post(server, { baton: "forged.0", requests: [] })).status).toBe(400);
  });

  test("stored SQL belongs to its stream and has a bound", async () => {
    const server = await serve();
    const store = Array.from({ length: 51 }, (_, index) => ({
      type: "store_sql",
      sql_id: index,
      sql: `SELECT ${index}`,
    }));
    const execute = { type: "execute", stmt: { sql_id: 49 } };
    const answers = await results(await post(server, { requests: [...store, execute, { type: "close" }] }));
    expect(answers[50]).toMatchObject({ type: "error", error: { code: "SQL_STORE_TOO_MANY" } });
    const rows = [[{ type: "integer", value: "49" }]];
    expect(answers[51]).toMatchObject({ type: "ok", response: { type: "execute", result: { rows } } });
    const elsewhere = await post(server, { requests: [execute] });
    expect([elsewhere.status, await elsewhere.text()]).toEqual([400, "SQL text 49 not found"]);
  });
});

describe("the protocol", () => {
  test("a client that asks is told to speak JSON", async () => {
    const { url } = await serve();
    const status = async (path: string) => (await fetch(`${url}${path}`)).status;
    expect(await Promise.all(["/v2", "/v3", "/v3-protobuf"].map(status))).toEqual([200, 200, 404]);
  });

  test("requests counts pipelines", async () => {
    const { server, client } = await serveTable();
    const before = server.requests;
    await client.batch([insert("a"), insert("b")], "write");
    await client.execute("SELECT 1");
    expect(server.requests - before).toBe(2);
  });

  test("steps of a batch run by their conditions", async () => {
    const server = await serve();
    const ok = (step: number) => ({ type: "ok", step });
    const failed = (step: number) => ({ type: "error", step });
    const conditions = [
      null,
      null,
      ok(0),
      ok(1),
      failed(1),
      failed(3),
      { type: "not", cond: ok(3) },
      { type: "and", conds: [ok(0), failed(1)] },
      { type: "and", conds: [ok(0), ok(1)] },
      { type: "or", conds: [ok(1), failed(1)] },
      { type: "or", conds: [] },
      { type: "is_autocommit" },
    ];
    const steps = conditions.map((condition, index) => ({
      condition,
      stmt: { sql: index === 1 ? "SELECT * FROM nowhere" : "SELECT 1" },
    }));
    const request = { type: "batch", batch: { steps } };
    const [answer] = await results(await post(server, { requests: [request, { type: "close" }] }, 3));
    const { step_results, step_errors } = (
      answer as { response: { result: { step_results: unknown[]; step_errors: unknown[] } } }
    ).response.result;
    expect(step_results.flatMap((result, step) => (result === null ? [] : [step]))).toEqual([0, 2, 4, 6, 7, 9, 11]);
    expect(step_errors.flatMap((error, step) => (error === null ? [] : [step]))).toEqual([1]);
  });

  test("version 3 knows get_autocommit and version 2 does not", async () => {
    const server = await serve();
    const ask = { type: "get_autocommit" };
    const requests = [ask, { type: "execute", stmt: { sql: "BEGIN" } }, ask, { type: "close" }];
    const answers = await results(await post(server, { requests }, 3));
    expect([answers[0], answers[2]]).toMatchObject([
      { response: { is_autocommit: true } },
      { response: { is_autocommit: false } },
    ]);
    expect((await post(server, { requests: [ask] }, 2)).status).toBe(400);
  });

  test("describe names parameters and columns", async () => {
    const { server } = await serveTable();
    const describeRequest = { type: "describe", sql: "SELECT id, name AS n FROM items WHERE id = :id OR name = ?" };
    const [answer] = await results(await post(server, { requests: [describeRequest, { type: "close" }] }));
    expect(answer).toMatchObject({
      response: {
        result: {
          params: [{ name: ":id" }, { name: null }],
          cols: [
            { name: "id", decltype: "INTEGER" },
            { name: "n", decltype: "TEXT" },
          ],
          is_explain: false,
          is_readonly: true,
        },
      },
    });
  });

  test.each([
    ["text that is no JSON", "{"],
    ["a body without requests", {}],
    ["a request of unknown type", { requests: [{ type: "nonsense" }] }],
    ["a request after close", { requests: [{ type: "close" }, { type: "execute", stmt: { sql: "SELECT 1" } }] }],
    ["both SQL and its id", { requests: [{ type: "execute", stmt: { sql: "SELECT 1", sql_id: 1 } }] }],
    ["a condition on a later step", batchOf({ condition: { type: "ok", step: 0 }, stmt: { sql: "SELECT 1" } })],
    ["a lone surrogate", executeWith({ type: "text", value: "\ud800" })],
    ["an integer of more than 64 bits", executeWith({ type: "integer", value: "9223372036854775808" })],
    ["an integer that is a number", executeWith({ type: "integer", value: 1 })],
  ])("%s is answered with status 400 and leaves no stream", async (_what, body) => {
    const server = await serve();
    expect((await post(server, body)).status).toBe(400);
    expect(server.streams).toBe(0);
  });
});

function batchOf(step: unknown) {
  return { requests: [{ type: "batch", batch: { steps: [step] } }] };
}

function executeWith(value: unknown) {
  return { requests: [{ type: "execute", stmt: { sql: "SELECT ?", args: [value] } }] };
}

describe("restarts", () => {
  test("the file survives a restart of the server", async () => {
    const path = databasePath();
    const first = await serve({ path });
    await connect(first.url).batch(["CREATE TABLE t (x)", "INSERT INTO t VALUES (2251799813685248.5)"], "write");
    await first.close();
    const second = await serve({ path });
    const { rows } = await connect(second.url).execute("SELECT x FROM t");
    expect(rows[0]!["x"]).toBe(2251799813685248.5);
  });

  test("a client goes on when the server is back on its port", async () => {
    const path = databasePath();
    const { server, client } = await serveTable(createClient, { path });
    const port = Number(new URL(server.url).port);
    await server.close();
    await expect(client.execute("SELECT 1")).rejects.toThrow("fetch failed");
    await serve({ path, port });
    await client.batch([insert("a")], "write");
    expect(await names(client)).toEqual(["a"]);
  });

  test("what a killed process had acknowledged is there after its restart", async () => {
    const path = databasePath();
    const first = await spawnServer(path);
    const writer = connect(first.url);
    await writer.batch(["CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)"], "write");
    const acknowledged: string[] = [];
    const write = async () => {
      for (let index = 0; ; index += 1) {
        await writer.batch([insert(`item ${index}`)], "write");
        acknowledged.push(`item ${index}`);
        if (index === 20) first.process.kill("SIGKILL");
      }
    };
    await expect(write()).rejects.toThrow("fetch failed");
    const second = await spawnServer(path);
    const found = await names(connect(second.url));
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
    expect(found.length - acknowledged.length).toBeLessThanOrEqual(1);
  });

  test("a process without a database tells its usage", async () => {
    const child = spawn(process.execPath, [mainPath], { stdio: "ignore" });
    expect(await once(child, "exit")).toEqual([2, null]);
  });
});

const mainPath = fileURLToPath(new URL("hrana-main.mjs", import.meta.url));

async function spawnServer(path: string): Promise<{ url: string; process: ChildProcess }> {
  const child = spawn(process.execPath, [mainPath, "--db", path], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  expect(line).toMatch(/^listening http:\/\/127\.0\.0\.1:\d+$/);
  return { url: line.slice("listening ".length), process: child };
}

describe("the fault proxy", () => {
  async function serveBehindProxy(): Promise<{ client: Client; direct: Client; proxy: FaultProxy }> {
    const { server, client: direct } = await serveTable();
    const proxy = await startFaultProxy({ target: server.url });
    onTestFinished(() => proxy.close());
    return { client: connect(proxy.url), direct, proxy };
  }

  test("passes everything unchanged when nothing is planned", async () => {
    const { client, proxy } = await serveBehindProxy();
    await client.batch([insert("a")], "write");
    expect(await names(client)).toEqual(["a"]);
    await expect(client.execute("SELECT * FROM nowhere")).rejects.toMatchObject({ code: "SQLITE_UNKNOWN" });
    expect(Object.values(proxy.applied).every((times) => times === 0)).toBe(true);
  });

  test("a dropped request fails at the client and has no effect", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    const applied = proxy.plan({ kind: "drop-request" });
    const error = await client.batch([insert("a")], "write").catch((thrown) => thrown);
    await applied;
    expectCut(error);
    expect(await names(direct)).toEqual([]);
    expect(proxy.applied["drop-request"]).toBe(1);
  });

  test("a dropped reply fails at the client in the same way and has its effect", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "drop-reply" });
    const error = await client.batch([insert("a")], "write").catch((thrown) => thrown);
    expectCut(error);
    expect(await names(direct)).toEqual(["a"]);
    expect(proxy.applied["drop-reply"]).toBe(1);
  });

  test("a delayed request is overtaken by the next one", async () => {
    const { client, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "delay", ms: 200, match: (body) => body.includes("late") });
    await Promise.all([client.batch([insert("late")], "write"), client.batch([insert("early")], "write")]);
    expect(await names(client)).toEqual(["early", "late"]);
    expect(proxy.applied.delay).toBe(1);
  });

  test("a duplicated request takes effect twice", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "duplicate" });
    const sql = "INSERT INTO items (name) SELECT 'item ' || count(*) FROM items";
    const [result] = await client.batch([sql], "write");
    expect(result!.lastInsertRowid).toBe(2n);
    expect(await names(direct)).toEqual(["item 0", "item 1"]);
    expect(proxy.applied.duplicate).toBe(1);
  });

  test("a duplicated request that may happen once answers with the conflict and has its effect", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "duplicate" });
    const error = await client.batch([insert("once")], "write").catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "SQLITE_CONSTRAINT" });
    expect(await names(direct)).toEqual(["once"]);
  });

  test("a status is answered without asking the server", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "status", status: 502 });
    const error = await client.batch([insert("a")], "write").catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "SERVER_ERROR", cause: { status: 502 } });
    expect(await names(direct)).toEqual([]);
    expect(proxy.applied.status).toBe(1);
  });

  test("a fault waits for the request that it matches", async () => {
    const { client, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "drop-request", match: (body) => body.includes("second") });
    await client.batch([insert("first")], "write");
    expect(proxy.pending).toBe(1);
    await expect(client.batch([insert("second")], "write")).rejects.toThrow("fetch failed");
    expect(proxy.pending).toBe(0);
    await client.batch([insert("second")], "write");
    expect(await names(client)).toEqual(["first", "second"]);
  });

  test("faults hit one request each, in the order of planning", async () => {
    const { client, proxy } = await serveBehindProxy();
    proxy.plan({ kind: "status", status: 503 });
    proxy.plan({ kind: "drop-request" });
    await expect(client.execute("SELECT 1")).rejects.toMatchObject({ code: "SERVER_ERROR" });
    await expect(client.execute("SELECT 1")).rejects.toThrow("fetch failed");
    await client.execute("SELECT 1");
    expect(proxy.applied).toMatchObject({ status: 1, "drop-request": 1 });
  });

  test("a partition cuts every connection until it heals", async () => {
    const { client, direct, proxy } = await serveBehindProxy();
    const held = proxy.plan({ kind: "delay", ms: 300 });
    const underway = client.batch([insert("underway")], "write").catch((thrown) => thrown);
    await expect.poll(() => proxy.pending, { interval: 1 }).toBe(0);
    proxy.partition(true);
    expectCut(await underway);
    await expect(client.batch([insert("lost")], "write")).rejects.toThrow("fetch failed");
    await held;
    proxy.partition(false);
    await client.batch([insert("healed")], "write");
    expect(await names(direct)).toEqual(["underway", "healed"]);
  });

  test("a server that is gone looks like a cut connection", async () => {
    const { server, client: direct } = await serveTable();
    const proxy = await startFaultProxy({ target: server.url });
    onTestFinished(() => proxy.close());
    direct.close();
    await server.close();
    await expect(connect(proxy.url).execute("SELECT 1")).rejects.toThrow("fetch failed");
  });

  test("a fault of unknown kind is refused", async () => {
    const { proxy } = await serveBehindProxy();
    expect(() => proxy.plan(JSON.parse('{ "kind": "gremlin" }'))).toThrow("unknown fault gremlin");
  });
});
