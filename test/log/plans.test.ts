import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { beforeAll, describe, expect, it } from "vitest";
import { Database } from "../../src/log/libsql/database.ts";
import { EVENT_BLOCKS } from "../../src/log/libsql/event-blocks.ts";
import * as guarded from "../../src/log/libsql/guarded.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import * as ordinary from "../../src/log/libsql/statements.ts";
import * as beyond from "../../src/log/libsql/statements-beyond.ts";
import * as deliveries from "../../src/log/libsql/statements-deliveries.ts";
import * as keyed from "../../src/log/libsql/statements-keyed.ts";
import { READ_WINDOW_ENDS } from "../../src/log/libsql/statements-lists.ts";
import * as locks from "../../src/log/libsql/statements-locks.ts";
import * as outgoing from "../../src/log/libsql/statements-outgoing.ts";
import * as outlook from "../../src/log/libsql/statements-outlook.ts";
import * as patience from "../../src/log/libsql/statements-patience.ts";
import * as places from "../../src/log/libsql/statements-places.ts";
import * as pools from "../../src/log/libsql/statements-pools.ts";
import * as schedules from "../../src/log/libsql/statements-schedules.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import { realPorts } from "../support/ports.ts";
import { plan } from "./plan.ts";

const { UNCHANGED, ...schedule } = schedules;

/** What stands under a guard, under that of schedules. */
const underGuard = {
  INSERT_GUARDED_STARTS: guarded.insertStarts(UNCHANGED),
  INSERT_GUARDED_EVENTS: guarded.insertStartEvents(UNCHANGED),
  INSERT_GUARDED_TELLS: guarded.insertTells(UNCHANGED),
  WAKE_FOR_GUARDED_TELLS: guarded.wakeForTells(UNCHANGED),
};
const { UNDECIDED: _fragment, listDeliveries, ...ofDeliveries } = deliveries;
const lists = { LIST_DELIVERIES: listDeliveries(false), LIST_DELIVERIES_OF_HOOK: listDeliveries(true) };
const windows = {
  READ_WINDOW_OF_PARENT: READ_WINDOW_ENDS.parent,
  READ_WINDOW_OF_STATUS: READ_WINDOW_ENDS.status,
  READ_WINDOW_OF_WORKFLOW: READ_WINDOW_ENDS.workflow,
  READ_WINDOW_OF_ALL: READ_WINDOW_ENDS.all,
};
const statements = {
  ...ordinary,
  ...beyond,
  ...keyed,
  ...locks,
  ...places,
  ...pools,
  ...patience,
  ...outlook,
  ...outgoing,
  ...underGuard,
  ...schedule,
  ...ofDeliveries,
  ...lists,
  ...windows,
};

type Name = keyof typeof statements;

/**
 * How each hot statement goes through its tables, in order: `alias:index`. `json` is a list fed by a parameter, `primary`
 * the primary key, `all` every row.
 */
