/** Schedules and their firings. A change of one is a batch under its fence, whose answer is whether it is there. */
import type { Row } from "@libsql/client";
import { asc, gt } from "drizzle-orm";
import type { RunStatus } from "../../kernel/state.ts";
import type {
  FiringFilter,
  FiringLane,
  FiringPage,
  FiringRow,
  NewSchedule,
  OpenFiring,
  ScheduleChange,
  ScheduleRow,
  SchedulesAhead,
  ScheduleView,
} from "../port-schedules.ts";
import { Batch } from "./batch.ts";
import type { Database } from "./database.ts";
import { addGuardedStarts, addGuardedTells } from "./guarded.ts";
import { schedules } from "./schema.ts";
import * as sql from "./statements-schedules.ts";

/** What no instant is greater than: a page that begins at the latest. */
const LATEST = { at: Number.MAX_SAFE_INTEGER, lane: "" } as const;

export async function createSchedule(db: Database, schedule: NewSchedule): Promise<ScheduleRow> {
  const { id: scheduleId, ...columns } = schedule;
  const [, read] = await db.write([
    { sql: sql.INSERT_SCHEDULE, args: { scheduleId, ...columns } },
    { sql: sql.READ_SCHEDULE, args: { scheduleId } },
  ]);
  return scheduleRow(read?.rows[0] as Row);
}

export async function getSchedule(db: Database, scheduleId: string): Promise<ScheduleView | null> {
  const [found, open] = await db.read([
    { sql: sql.READ_SCHEDULE, args: { scheduleId } },
    { sql: sql.READ_OPEN_FIRINGS, args: { scheduleId } },
  ]);
  const row = found?.rows[0];
  if (row === undefined) return null;
  return { row: scheduleRow(row), open: (open?.rows ?? []).map(openFiring), now: Math.floor(Number(row.now)) };
}

export async function listSchedules(
  db: Database,
  page: { readonly after: string | null; readonly limit: number },
): Promise<ScheduleRow[]> {
  return await db.attempt(
    async () =>
      await db.query
        .select()
        .from(schedules)
        .where(page.after === null ? undefined : gt(schedules.id, page.after))
        .orderBy(asc(schedules.id))
        .limit(page.limit),
  );
}

export async function changeSchedule(db: Database, change: ScheduleChange): Promise<boolean> {
  const { scheduleId, revision, token, row, firings, closed, starts, tells, keep } = change;
  const fence = { scheduleId, revision };
  const batch = new Batch();
  addGuardedStarts(batch, sql.UNCHANGED, fence, starts);
  addGuardedTells(batch, sql.UNCHANGED, fence, tells);
  const keys = new Map(starts.map(({ start }) => [start.runId, [start.workflow, start.idempotencyKey]]));
  const rows = firings.map((firing) => [...firingValues(firing), ...(keys.get(firing.runId ?? "") ?? [null, null])]);
  batch.add(sql.PUT_FIRINGS, "firings", rows, fence);
  const ended = closed.map(({ at, lane }) => [at, lane]);
  batch.add(sql.CLOSE_FIRINGS, "closed", ended, fence);
  if (firings.length > 0) {
    const { decidedAfter, count } = keep;
    batch.statements.push({ sql: sql.PRUNE_OLD_FIRINGS, args: { ...fence, decidedAfter } });
    batch.statements.push({ sql: sql.PRUNE_MANY_FIRINGS, args: { ...fence, count } });
  }
  batch.statements.push({ sql: sql.MOVE_SCHEDULE, args: { ...fence, token, ...row } });
  batch.statements.push({ sql: sql.READ_CHANGED, args: { ...fence, token } });
  const results = await db.write(batch.statements);
  return results.at(-1)?.rows.length === 1;
}

function firingValues(firing: FiringRow): unknown[] {
  const { at, lane, until, instants, decision, cause, reason, runId, generation, decidedAt, isOpen } = firing;
  return [at, lane, until, instants, decision, cause, reason, runId, generation, decidedAt, isOpen ? 1 : 0];
}

export async function deleteSchedule(db: Database, scheduleId: string): Promise<void> {
  await db.write([
    { sql: sql.DELETE_FIRINGS, args: { scheduleId } },
    { sql: sql.DELETE_SCHEDULE, args: { scheduleId } },
  ]);
}

export async function schedulesAhead(
  db: Database,
  workflows: readonly string[],
  limit: number,
): Promise<SchedulesAhead> {
  const known = { workflows: JSON.stringify(workflows) };
  const [due, ahead] = await db.read([
    { sql: sql.READ_SCHEDULES_DUE, args: { ...known, limit } },
    { sql: sql.READ_SCHEDULES_AHEAD, args: known },
  ]);
  const row = ahead?.rows[0] as Row;
  return {
    due: (due?.rows ?? []).map(({ id }) => id as string),
    nextAt: nullable(row.next_at),
    waits: Number(row.waits) === 1,
    now: Math.floor(Number(row.now)),
  };
}

export async function listFirings(db: Database, filter: FiringFilter, page: FiringPage): Promise<FiringRow[]> {
  const { scheduleId, decision } = filter;
  const { at, lane } = page.before ?? LATEST;
  return (await db.one(sql.LIST_FIRINGS, { scheduleId, decision, at, lane, limit: page.limit })).map(firingRow);
}

export async function getFiring(
  db: Database,
  scheduleId: string,
  lane: FiringLane,
  at: number,
): Promise<FiringRow | null> {
  const [row] = await db.one(sql.READ_FIRING, { scheduleId, lane, at });
  if (row === undefined) return null;
  const firing = firingRow(row);
  return at <= (firing.until ?? firing.at) ? firing : null;
}

function scheduleRow(row: Row): ScheduleRow {
  return {
    id: row.id as string,
    workflow: row.workflow as string,
    version: row.version as string | null,
    definition: row.definition as string,
    source: row.source as ScheduleRow["source"],
    generation: Number(row.generation),
    revision: Number(row.revision),
    token: row.token as string,
    pausedAt: nullable(row.paused_at),
    note: row.note as string | null,
    cursor: Number(row.cursor),
    nextAt: nullable(row.next_at),
    waiting: Number(row.waiting),
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  };
}

function firingRow(row: Row): FiringRow {
  return {
    scheduleId: row.schedule_id as string,
    at: Number(row.at),
    lane: row.lane as FiringLane,
    until: nullable(row.until),
    instants: nullable(row.instants),
    decision: row.decision as FiringRow["decision"],
    cause: row.cause as FiringRow["cause"],
    reason: row.reason as string | null,
    runId: row.run_id as string | null,
    generation: Number(row.generation),
    decidedAt: nullable(row.decided_at),
    isOpen: Number(row.is_open) === 1,
  };
}

function openFiring(row: Row): OpenFiring {
  return { ...firingRow(row), runStatus: row.run_status as RunStatus | null };
}

function nullable(value: unknown): number | null {
  return value === null ? null : Number(value);
}
