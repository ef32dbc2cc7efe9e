/**
 * The statements of the hot path; those of what runs share are in the files beside this one. Each is set-based and fed by
 * `json_each`, which is always the outer loop: with `CROSS JOIN` SQLite keeps that order also when its statistics are stale.
 * `test/log/plans.test.ts` holds the EXPLAIN of each to what is said here.
 */
import { POISONED, UNCLEAN_ALONE_FROM, UNCLEAN_ALONE_MAX } from "../port-claims.ts";
import { INBOX_ROWS_MAX, WAKES_PAUSED } from "../port-inbox.ts";
import { FENCE, GOES_ON, type HotStatement, OVER, texts, wake } from "./fragments.ts";
import { CLAIMABLE_SUSPECT, claimOf, KNOWN_PROGRAM } from "./fragments-claims.ts";
import { UNDECIDED } from "./statements-deliveries.ts";

/** Inserts runs where `guard` holds. */
const insertRuns = (guard: string): HotStatement => `
INSERT INTO runs (id, workflow, version, idempotency_key, tags, created_at, deadline_at, owner, epoch, parent_id, limits, line_at, queue, singleton, status, started_at, head, unclean)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
  j.value ->> 8, j.value ->> 9, j.value ->> 10, j.value ->> 11, j.value ->> 12, j.value ->> 13, iif((j.value ->> 7) IS NULL, 'pending', 'running'),
  iif((j.value ->> 7) IS NULL, NULL, j.value ->> 5), 0, (j.value ->> 7) IS NOT NULL
FROM json_each(:starts) j
WHERE ${guard}
ORDER BY j.key
ON CONFLICT DO NOTHING`;

/** Creates runs, unless their id or idempotency key exists; one with an owner is running. `:starts`: `[[id, workflow, version, key, tags, createdAt, deadlineAt, owner, epoch, parentId, limits, lineAt, queue, singleton], ...]` */
export const INSERT_RUNS: HotStatement = insertRuns("true");

/** The same for the run that a delivery starts, if nothing has been decided about it. `:starts` as above, one of them. */
export const INSERT_DELIVERED_RUN: HotStatement = insertRuns(UNDECIDED);

/** Which run exists for each start: by `runs_idempotency`, else by primary key, else by `runs_singleton`. `:starts` as above. */
export const READ_STARTS: HotStatement = `
SELECT j.value ->> 0 AS asked, coalesce(
  (SELECT k.id FROM runs k WHERE k.workflow = j.value ->> 1 AND k.idempotency_key = j.value ->> 3),
  (SELECT o.id FROM runs o WHERE o.id = j.value ->> 0),
  (SELECT s.id FROM runs s WHERE s.singleton = j.value ->> 13 AND s.ended_at IS NULL)) AS actual
FROM json_each(:starts) j`;

/** Appends events under the fence. `:appends`: `[[runId, epoch, firstSeq, [[type, v, key, scope, attempt, at, data], ...]], ...]` */
export const INSERT_EVENTS: HotStatement = `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT r.id, r.head + 1 + e.key, r.epoch, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5,
  e.value ->> 6
FROM json_each(:appends) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') e
ORDER BY j.key, e.key`;

/** Stores messages for runs that are not over, by primary key. `:messages`: `[[runId, token, kind, data, at], ...]` */
export const INSERT_MESSAGES: HotStatement = `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT r.id, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4
FROM json_each(:messages) j CROSS JOIN runs r ON r.id = j.value ->> 0
WHERE r.status NOT IN ${OVER}
  AND (SELECT count(*) FROM inbox i WHERE i.run_id = r.id) < ${INBOX_ROWS_MAX}
ORDER BY j.key
ON CONFLICT (token) DO NOTHING`;

/** Makes parked runs claimable that mail wakes. `:messages` as above. */
export const WAKE_FOR_MESSAGES: HotStatement = wake("SELECT j.value ->> 0 FROM json_each(:messages) j");

/** What became of each message. `:messages` as above. */
export const READ_MESSAGES: HotStatement = `
SELECT j.value ->> 1 AS token, CASE
  WHEN r.id IS NULL THEN 'unknown-run'
  WHEN r.status IN ${OVER} THEN 'over'
  WHEN EXISTS (SELECT 1 FROM inbox i WHERE i.token = j.value ->> 1) THEN 'accepted'
  WHEN (SELECT count(*) FROM inbox i WHERE i.run_id = r.id) >= ${INBOX_ROWS_MAX} THEN 'full'
  ELSE 'accepted' END AS verdict
FROM json_each(:messages) j LEFT JOIN runs r ON r.id = j.value ->> 0`;

/**
 * Deletes consumed messages under the fence, by `inbox_run`. With statistics of a few rows SQLite would rather read the
 * whole inbox than look an id up, and a primary key cannot be insisted on; without the `+` it would try every id of the
 * write with every run of it. `:drains`: `[[runId, epoch, firstSeq, [inboxId, ...]], ...]`
 */
