/** The statements of `outlook.ts`. `:runs`: `[[runId, afterSeq], ...]` */
import type { HotStatement } from "./fragments.ts";

/** The last events of runs, by `events_run_seq`, without the values of users. `:telling`: JSON of the types whose data is wanted. */
export const READ_LAST_EVENTS: HotStatement = `
SELECT e.position, e.run_id, e.seq, e.epoch, e.type, e.v, e.key, e.scope, e.attempt, e.at, CASE
    -- What is damaged says nothing, and harms none of the others.
    WHEN NOT json_valid(e.data) THEN NULL
    WHEN e.type = 'run.created' THEN json_object('availableAt', e.data ->> '$.availableAt')
    WHEN instr(:telling, '"' || e.type || '"') THEN e.data
  END AS data
FROM json_each(:runs) j CROSS JOIN events e INDEXED BY events_run_seq
  ON e.run_id = j.value ->> 0 AND e.seq > (j.value ->> 1)
ORDER BY j.key, e.seq`;

/** Places of runs and what holds of their lines, by primary keys. */
export const READ_PLACES_OF: HotStatement = `
SELECT p.run_id, p.line, p.slots, p.rank, p.hold, p.requested_at, p.granted_at,
  coalesce(l.held, 0) AS held, l.slots AS slots_set, coalesce(l.paused, 0) AS paused
FROM json_each(:runs) j CROSS JOIN places p ON p.run_id = j.value ->> 0 LEFT JOIN lines l ON l.line = p.line
WHERE p.ended_at IS NULL
ORDER BY j.key, p.line`;

/** Locks and slots of steps that runs wait for, by `locks_call`. */
export const READ_LOCKS_OF: HotStatement = `
SELECT k.name, k.queue, k.slots, k.ticket, k.run_id, k.key, k.requested_at
FROM json_each(:runs) j CROSS JOIN locks k INDEXED BY locks_call ON k.run_id = j.value ->> 0
WHERE k.ended_at IS NULL AND k.granted_at IS NULL
ORDER BY j.key, k.ticket`;
