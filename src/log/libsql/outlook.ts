/** Why runs do not go on, in short: their last events and their places, in one read. */
import { type Outlook, type OutlookRequest, TELLING } from "../port-outlook.ts";
import type { Database } from "./database.ts";
import { eventRow } from "./read.ts";
import { READ_LAST_EVENTS, READ_LOCKS_OF, READ_PLACES_OF } from "./statements-outlook.ts";

export async function readOutlook(db: Database, runs: readonly OutlookRequest[]): Promise<Outlook> {
  const asked = JSON.stringify(runs.map(({ runId, afterSeq }) => [runId, afterSeq]));
  const telling = JSON.stringify([...TELLING]);
  const [events, places, locks] = await db.read([
    { sql: READ_LAST_EVENTS, args: { runs: asked, telling } },
    { sql: READ_PLACES_OF, args: { runs: asked } },
    { sql: READ_LOCKS_OF, args: { runs: asked } },
  ]);
  return {
    events: (events?.rows ?? []).map((row) => eventRow(row)),
    places: (places?.rows ?? []).map((row) => ({
      runId: row.run_id as string,
      line: row.line as string,
      slots: row.slots as number,
      rank: row.rank as number,
      hold: row.hold as Outlook["places"][number]["hold"],
      requestedAt: row.requested_at as number,
      grantedAt: row.granted_at as number | null,
      held: row.held as number,
      slotsSet: row.slots_set as number | null,
      paused: row.paused === 1,
    })),
    locks: (locks?.rows ?? []).map((row) => ({
      name: row.name as string,
      queue: row.queue as string | null,
      slots: row.slots as number,
      ticket: row.ticket as number,
      runId: row.run_id as string,
      key: row.key as string,
      requestedAt: row.requested_at as number,
      grantedAt: null,
    })),
  };
}
