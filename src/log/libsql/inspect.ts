/** Facts about a log's database, for `varve db status` and `varve doctor`. Reads only. */
import type { Row } from "@libsql/client";
import { RUN_STATUSES, type RunStatus } from "../../kernel/state.ts";
import { UNCLEAN_ALONE_FROM } from "../port-claims.ts";
import type { WorkerRow } from "../port-workers.ts";
import { listWorkers, now } from "./claim.ts";
import type { Database } from "./database.ts";
import { OVER } from "./fragments.ts";
import { type MigrationStatus, migrationStatus } from "./migrate.ts";

export interface DatabaseFacts {
  /** Null: the server does not say. */
  readonly sqliteVersion: string | null;
  /** Null for a server, which keeps its journal as it likes. */
  readonly journalMode: string | null;
  readonly bytes: number | null;
  readonly migrations: readonly MigrationStatus[];
}

export interface LogFacts {
  /** The database's clock. */
  readonly now: number;
  readonly runs: Readonly<Record<RunStatus, number>>;
  readonly events: number;
  readonly inbox: number;
  readonly deliveries: number;
  readonly workers: readonly WorkerRow[];
  readonly suspects: readonly SuspectRun[];
  readonly lostAttempts: readonly LostAttempt[];
}

/** A run whose claims keep ending without a result. */
export interface SuspectRun {
  readonly runId: string;
  readonly workflow: string;
  readonly uncleanClaims: number;
}

/** A step during which workers were lost: their process ended, or the step's code held the thread past the lease. */
export interface LostAttempt {
  readonly workflow: string;
  readonly key: string;
  readonly times: number;
  readonly lastRunId: string;
}

/** The most rows of each list of {@link LogFacts}. */
const LIST_MAX = 20;

/** How many of the last positions are searched for lost attempts. */
const POSITIONS_SEARCHED = 200_000;

const COUNT_RUNS = "SELECT status, count(*) AS count FROM runs GROUP BY status";

const COUNT_REST = `
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM inbox) AS inbox,
  (SELECT count(*) FROM deliveries) AS deliveries`;

/** By `runs_suspect`. */
const READ_SUSPECTS = `
SELECT id, workflow, unclean FROM runs
WHERE unclean >= ${UNCLEAN_ALONE_FROM} AND status NOT IN ${OVER}
ORDER BY unclean DESC, id LIMIT ${LIST_MAX}`;

/** By primary key, over the newest events alone. */
const READ_LOST_ATTEMPTS = `
SELECT r.workflow, e.key, count(*) AS times, max(e.run_id) AS last_run_id
FROM events e CROSS JOIN runs r ON r.id = e.run_id
WHERE e.position > (SELECT coalesce(max(position), 0) FROM events) - ${POSITIONS_SEARCHED}
  AND e.type = 'attempt.interrupted' AND e.data ->> '$.reason' = 'lost'
GROUP BY r.workflow, e.key ORDER BY times DESC, r.workflow, e.key LIMIT ${LIST_MAX}`;

/** What can be said of any database, also of one without Varve's tables. */
export async function databaseFacts(db: Database): Promise<DatabaseFacts> {
  const migrations = await migrationStatus(db);
  if (db.kind === "remote") return { sqliteVersion: null, journalMode: null, bytes: null, migrations };
  const [version] = await db.one("SELECT sqlite_version() AS version");
  const [journal] = await db.one("PRAGMA journal_mode");
  const [pages] = await db.one("PRAGMA page_count");
  const [size] = await db.one("PRAGMA page_size");
  return {
    sqliteVersion: String(version?.version),
    journalMode: String(journal?.journal_mode),
    bytes: Number(pages?.page_count) * Number(size?.page_size),
    migrations,
  };
}

/** What `integrity_check` finds, one line a fault. Null: a server looks after its own file. */
export async function integrityFaults(db: Database): Promise<string[] | null> {
  if (db.kind === "remote") return null;
  const lines = (await db.one("PRAGMA integrity_check")).map((row) => String(row.integrity_check));
  return lines.length === 1 && lines[0] === "ok" ? [] : lines;
}

/** What the log holds. */
export async function logFacts(db: Database): Promise<LogFacts> {
  const counts = new Map((await db.one(COUNT_RUNS)).map((row) => [row.status as string, Number(row.count)]));
  const [rest] = await db.one(COUNT_REST);
  return {
    now: await now(db),
    runs: Object.fromEntries(RUN_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as LogFacts["runs"],
    events: Number(rest?.events),
    inbox: Number(rest?.inbox),
    deliveries: Number(rest?.deliveries),
    workers: await listWorkers(db),
    suspects: (await db.one(READ_SUSPECTS)).map(suspect),
    lostAttempts: (await db.one(READ_LOST_ATTEMPTS)).map(lostAttempt),
  };
}

function suspect(row: Row): SuspectRun {
  return { runId: row.id as string, workflow: row.workflow as string, uncleanClaims: Number(row.unclean) };
}

function lostAttempt(row: Row): LostAttempt {
  return {
    workflow: row.workflow as string,
    key: row.key as string,
    times: Number(row.times),
    lastRunId: row.last_run_id as string,
  };
}
