/** Outgoing webhooks: where endpoints are in the log, and what is on its way to them. */
import type { Row } from "@libsql/client";
import { and, asc, desc, eq, gt, lt, or } from "drizzle-orm";
import {
  type EndpointHold,
  type EndpointRow,
  NOTICE_KEPT_MS,
  NOTICES_FORGOTTEN_MAX,
  type NoticeRow,
  type NoticeStatus,
  type OutgoingStore,
} from "../port-outgoing.ts";
import type { Database } from "./database.ts";
import { endpoints, notices } from "./schema.ts";
import * as sql from "./statements-outgoing.ts";

export function outgoingStore(db: Database): OutgoingStore {
  return {
    holdEndpoint: (request) => holdEndpoint(db, request),
    releaseEndpoint: async (endpoint, holder) => {
      await db.write([{ sql: sql.RELEASE_ENDPOINT, args: { endpoint, holder } }]);
    },
    planNotices: (plan) => planNotices(db, plan),
    pendingNotices: async (endpoint, limit) => (await db.one(sql.READ_PENDING, { endpoint, limit })).map(noticeRow),
    settleNotices: (settled) => settleNotices(db, settled),
    retryNotices: (endpoint, position, limit) => retryNotices(db, endpoint, position, limit),
    enableEndpoint: async (endpoint) => {
      const [done] = await db.write([{ sql: sql.ENABLE_ENDPOINT, args: { endpoint } }]);
      return done?.rowsAffected === 1;
    },
    listEndpoints: () => listEndpoints(db),
    listNotices: (page) => listNotices(db, page),
  };
}

type Request<M extends keyof OutgoingStore> = Parameters<OutgoingStore[M]>[0];

async function holdEndpoint(db: Database, request: Request<"holdEndpoint">): Promise<EndpointHold | null> {
  const { endpoint, holder, leaseMs, takeOver } = request;
  const [, , read] = await db.write([
    { sql: sql.OPEN_ENDPOINT, args: { endpoint } },
    { sql: sql.HOLD_ENDPOINT, args: { endpoint, holder, leaseMs, takeOver: Number(takeOver) } },
    { sql: sql.READ_HOLD, args: { endpoint, holder } },
  ]);
  const [row] = read?.rows ?? [];
  if (row === undefined) return null;
  return {
    name: endpoint,
    position: Number(row.position),
    holder,
    expiresAt: Number(row.expires_at),
    epoch: Number(row.epoch),
    restUntil: numberOrNull(row.rest_until),
    disabledAt: numberOrNull(row.disabled_at),
    pending: Number(row.pending),
    now: Number(row.now),
  };
}

async function planNotices(db: Database, plan: Request<"planNotices">): Promise<boolean> {
  const { endpoint, epoch, from, to } = plan;
  const rows = plan.notices.map(({ position, runId, seq, type }) => [position, runId, seq, type]);
  const results = await db.write([
    ...(rows.length === 0
      ? []
      : [{ sql: sql.INSERT_NOTICES, args: { endpoint, epoch, from, notices: JSON.stringify(rows) } }]),
    { sql: sql.MOVE_ENDPOINT, args: { endpoint, epoch, from, to } },
    { sql: sql.READ_MOVED, args: { endpoint, epoch } },
  ]);
  const [row] = results.at(-1)?.rows ?? [];
  return row !== undefined && Number(row.position) === to;
}

async function settleNotices(db: Database, settled: Request<"settleNotices">): Promise<void> {
  const { endpoint, epoch, restUntil, disable } = settled;
  const outcomes = settled.outcomes.map(({ position, wasDueAt, tries, status, dueAt, firstAt, note }) => {
    return [position, tries, status, dueAt, firstAt, note, wasDueAt];
  });
  const forget = (status: Exclude<NoticeStatus, "pending">) => {
    const args = { status, keptMs: NOTICE_KEPT_MS[status], limit: NOTICES_FORGOTTEN_MAX };
    return { sql: sql.FORGET_NOTICES, args };
  };
  await db.write([
    { sql: sql.SETTLE_NOTICES, args: { endpoint, epoch, outcomes: JSON.stringify(outcomes) } },
    ...(restUntil === null && !disable
      ? []
      : [{ sql: sql.SETTLE_ENDPOINT, args: { endpoint, epoch, restUntil, disable: Number(disable) } }]),
    forget("delivered"),
    forget("dead"),
  ]);
}

async function retryNotices(db: Database, endpoint: string, position: number | null, limit: number): Promise<number> {
  const statement =
    position === null
      ? { sql: sql.RETRY_DEAD, args: { endpoint, limit } }
      : { sql: sql.RETRY_NOTICE, args: { endpoint, position } };
  const [done] = await db.write([statement]);
  return done?.rowsAffected ?? 0;
}

async function listEndpoints(db: Database): Promise<EndpointRow[]> {
  return await db.attempt(async () => await db.query.select().from(endpoints).orderBy(asc(endpoints.name)));
}

async function listNotices(
  db: Database,
  { endpoint, status, before, limit }: Request<"listNotices">,
): Promise<NoticeRow[]> {
  return await db.attempt(
    async () =>
      await db.query
        .select()
        .from(notices)
        .where(
          and(
            endpoint === null ? undefined : eq(notices.endpoint, endpoint),
            status === null ? undefined : eq(notices.status, status),
            before === null
              ? undefined
              : or(
                  lt(notices.position, before.position),
                  and(eq(notices.position, before.position), gt(notices.endpoint, before.endpoint)),
                ),
          ),
        )
        .orderBy(desc(notices.position), asc(notices.endpoint))
        .limit(limit),
  );
}

function noticeRow(row: Row): NoticeRow {
  return {
    endpoint: row.endpoint as string,
    position: Number(row.position),
    runId: row.run_id as string,
    seq: Number(row.seq),
    type: row.type as string,
    status: row.status as NoticeStatus,
    tries: Number(row.tries),
    createdAt: Number(row.created_at),
    firstAt: numberOrNull(row.first_at),
    dueAt: numberOrNull(row.due_at),
    endedAt: numberOrNull(row.ended_at),
    note: row.note as string | null,
  };
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}
