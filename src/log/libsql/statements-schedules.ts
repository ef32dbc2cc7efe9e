/** The statements of schedules: what needs somebody, and the change of one under its fence. */
import { FIRINGS_PRUNED_MAX } from "../port-schedules.ts";
import { type HotStatement, OVER } from "./fragments.ts";

/** The fence of a change: true while the row is what the decider has read. By primary key. `:scheduleId`, `:revision` */
export const UNCHANGED = "EXISTS (SELECT 1 FROM schedules s WHERE s.id = :scheduleId AND s.revision = :revision)";

const KNOWN = "s.workflow IN (SELECT w.value FROM json_each(:workflows) w)";

/** `:workflows`: `[workflow, ...]`. Those that are due by `schedules_next`; by `schedules_waiting` those with a firing whose turn it is. */
export const READ_SCHEDULES_DUE: HotStatement = `
SELECT id FROM (
  SELECT s.id, s.next_at FROM schedules s INDEXED BY schedules_next WHERE s.next_at IS NOT NULL AND s.next_at <= NOW AND ${KNOWN}
  UNION
  SELECT s.id, 0 FROM schedules s INDEXED BY schedules_waiting
  WHERE s.waiting > 0 AND s.paused_at IS NULL AND ${KNOWN} AND EXISTS (
    SELECT 1 FROM json_each('[0,1]') b
    WHERE EXISTS (
      SELECT 1 FROM firings f INDEXED BY firings_open
      WHERE f.schedule_id = s.id AND f.is_open = 1 AND f.decision = 'waiting' AND (f.lane = 'backfill') = b.value)
    AND NOT EXISTS (
      SELECT 1 FROM firings o INDEXED BY firings_open CROSS JOIN runs r ON r.id = o.run_id AND r.status NOT IN ${OVER}
      WHERE o.schedule_id = s.id AND o.is_open = 1 AND (o.lane = 'backfill') = b.value)))
GROUP BY id ORDER BY min(next_at), id LIMIT :limit`;

/** When the next is due that is not, by `schedules_next`, and whether firings wait. `:workflows` as above. */
export const READ_SCHEDULES_AHEAD: HotStatement = `
SELECT NOW AS now,
  (SELECT s.next_at FROM schedules s INDEXED BY schedules_next
    WHERE s.next_at IS NOT NULL AND s.next_at > NOW AND ${KNOWN} ORDER BY s.next_at LIMIT 1) AS next_at,
  EXISTS (SELECT 1 FROM schedules s INDEXED BY schedules_waiting WHERE s.waiting > 0 AND s.paused_at IS NULL AND ${KNOWN}) AS waits`;

/** By primary key. */
export const READ_SCHEDULE: HotStatement = `
SELECT NOW AS now, s.id, s.workflow, s.version, s.definition, s.source, s.generation, s.revision, s.token, s.paused_at, s.note,
  s.cursor, s.next_at, s.waiting, s.created_at, s.updated_at
FROM schedules s WHERE s.id = :scheduleId`;

/** Firings that wait or whose runs were not seen to have ended, with their runs' statuses, by `firings_open`. */
export const READ_OPEN_FIRINGS: HotStatement = `
SELECT f.schedule_id, f.at, f.lane, f.until, f.instants, f.decision, f.cause, f.reason, f.run_id, f.generation, f.decided_at, f.is_open,
  (SELECT r.status FROM runs r WHERE r.id = f.run_id) AS run_status
FROM firings f INDEXED BY firings_open WHERE f.schedule_id = :scheduleId AND f.is_open = 1 ORDER BY f.at, f.lane`;

/** Makes a schedule, unless there is one. */
export const INSERT_SCHEDULE: HotStatement = `
INSERT INTO schedules (id, workflow, version, definition, source, generation, revision, token, paused_at, note, cursor, next_at,
  waiting, created_at, updated_at)
VALUES (:scheduleId, :workflow, :version, :definition, :source, 1, 1, :token, :pausedAt, :note, :cursor, :nextAt, 0, :createdAt, :updatedAt)
ON CONFLICT (id) DO NOTHING`;

/**
 * Records firings under the fence: one that is decided stays as it is. A firing has the run that there is under its key.
 * `:firings`: `[[at, lane, until, instants, decision, cause, reason, runId, generation, decidedAt, isOpen, workflow, key], ...]`
 */
