/** Places that limits have given to runs, or that runs wait for. They begin with a claim (`claim.ts`), and end in the writes of their runs. */
import { and, asc, eq, gt, isNotNull, isNull, or } from "drizzle-orm";
import { queueOfLine } from "../../kernel/queues.ts";
import type { LineSetting, PlaceCounts, PlaceFilter, PlaceRow } from "../port-places.ts";
import type { Database } from "./database.ts";
import { lines, places } from "./schema.ts";
import { GRANT_NEXT_IN_QUEUE, TELL_NEXT_IN_QUEUE, WAKE_NEXT_IN_QUEUE } from "./statements-locks.ts";
import { COUNT_PLACES, OPEN_LINE, SET_LINE } from "./statements-places.ts";

/** Of runs without a fairness key. */
const NO_KEY = "";

export async function listPlaces(db: Database, page: PlaceFilter & { readonly limit: number }): Promise<PlaceRow[]> {
  const { runId, line, slots, rank, hold, share, cost, requestedAt, grantedAt, endedAt } = places;
  const isAsked =
    "runId" in page
      ? eq(runId, page.runId)
      : and(
          eq(line, page.line),
          page.fairKey === undefined ? undefined : and(isNull(grantedAt), eq(share, page.fairKey ?? NO_KEY)),
        );
  const rows = await db.attempt(
    async () =>
      await db.query
        .select({ runId, line, slots, rank, hold, share, cost, requestedAt, grantedAt })
        .from(places)
        .where(and(isAsked, isNull(endedAt)))
        .orderBy(asc(line), asc(isNull(grantedAt)), asc(rank), asc(runId))
        .limit(page.limit),
  );
  return rows.map(({ share: key, cost: price, ...row }) =>
    key === NO_KEY ? row : { ...row, fair: { key, cost: price } },
  );
}

export async function countPlaces(db: Database, line: string): Promise<PlaceCounts & { readonly steps: PlaceCounts }> {
  const [row] = await db.one(COUNT_PLACES, { line, queue: queueOfLine(line) });
  const steps = { held: Number(row?.steps_held), waiting: Number(row?.steps_waiting) };
  return { held: Number(row?.held), waiting: Number(row?.waiting), steps };
}

/** Of a line in which somebody has a place there may be a row though nothing was set. */
const IS_SET = or(isNotNull(lines.slots), eq(lines.paused, true));

const SETTING = { line: lines.line, slots: lines.slots, paused: lines.paused };

export async function getLine(db: Database, line: string): Promise<LineSetting | null> {
  const isAsked = and(eq(lines.line, line), IS_SET);
  const rows = await db.attempt(async () => await db.query.select(SETTING).from(lines).where(isAsked));
  return rows[0] ?? null;
}

export async function listLines(
  db: Database,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<LineSetting[]> {
  const isAsked = and(IS_SET, after === null ? undefined : gt(lines.line, after));
  return await db.attempt(
    async () => await db.query.select(SETTING).from(lines).where(isAsked).orderBy(asc(lines.line)).limit(limit),
  );
}

/** See `LogStore.setLine`. One batch: what is set and who is admitted by it belong together. */
export async function setLine(db: Database, { line, slots, paused }: LineSetting): Promise<void> {
  await db.write([
    { sql: SET_LINE, args: { line, slots, paused: paused ? 1 : 0 } },
    { sql: OPEN_LINE, args: { line } },
    ...[TELL_NEXT_IN_QUEUE, WAKE_NEXT_IN_QUEUE, GRANT_NEXT_IN_QUEUE].map((sql) => ({
      sql,
      args: { queue: queueOfLine(line) },
    })),
  ]);
}
