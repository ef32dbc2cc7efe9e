/**
 * The statements of messages. What a message comes to is one batch, whose last statement makes its guard false; so is what a
 * gathering comes to.
 */
import { HELD, type HotStatement, OVER, wake } from "./fragments.ts";

/** A message that is there and has not been dispatched: by primary key. */
export const UNDISPATCHED =
  "EXISTS (SELECT 1 FROM messages u WHERE u.position = :position AND u.dispatched_at IS NULL)";

/** A gathering as its reader has seen it: by primary key. */
export const UNFIRED =
  "EXISTS (SELECT 1 FROM gatherings u WHERE u.id = :gathering AND u.count = :count AND u.fired_at IS NULL)";

/** Writes a message, unless one with its id is there: a conflict alone would use up a position. By `messages_id`. */
export const INSERT_MESSAGE: HotStatement = `
INSERT INTO messages (topic, id, payload, tags, at, token, published_at)
SELECT :topic, :id, :payload, :tags, :at, :token, NOW
WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.topic = :topic AND m.id = :id)`;

/** By `messages_id`. */
export const READ_PUBLISHED: HotStatement =
  "SELECT position, token = :token AS created FROM messages WHERE topic = :topic AND id = :id";

export const DELETE_SUBSCRIPTIONS: HotStatement =
  "DELETE FROM subscriptions WHERE workflow IN (SELECT j.value FROM json_each(:workflows) j)";

/** `:rows`: `[[workflow, name, version, text], ...]` */
export const INSERT_SUBSCRIPTIONS: HotStatement = `
INSERT INTO subscriptions (workflow, name, version, text)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM json_each(:rows) j
WHERE true
ON CONFLICT (workflow, name) DO UPDATE SET version = excluded.version, text = excluded.text`;

const LISTENED_RUNS = "SELECT s.text ->> '$.run' FROM subscriptions s WHERE s.text ->> '$.run' IS NOT NULL";

/** From the first subscription to ends of runs on, ends are looked for. */
export const BEGIN_ENDS: HotStatement = `
INSERT INTO ends_cursor (one, position)
SELECT 1, coalesce((SELECT max(position) FROM events), 0) WHERE EXISTS (${LISTENED_RUNS})
ON CONFLICT (one) DO NOTHING`;

const MESSAGE = "m.position, m.topic, m.id, m.payload, m.tags, m.at, m.published_at, m.dispatched_at";

/** Whether there is anything. */
export const READ_USED: HotStatement =
  "SELECT EXISTS (SELECT 1 FROM messages) OR EXISTS (SELECT 1 FROM subscriptions) AS is_used";

/** By `messages_undispatched`. */
export const READ_UNDISPATCHED: HotStatement = `
SELECT ${MESSAGE} FROM messages m INDEXED BY messages_undispatched
WHERE m.dispatched_at IS NULL AND m.position > :after ORDER BY m.position LIMIT :limit`;

/** By `gatherings_due`. */
export const READ_DUE: HotStatement = `
SELECT g.id, g.subject, g.key, g.kind, g.count, g.due_at, g.due_at <= NOW AS is_due
FROM gatherings g INDEXED BY gatherings_due WHERE g.fired_at IS NULL ORDER BY g.due_at LIMIT :limit`;

export const READ_SUBSCRIPTIONS: HotStatement =
  "SELECT workflow, name, version, text FROM subscriptions ORDER BY workflow, name";

/** By `waits_open`. */
export const READ_WAITS: HotStatement = `
SELECT w.id, w.run_id, w.key, w.topic, w.match FROM messages m CROSS JOIN waits w INDEXED BY waits_open
  ON w.topic = m.topic AND w.ended_at IS NULL AND w.id > :after AND w.after < m.position
WHERE m.position = :position ORDER BY w.id LIMIT :limit`;

/** What is decided already. `:decisions`: `[[subject, decision, reason, runId], ...]` */
export const INSERT_DECISIONS: HotStatement = `
INSERT INTO dispatches (position, subject, decision, reason, run_id)
SELECT :position, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM json_each(:decisions) j WHERE ${UNDISPATCHED}`;

