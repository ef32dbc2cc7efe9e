/** Webhook deliveries: what was decided about each. Those that start runs are part of `append`. */
import type { Row } from "@libsql/client";
import type { LogStore } from "../port.ts";
import type {
  DecidedDelivery,
  DeliveryDecision,
  DeliveryId,
  DeliveryRow,
  DeliveryVerdict,
} from "../port-deliveries.ts";
import type { Args, Bound, Database } from "./database.ts";
import * as sql from "./statements-deliveries.ts";

/** What a statement is given of a delivery. */
export function deliveryArgs({ hook, deliveryId, replay, receivedAt, content }: DeliveryRow): Args {
  const headers = content === null ? null : JSON.stringify(content.headers);
  return { hook, deliveryId, replay, receivedAt, headers, body: content?.body ?? null };
}

/** See `LogStore.decideDelivery`. */
export async function decideDelivery(db: Database, verdict: DeliveryVerdict): Promise<DecidedDelivery | null> {
  const { hook, deliveryId, replay } = verdict.row;
  const read = { sql: sql.READ_DECIDED, args: { hook, deliveryId, replay } };
  const results = await db.write([...decisionOf(verdict), read]);
  const row = results.at(-1)?.rows[0];
  return row === undefined ? null : decided(row);
}

function decisionOf({ row, decision, reason, signal }: DeliveryVerdict): Bound[] {
  const args = deliveryArgs(row);
  if (signal === null) return [{ sql: sql.INSERT_DECIDED, args: { ...args, decision, reason } }];
  const { hook, deliveryId, replay } = row;
  const { runId, token, kind, data, at } = signal;
  return [
    { sql: sql.INSERT_SIGNAL, args: { runId, token, kind, data, at, hook, deliveryId, replay } },
    { sql: sql.WAKE_FOR_SIGNAL, args: { runId } },
    { sql: sql.INSERT_SIGNALLED, args: { ...args, runId, token } },
  ];
}

export async function getDecided(
  db: Database,
  { hook, deliveryId, replay }: DeliveryId,
): Promise<DecidedDelivery | null> {
  const [row] = await db.one(sql.READ_DECIDED, { hook, deliveryId, replay });
  return row === undefined ? null : decided(row);
}

export async function getDelivery(
  db: Database,
  { hook, deliveryId, replay }: DeliveryId,
): ReturnType<LogStore["getDelivery"]> {
  const [row] = await db.one(sql.READ_DELIVERY, { hook, deliveryId, replay });
  if (row === undefined) return null;
  const { headers, body } = row;
  if (headers === null || body === null) return { ...decided(row), content: null };
  const content = { headers: JSON.parse(headers as string), body: new Uint8Array(body as ArrayBuffer) };
  return { ...decided(row), content };
}

export async function lastReplay(db: Database, hook: string, deliveryId: string): Promise<number | null> {
  const [row] = await db.one(sql.READ_LAST_REPLAY, { hook, deliveryId });
  return (row?.replay ?? null) as number | null;
}

export async function listDeliveries(
  db: Database,
  { hook, decision }: Parameters<LogStore["listDeliveries"]>[0],
  { before, limit }: Parameters<LogStore["listDeliveries"]>[1],
): Promise<DecidedDelivery[]> {
  const args = { before, limit, decision, ...(hook === null ? {} : { hook }) };
  return (await db.one(sql.listDeliveries(hook !== null), args)).map(decided);
}

export async function pruneDeliveries(
  db: Database,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<number> {
  const [result] = await db.write([{ sql: sql.PRUNE, args: { before, limit } }]);
  return result?.rowsAffected ?? 0;
}

function decided(row: Row): DecidedDelivery {
  return {
    position: row.position as number,
    hook: row.hook as string,
    deliveryId: row.delivery_id as string,
    replay: row.replay as number,
    receivedAt: row.received_at as number,
    decision: row.decision as DeliveryDecision,
    runId: row.run_id as string | null,
    reason: row.reason as string | null,
    bytes: row.bytes as number,
  };
}