export const DELETE_DRAINED: HotStatement = `
DELETE FROM inbox INDEXED BY inbox_run
WHERE run_id IN (SELECT j.value ->> 0 FROM json_each(:drains) j) AND +id IN (
  SELECT d.value FROM json_each(:drains) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') d)`;

/** Discards the mail of runs that end with this write, under the fence, by `inbox_run`. `:ends`: `[[runId, epoch, firstSeq], ...]` */
export const DELETE_MAIL_OF_ENDED: HotStatement = `
DELETE FROM inbox INDEXED BY inbox_run WHERE run_id IN (SELECT r.id FROM json_each(:ends) j CROSS JOIN runs r ON ${FENCE})`;

/**
 * Moves the heads of runs that stay as they are otherwise by `:count`, under the fence, by row id. `:reset`: their last
 * claim has got somewhere. Apart from {@link MOVE_RUNS} because an upsert rewrites the index entries of every column that
 * it names, and looks each run up three times. Runs with as many events go in one statement: there are never many
 * statements, because k different counts take k * k / 2 events, and runs of one write begin within few milliseconds. `:advances`: `[[runId, epoch, firstSeq], ...]`
 */
export const ADVANCE_RUNS: HotStatement = `
UPDATE runs SET head = head + :count, unclean = iif(:reset, 0, unclean), started_at = coalesce(:startedAt, started_at)
WHERE rowid IN (SELECT r.rowid FROM json_each(:advances) j CROSS JOIN runs r ON ${FENCE})`;

const moveRuns = (status: string, availableAt: string, lineAt: string | null = null): HotStatement => `
INSERT INTO runs (id, workflow, version, epoch, tags, created_at, head, unclean, status, available_at, owner, result, started_at, ended_at, stuck${lineAt === null ? "" : ", line_at"})
SELECT r.id, r.workflow, r.version, r.epoch, r.tags, r.created_at, j.value ->> 3,
  CASE j.value ->> 4 WHEN 'reset' THEN 0 WHEN 'undo' THEN max(r.unclean - 1, 0) ELSE r.unclean END,
  ${status},
  ${availableAt},
  CASE WHEN j.value ->> 7 THEN NULL ELSE r.owner END,
  j.value ->> 8, coalesce(j.value ->> 9, r.started_at), j.value ->> 10, j.value ->> 11${lineAt === null ? "" : `, ${lineAt}`}
FROM json_each(:moves) j CROSS JOIN runs r ON ${FENCE}
WHERE true
ON CONFLICT (id) DO UPDATE SET head = excluded.head, unclean = excluded.unclean, status = excluded.status,
  available_at = excluded.available_at, owner = excluded.owner, result = excluded.result, started_at = excluded.started_at,
  ended_at = excluded.ended_at, stuck = excluded.stuck${lineAt === null ? "" : ", line_at = excluded.line_at"}`;

/**
 * Moves head, status and the rest of the row, under the fence.
 * `:moves`: `[[runId, epoch, firstSeq, lastSeq, unclean, status, availableAt, release, result, startedAt, endedAt, stuck], ...]`
 */
export const MOVE_RUNS: HotStatement = moveRuns("j.value ->> 5", "j.value ->> 6");

const HAS_MAIL = `EXISTS (
    SELECT 1 FROM inbox i WHERE i.run_id = r.id AND (j.value ->> 5 = 'waiting' OR i.kind IN ${texts(WAKES_PAUSED)}))`;

/** The status of a run that would wait or be paused. */
const PARKED = `CASE WHEN ${HAS_MAIL} THEN 'pending' ELSE j.value ->> 5 END`;

/**
 * The same for runs that would wait or be paused: one with mail that wakes it stays pending (rule R4). Apart, because looking for mail makes the
 * statement twice as dear to prepare. `:moves` as above.
 */
export const PARK_RUNS: HotStatement = moveRuns(PARKED, `CASE WHEN ${HAS_MAIL} THEN NOW ELSE j.value ->> 6 END`);

/**
 * The same for runs with limits, whose row then says when they get in line: they have given places back. Apart, so that
 * others do not touch `runs_line`. `:moves` as above.
 */
export const PARK_LIMITED_RUNS: HotStatement = moveRuns(
  PARKED,
  "NULL",
  `CASE WHEN ${HAS_MAIL} THEN NOW ELSE j.value ->> 6 END`,
);

/**
 * The verdict: each run's row as far as it matters, by primary key. One row of JSON, because a row is dear to bring over:
 * `[[id, epoch, head, availableAt], ...]`. `:ids`: `[runId, ...]`
 */
