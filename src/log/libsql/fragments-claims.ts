/** What the statements share by which runs are claimed. */
import { UNCLEAN_ALONE_FROM } from "../port-claims.ts";
import type { HotStatement } from "./fragments.ts";

/** `r` is of a program that the asking worker has. `:programs`: `[[workflow, version], ...]` */
export const KNOWN_PROGRAM = `EXISTS (
  SELECT 1 FROM json_each(:programs) p WHERE p.value ->> 0 = r.workflow AND p.value ->> 1 = r.version)`;

const LIVE_WORKER = "EXISTS (SELECT 1 FROM workers me WHERE me.id = :worker AND me.expires_at > NOW)";

/** A worker whose claim this is: see `ClaimRequest.turn`. */
const LIVE_WORKER_IN_TURN = `${LIVE_WORKER.slice(0, -1)} AND me.turn < :turn)`;

const TAKE = "SET status = 'running', owner = :worker, epoch = epoch + 1, unclean = unclean + 1, available_at = NULL";

const TAKEN = `RETURNING id, workflow, version, epoch, head, unclean - 1 AS unclean_before, stuck IS NOT NULL AS was_stuck,
  EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = runs.id) AS has_mail`;

/** Claims the runs of a query, for a worker that lives and whose turn it is. */
export const claimOf = (ids: string): HotStatement => `
UPDATE runs ${TAKE}
WHERE ${LIVE_WORKER_IN_TURN} AND id IN (${ids})
${TAKEN}`;

/** A suspect can be claimed if it is due or its owner's lease has ended. By `runs_suspect`. */
export const CLAIMABLE_SUSPECT = `r.unclean >= ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM}
  AND (r.available_at <= NOW OR EXISTS (SELECT 1 FROM workers w WHERE w.id = r.owner AND w.expires_at <= NOW))`;
