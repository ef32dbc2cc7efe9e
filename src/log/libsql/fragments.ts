/** What the files of statements share. */
import { UNCLEAN_ALONE_FROM } from "../port-claims.ts";
import { WAKES_PAUSED } from "../port-inbox.ts";

/**
 * A statement, by what it is for. `NOW` stands for the database's clock: `database.ts` puts a parameter there on a file,
 * SQL on a server.
 */
export type HotStatement = string;

/**
 * The fence (rule R2): true for a run whose epoch and head are what the writer believes. `j.value` starts with
 * `[runId, epoch, firstSeq, ...]`. By primary key.
 */
export const FENCE = "r.id = j.value ->> 0 AND r.epoch = j.value ->> 1 AND r.head = (j.value ->> 2) - 1";

/** A list of texts that are ours. */
export const texts = (list: readonly string[]): string => `(${list.map((text) => `'${text}'`).join(", ")})`;

/** The statuses of a run that is over. */
export const OVER = texts(["completed", "failed", "cancelled"]);

/**
 * The fence of a single call's operation: true while its run is the caller's and goes on. By primary key. `:runId`,
 * `:epoch`
 */
export const HELD = `r.id = :runId AND r.epoch = :epoch AND r.status NOT IN ${OVER}`;

/** When a run can be claimed that goes on now: one with limits gets in line instead. */
export const GOES_ON = "available_at = iif(limits IS NULL, NOW, NULL), line_at = iif(limits IS NULL, NULL, NOW)";

/** The same of one that may be due already; one with limits that is due has been admitted. */
const WOKEN = `available_at = iif(limits IS NULL OR available_at IS NOT NULL, min(coalesce(available_at, NOW), NOW), NULL),
  line_at = iif(limits IS NULL OR available_at IS NOT NULL, NULL, min(coalesce(line_at, NOW), NOW))`;

/** A run that was parked as poison is tried again if the last that it was told says so. By `inbox_run`. */
const TRIED_AGAIN = `unclean = CASE WHEN status = 'stuck' AND (
  SELECT i.kind FROM inbox i WHERE i.run_id = runs.id ORDER BY i.id DESC LIMIT 1) IN ${texts(WAKES_PAUSED)}
  THEN min(unclean, ${UNCLEAN_ALONE_FROM}) ELSE unclean END`;

/**
 * Makes runs claimable that are parked and have mail which wakes them, by primary key: the `+` keeps `runs_status` out.
 * `ids`: a query.
 */
export const wake = (ids: string): HotStatement => `
UPDATE runs SET status = 'pending', ${WOKEN}, ${TRIED_AGAIN}
WHERE id IN (${ids}) AND +status IN ('waiting', 'pending', 'stuck', 'paused') AND owner IS NULL
  AND EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = runs.id AND (runs.status <> 'paused' OR i.kind IN ${texts(WAKES_PAUSED)}))`;

/**
 * Creates pending runs with one event, unless their id or idempotency key exists. `c.value` of `source`:
 * `[id, workflow, version, key, tags, createdAt, deadlineAt, parentId, availableAt, event, limits, lineAt, queue]`
 */
export const childRuns = (source: string, order: string): HotStatement => `
INSERT INTO runs (id, workflow, version, idempotency_key, tags, created_at, deadline_at, parent_id, available_at, limits, line_at, queue, status, epoch, head, unclean)
SELECT c.value ->> 0, c.value ->> 1, c.value ->> 2, c.value ->> 3, c.value ->> 4, c.value ->> 5, c.value ->> 6, c.value ->> 7,
  c.value ->> 8, c.value ->> 10, c.value ->> 11, c.value ->> 12, 'pending', 0, 1, 0
FROM ${source}
WHERE true
ORDER BY ${order}
ON CONFLICT DO NOTHING`;

/**
 * Appends the first event of each run that {@link childRuns} has created: a run that was there has one. By primary key.
 * `c.value` as there; an event is `[type, v, key, scope, attempt, at, data]`.
 */
export const childEvents = (source: string, order: string): HotStatement => `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT n.id, 1, 0, c.value ->> '$[9][0]', c.value ->> '$[9][1]', c.value ->> '$[9][2]', c.value ->> '$[9][3]', c.value ->> '$[9][4]',
  c.value ->> '$[9][5]', c.value ->> '$[9][6]'
FROM ${source}
  CROSS JOIN runs n ON n.id = c.value ->> 0 AND n.epoch = 0 AND n.head = 1
WHERE true
ORDER BY ${order}
ON CONFLICT (run_id, seq) DO NOTHING`;

/** Stores mail for runs that are not over, without the inbox's bound, by primary key. `m.value` of `source`: `[runId, token, kind, data, at]` */
export const tellsOf = (source: string, order: string): HotStatement => `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT t.id, m.value ->> 1, m.value ->> 2, m.value ->> 3, m.value ->> 4
FROM ${source} CROSS JOIN runs t ON t.id = m.value ->> 0
WHERE t.status NOT IN ${OVER}
ORDER BY ${order}
ON CONFLICT (token) DO NOTHING`;