const PLANS: { readonly [N in Name]: string } = {
  INSERT_RUNS: "j:json",
  READ_STARTS: "j:json k:runs_idempotency o:primary s:runs_singleton",
  INSERT_DELIVERED_RUN: "j:json d:deliveries_id",
  INSERT_STARTED: "r:primary k:runs_idempotency",
  INSERT_SIGNAL: "r:primary d:deliveries_id i:inbox_run",
  WAKE_FOR_SIGNAL: "runs:primary i:inbox_run i:inbox_run",
  INSERT_SIGNALLED: "one:all r:primary i:primary",
  INSERT_DECIDED: "",
  READ_DECIDED: "d:deliveries_id",
  READ_DELIVERY: "d:deliveries_id",
  READ_LAST_REPLAY: "d:deliveries_id",
  LIST_DELIVERIES: "d:primary",
  LIST_DELIVERIES_OF_HOOK: "d:deliveries_hook",
  PRUNE: "deliveries:primary d:deliveries_received n:deliveries_id",
  INSERT_EVENTS: "j:json r:primary e:json",
  INSERT_MESSAGES: "j:json r:primary i:inbox_run",
  WAKE_FOR_MESSAGES: "runs:primary j:json i:inbox_run i:inbox_run",
  READ_MESSAGES: "j:json r:primary i:primary i:inbox_run",
  DELETE_DRAINED: "inbox:inbox_run j:json j:json r:primary d:json",
  DELETE_MAIL_OF_ENDED: "inbox:inbox_run j:json r:primary",
  ADVANCE_RUNS: "runs:primary j:json r:primary",
  MOVE_RUNS: "j:json r:primary",
  PARK_RUNS: "j:json r:primary i:inbox_run i:inbox_run",
  PARK_LIMITED_RUNS: "j:json r:primary i:inbox_run i:inbox_run",
  READ_HEADS: "j:json r:primary",
  CLAIM: "runs:primary w:all r:runs_owner p:json p:json r:primary x:runs_due me:primary i:inbox_run",
  TAKE_TURN: "workers:primary",
  DISOWN: "runs:runs_owner me:primary j:json",
  CLAIM_SUSPECT: "runs:primary r:runs_suspect p:json w:primary me:primary i:inbox_run",
  PARK_POISONED: "runs:primary r:runs_suspect p:json w:primary",
  READ_WORK_AHEAD:
    "x:runs_line p:json x:runs_due w:all r:runs_owner p:json r:runs_suspect p:json w:primary r:runs_suspect p:json w:primary",
  CLAIM_OF_POOL:
    "runs:primary w:all r:runs_owner p:json s:json s:json p:json r:primary x:runs_queue s:json p:json r:primary x:runs_due me:primary i:inbox_run",
  CLAIM_SUSPECT_OF_POOL: "runs:primary r:runs_suspect p:json w:primary s:json me:primary i:inbox_run",
  READ_WORK_AHEAD_OF_POOL:
    "x:runs_line s:json p:json x:runs_queue s:json p:json x:runs_due w:all r:runs_owner p:json s:json r:runs_suspect p:json s:json w:primary r:runs_suspect p:json w:primary s:json",
  READ_UNTAKEN:
    "y:runs_queue kind:all x:primary y:runs_queue y:runs_queue y:runs_queue kind:all p:json q:json w:all p:json q:json p:json r:runs_passed q:json",
  RETURN_PASSED: "runs:primary p:json r:runs_passed q:json",
  COUNT_PASSED: "runs:runs_passed",
  PASS_OVER:
    "j:json p:json q:json w:all p:json q:json untaken:all x:runs_queue overdue:all p:primary held:all line:all p:places_line x:primary untaken:all waiting:all waiting:all wanted:all held:all wanted:all passed:all",
  RENEW_LEASE: "workers:primary",
  READ_MAIL: "r:runs_owner i:inbox_run",
  RELEASE_STUCK: "runs:primary r:runs_status p:json",
  READ_TOP_EVENTS: "j:json e:events_run_seq s:events_scope j:json e:events_scope",
  READ_SCOPE_EVENTS: "j:json e:events_scope",
  READ_EVENTS_AT: "j:json e:events_run_seq",
  READ_INBOX: "j:json i:inbox_run",
  READ_LOGGED_RUNS: "e:events_run_seq logged:all e:events_run_seq logged:all",
  INSERT_REOPENED: "runs:primary s:runs_singleton",
  REOPEN_RUN: "runs:primary s:runs_singleton",
  READ_REOPENED: "e:events_run_seq",
  INSERT_CHILDREN: "j:json r:primary c:json",
  INSERT_CHILD_EVENTS: "j:json r:primary c:json n:primary",
  INSERT_TELLS: "j:json r:primary m:json t:primary",
  WAKE_FOR_TELLS: "runs:primary j:json r:primary m:json i:inbox_run i:inbox_run",
  PUT_KEYED: "k:primary k:primary",
  READ_VERSION: "k:primary",
  NOTE_OPERATION: "r:primary k:primary",
  PUT_NOTED: "o:operations_call k:primary",
  READ_OPERATION: "r:primary o:operations_call",
  READ_KEYED: "k:primary",
  LIST_KEYED: "k:primary",
  DELETE_SETTLED: "operations:operations_call j:json j:json r:primary c:json o:operations_call",
  FORGET_OPERATIONS: "operations:operations_call runs:primary s:runs_singleton j:json",
  DELETE_OPERATIONS_OF_COMPLETED: "operations:operations_call j:json r:primary",
  TAKE_PLACE: "r:primary",
  GRANT_PLACE: "locks:locks_call r:primary q:primary q:primary e:locks_line",
  READ_PLACE: "r:primary l:locks_call",
  END_PLACES: "j:json r:primary c:json l:locks_call j:json r:primary l:locks_call",
  TELL_NEXT_IN_LINE:
    "j:json r:primary c:json l:locks_call j:json r:primary l:locks_call f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary t:primary",
  WAKE_NEXT_IN_LINE:
    "runs:primary j:json r:primary c:json l:locks_call j:json r:primary l:locks_call f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary i:inbox_run i:inbox_run",
  GRANT_NEXT_IN_LINE:
    "j:json r:primary c:json l:locks_call j:json r:primary l:locks_call f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary",
  TELL_NEXT_IN_QUEUE:
    "o:locks_queue f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary t:primary",
  WAKE_NEXT_IN_QUEUE:
    "runs:primary o:locks_queue f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary i:inbox_run i:inbox_run",
  GRANT_NEXT_IN_QUEUE:
    "o:locks_queue f:all x:primary y:locks_line q:primary y:locks_slots y:locks_slots line:all x:primary y:locks_line z:locks_line line:all w:primary q:primary",
  DELETE_PLACES_OF_ENDED: "locks:locks_call j:json r:primary",
  INSERT_GUARDED_STARTS: "s:primary g:all c:json",
  INSERT_GUARDED_EVENTS: "s:primary g:all c:json n:primary",
  INSERT_GUARDED_TELLS: "s:primary g:all m:json t:primary",
  WAKE_FOR_GUARDED_TELLS: "runs:primary s:primary g:all m:json i:inbox_run i:inbox_run",
  READ_SCHEDULES_DUE:
    "s:schedules_next w:json s:schedules_waiting w:json b:json f:firings_open o:firings_open r:primary",
  READ_SCHEDULES_AHEAD: "s:schedules_next w:json s:schedules_waiting w:json",
  READ_SCHEDULE: "s:primary",
  READ_OPEN_FIRINGS: "f:firings_open r:primary",
  INSERT_SCHEDULE: "",
  PUT_FIRINGS: "s:primary j:json k:runs_idempotency",
  CLOSE_FIRINGS: "firings:primary j:json j:json s:primary",
  PRUNE_OLD_FIRINGS: "firings:firings_decided f:firings_decided s:primary",
  PRUNE_MANY_FIRINGS: "firings:firings_decided n:firings_decided f:firings_decided s:primary",
  MOVE_SCHEDULE: "schedules:primary",
  READ_CHANGED: "s:primary",
  READ_FIRING: "f:primary",
  LIST_FIRINGS: "f:primary",
  DELETE_SCHEDULE: "schedules:primary",
  DELETE_FIRINGS: "firings:primary",
  // The last row alone, by SQLite's way with max().
  OPEN_ENDPOINT: "l:all",
  HOLD_ENDPOINT: "endpoints:primary",
  READ_HOLD: "e:primary n:notices_due",
  RELEASE_ENDPOINT: "endpoints:primary",
  INSERT_NOTICES: "j:json e:primary",
  MOVE_ENDPOINT: "endpoints:primary",
  READ_MOVED: "e:primary",
  READ_PENDING: "n:notices_due",
  SETTLE_NOTICES: "notices:primary e:primary j:json",
  SETTLE_ENDPOINT: "endpoints:primary",
  FORGET_NOTICES: "notices:primary n:notices_ended",
  RETRY_NOTICE: "notices:primary",
  RETRY_DEAD: "notices:primary n:primary",
  ENABLE_ENDPOINT: "endpoints:primary",
  READ_WINDOW_OF_PARENT: "x:runs_parent",
  READ_WINDOW_OF_STATUS: "s:json x:runs_status",
  READ_WINDOW_OF_WORKFLOW: "x:runs_workflow",
  READ_WINDOW_OF_ALL: "x:primary",
  ARRIVE: "x:runs_line d:all",
  MARK_PLACES: "places:primary j:json r:primary j:json r:primary",
  DELETE_PLACES: "places:primary j:json r:primary",
  COUNT_PLACES: "p:places_line q:places_line h:locks_queue s:locks_queue",
  SET_LINE: "",
  READ_LAST_EVENTS: "j:json e:events_run_seq",
  READ_PLACES_OF: "j:json p:primary l:primary",
  READ_LOCKS_OF: "j:json k:locks_call",
  OPEN_LINE: "p:places_line",
  TAKE_TOKENS: "j:json",
  TAKE_CHILD_TOKENS: "j:json r:primary c:json",
  READ_REFUSED: "j:json r:primary b:primary",
};

