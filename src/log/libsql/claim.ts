/** Workers, their leases, and what they take: each call is one statement, or one batch of them. */
import type { Row } from "@libsql/client";
import type { Claim, ClaimRequest, ClaimVerdict, HeldRun, WorkAhead } from "../port-claims.ts";
import type { Heartbeat, ProgramId, WorkerRow } from "../port-workers.ts";
import type { Bound, Database } from "./database.ts";
import * as schema from "./schema.ts";
import * as sql from "./statements.ts";
import { ARRIVE } from "./statements-places.ts";
import { CLAIM_OF_POOL, CLAIM_SUSPECT_OF_POOL, READ_WORK_AHEAD_OF_POOL } from "./statements-pools.ts";

/** How long the row of a dead worker is kept after its last run was taken over, milliseconds. */
const DEAD_WORKER_KEPT_MS = 86_400_000;

const INSERT_WORKER = `
INSERT INTO workers (id, started_at, expires_at, programs, queues) VALUES (:worker, NOW, NOW + :leaseMs, :programs, :queues)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at`;

const END_LEASE = "UPDATE workers SET expires_at = min(expires_at, NOW) WHERE id = :worker";

/** An isolate's worker lives for one tick: if its row stayed, every look at the queue would pass a day's worth of them. */
const DELETE_WORKER =
  "DELETE FROM workers WHERE id = :worker AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.owner = :worker)";

/** Those that nobody closed. */
const DELETE_DEAD_WORKERS = `
DELETE FROM workers WHERE expires_at < NOW - ${DEAD_WORKER_KEPT_MS} AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.owner = workers.id)`;

/** For a file whose lock proves that no earlier worker lives (`ownership.ts`). */
const END_ALL_LEASES = "UPDATE workers SET expires_at = min(expires_at, NOW)";

/** How a worker claims that serves all queues, and how one that serves some. */
const EVERYTHING = { claim: sql.CLAIM, suspect: sql.CLAIM_SUSPECT, args: {} };
const OF_POOL = { claim: CLAIM_OF_POOL, suspect: CLAIM_SUSPECT_OF_POOL };

const READ_NOW = "SELECT NOW AS now";

export async function now(db: Database): Promise<number> {
  const [row] = await db.one(READ_NOW);
  return Math.floor(Number((row as Row).now));
}

export async function openWorker(
  db: Database,
  worker: string,
  leaseMs: number,
  known?: readonly ProgramId[],
  served: readonly string[] | null = null,
): Promise<number> {
  const programs = known === undefined ? null : JSON.stringify(known);
  const queues = served === null ? null : JSON.stringify(served);
  const results = await db.write([
    { sql: INSERT_WORKER, args: { worker, leaseMs, programs, queues } },
    { sql: DELETE_DEAD_WORKERS, args: {} },
    { sql: READ_NOW, args: {} },
  ]);
  return Math.floor(Number(results.at(-1)?.rows[0]?.now));
}

export async function closeWorker(db: Database, worker: string, { forget } = { forget: false }): Promise<void> {
  const end: Bound = { sql: END_LEASE, args: { worker } };
  await db.write(forget ? [end, { sql: DELETE_WORKER, args: { worker } }] : [end]);
}

export async function endAllLeases(db: Database): Promise<void> {
  await db.one(END_ALL_LEASES);
}

export async function listWorkers(db: Database): Promise<WorkerRow[]> {
  const { id, startedAt, expiresAt, programs, queues } = schema.workers;
  const columns = { id, startedAt, expiresAt, programs, queues };
  return await db.attempt(async () => await db.query.select(columns).from(schema.workers).orderBy(startedAt));
}

export async function heartbeat(db: Database, worker: string, leaseMs: number): Promise<Heartbeat> {
  const [renewed, mail] = await db.write([
    { sql: sql.RENEW_LEASE, args: { worker, leaseMs } },
    { sql: sql.READ_MAIL, args: { worker } },
  ]);
  return { alive: renewed?.rows.length === 1, mail: (mail?.rows ?? []).map((row) => row.id as string) };
}

export async function claim(db: Database, request: ClaimRequest): Promise<ClaimVerdict> {
  const { worker, turn, limit, alone, queues = null } = request;
  const programs = programList(request.programs);
  const pool = queues === null ? EVERYTHING : { ...OF_POOL, args: { queues: JSON.stringify(queues) } };
  const statements: Bound[] = [{ sql: sql.PARK_POISONED, args: { programs } }];
  if (request.linesDue === true) statements.push({ sql: ARRIVE, args: {} });
  // A suspect comes first, and then comes alone: nothing else is claimed beside it.
  if (alone) statements.push({ sql: pool.suspect, args: { worker, turn, programs, ...pool.args } });
  else statements.push({ sql: pool.claim, args: { worker, turn, programs, limit, ...pool.args } });
  statements.push({ sql: sql.TAKE_TURN, args: { worker, turn } });
  const results = await db.write(statements);
  const [poisoned] = results;
  const [taken, inTurn] = results.slice(-2);
  return {
    isVoid: inTurn?.rowsAffected === 0,
    poisoned: (poisoned?.rows ?? []).map((row) => row.id as string),
    // By id, as the reference: the database tells them in the order in which it comes across them.
    claims: (taken?.rows ?? []).map(claimOf).sort((a, b) => (a.runId < b.runId ? -1 : 1)),
  };
}

function claimOf(row: Row): Claim {
  return {
    runId: row.id as string,
    workflow: row.workflow as string,
    version: row.version as string,
    epoch: Number(row.epoch),
    head: Number(row.head),
    uncleanBefore: Number(row.unclean_before),
    wasStuck: Number(row.was_stuck) === 1,
    hasMail: Number(row.has_mail) === 1,
  };
}

export async function disown(db: Database, worker: string, turn: number, known: readonly HeldRun[]): Promise<number> {
  const held = known.map(({ runId, epoch }) => [runId, epoch]);
  const [result] = await db.write([
    { sql: sql.DISOWN, args: { worker, turn, known: JSON.stringify(held) } },
    { sql: sql.TAKE_TURN, args: { worker, turn } },
  ]);
  return result?.rowsAffected ?? 0;
}

export async function workAhead(
  db: Database,
  worker: string,
  known: readonly ProgramId[],
  queues: readonly string[] | null = null,
): Promise<WorkAhead> {
  const programs = programList(known);
  const [row] =
    queues === null
      ? await db.one(sql.READ_WORK_AHEAD, { worker, programs })
      : await db.one(READ_WORK_AHEAD_OF_POOL, { worker, programs, queues: JSON.stringify(queues) });
  const { due_at, line_at, lease_ends_at, suspect_at, suspect_due, now } = row as Row;
  const instants = [due_at, line_at, lease_ends_at, suspect_at].filter((at) => at !== null).map(Number);
  return {
    dueAt: instants.length === 0 ? null : Math.min(...instants),
    suspectDue: Number(suspect_due) === 1,
    linesDue: line_at !== null && Number(line_at) <= Number(now),
    now: Math.floor(Number(now)),
  };
}

export async function releaseStuck(db: Database, programs: readonly ProgramId[]): Promise<number> {
  const [result] = await db.write([{ sql: sql.RELEASE_STUCK, args: { programs: programList(programs) } }]);
  return result?.rowsAffected ?? 0;
}

function programList(programs: readonly ProgramId[]): string {
  return JSON.stringify(programs.map(({ workflow, version }) => [workflow, version]));
}
