/** Reads: of one run's past, of the log, of lists. Pages bound each, because a read of a file blocks the thread. */
import type { Row } from "@libsql/client";
import { and, asc, desc, sql as drizzleSql, eq, gt, gte, inArray, lt, placeholder, type SQL } from "drizzle-orm";
import type { EventRow } from "../../kernel/events.ts";
import { OpenScopes } from "../../kernel/open-scopes.ts";
import type { Claim } from "../port-claims.ts";
import type { InboxRow, MessageKind } from "../port-inbox.ts";
import { furthest, type RunFilter, type RunWindow, type WindowBy, waysThrough } from "../port-lists.ts";
import type { RunRow } from "../port-runs.ts";
import type { Args, Database } from "./database.ts";
import * as schema from "./schema.ts";
import * as sql from "./statements.ts";
import { READ_WINDOW_ENDS, WINDOW_INDEX } from "./statements-lists.ts";

/** The most seqs that one read of a claimed run's events spans. */
const LOAD_SEQS_MAX = 5_000;

/** Events of claimed runs. Small runs share a read; a long one is read in pages. */
export async function load(
  db: Database,
  claims: readonly Pick<Claim, "runId" | "head">[],
): Promise<Map<string, EventRow[]>> {
  const loads = new Map<string, EventRow[]>();
  for (const { runId } of claims) loads.set(runId, []);
  for (const group of groups(claims)) {
    const head = Math.max(...group.map((claim) => claim.head));
    for (let after = 0; after < head; after += LOAD_SEQS_MAX) await loadPage(db, group, after, loads);
  }
  await loadOpenScopes(db, loads);
  for (const events of loads.values()) events.sort((a, b) => a.seq - b.seq);
  await loadLast(db, claims, loads);
  return loads;
}

/** A run's next event follows its last one, also if that lies within a completed scope. */
async function loadLast(db: Database, claims: readonly Pick<Claim, "runId" | "head">[], loads: Loads): Promise<void> {
  const places = claims.filter(({ runId, head }) => (loads.get(runId)?.at(-1)?.seq ?? 0) < head);
  if (places.length === 0) return;
  const args = { places: JSON.stringify(places.map(({ runId, head }) => [runId, head])) };
  for (const event of (await db.one(sql.READ_EVENTS_AT, args)).map(eventRow)) loads.get(event.runId)?.push(event);
}

type Loads = ReadonlyMap<string, EventRow[]>;

function groups(claims: readonly Pick<Claim, "runId" | "head">[]): Pick<Claim, "runId" | "head">[][] {
  const result: Pick<Claim, "runId" | "head">[][] = [];
  let room = 0;
  for (const claim of claims) {
    if (claim.head > room) {
      result.push([]);
      room = LOAD_SEQS_MAX;
    }
    result.at(-1)?.push(claim);
    room -= claim.head;
  }
  return result;
}

async function loadPage(db: Database, group: readonly { runId: string }[], after: number, loads: Loads): Promise<void> {
  const ids = JSON.stringify(group.map((claim) => claim.runId));
  for (const row of await db.one(sql.READ_TOP_EVENTS, { ids, after, until: after + LOAD_SEQS_MAX })) {
    const event = eventRow(row);
    loads.get(event.runId)?.push(event);
  }
}

/** A scope that is not closed is run again, so its own events are needed; in turn those of its inner scopes. */
async function loadOpenScopes(db: Database, loads: Loads): Promise<void> {
  let fresh = [...loads.values()].flat();
  const open = new OpenScopes(fresh);
  for (;;) {
    const scopes = open.among(fresh);
    if (scopes.length === 0) return;
    fresh = (await db.one(sql.READ_SCOPE_EVENTS, { scopes: JSON.stringify(scopes) })).map(eventRow);
    for (const event of fresh) loads.get(event.runId)?.push(event);
  }
}

export function eventRow(row: Row): EventRow {
  return {
    position: row.position as number,
    runId: row.run_id as string,
    seq: row.seq as number,
    epoch: row.epoch as number,
    type: row.type as string,
    v: row.v as number,
    key: row.key as string | null,
    scope: row.scope as string | null,
    attempt: row.attempt as number | null,
    at: row.at as number,
    data: row.data as string | null,
  };
}

function inboxRow(row: Row): InboxRow {
  return {
    id: row.id as number,
    runId: row.run_id as string,
    kind: row.kind as MessageKind,
    token: row.token as string,
    data: row.data as string | null,
    at: row.at as number,
  };
}

export async function readInbox(db: Database, runIds: readonly string[]): Promise<InboxRow[]> {
  return (await db.one(sql.READ_INBOX, { ids: JSON.stringify(runIds) })).map(inboxRow);
}

export async function getRun(db: Database, runId: string): Promise<RunRow | null> {
  const rows = await db.attempt(async () => await runById(db).execute({ id: runId }));
  return rows[0] ?? null;
}