/**
 * Aliases of tables that stay small, or of a statement's own rows: they may be read from end to end. `l` is read by `max` of its
 * key alone, which SQLite takes from the end.
 */
const MAY_BE_SCANNED = new Set([
  ...["w", "logged", "f", "line", "g", "one", "d", "l"],
  ...["kind", "untaken", "overdue", "held", "waiting", "wanted", "passed"],
]);

/** A database that grew far beyond its statistics. */
const RUNS_AT_ANALYZE = 50;
const RUNS = 100_000;

/**
 * Runs of all statuses, `events` events each, with a message in every tenth inbox, and with every fifth in a long line for
 * one of three locks, half of whose places have ended.
 */
function rows(from: number, to: number, events: number): string[] {
  const numbers = `WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`;
  const id = "printf('run_%08d', i)";
  return [
    `INSERT INTO runs (id, workflow, version, status, available_at, owner, epoch, head, unclean, idempotency_key, tags, created_at, limits)
     ${numbers} SELECT ${id}, 'ship', '1', CASE i % 4 WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'completed' ELSE 'waiting' END,
     CASE i % 4 WHEN 0 THEN i WHEN 3 THEN i + 1000000 END, CASE i % 4 WHEN 1 THEN 'w' || (i % 8) END, 1, ${events}, i % 50 = 0, 'key-' || i, '{}', i,
     CASE i % 8 WHEN 0 THEN json_array(json_object('line', 'queue/q' || (i % 5))) END FROM n`,
    `INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
     ${numbers}, s(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < ${events})
     SELECT ${id}, seq, 1, 'attempt.started', 1, 'k' || seq, CASE WHEN i % 5 = 0 THEN '' END, 1, i, NULL FROM n, s`,
    `INSERT INTO inbox (run_id, kind, token, at) ${numbers} SELECT ${id}, 'cancel', 'token-' || i, i FROM n WHERE i % 10 = 0`,
    `INSERT INTO kv (scope, key, value, version) ${numbers} SELECT 's' || (i % 3), 'k' || i, '{}', i FROM n`,
    `INSERT INTO operations (run_id, key, version) ${numbers} SELECT ${id}, 'c', i FROM n WHERE i % 5 = 0`,
    `INSERT INTO schedules (id, workflow, definition, source, generation, revision, token, cursor, next_at, waiting, created_at, updated_at)
     ${numbers} SELECT 's' || i, 'ship', '{}', 'api', 1, 1, 't', i, CASE WHEN i % 2 = 0 THEN i END, i % 3 = 0, i, i FROM n`,
    `INSERT INTO firings (schedule_id, at, lane, decision, cause, generation, run_id, decided_at, is_open)
     ${numbers} SELECT 's' || (i % 100), i, 'schedule', 'fired', 'schedule', 1, ${id}, i, i % 10 = 0 FROM n`,
    `INSERT INTO locks (name, run_id, key, slots, queue, rank, requested_at, granted_at, ended_at)
     ${numbers} SELECT 'n' || (i % 3), ${id}, 'c', 5, CASE WHEN i % 3 = 0 THEN 'n' END, 0, i, i, CASE WHEN i % 2 = 0 THEN i END FROM n WHERE i % 5 = 0`,
  ];
}