export const READ_HEADS: HotStatement = `
SELECT json_group_array(json_array(r.id, r.epoch, r.head, coalesce(r.available_at, r.line_at))) AS heads
FROM json_each(:ids) j CROSS JOIN runs r ON r.id = j.value`;

/** Notes the turn of a claim, by primary key. No row: it is void. */
export const TAKE_TURN: HotStatement = "UPDATE workers SET turn = :turn WHERE id = :worker AND turn < :turn";

/**
 * Claims runs whose owner's lease has ended (by `runs_owner`), then due ones of each program (by `runs_due`).
 * `:programs`: `[[workflow, version], ...]`
 */
export const CLAIM: HotStatement = claimOf(`
  SELECT id FROM (
    SELECT r.id FROM workers w CROSS JOIN runs r ON r.owner = w.id
    WHERE w.expires_at <= NOW AND r.unclean < ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM}
    UNION ALL
    SELECT r.id FROM json_each(:programs) p CROSS JOIN runs r ON r.id IN (
      SELECT x.id FROM runs x
      WHERE x.workflow = p.value ->> 0 AND x.version = p.value ->> 1 AND x.available_at IS NOT NULL AND x.available_at <= NOW
        AND x.unclean < ${UNCLEAN_ALONE_FROM}
      ORDER BY x.available_at LIMIT :limit)
  ) LIMIT :limit`);

/** Lets go of what a worker owns and does not know of, by `runs_owner`. `:known`: `[[runId, epoch], ...]` */
export const DISOWN: HotStatement = `
UPDATE runs SET status = 'pending', owner = NULL, epoch = epoch + 1, unclean = max(unclean - 1, 0), available_at = NOW
WHERE owner = :worker AND EXISTS (SELECT 1 FROM workers me WHERE me.id = :worker AND me.turn < :turn)
  AND (id, epoch) NOT IN (SELECT j.value ->> 0, j.value ->> 1 FROM json_each(:known) j)`;

/** Claims one suspect, for a worker that owns nothing else. */
export const CLAIM_SUSPECT: HotStatement = claimOf(`SELECT r.id FROM runs r WHERE ${CLAIMABLE_SUSPECT} LIMIT 1`);

/** Parks what killed its worker once too often, under a new epoch, so that no late write of its last owner counts. */
export const PARK_POISONED: HotStatement = `
UPDATE runs SET status = 'stuck', owner = NULL, epoch = epoch + 1, available_at = NULL, line_at = iif(limits IS NULL, NULL, NOW), stuck = json_object(
  'code', '${POISONED}', 'message',
  'its claims ended ' || unclean || ' times without a result, the last ${UNCLEAN_ALONE_MAX} alone in their worker: the code of this run probably ends the process; when it is mended, resume the run, or terminate it')
WHERE id IN (SELECT r.id FROM runs r WHERE ${CLAIMABLE_SUSPECT} AND r.unclean >= ${UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX})
RETURNING id`;

/**
 * When the next run of each program is due (by `runs_due`), and whether a suspect is, or when one will be (by
 * `runs_suspect`). A suspect that is due is not among the instants: not every worker can take it.
 */
export const READ_WORK_AHEAD: HotStatement = `
SELECT NOW AS now,
  (SELECT min(x.line_at) FROM runs x WHERE x.line_at IS NOT NULL) AS line_at,
  (SELECT min((
      SELECT x.available_at FROM runs x
      WHERE x.workflow = p.value ->> 0 AND x.version = p.value ->> 1 AND x.available_at IS NOT NULL AND x.unclean < ${UNCLEAN_ALONE_FROM}
      ORDER BY x.available_at LIMIT 1))
    FROM json_each(:programs) p) AS due_at,
  (SELECT min(w.expires_at) FROM workers w
    WHERE EXISTS (SELECT 1 FROM runs r WHERE r.owner = w.id AND r.unclean < ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM}) AND w.id <> :worker) AS lease_ends_at,
  (SELECT min(coalesce(r.available_at, w.expires_at)) FROM runs r LEFT JOIN workers w ON w.id = r.owner AND w.id <> :worker
    WHERE r.unclean >= ${UNCLEAN_ALONE_FROM} AND ${KNOWN_PROGRAM} AND coalesce(r.available_at, w.expires_at) > NOW) AS suspect_at,
  EXISTS (SELECT 1 FROM runs r WHERE ${CLAIMABLE_SUSPECT}) AS suspect_due`;

/** Renews a lease that has not ended. No row: it has. */
export const RENEW_LEASE: HotStatement = `
UPDATE workers SET expires_at = NOW + :leaseMs WHERE id = :worker AND expires_at > NOW RETURNING id`;

/** Owned runs that have mail: by `runs_owner` and `inbox_run`. */
export const READ_MAIL: HotStatement = `
SELECT r.id FROM runs r WHERE r.owner = :worker AND EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = r.id)`;

