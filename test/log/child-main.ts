/** A process of the log tests: does one thing with a database and tells it, one JSON line each. */
import { createClient } from "@libsql/client";
import { Database } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { MIGRATIONS, type Migration } from "../../src/log/libsql/migrations.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import type { FileUse } from "../../src/log/libsql/ownership.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { realPorts } from "../support/ports.ts";
import { newRun } from "./writes.ts";

export type Task =
  /** Opens the log and keeps it open until it is killed. */
  | { readonly task: "open"; readonly url: string; readonly file: FileUse }
  /** Opens the log, writes `runs` runs one by one, closes it. */
  | {
      readonly task: "write";
      readonly url: string;
      readonly file: FileUse;
      readonly name: string;
      readonly runs: number;
    }
  /** Applies Varve's migrations and then one that takes for ever between two tables. */
  | { readonly task: "migrate-slowly"; readonly path: string }
  /** Takes SQLite's write lock and keeps it. */
  | { readonly task: "lock"; readonly path: string }
  /** Reads a file with the given statements and tells the rows. */
  | { readonly task: "query"; readonly path: string; readonly statements: readonly string[] };

export type Told =
  | { readonly told: "opened" | "migrating" | "locked" | "written" }
  | { readonly told: "refused"; readonly name: string; readonly code: unknown; readonly message: string }
  | { readonly told: "row"; readonly statement: number; readonly row: Readonly<Record<string, unknown>> };

const tell = (line: Told) => console.log(JSON.stringify(line));
const stayAlive = () => setInterval(() => {}, 2 ** 30);
const open = (url: string, file: FileUse) => openLog(clientFor, { url, file }, realPorts());

async function main(task: Task): Promise<void> {
  switch (task.task) {
    case "open": {
      await open(task.url, task.file);
      tell({ told: "opened" });
      stayAlive();
      return;
    }
    case "write": {
      const store = await open(task.url, task.file);
      for (let i = 0; i < task.runs; i++) await store.append(newRun(`${task.name}-${i}`));
      await store.close();
      tell({ told: "written" });
      return;
    }
    case "migrate-slowly": {
      const client = createClient({ url: `file:${task.path}`, concurrency: 1 });
      const db = new Database({ client, kind: "owned-file", name: task.path, ports: realPorts() });
      await migrate(db);
      tell({ told: "migrating" });
      await migrate(db, [...MIGRATIONS, SLOW]);
      return;
    }
    case "lock": {
      const client = createClient({ url: `file:${task.path}`, timeout: 1_000 });
      await client.transaction("write");
      tell({ told: "locked" });
      stayAlive();
      return;
    }
    case "query": {
      const client = createClient({ url: `file:${task.path}` });
      for (const [statement, sql] of task.statements.entries()) {
        for (const row of (await client.execute(sql)).rows) tell({ told: "row", statement, row: { ...row } });
      }
    }
  }
}

/** Its statement in the middle counts for longer than any test waits. */
const SLOW: Migration = {
  name: "9999_slow",
  hash: "slow",
  statements: [
    "CREATE TABLE slow_before (n INTEGER) STRICT",
    "INSERT INTO slow_before WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1e12) SELECT max(n) FROM c",
    "CREATE TABLE slow_after (n INTEGER) STRICT",
  ],
};

main(JSON.parse(process.argv[2] as string) as Task).catch((error: Error & { code?: unknown }) => {
  tell({ told: "refused", name: error.name, code: error.code, message: error.message });
  process.exitCode = 1;
});