/** Runs that are cancelled, if they are not over. `:cancels`: `[[subject, runId], ...]` */
export const INSERT_CANCELLED: HotStatement = `
INSERT INTO dispatches (position, subject, decision, run_id)
SELECT :position, j.value ->> 0, 'cancelled', r.id FROM json_each(:cancels) j CROSS JOIN runs r ON r.id = j.value ->> 1
WHERE r.status NOT IN ${OVER} AND ${UNDISPATCHED}`;

/** Waits of `:waits`, `[id, ...]`, that a message ends: it is not dispatched, and they are open. */
const ENDED_BY_DISPATCH = `json_each(:waits) j CROSS JOIN waits w ON w.id = j.value AND w.ended_at IS NULL AND ${UNDISPATCHED}
  CROSS JOIN messages m ON m.position = :position CROSS JOIN runs t ON t.id = w.run_id AND t.status NOT IN ${OVER}`;

/** The call's own wait, that it has found a message for. */
const ENDED_BY_OWNER = `runs r CROSS JOIN waits w ON w.run_id = r.id AND w.key = :call AND w.ended_at IS NULL AND ${HELD}
  CROSS JOIN messages m ON m.position = :position CROSS JOIN runs t ON t.id = r.id`;

const insertWoken = (ended: string): HotStatement => `
INSERT INTO dispatches (position, subject, decision, run_id)
SELECT m.position, w.key, 'woke', w.run_id FROM ${ended}`;

const tellWoken = (ended: string): HotStatement => `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT t.id, 'message/' || m.position || '/' || w.id, 'message', json_object('key', w.key, 'message', json_object(
  'topic', m.topic, 'id', m.id, 'payload', json(m.payload), 'tags', json(m.tags), 'at', m.at)), NOW
FROM ${ended}
WHERE true
ORDER BY w.id
ON CONFLICT (token) DO NOTHING`;

/** By `waits_call`: with statistics of a few rows SQLite would rather read all waits than look an id up. */
const endWaits = (ended: string): HotStatement => `
UPDATE waits INDEXED BY waits_call SET given = :position, ended_at = NOW
WHERE run_id IN (SELECT w.run_id FROM ${ended}) AND +id IN (SELECT w.id FROM ${ended})`;

export const INSERT_WOKEN: HotStatement = insertWoken(ENDED_BY_DISPATCH);
export const TELL_WOKEN: HotStatement = tellWoken(ENDED_BY_DISPATCH);
export const WAKE_WOKEN: HotStatement = wake(`SELECT w.run_id FROM ${ENDED_BY_DISPATCH}`);
export const END_WAITS: HotStatement = endWaits(ENDED_BY_DISPATCH);
export const INSERT_WOKEN_SELF: HotStatement = insertWoken(ENDED_BY_OWNER);
export const TELL_SELF: HotStatement = tellWoken(ENDED_BY_OWNER);
export const END_OWN_WAIT: HotStatement = endWaits(ENDED_BY_OWNER);

/** What is gathered under a key and would be too large with this one is due. By `gatherings_open`. */
export const CLOSE_FULL: HotStatement = `
UPDATE gatherings SET is_open = 0, due_at = min(due_at, NOW)
WHERE subject = :subject AND key = :key AND is_open = 1 AND kind = 'batch' AND length + :length > :lengthMax AND ${UNDISPATCHED}`;

/** Puts a message to what is gathered under its key. A batch is due once it has its size. By `gatherings_open`. */
export const GATHER: HotStatement = `
INSERT INTO gatherings (subject, key, kind, opened_at, due_at, count, length, is_open)
SELECT :subject, :key, :kind, NOW, iif(:size <= 1, NOW, NOW + :periodMs), 1, :length, :size > 1 WHERE ${UNDISPATCHED}
ON CONFLICT (subject, key) WHERE is_open = 1 DO UPDATE SET
  count = count + 1,
  length = iif(kind = 'batch', length + excluded.length, excluded.length),
  due_at = CASE WHEN kind = 'debounce' THEN min(NOW + :periodMs, opened_at + :maxMs) WHEN count + 1 >= :size THEN NOW ELSE due_at END,
  is_open = count + 1 < :size`;