/** Lets runs go on that are stuck for another reason than {@link POISONED}. By `runs_status`. */
export const RELEASE_STUCK: HotStatement = `
UPDATE runs SET status = 'pending', ${GOES_ON}
WHERE id IN (SELECT r.id FROM runs r WHERE r.status = 'stuck' AND r.stuck ->> '$.code' <> '${POISONED}' AND ${KNOWN_PROGRAM})`;

/** What all writes of a reopening hold to, as those of a write hold to the fence. By primary key. */
const REOPENABLE = `id = :runId AND head = :seq - 1 AND +status IN ('failed', 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM runs s WHERE s.singleton = runs.singleton AND s.ended_at IS NULL)`;

/** Appends the event with which a run goes on that was over, under the epoch after its last. */
export const INSERT_REOPENED: HotStatement = `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT id, :seq, epoch + 1, :type, :v, :key, :scope, :attempt, :at, :data FROM runs WHERE ${REOPENABLE}`;

/** Forgets what its calls came to, but for those that go on, by `operations_call`. `:open`: `[call, ...]` */
export const FORGET_OPERATIONS: HotStatement = `
DELETE FROM operations INDEXED BY operations_call WHERE run_id IN (SELECT id FROM runs WHERE ${REOPENABLE})
  AND key NOT IN (SELECT j.value FROM json_each(:open) j)`;

/** Makes it claimable, by primary key. */
export const REOPEN_RUN: HotStatement = `
UPDATE runs SET status = 'pending', ${GOES_ON}, epoch = epoch + 1, head = :seq, unclean = 0, result = NULL, ended_at = NULL
WHERE ${REOPENABLE}`;

/** Whether the run has that event, now or from an earlier try, by `events_run_seq`. */
export const READ_REOPENED: HotStatement = `
SELECT 1 FROM events e WHERE e.run_id = :runId AND e.seq = :seq AND e.type = :type AND e.at = :at AND e.data IS :data`;

const EVENT_COLUMNS = "e.position, e.run_id, e.seq, e.epoch, e.type, e.v, e.key, e.scope, e.attempt, e.at, e.data";

/**
 * Events of runs outside all scopes: up to the first scope by `events_run_seq`, from there by `events_scope`. The first part
 * has one upper bound: of two SQLite would go by the one, and read all that lies within scopes to compare it with the other.
 * `:ids`: `[runId, ...]`
 */
export const READ_TOP_EVENTS: HotStatement = `
SELECT ${EVENT_COLUMNS} FROM json_each(:ids) j CROSS JOIN events e INDEXED BY events_run_seq
  ON e.run_id = j.value AND e.seq > :after AND e.seq <= min(:until, coalesce((
    SELECT s.seq - 1 FROM events s INDEXED BY events_scope WHERE s.run_id = j.value AND s.scope = '' ORDER BY s.seq LIMIT 1), :until))
UNION ALL
SELECT ${EVENT_COLUMNS} FROM json_each(:ids) j CROSS JOIN events e INDEXED BY events_scope
  ON e.run_id = j.value AND e.scope = '' AND e.seq > :after AND e.seq <= :until`;

/** Events directly within scopes, by `events_scope`. `:scopes`: `[[runId, scope], ...]` */
export const READ_SCOPE_EVENTS: HotStatement = `
SELECT ${EVENT_COLUMNS} FROM json_each(:scopes) j CROSS JOIN events e INDEXED BY events_scope
  ON e.run_id = j.value ->> 0 AND e.scope = j.value ->> 1`;

/** Single events, by `events_run_seq`. `:places`: `[[runId, seq], ...]` */
export const READ_EVENTS_AT: HotStatement = `
SELECT ${EVENT_COLUMNS} FROM json_each(:places) j CROSS JOIN events e INDEXED BY events_run_seq
  ON e.run_id = j.value ->> 0 AND e.seq = j.value ->> 1`;

/** Mail of runs in order of arrival, by `inbox_run`. `:ids`: `[runId, ...]` */
export const READ_INBOX: HotStatement = `
SELECT i.id, i.run_id, i.kind, i.token, i.data, i.at FROM json_each(:ids) j CROSS JOIN inbox i ON i.run_id = j.value ORDER BY i.id`;

/** Ids of runs that have events, from one to the next below it in `events_run_seq`: never a scan of all events. */
export const READ_LOGGED_RUNS: HotStatement = `
WITH RECURSIVE logged (id) AS (
  SELECT max(e.run_id) FROM events e WHERE e.run_id < coalesce(:before, char(1114111))
  UNION ALL
  SELECT (SELECT max(e.run_id) FROM events e WHERE e.run_id < logged.id) FROM logged WHERE logged.id IS NOT NULL
  LIMIT :limit)
SELECT id FROM logged WHERE id IS NOT NULL`;