export const PUT_FIRINGS: HotStatement = `
INSERT INTO firings (schedule_id, at, lane, until, instants, decision, cause, reason, run_id, generation, decided_at, is_open)
SELECT s.id, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
  coalesce((SELECT k.id FROM runs k WHERE k.workflow = j.value ->> 11 AND k.idempotency_key = j.value ->> 12), j.value ->> 7),
  j.value ->> 8, j.value ->> 9, j.value ->> 10
FROM schedules s CROSS JOIN json_each(:firings) j
WHERE s.id = :scheduleId AND s.revision = :revision
ORDER BY j.key
ON CONFLICT (schedule_id, at, lane) DO UPDATE SET decision = excluded.decision, cause = excluded.cause, reason = excluded.reason,
  run_id = excluded.run_id, generation = excluded.generation, decided_at = excluded.decided_at, is_open = excluded.is_open
WHERE firings.decision = 'waiting'`;

/** Firings whose runs have ended are not looked at again, under the fence. By primary key. `:closed`: `[[at, lane], ...]` */
export const CLOSE_FIRINGS: HotStatement = `
UPDATE firings SET is_open = 0
WHERE schedule_id = :scheduleId AND (at, lane) IN (SELECT j.value ->> 0, j.value ->> 1 FROM json_each(:closed) j) AND ${UNCHANGED}`;

/** Deletes decided firings under the fence, by `firings_decided`: the oldest of those that `which` is true for, never so many that it takes long. */
const prune = (which: string): HotStatement => `
DELETE FROM firings INDEXED BY firings_decided
WHERE schedule_id = :scheduleId AND is_open = 0 AND ${which} AND +rowid IN (
  SELECT f.rowid FROM firings f INDEXED BY firings_decided
  WHERE f.schedule_id = :scheduleId AND f.is_open = 0 AND ${UNCHANGED}
  ORDER BY f.decided_at, f.at LIMIT ${FIRINGS_PRUNED_MAX})`;

/** Deletes those that were decided at `:decidedAfter` or before. */
export const PRUNE_OLD_FIRINGS: HotStatement = prune("decided_at <= :decidedAfter");

/** Deletes those of which `:count` are newer. */
export const PRUNE_MANY_FIRINGS: HotStatement = prune(`(decided_at, at) <= (
    SELECT n.decided_at, n.at FROM firings n INDEXED BY firings_decided
    WHERE n.schedule_id = :scheduleId AND n.is_open = 0
    ORDER BY n.decided_at DESC, n.at DESC LIMIT 1 OFFSET :count)`);

/** Moves the row under the fence, by primary key: the last statement of a change. */
export const MOVE_SCHEDULE: HotStatement = `
UPDATE schedules SET workflow = :workflow, version = :version, definition = :definition, source = :source, generation = :generation,
  paused_at = :pausedAt, note = :note, cursor = :cursor, next_at = :nextAt, waiting = :waiting, updated_at = :updatedAt,
  token = :token, revision = revision + 1
WHERE id = :scheduleId AND revision = :revision`;

/** Whether the row is as this change has left it, now or when it was first sent. By primary key. */
export const READ_CHANGED: HotStatement =
  "SELECT 1 FROM schedules s WHERE s.id = :scheduleId AND s.revision = :revision + 1 AND s.token = :token";

/** The firing that decides an instant: the last one that begins at it or before, if it reaches it. By primary key. */
export const READ_FIRING: HotStatement = `
SELECT f.schedule_id, f.at, f.lane, f.until, f.instants, f.decision, f.cause, f.reason, f.run_id, f.generation, f.decided_at, f.is_open
FROM firings f WHERE f.schedule_id = :scheduleId AND f.lane = :lane AND f.at <= :at ORDER BY f.at DESC LIMIT 1`;

/** Firings, latest first, by primary key. `:at`, `:lane`: what the page before ended with. `:decision`: null for all. */
export const LIST_FIRINGS: HotStatement = `
SELECT f.schedule_id, f.at, f.lane, f.until, f.instants, f.decision, f.cause, f.reason, f.run_id, f.generation, f.decided_at, f.is_open
FROM firings f
WHERE f.schedule_id = :scheduleId AND (f.at, f.lane) < (:at, :lane) AND (:decision IS NULL OR f.decision = :decision)
ORDER BY f.at DESC, f.lane DESC LIMIT :limit`;

/** Deletes a schedule, by primary key. */
export const DELETE_SCHEDULE: HotStatement = "DELETE FROM schedules WHERE id = :scheduleId";

/** Deletes its firings, by primary key. */
export const DELETE_FIRINGS: HotStatement = "DELETE FROM firings WHERE schedule_id = :scheduleId";
