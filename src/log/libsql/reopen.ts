/** Lets a run go on that was over: one batch, whose answer is whether its event is there. */
import type { Reopening } from "../port-write.ts";
import type { Database } from "./database.ts";
import * as sql from "./statements.ts";

/** See `LogStore.reopen`. */
export async function reopen(db: Database, { runId, seq, event, open }: Reopening): Promise<boolean> {
  const { type, v, key, scope, attempt, at, data } = event;
  const [, , , found] = await db.write([
    { sql: sql.INSERT_REOPENED, args: { runId, seq, type, v, key, scope, attempt, at, data } },
    { sql: sql.FORGET_OPERATIONS, args: { runId, seq, open: JSON.stringify(open) } },
    { sql: sql.REOPEN_RUN, args: { runId, seq } },
    { sql: sql.READ_REOPENED, args: { runId, seq, type, at, data } },
  ]);
  return found?.rows.length === 1;
}
