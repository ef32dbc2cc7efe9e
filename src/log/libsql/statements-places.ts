/**
 * The statements of the places that limits give to runs. Whoever gets in line, gives back or leaves does so by a procedure of
 * the database (`migrations/`): it looks at one run after the other, so that two of one write never take the same place, and
 * what becomes free is granted in the very write that frees it.
 */
import { ARRIVALS_MAX, OPENINGS_MAX, PLACES_COUNTED_MAX } from "../port-places.ts";
import { FENCE, type HotStatement } from "./fragments.ts";

/** Runs that are due get in line, by `runs_line`: in the order of their first limit. */
export const ARRIVE: HotStatement = `
INSERT INTO arrivals (run_id, at)
SELECT d.id, NOW FROM (
  SELECT x.id, x.limits FROM runs x WHERE x.line_at IS NOT NULL AND x.line_at <= NOW ORDER BY x.line_at, x.id LIMIT ${ARRIVALS_MAX}) d
ORDER BY d.limits ->> '$[0][2]', d.id`;

/** Runs that are created with this write take tokens, in order. `:takes`: `[[runId, bucket, intervalMs, aheadMs, delays], ...]` */
export const TAKE_TOKENS: HotStatement = `
INSERT INTO rate_takes (run_id, bucket, interval_ms, ahead_ms, delays, at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, NOW FROM json_each(:takes) j ORDER BY j.key`;

/** The same for runs that others create, under their fence. `:takes`: `[[runId, epoch, firstSeq, [take, ...]], ...]` */
export const TAKE_CHILD_TOKENS: HotStatement = `
INSERT INTO rate_takes (run_id, bucket, interval_ms, ahead_ms, delays, at)
SELECT c.value ->> 0, c.value ->> 1, c.value ->> 2, c.value ->> 3, c.value ->> 4, NOW
FROM json_each(:takes) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
ORDER BY j.key, c.key`;

/** Starts that were refused, and when there is a token again: by primary keys. `:takes` as of {@link TAKE_TOKENS}. */
export const READ_REFUSED: HotStatement = `
SELECT j.value ->> 0 AS asked, max(b.used_until - (j.value ->> 3)) AS retry_at
FROM json_each(:takes) j CROSS JOIN buckets b ON b.bucket = j.value ->> 1
WHERE (j.value ->> 4) = 0 AND b.used_until - (j.value ->> 3) > NOW AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = j.value ->> 0)
GROUP BY j.value ->> 0`;

/** Runs that give places back with this write, by primary key. */
const LEAVING = `SELECT r.id FROM json_each(:leaving) j CROSS JOIN runs r ON ${FENCE}`;

/**
 * Marks the places that end with this write, under the fence, by primary key.
 * `:leaving`: `[[runId, epoch, firstSeq, 0 | 1], ...]`; 1: all of the run's, 0: those that it holds while it is worked on.
 */
export const MARK_PLACES: HotStatement = `
UPDATE places INDEXED BY sqlite_autoindex_places_1 SET ended_at = NOW
WHERE run_id IN (${LEAVING}) AND (hold = 'work' OR run_id IN (${LEAVING} AND j.value ->> 3 = 1))`;

/** Deletes them. For each the database admits the next in its line. `:leaving` as above. */
export const DELETE_PLACES: HotStatement = `
DELETE FROM places INDEXED BY sqlite_autoindex_places_1 WHERE run_id IN (${LEAVING}) AND ended_at IS NOT NULL`;

/** How many are in a line, by `places_line`, and how many steps in that of a queue, by `locks_queue`: no further than so many. */
export const COUNT_PLACES: HotStatement = `
SELECT
  (SELECT count(*) FROM (SELECT 1 FROM places p INDEXED BY places_line
    WHERE p.line = :line AND p.granted_at IS NOT NULL AND p.ended_at IS NULL LIMIT ${PLACES_COUNTED_MAX})) AS held,
  (SELECT count(*) FROM (SELECT 1 FROM places q INDEXED BY places_line
    WHERE q.line = :line AND q.granted_at IS NULL AND q.ended_at IS NULL LIMIT ${PLACES_COUNTED_MAX})) AS waiting,
  (SELECT count(*) FROM (SELECT 1 FROM locks h INDEXED BY locks_queue
    WHERE h.queue = :queue AND h.granted_at IS NOT NULL AND h.ended_at IS NULL LIMIT ${PLACES_COUNTED_MAX})) AS steps_held,
  (SELECT count(*) FROM (SELECT 1 FROM locks s INDEXED BY locks_queue
    WHERE s.queue = :queue AND s.granted_at IS NULL AND s.ended_at IS NULL LIMIT ${PLACES_COUNTED_MAX})) AS steps_waiting`;

/** Notes what a line lets in, by primary key. */
export const SET_LINE: HotStatement = `
INSERT INTO lines (line, slots, paused) VALUES (:line, :slots, :paused)
ON CONFLICT (line) DO UPDATE SET slots = excluded.slots, paused = excluded.paused`;

/** There may be room in a line for as many as wait in it, by `places_line`. */
export const OPEN_LINE: HotStatement = `
INSERT INTO openings (line, at)
SELECT p.line, NOW FROM places p INDEXED BY places_line
WHERE p.line = :line AND p.granted_at IS NULL AND p.ended_at IS NULL LIMIT ${OPENINGS_MAX}`;
