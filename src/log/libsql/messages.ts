/** Messages in the database: each decision one guarded batch. */
import type { ResultSet, Row } from "@libsql/client";
import type { Operation } from "../port-keyed.ts";
import {
  type DispatchRow,
  type EndsAhead,
  type GatheredMessage,
  type GatheringRow,
  type MessageDispatch,
  type MessageRow,
  type MessageStore,
  type NewMessage,
  type SubscriptionRow,
  SWEEP_MAX,
  type WaitRow,
  type WaitVerdict,
} from "../port-messages.ts";
import { Batch, fenceOf } from "./batch.ts";
import { endsSharing, type OutwardAppend } from "./beyond.ts";
import type { Bound, Database } from "./database.ts";
import { FENCE } from "./fragments.ts";
import { addGuardedStarts, addGuardedTells } from "./guarded.ts";
import { eventRow } from "./read.ts";
import { READ_EVENTS_AT } from "./statements.ts";
import * as sql from "./statements-messages.ts";

/** How many gatherings are looked at at once. */
const DUE_MAX = 100;

export function messageStore(db: Database): MessageStore {
  return {
    publishMessage: async ({ tags, ...message }) => {
      const [, read] = await db.write([
        { sql: sql.INSERT_MESSAGE, args: { ...message, tags: JSON.stringify(tags) } },
        { sql: sql.READ_PUBLISHED, args: { topic: message.topic, id: message.id, token: message.token } },
      ]);
      const row = read?.rows[0] as Row;
      return { position: Number(row.position), created: Number(row.created) === 1 };
    },
    putSubscriptions: async (workflows, rows) => {
      const batch = new Batch();
      batch.add(sql.DELETE_SUBSCRIPTIONS, "workflows", workflows);
      const values = rows.map(({ workflow, name, version, text }) => [workflow, name, version, text]);
      batch.add(sql.INSERT_SUBSCRIPTIONS, "rows", values);
      await db.write([...batch.statements, { sql: sql.BEGIN_ENDS, args: {} }]);
    },
    dispatchAhead: async ({ after, limit }) => {
      const [used] = await db.one(sql.READ_USED);
      if (Number(used?.is_used) === 0) return { isUsed: false, messages: [], due: [], dueAt: null, subscriptions: [] };
      const messages = (await db.one(sql.READ_UNDISPATCHED, { after, limit })).map(messageRow);
      const gatherings = await db.one(sql.READ_DUE, { limit: DUE_MAX });
      const isDue = (row: Row) => Number(row.is_due) === 1;
      const next = gatherings.find((row) => !isDue(row));
      const due = gatherings.filter(isDue).map(gatheringRow);
      const isAny = messages.length + due.length > 0;
      return {
        isUsed: true,
        messages,
        due,
        dueAt: next === undefined ? null : Number(next.due_at),
        subscriptions: isAny ? (await db.one(sql.READ_SUBSCRIPTIONS)).map(subscriptionRow) : [],
      };
    },
    listWaits: async (position, { after, limit }) =>
      (await db.one(sql.READ_WAITS, { position, after, limit })).map(waitRow),
    readCreated: async (runIds) => {
      const places = JSON.stringify(runIds.map((runId) => [runId, 1]));
      return (await db.one(READ_EVENTS_AT, { places })).map(eventRow);
    },
    dispatchMessage: (dispatch) => dispatchMessage(db, dispatch),
    readGathered: async (gathering, limit) =>
      (await db.one(sql.READ_GATHERED, { gathering, limit })).map(messageRow).reverse(),
    fireGathering: async ({ id, count, start, reason }) => {
      const batch = new Batch();
      const guard = { gathering: id, count };
      addGuardedStarts(batch, sql.UNFIRED, guard, start === null ? [] : [start]);
      const runId = start?.start.runId ?? null;
      const results = await db.write([...batch.statements, { sql: sql.MARK_FIRED, args: { ...guard, runId, reason } }]);
      return results.at(-1)?.rowsAffected === 1;
    },
    requestWait: ({ operation, topic, match, isOpen }) => {
      const args = { ...callOf(operation), topic, match, isOpen: isOpen ? 1 : 0 };
      return wait(db, operation, [{ sql: sql.BEGIN_WAIT, args }]);
    },
    openWait: (operation, page) =>
      wait(db, operation, [{ sql: sql.OPEN_WAIT, args: { ...callOf(operation), ...page } }]),
    giveMessage: (operation, position) => {
      const args = { ...callOf(operation), position };
      const statements = [sql.INSERT_WOKEN_SELF, sql.TELL_SELF, sql.END_OWN_WAIT];
      return wait(
        db,
        operation,
        statements.map((statement) => ({ sql: statement, args })),
      );
    },
    expireWait: (operation) => wait(db, operation, [{ sql: sql.EXPIRE_WAIT, args: callOf(operation) }]),
    lookBack: async (runId, page) => (await db.one(sql.LOOK_BACK, { runId, ...page })).map(messageRow),
    endsAhead: (limit) => endsAhead(db, limit),
    publishEnds: async (from, until, messages) => {
      const batch = new Batch();
      batch.add(sql.INSERT_ENDS, "messages", messages.map(newMessageRow), { from });
      await db.write([...batch.statements, { sql: sql.MOVE_ENDS_CURSOR, args: { from, until } }]);
    },
    listMessages: async ({ topic, before, limit }) => {
      const rows =
        topic === null
          ? await db.one(sql.LIST_MESSAGES, { before, limit })
          : await db.one(sql.LIST_TOPIC, { topic, before, limit });
      return rows.map(messageRow);
    },
    getMessage: async (topic, id) => {
      const [row] = await db.one(sql.READ_MESSAGE, { topic, id });
      return row === undefined ? null : messageRow(row);
    },
    listDispatches: async (position, { after, limit }) =>
      (await db.one(sql.LIST_DISPATCHES, { position, after, limit })).map(dispatchRow),
    sweepMessages: async (before) => {
      const args = { before, limit: SWEEP_MAX };
      const statements = [sql.SWEEP_DISPATCHES, sql.SWEEP_MESSAGES, sql.SWEEP_GATHERINGS];
      const [, swept] = await db.write(statements.map((statement) => ({ sql: statement, args })));
      return swept?.rowsAffected ?? 0;
    },
  };
}