/** The gathering that the statement before has put it to is the last under its key. By `gatherings_key`. */
export const INSERT_GATHERED: HotStatement = `
INSERT INTO dispatches (position, subject, decision, gathering)
SELECT :position, :subject, :decision, max(g.id) FROM gatherings g
WHERE g.subject = :subject AND g.key = :key AND ${UNDISPATCHED} GROUP BY g.subject`;

/** The last statement of a dispatch. */
export const MARK_DISPATCHED: HotStatement =
  "UPDATE messages SET dispatched_at = NOW WHERE position = :position AND dispatched_at IS NULL";

/** Whom a message was given to, by the dispatch. */
export const READ_WOKEN: HotStatement =
  "SELECT DISTINCT run_id FROM waits WHERE id IN (SELECT j.value FROM json_each(:waits) j) AND given = :position";

/** By `dispatches_gathering`. */
export const READ_GATHERED: HotStatement = `
SELECT ${MESSAGE} FROM dispatches d CROSS JOIN messages m ON m.position = d.position
WHERE d.gathering = :gathering ORDER BY d.position DESC LIMIT :limit`;

/** The last statement of what a gathering comes to. */
export const MARK_FIRED: HotStatement = `
UPDATE gatherings SET fired_at = NOW, is_open = 0, run_id = :runId, reason = :reason WHERE id = :gathering AND ${UNFIRED}`;

/** Begins a call's wait, once: a conflict alone would use up an id. By primary key and `waits_call`. */
export const BEGIN_WAIT: HotStatement = `
INSERT INTO waits (run_id, key, topic, match, after)
SELECT r.id, :call, :topic, :match, iif(:isOpen, coalesce((SELECT max(position) FROM messages), 0), NULL) FROM runs r WHERE ${HELD}
  AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.run_id = r.id AND w.key = :call)`;

/** Ends it, if nothing was given to it. */
export const EXPIRE_WAIT: HotStatement = `
UPDATE waits SET ended_at = NOW
WHERE run_id = :runId AND key = :call AND ended_at IS NULL AND EXISTS (SELECT 1 FROM runs r WHERE ${HELD})`;

/** A call's wait. No row: its run is lost. */
export const READ_WAIT: HotStatement = `
SELECT w.after IS NOT NULL AS is_open, w.ended_at IS NOT NULL AS has_ended, w.given, ${MESSAGE}
FROM runs r CROSS JOIN waits w ON w.run_id = r.id AND w.key = :call LEFT JOIN messages m ON m.position = w.given WHERE ${HELD}`;

/** Forgets the waits of runs that end. `:ends`: `[[runId, epoch, firstSeq], ...]` */
export const deleteWaitsOfEnded = (fence: string): HotStatement =>
  `DELETE FROM waits INDEXED BY waits_call WHERE run_id IN (SELECT r.id FROM json_each(:ends) j CROSS JOIN runs r ON ${fence})`;

/** What a run was not given before, by `dispatches_run`. */
const NOT_GIVEN =
  "NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.run_id = :runId AND d.position = m.position AND d.decision = 'woke')";

/** By `messages_topic` and `dispatches_run`. */
export const LOOK_BACK: HotStatement = `
SELECT ${MESSAGE} FROM messages m INDEXED BY messages_topic
WHERE m.topic = :topic AND m.position > :after AND m.at >= :since AND ${NOT_GIVEN}
ORDER BY m.position LIMIT :limit`;

/** Opens a wait for which there is nothing more to look back at. By `waits_call` and `messages_topic`. */
export const OPEN_WAIT: HotStatement = `
UPDATE waits SET after = coalesce((SELECT max(position) FROM messages), 0)
WHERE run_id = :runId AND key = :call AND ended_at IS NULL AND after IS NULL AND EXISTS (SELECT 1 FROM runs r WHERE ${HELD})
  AND NOT EXISTS (
    SELECT 1 FROM messages m INDEXED BY messages_topic
    WHERE m.topic = waits.topic AND m.position > :seen AND m.at >= :since AND ${NOT_GIVEN})`;

