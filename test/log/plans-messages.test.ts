import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { beforeAll, describe, expect, it } from "vitest";
import { Database } from "../../src/log/libsql/database.ts";
import { FENCE } from "../../src/log/libsql/fragments.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import * as messages from "../../src/log/libsql/statements-messages.ts";
import { realPorts } from "../support/ports.ts";
import { plan } from "./plan.ts";

const { UNDISPATCHED: _guard, UNFIRED: _other, deleteWaitsOfEnded, ...plain } = messages;
const statements = { ...plain, DELETE_WAITS: deleteWaitsOfEnded(FENCE) };

/** Small tables, and a statement's own rows of which a limit stands within: they may be read from end to end. */
const MAY_BE_SCANNED = new Set(["subscriptions", "s", "c", "ends_cursor", "o", "x"]);

/** What looks whether there is anything at all, or for the last position: both stop at the first row. */
const FIRST_ROW = new Set(["READ_USED", "BEGIN_ENDS", "BEGIN_WAIT", "OPEN_WAIT"]);

/** A database that grew far beyond its statistics. */
const AT_ANALYZE = 50;
const ROWS = 50_000;

function rows(from: number, to: number): string[] {
  const numbers = `WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`;
  const id = "printf('run_%08d', i)";
  return [
    `INSERT INTO runs (id, workflow, version, status, epoch, head, unclean, tags, created_at)
     ${numbers} SELECT ${id}, 'w' || (i % 5), '1', CASE i % 2 WHEN 0 THEN 'waiting' ELSE 'completed' END, 1, 1, 0, '{}', i FROM n`,
    `INSERT INTO events (run_id, seq, epoch, type, v, at) ${numbers} SELECT ${id}, 1, 1, 'run.created', 1, i FROM n`,
    `INSERT INTO messages (topic, id, payload, tags, at, token, published_at, dispatched_at)
     ${numbers} SELECT 't' || (i % 3), 'm' || i, '{}', '{}', i, 'k' || i, i, CASE WHEN i % 100 > 0 THEN i END FROM n`,
    `INSERT INTO waits (run_id, key, topic, after, ended_at)
     ${numbers} SELECT ${id}, 'k', 't' || (i % 3), i, CASE WHEN i % 2 > 0 THEN i END FROM n`,
    `INSERT INTO dispatches (position, subject, decision, run_id, gathering)
     ${numbers} SELECT i, 's', 'started', ${id}, CASE WHEN i % 2 = 0 THEN i / 10 END FROM n`,
    `INSERT INTO gatherings (subject, key, kind, opened_at, due_at, count, length, is_open, fired_at)
     ${numbers} SELECT 's', 'k' || i, 'batch', i, i, 1, 1, i % 2, CASE WHEN i % 3 > 0 THEN i END FROM n WHERE i % 10 = 0`,
  ];
}

describe.each(["none", "stale"] as const)("statements of messages, with statistics: %s", (statistics) => {
  let path: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "varve-plans-"));
    path = join(folder, "log.db");
    const client = createClient({ url: `file:${path}`, concurrency: 1 });
    await migrate(new Database({ client, kind: "owned-file", name: path, ports: realPorts() }));
    await client.batch(rows(1, AT_ANALYZE), "write");
    if (statistics === "stale") {
      await client.execute("ANALYZE");
      await client.batch(rows(AT_ANALYZE, ROWS), "write");
    }
    return () => {
      client.close();
      rmSync(folder, { recursive: true });
    };
  });

  it.each(Object.entries(statements))("%s goes by its indexes", async (name, sql) => {
    const found = await plan(path, sql);
    const scanned = found.split(" ").filter((step) => step.endsWith(":all"));
    const unexpected = scanned.filter((step) => !MAY_BE_SCANNED.has(step.replace(":all", "")));
    expect([found, FIRST_ROW.has(name) ? [] : unexpected]).toEqual([found, []]);
  });
});
