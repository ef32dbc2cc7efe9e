/**
 * How a worker claims that serves some queues only: as `statements.ts` says it for those that serve all, with the queue of each run
 * looked at. Apart, so that others pay nothing for it.
 */
import { DEFAULT_QUEUE } from "../../kernel/pool.ts";
import { UNCLEAN_ALONE_FROM } from "../port-claims.ts";
import type { HotStatement } from "./fragments.ts";
import { CLAIMABLE_SUSPECT, claimOf, KNOWN_PROGRAM } from "./fragments-claims.ts";

/** `r` is in a queue that the worker serves. `:queues`: `[queue, ...]` */
const SERVED = `EXISTS (SELECT 1 FROM json_each(:queues) s WHERE s.value = coalesce(r.queue, '${DEFAULT_QUEUE}'))`;

const WAITS = `x.available_at IS NOT NULL AND x.unclean < ${UNCLEAN_ALONE_FROM}`;

/** Runs of a program that are in a queue, by `runs_queue`. */
const IN_QUEUE = `FROM runs x INDEXED BY runs_queue
      WHERE x.queue = s.value AND x.workflow = p.value ->> 0 AND x.version = p.value ->> 1 AND x.limits IS NOT NULL AND ${WAITS}`;

/** Runs of a program that are in none, by `runs_due`: it passes no more runs of others than their queues let in. */
const IN_NONE = `FROM runs x WHERE x.workflow = p.value ->> 0 AND x.version = p.value ->> 1 AND x.queue IS NULL AND ${WAITS}`;

/** Whoever has waited longest comes first, whatever its queue. `:programs`: `[[workflow, version], ...]` */
export const CLAIM_OF_POOL: HotStatement = claimOf(`
  SELECT id FROM (
    SELECT r.id, 0 AS due_at FROM workers w CROSS JOIN runs r ON r.owner = w.id
    WHERE w.expires_at <= NOW AND r.unclean < ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM} AND ${SERVED}
    UNION ALL
    SELECT r.id, r.available_at FROM json_each(:queues) s CROSS JOIN json_each(:programs) p CROSS JOIN runs r ON r.id IN (
      SELECT x.id ${IN_QUEUE} AND x.available_at <= NOW ORDER BY x.available_at LIMIT :limit)
    UNION ALL
    SELECT r.id, r.available_at FROM json_each(:queues) s CROSS JOIN json_each(:programs) p CROSS JOIN runs r ON r.id IN (
      SELECT x.id ${IN_NONE} AND x.available_at <= NOW ORDER BY x.available_at LIMIT :limit)
    WHERE s.value = '${DEFAULT_QUEUE}'
  ) ORDER BY due_at LIMIT :limit`);

/** One suspect of its queues. */
export const CLAIM_SUSPECT_OF_POOL: HotStatement = claimOf(
  `SELECT r.id FROM runs r WHERE ${CLAIMABLE_SUSPECT} AND ${SERVED} LIMIT 1`,
);

/** What is ahead of its queues. Runs of whichever queue get in line by it. */
export const READ_WORK_AHEAD_OF_POOL: HotStatement = `
SELECT NOW AS now,
  (SELECT min(x.line_at) FROM runs x WHERE x.line_at IS NOT NULL) AS line_at,
  (SELECT min(due_at) FROM (
    SELECT (SELECT x.available_at ${IN_QUEUE} ORDER BY x.available_at LIMIT 1) AS due_at
    FROM json_each(:queues) s CROSS JOIN json_each(:programs) p
    UNION ALL
    SELECT (SELECT x.available_at ${IN_NONE} ORDER BY x.available_at LIMIT 1)
    FROM json_each(:queues) s CROSS JOIN json_each(:programs) p WHERE s.value = '${DEFAULT_QUEUE}')) AS due_at,
  (SELECT min(w.expires_at) FROM workers w
    WHERE w.id <> :worker AND EXISTS (
      SELECT 1 FROM runs r WHERE r.owner = w.id AND r.unclean < ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM} AND ${SERVED})) AS lease_ends_at,
  (SELECT min(coalesce(r.available_at, w.expires_at)) FROM runs r LEFT JOIN workers w ON w.id = r.owner AND w.id <> :worker
    WHERE r.unclean >= ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM} AND ${SERVED} AND coalesce(r.available_at, w.expires_at) > NOW) AS suspect_at,
  EXISTS (SELECT 1 FROM runs r WHERE ${CLAIMABLE_SUSPECT} AND ${SERVED}) AS suspect_due`;
