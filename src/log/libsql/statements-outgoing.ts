/** The statements of outgoing webhooks. */
import type { HotStatement } from "./fragments.ts";

/** The fence: the endpoint has still the holder that writes. By primary key. `:endpoint`, `:epoch` */
const HELD = "EXISTS (SELECT 1 FROM endpoints e WHERE e.name = :endpoint AND e.epoch = :epoch)";

/** A new endpoint begins at the log's end. By primary key. */
export const OPEN_ENDPOINT: HotStatement = `
INSERT INTO endpoints (name, position, holder, expires_at, epoch)
SELECT :endpoint, coalesce((SELECT max(l.position) FROM events l), 0), NULL, 0, 0 WHERE true
ON CONFLICT (name) DO NOTHING`;

/** Takes an endpoint, or keeps it, by primary key. */
export const HOLD_ENDPOINT: HotStatement = `
UPDATE endpoints SET holder = :holder, expires_at = NOW + :leaseMs, epoch = epoch + iif(holder IS :holder, 0, 1)
WHERE name = :endpoint AND (holder IS :holder OR expires_at <= NOW OR :takeOver = 1)`;

/** What the holder gets, by primary key and `notices_due`. */
export const READ_HOLD: HotStatement = `
SELECT e.name, e.position, e.holder, e.expires_at, e.epoch, e.rest_until, e.disabled_at, NOW AS now,
  (SELECT count(*) FROM notices n INDEXED BY notices_due WHERE n.endpoint = e.name AND n.due_at IS NOT NULL) AS pending
FROM endpoints e WHERE e.name = :endpoint AND e.holder IS :holder`;

/** By primary key. */
export const RELEASE_ENDPOINT: HotStatement = `
UPDATE endpoints SET expires_at = 0 WHERE name = :endpoint AND holder IS :holder`;

/** Makes notices, if the endpoint is where its holder believes. By primary keys. `:notices`: `[[position, runId, seq, type], ...]` */
export const INSERT_NOTICES: HotStatement = `
INSERT INTO notices (endpoint, position, run_id, seq, type, status, tries, created_at, due_at)
SELECT :endpoint, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 'pending', 0, NOW, NOW FROM json_each(:notices) j
WHERE EXISTS (SELECT 1 FROM endpoints e WHERE e.name = :endpoint AND e.epoch = :epoch AND e.position = :from)
ON CONFLICT (endpoint, position) DO NOTHING`;

/** Moves an endpoint on, by primary key. */
export const MOVE_ENDPOINT: HotStatement = `
UPDATE endpoints SET position = :to WHERE name = :endpoint AND epoch = :epoch AND position = :from`;

/** Where the endpoint is, by primary key. */
export const READ_MOVED: HotStatement = `SELECT e.position FROM endpoints e WHERE e.name = :endpoint AND e.epoch = :epoch`;

/** By `notices_due`. */
export const READ_PENDING: HotStatement = `
SELECT n.endpoint, n.position, n.run_id, n.seq, n.type, n.status, n.tries, n.created_at, n.first_at, n.due_at, n.ended_at, n.note
FROM notices n INDEXED BY notices_due WHERE n.endpoint = :endpoint AND n.due_at IS NOT NULL
ORDER BY n.due_at, n.position LIMIT :limit`;

/**
 * Records what tries came to, by primary keys. `:outcomes`: `[[position, tries, status, dueAt, firstAt, note, wasDueAt], ...]`
 */
export const SETTLE_NOTICES: HotStatement = `
UPDATE notices INDEXED BY sqlite_autoindex_notices_1 SET
  tries = j.value ->> 1, status = j.value ->> 2, due_at = j.value ->> 3, first_at = coalesce(first_at, j.value ->> 4),
  note = j.value ->> 5, ended_at = iif(j.value ->> 2 = 'pending', NULL, NOW)
FROM json_each(:outcomes) j
WHERE endpoint = :endpoint AND position = j.value ->> 0 AND +due_at = j.value ->> 6 AND ${HELD}`;

/** What the receiver asked of all, by primary key. */
export const SETTLE_ENDPOINT: HotStatement = `
UPDATE endpoints SET
  rest_until = coalesce(:restUntil, rest_until), disabled_at = iif(:disable = 1, coalesce(disabled_at, NOW), disabled_at)
WHERE name = :endpoint AND epoch = :epoch`;

/** Forgets notices that ended long ago, by `notices_ended`. */
export const FORGET_NOTICES: HotStatement = `
DELETE FROM notices WHERE rowid IN (
  SELECT n.rowid FROM notices n INDEXED BY notices_ended
  WHERE n.status = :status AND n.ended_at < NOW - :keptMs LIMIT :limit)`;

/** Makes one notice pending again, by primary key. */
export const RETRY_NOTICE: HotStatement = `
UPDATE notices SET status = 'pending', tries = 0, due_at = NOW, first_at = NULL, ended_at = NULL
WHERE endpoint = :endpoint AND position = :position`;

/** The same for those that are dead, by primary key. Asked for by a person, so it need not be fast. */
export const RETRY_DEAD: HotStatement = `
UPDATE notices SET status = 'pending', tries = 0, due_at = NOW, first_at = NULL, ended_at = NULL
WHERE rowid IN (
  SELECT n.rowid FROM notices n WHERE n.endpoint = :endpoint AND +n.status = 'dead' ORDER BY n.position LIMIT :limit)`;

/** By primary key. */
export const ENABLE_ENDPOINT: HotStatement = `
UPDATE endpoints SET disabled_at = NULL, rest_until = NULL, epoch = epoch + iif(coalesce(disabled_at, rest_until) IS NULL, 0, 1)
WHERE name = :endpoint`;