export const READ_ENDS_CURSOR: HotStatement = `
SELECT c.position, (SELECT max(position) FROM (SELECT e.position FROM events e WHERE e.position > c.position ORDER BY e.position LIMIT :limit)) AS until
FROM ends_cursor c`;

/** By primary key: a window of the log. */
export const READ_ENDS: HotStatement = `
SELECT e.position, e.run_id, e.seq, e.epoch, e.type, e.v, e.key, e.scope, e.attempt, e.at, e.data, r.workflow, r.version, r.tags
FROM events e CROSS JOIN runs r ON r.id = e.run_id
WHERE e.position > :from AND e.position <= :until AND e.type IN ('run.completed', 'run.failed', 'run.cancelled')
  AND r.workflow IN (${LISTENED_RUNS})
ORDER BY e.position`;

/** `:messages`: `[[topic, id, payload, tags, at, token], ...]` */
export const INSERT_ENDS: HotStatement = `
INSERT INTO messages (topic, id, payload, tags, at, token, published_at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, NOW FROM json_each(:messages) j
WHERE EXISTS (SELECT 1 FROM ends_cursor c WHERE c.position = :from)
ORDER BY j.key
ON CONFLICT (topic, id) DO NOTHING`;

export const MOVE_ENDS_CURSOR: HotStatement = "UPDATE ends_cursor SET position = :until WHERE position = :from";

/** By primary key, or `messages_topic`. */
export const LIST_MESSAGES: HotStatement = `
SELECT ${MESSAGE} FROM messages m WHERE m.position < coalesce(:before, 9007199254740991) ORDER BY m.position DESC LIMIT :limit`;

export const LIST_TOPIC: HotStatement = `
SELECT ${MESSAGE} FROM messages m INDEXED BY messages_topic
WHERE m.topic = :topic AND m.position < coalesce(:before, 9007199254740991) ORDER BY m.position DESC LIMIT :limit`;

export const READ_MESSAGE: HotStatement = `SELECT ${MESSAGE} FROM messages m WHERE m.topic = :topic AND m.id = :id`;

/** By `dispatches_message`, in the order in which they were decided. */
export const LIST_DISPATCHES: HotStatement = `
SELECT d.position, d.subject, d.decision, coalesce(d.reason, g.reason) AS reason, coalesce(d.run_id, g.run_id) AS run_id
FROM dispatches d INDEXED BY dispatches_message LEFT JOIN gatherings g ON g.id = d.gathering
WHERE d.position = :position ORDER BY d.rowid LIMIT :limit OFFSET :after`;

/** The oldest of what may be forgotten: not what is still gathered. By `dispatches_message` and the primary key of gatherings. */
const OLD = `SELECT o.position FROM (SELECT x.position, x.published_at, x.dispatched_at FROM messages x ORDER BY x.position LIMIT :limit) o
  WHERE o.published_at < :before AND o.dispatched_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM dispatches d INDEXED BY dispatches_message CROSS JOIN gatherings g ON g.id = d.gathering
    WHERE d.position = o.position AND g.fired_at IS NULL)`;

export const SWEEP_DISPATCHES: HotStatement = `DELETE FROM dispatches INDEXED BY dispatches_message WHERE position IN (${OLD})`;
export const SWEEP_MESSAGES: HotStatement = `DELETE FROM messages WHERE position IN (${OLD})`;

/** Those that have no message left. By `gatherings_fired`. */
export const SWEEP_GATHERINGS: HotStatement = `
DELETE FROM gatherings WHERE id IN (SELECT g.id FROM gatherings g INDEXED BY gatherings_fired WHERE g.fired_at < :before
  AND NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.gathering = g.id) ORDER BY g.fired_at LIMIT :limit)`;