/** Forgets the waits of runs that end with a write. */
export function addWaitsOfEnded(batch: Batch, runs: readonly OutwardAppend[]): void {
  batch.add(sql.deleteWaitsOfEnded(FENCE), "ends", runs.filter(endsSharing).map(fenceOf));
}

async function dispatchMessage(db: Database, dispatch: MessageDispatch): Promise<string[]> {
  const { position, starts, cancels, waits, gathered, decisions } = dispatch;
  const batch = new Batch();
  const guard = { position };
  addGuardedStarts(
    batch,
    sql.UNDISPATCHED,
    guard,
    starts.map(({ start }) => start),
  );
  const decided = [
    ...starts.map(({ subject, start }) => [subject, "started", null, start.start.runId]),
    ...decisions.map(({ subject, decision, reason }) => [subject, decision, reason, null]),
  ];
  batch.add(sql.INSERT_DECISIONS, "decisions", decided, guard);
  const cancelled = cancels.map(({ subject, mail }) => [subject, mail.runId]);
  batch.add(sql.INSERT_CANCELLED, "cancels", cancelled, guard);
  addGuardedTells(
    batch,
    sql.UNDISPATCHED,
    guard,
    cancels.map(({ mail }) => mail),
  );
  batch.add(sql.INSERT_WOKEN, "waits", waits, guard);
  batch.add(sql.TELL_WOKEN, "waits", waits, guard);
  batch.add(sql.WAKE_WOKEN, "waits", waits, guard);
  batch.add(sql.END_WAITS, "waits", waits, guard);
  const results = await db.write([
    ...batch.statements,
    ...gathered.flatMap((each) => gather(position, each)),
    { sql: sql.MARK_DISPATCHED, args: guard },
    { sql: sql.READ_WOKEN, args: { ...guard, waits: JSON.stringify(waits) } },
  ]);
  const woken = (results.at(-1) as ResultSet).rows.map((row) => row.run_id as string);
  return [...cancels.map(({ mail }) => mail.runId), ...woken];
}