const WORKERS = `INSERT INTO workers (id, started_at, expires_at)
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7) SELECT 'w' || i, 0, 9e15 FROM n`;

async function fill(client: Client, statistics: "none" | "stale"): Promise<void> {
  await client.execute(WORKERS);
  await client.batch(rows(0, RUNS_AT_ANALYZE, 2), "write");
  if (statistics === "none") return;
  await client.execute("ANALYZE");
  await client.batch(rows(RUNS_AT_ANALYZE, RUNS, 2), "write");
}

describe.each(["none", "stale"] as const)("with statistics: %s", (statistics) => {
  let path: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "varve-plans-"));
    path = join(folder, "log.db");
    const client = createClient({ url: `file:${path}`, concurrency: 1 });
    await migrate(new Database({ client, kind: "owned-file", name: path, ports: realPorts() }));
    await fill(client, statistics);
    const { rows } = await client.execute("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'sqlite_stat1'");
    expect(rows[0]?.n).toBe(statistics === "stale" ? 1 : 0);
    return () => {
      client.close();
      rmSync(folder, { recursive: true });
    };
  });

  it.each(Object.entries(statements) as [Name, string][])("%s goes by its indexes", async (name, sql) => {
    const found = await plan(path, sql);
    expect(found).toBe(PLANS[name]);
    const scanned = found.split(" ").filter((step) => step.endsWith(":all"));
    for (const step of scanned) expect(MAY_BE_SCANNED).toContain(step.replace(":all", ""));
  });

  it.each(EVENT_BLOCKS)("$rows events as bound values go by the runs' primary key", async ({ sql }) => {
    const client = createClient({ url: `file:${path}` });
    const args = [...sql.matchAll(/\?/g)].map(() => null);
    const { rows } = await client.execute({ sql: `EXPLAIN QUERY PLAN ${sql}`, args });
    client.close();
    expect(rows.map(({ detail }) => String(detail).replace(/^SCAN .*CONSTANT ROWS?$/, "the values"))).toEqual([
      "CO-ROUTINE e",
      "the values",
      "SCAN e",
      "SEARCH r USING INDEX sqlite_autoindex_runs_1 (id=?)",
    ]);
  });

  it("a page of runs reads no more than a window of its index, whatever the filter", async () => {
    const client = createClient({ url: `file:${path}`, concurrency: 1 });
    const read: { sql: string; args: unknown }[] = [];
    const execute = client.execute.bind(client);
    client.execute = (async (statement: { sql: string; args: unknown }) => {
      read.push(statement);
      return await execute(statement as never);
    }) as typeof client.execute;
    const store = libsqlStore(new Database({ client, kind: "owned-file", name: path, ports: realPorts() }));
    const plans: [string, string][] = [];
    for (const filter of [
      { workflow: "ship", status: ["failed"] },
      { workflow: "none", status: ["completed"] },
      { status: ["completed", "failed"] },
      { tags: { a: "b" } },
      { parentId: "run_1", status: ["completed"] },
      { workflow: "ship", createdFrom: 9e15 },
    ] as const) {
      const window = await store.runWindow(filter, { before: "run_00000040", rows: 10 });
      read.length = 0;
      await store.listRuns(filter, { before: "run_00000040", limit: 5, window });
      const [page] = read;
      const { rows } = await execute({ sql: `EXPLAIN QUERY PLAN ${page?.sql}`, args: page?.args as never });
      plans.push([
        window.by,
        String(rows.find(({ detail }) => /INDEX runs_(?!1)|autoindex_runs_1 \(id[<>]/.test(String(detail)))?.detail),
      ]);
    }
    client.close();
    const upTo = (way: string) => (way === "" ? "(id<?)" : `(${way}=? AND id<?)`);
    const window = (way: string) => (way === "" ? "(id>? AND id<?)" : `(${way}=? AND id>? AND id<?)`);
    expect(plans).toEqual([
      ["status", `SEARCH runs USING INDEX runs_status ${upTo("status")}`],
      ["workflow", `SEARCH runs USING INDEX runs_workflow ${upTo("workflow")}`],
      ["status", `SEARCH runs USING COVERING INDEX runs_status ${window("status")}`],
      ["all", `SEARCH runs USING INDEX sqlite_autoindex_runs_1 ${window("")}`],
      ["parent", `SEARCH runs USING INDEX runs_parent ${upTo("parent_id")}`],
      ["workflow", `SEARCH runs USING INDEX runs_workflow ${window("workflow")}`],
    ]);
  });

  it("a statement that joins a list the other way round is caught", async () => {
    const natural = "UPDATE runs SET head = 1 FROM json_each(:ids) j WHERE runs.epoch = j.value";
    expect(await plan(path, natural)).toContain("runs:all");
  });
});
