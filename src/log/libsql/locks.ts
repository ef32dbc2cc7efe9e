/** Locks: lines of places. They end, and are granted to the next, in the writes of their runs (`beyond.ts`). */
import { and, asc, eq, isNull } from "drizzle-orm";
import { queueLine } from "../../kernel/queues.ts";
import type { LockRequest, LockRow, LockVerdict } from "../port-locks.ts";
import type { Database } from "./database.ts";
import { locks } from "./schema.ts";
import * as sql from "./statements-locks.ts";

export async function requestLock(db: Database, request: LockRequest): Promise<LockVerdict> {
  const { name, slots, queue, operation } = request;
  const { runId, epoch, key: call } = operation;
  const held = { runId, epoch, call };
  const asked = { queue: queue?.name ?? null, headStart: queue?.headStartMs ?? 0 };
  const line = queue === undefined ? null : queueLine(queue.name);
  const [, , read] = await db.write([
    { sql: sql.TAKE_PLACE, args: { ...held, ...asked, name, slots } },
    { sql: sql.GRANT_PLACE, args: { ...held, slots, line } },
    { sql: sql.READ_PLACE, args: held },
  ]);
  const [place] = read?.rows ?? [];
  if (place === undefined || Number(place.has_ended) === 1) return "lost";
  return Number(place.is_granted) === 1 ? "granted" : "waiting";
}

export async function listLocks(
  db: Database,
  page: { readonly name: string | null; readonly runId?: string; readonly limit: number },
): Promise<LockRow[]> {
  const { name, queue, slots, rank, ticket, runId, key, requestedAt, grantedAt, endedAt } = locks;
  return await db.attempt(
    async () =>
      await db.query
        .select({ name, queue, slots, ticket, runId, key, requestedAt, grantedAt })
        .from(locks)
        .where(
          and(
            isNull(endedAt),
            page.name === null ? undefined : eq(name, page.name),
            page.runId === undefined ? undefined : eq(runId, page.runId),
          ),
        )
        .orderBy(asc(name), asc(rank), asc(ticket))
        .limit(page.limit),
  );
}
