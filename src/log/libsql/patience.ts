/** Runs that no worker takes do not hold up others: see `LogStore.passOver`. */
import type { PassRequest, PassVerdict } from "../port-patience.ts";
import type { Database } from "./database.ts";
import { COUNT_PASSED, PASS_OVER, READ_UNTAKEN, RETURN_PASSED } from "./statements-patience.ts";

const NOTHING: PassVerdict = { passed: 0, returned: 0 };

/** One read if there is nothing to do, as nearly always. */
export async function passOver(db: Database, request: PassRequest): Promise<PassVerdict> {
  const programs = JSON.stringify(request.programs.map(({ workflow, version }) => [workflow, version]));
  const queues = request.queues === null ? null : JSON.stringify(request.queues);
  const { patienceMs } = request;
  const [found] = await db.one(READ_UNTAKEN, { programs, queues, patienceMs });
  const untaken = found?.untaken as string;
  if (untaken === "[]" && Number(found?.returns) === 0) return NOTHING;
  const [returned, before, , after] = await db.write([
    { sql: RETURN_PASSED, args: { programs, queues } },
    { sql: COUNT_PASSED, args: {} },
    { sql: PASS_OVER, args: { programs, queues, patienceMs, untaken } },
    { sql: COUNT_PASSED, args: {} },
  ]);
  const passed = Number(after?.rows[0]?.passed) - Number(before?.rows[0]?.passed);
  return { passed, returned: returned?.rowsAffected ?? 0 };
}
