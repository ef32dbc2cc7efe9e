/** Places that limits have given to runs, or that runs wait for. They begin with a claim (`claim.ts`), and end in the writes of their runs. */
import { and, asc, eq, isNull } from "drizzle-orm";
import type { PlaceFilter, PlaceRow } from "../port.ts";
import type { Database } from "./database.ts";
import { places } from "./schema.ts";

export async function listPlaces(db: Database, page: PlaceFilter & { readonly limit: number }): Promise<PlaceRow[]> {
  const { runId, line, slots, rank, hold, requestedAt, grantedAt, endedAt } = places;
  const isAsked = "runId" in page ? eq(runId, page.runId) : eq(line, page.line);
  return await db.attempt(
    async () =>
      await db.query
        .select({ runId, line, slots, rank, hold, requestedAt, grantedAt })
        .from(places)
        .where(and(isAsked, isNull(endedAt)))
        .orderBy(asc(line), asc(isNull(grantedAt)), asc(rank), asc(runId))
        .limit(page.limit),
  );
}
