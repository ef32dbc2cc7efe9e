/** The statements of what a run's part of a write starts and tells, all under its fence. */
import { FENCE, type HotStatement, OVER, wake } from "./fragments.ts";

/**
 * Creates children as pending runs with one event, unless their id or idempotency key exists.
 * `:children`: `[[runId, epoch, firstSeq, [[id, workflow, version, key, tags, createdAt, deadlineAt, parentId, availableAt, event, limits, lineAt], ...]], ...]`
 */
export const INSERT_CHILDREN: HotStatement = `
INSERT INTO runs (id, workflow, version, idempotency_key, tags, created_at, deadline_at, parent_id, available_at, limits, line_at, status, epoch, head, unclean)
SELECT c.value ->> 0, c.value ->> 1, c.value ->> 2, c.value ->> 3, c.value ->> 4, c.value ->> 5, c.value ->> 6, c.value ->> 7,
  c.value ->> 8, c.value ->> 10, c.value ->> 11, 'pending', 0, 1, 0
FROM json_each(:children) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
WHERE true
ORDER BY j.key, c.key
ON CONFLICT DO NOTHING`;

/**
 * Appends the first event of each child that the statement before has created: a run that was there has one. By primary
 * key. `:children` as above; an event is `[type, v, key, scope, attempt, at, data]`.
 */
export const INSERT_CHILD_EVENTS: HotStatement = `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT n.id, 1, 0, c.value ->> '$[9][0]', c.value ->> '$[9][1]', c.value ->> '$[9][2]', c.value ->> '$[9][3]', c.value ->> '$[9][4]',
  c.value ->> '$[9][5]', c.value ->> '$[9][6]'
FROM json_each(:children) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
  CROSS JOIN runs n ON n.id = c.value ->> 0 AND n.epoch = 0 AND n.head = 1
WHERE true
ORDER BY j.key, c.key
ON CONFLICT (run_id, seq) DO NOTHING`;

/** Stores what runs tell others that are not over, by primary key. `:tells`: `[[runId, epoch, firstSeq, [[runId, token, kind, data, at], ...]], ...]` */
export const INSERT_TELLS: HotStatement = `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT t.id, m.value ->> 1, m.value ->> 2, m.value ->> 3, m.value ->> 4
FROM json_each(:tells) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') m CROSS JOIN runs t ON t.id = m.value ->> 0
WHERE t.status NOT IN ${OVER}
ORDER BY j.key, m.key
ON CONFLICT (token) DO NOTHING`;

/** Makes the parked runs among them claimable. `:tells` as above. */
export const WAKE_FOR_TELLS: HotStatement = wake(
  `SELECT m.value ->> 0 FROM json_each(:tells) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') m`,
);