function gather(position: number, gathered: GatheredMessage): Bound[] {
  const { subject, key, kind, periodMs, maxMs, size, length, lengthMax } = gathered;
  const place = { position, subject, key };
  return [
    { sql: sql.CLOSE_FULL, args: { ...place, length, lengthMax } },
    { sql: sql.GATHER, args: { ...place, kind, size, periodMs, maxMs, length } },
    { sql: sql.INSERT_GATHERED, args: { ...place, decision: kind === "batch" ? "batched" : "debounced" } },
  ];
}

function callOf({ runId, epoch, key: call }: Operation) {
  return { runId, epoch, call };
}

async function wait(db: Database, operation: Operation, statements: readonly Bound[]): Promise<WaitVerdict> {
  const results = await db.write([...statements, { sql: sql.READ_WAIT, args: callOf(operation) }]);
  const [row] = (results.at(-1) as ResultSet).rows;
  if (row === undefined) return { kind: "lost" };
  if (Number(row.has_ended) === 0) return { kind: "waiting", isOpen: Number(row.is_open) === 1 };
  if (row.given === null) return { kind: "expired" };
  // Forgotten by now: the run has it as mail.
  if (row.position === null) return { kind: "waiting", isOpen: true };
  return { kind: "given", message: messageRow(row) };
}

async function endsAhead(db: Database, limit: number): Promise<EndsAhead | null> {
  const [cursor] = await db.one(sql.READ_ENDS_CURSOR, { limit });
  if (cursor === undefined) return null;
  const from = Number(cursor.position);
  if (cursor.until === null) return { from, until: from, ends: [] };
  const until = Number(cursor.until);
  const rows = await db.one(sql.READ_ENDS, { from, until });
  const ends = rows.map((row) => ({
    event: eventRow(row),
    workflow: row.workflow as string,
    version: row.version as string,
    tags: JSON.parse(row.tags as string) as Record<string, string>,
  }));
  return { from, until, ends };
}

function newMessageRow({ topic, id, payload, tags, at, token }: NewMessage): unknown[] {
  return [topic, id, payload, JSON.stringify(tags), at, token];
}

function messageRow(row: Row): MessageRow {
  return {
    position: Number(row.position),
    topic: row.topic as string,
    id: row.id as string,
    payload: row.payload as string,
    tags: JSON.parse(row.tags as string) as Record<string, string>,
    at: Number(row.at),
    publishedAt: Number(row.published_at),
    dispatchedAt: row.dispatched_at === null ? null : Number(row.dispatched_at),
  };
}

function subscriptionRow(row: Row): SubscriptionRow {
  return {
    workflow: row.workflow as string,
    name: row.name as string,
    version: row.version as string,
    text: row.text as string,
  };
}

function waitRow(row: Row): WaitRow {
  return {
    id: Number(row.id),
    runId: row.run_id as string,
    key: row.key as string,
    topic: row.topic as string,
    match: row.match as string | null,
  };
}

function gatheringRow(row: Row): GatheringRow {
  const { id, subject, key, kind, count, due_at } = row;
  return { id: Number(id), subject, key, kind, count: Number(count), dueAt: Number(due_at) } as GatheringRow;
}

function dispatchRow(row: Row): DispatchRow {
  return {
    position: Number(row.position),
    subject: row.subject as string,
    decision: row.decision as DispatchRow["decision"],
    reason: row.reason as string | null,
    runId: row.run_id as string | null,
  };
}