/** Built once a database: whoever waits for a run reads it, and building the statement took longer than the read. */
const RUNS_BY_ID = new WeakMap<Database, ReturnType<typeof selectRunById>>();

function runById(db: Database): ReturnType<typeof selectRunById> {
  const known = RUNS_BY_ID.get(db);
  if (known !== undefined) return known;
  const made = selectRunById(db);
  RUNS_BY_ID.set(db, made);
  return made;
}

function selectRunById({ query }: Database) {
  return query
    .select()
    .from(schema.runs)
    .where(eq(schema.runs.id, placeholder("id")))
    .prepare();
}

export async function listRuns(
  db: Database,
  filter: RunFilter,
  page: { readonly before: string | null; readonly limit: number; readonly window?: RunWindow },
): Promise<RunRow[]> {
  const { runs } = schema;
  const { before, limit, window } = page;
  const conditions = filterConditions(filter);
  if (before !== null) conditions.push(lt(runs.id, before));
  if (typeof window?.from === "string") conditions.push(gte(runs.id, window.from));
  const fitting = window === undefined ? and(...conditions) : inArray(runs.id, idsWithin(window, conditions, limit));
  return await db.attempt(
    async () => await db.query.select().from(runs).where(fitting).orderBy(desc(runs.id)).limit(limit),
  );
}

/** By the window's index and no other. */
function idsWithin({ by }: RunWindow, conditions: readonly SQL[], limit: number): SQL {
  const { runs } = schema;
  const index = drizzleSql.raw(WINDOW_INDEX[by]);
  const where = and(...conditions) ?? drizzleSql`true`;
  return drizzleSql`(SELECT ${runs.id} FROM ${runs} INDEXED BY ${index} WHERE ${where} ORDER BY ${runs.id} DESC LIMIT ${limit})`;
}

/** The window of each way through in one read, and of those the furthest. */
export async function runWindow(
  db: Database,
  filter: RunFilter,
  { before, rows }: { readonly before: string | null; readonly rows: number },
): Promise<RunWindow> {
  const { parentId, workflow, status = [] } = filter;
  const ways = waysThrough(filter);
  const args: Record<WindowBy, Args> = {
    parent: { parentId: parentId ?? null, before, rows },
    status: { statuses: JSON.stringify(status), before, rows: Math.ceil(rows / Math.max(1, status.length)) },
    workflow: { workflow: workflow ?? null, before, rows },
    all: { before, rows },
  };
  const ends = await db.read(ways.map((by) => ({ sql: READ_WINDOW_ENDS[by], args: args[by] })));
  return furthest(ways.map((by, i) => ({ by, from: (ends[i]?.rows[0]?.id ?? null) as string | null })));
}

function filterConditions(filter: RunFilter): SQL[] {
  const { runs } = schema;
  const conditions: SQL[] = [];
  if (filter.workflow !== undefined) conditions.push(eq(runs.workflow, filter.workflow));
  if (filter.status !== undefined) conditions.push(inArray(runs.status, [...filter.status]));
  if (filter.idempotencyKey !== undefined) conditions.push(eq(runs.idempotencyKey, filter.idempotencyKey));
  if (filter.parentId !== undefined) conditions.push(eq(runs.parentId, filter.parentId));
  if (filter.createdFrom !== undefined) conditions.push(gte(runs.createdAt, filter.createdFrom));
  if (filter.createdBefore !== undefined) conditions.push(lt(runs.createdAt, filter.createdBefore));
  for (const [name, value] of Object.entries(filter.tags ?? {})) {
    conditions.push(
      drizzleSql`EXISTS (SELECT 1 FROM json_each(${runs.tags}) tag WHERE tag.key = ${name} AND tag.value = ${value})`,
    );
  }
  return conditions;
}

export async function listLoggedRuns(
  db: Database,
  page: { readonly before: string | null; readonly limit: number },
): Promise<string[]> {
  return (await db.one(sql.READ_LOGGED_RUNS, page)).map((row) => row.id as string);
}

export async function readHistory(
  db: Database,
  runId: string,
  page: { readonly afterSeq: number; readonly limit: number },
): Promise<EventRow[]> {
  const { events } = schema;
  return await db.attempt(
    async () =>
      await db.query
        .select()
        .from(events)
        .where(and(eq(events.runId, runId), gt(events.seq, page.afterSeq)))
        .orderBy(asc(events.seq))
        .limit(page.limit),
  );
}

export async function readLog(
  db: Database,
  page: { readonly afterPosition: number; readonly limit: number },
): Promise<EventRow[]> {
  const { events } = schema;
  return await db.attempt(
    async () =>
      await db.query
        .select()
        .from(events)
        .where(gt(events.position, page.afterPosition))
        .orderBy(asc(events.position))
        .limit(page.limit),
  );
}

export async function lastPosition(db: Database): Promise<number> {
  const { events } = schema;
  const rows = await db.attempt(
    async () =>
      await db.query.select({ position: events.position }).from(events).orderBy(desc(events.position)).limit(1),
  );
  return rows[0]?.position ?? 0;
}
