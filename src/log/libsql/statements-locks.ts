/**
 * The statements of locks: lines of places, each granted when fewer are before it than its `slots`.
 *
 * Places that end are marked first. Whose turn it is then, is told, woken and noted, by three statements that each look for
 * them: nothing but the last of them says that they have it.
 */
import { QUEUE_LINES } from "../../kernel/queues.ts";
import { FENCE, HELD, type HotStatement, OVER, wake } from "./fragments.ts";

/** Who has a slot of a queue is before all that wait. */
const RANK_OF_GRANTED = `${Number.MIN_SAFE_INTEGER}`;

/** The rank of a place that is granted now. */
const granted = (place: string): string => `iif(${place}.queue IS NULL, ${place}.rank, ${RANK_OF_GRANTED})`;

/** How many a line lets in, if the queue that it is of was changed at run time; else `slots`. By primary key. */
const set = (line: string, slots: string): string =>
  `coalesce((SELECT iif(q.paused, 0, coalesce(q.slots, ${slots})) FROM lines q WHERE q.line = ${line}), ${slots})`;

const LINE_OF = (place: string): string => `'${QUEUE_LINES}' || ${place}.queue`;

/** Takes a place in line, or finds the call's own, by primary key and `locks_call`. */
export const TAKE_PLACE: HotStatement = `
INSERT INTO locks (name, run_id, key, slots, queue, rank, requested_at)
SELECT :name, r.id, :call, :slots, :queue, iif(:queue IS NULL, 0, NOW - :headStart), NOW FROM runs r WHERE ${HELD}
ON CONFLICT (run_id, key) DO UPDATE SET slots = excluded.slots`;

/** Grants a call's place if it is its turn: nobody is where the last one before it would have to be. By `locks_call` and `locks_line`. */
export const GRANT_PLACE: HotStatement = `
UPDATE locks SET granted_at = NOW, rank = ${granted("locks")}
WHERE run_id = :runId AND key = :call AND granted_at IS NULL AND ended_at IS NULL
  AND EXISTS (SELECT 1 FROM runs r WHERE ${HELD})
  AND ${set(":line", ":slots")} > 0
  AND NOT EXISTS (
    SELECT 1 FROM locks e INDEXED BY locks_line
    WHERE e.name = locks.name AND e.ended_at IS NULL AND (e.rank, e.ticket) < (locks.rank, locks.ticket)
    LIMIT 1 OFFSET ${set(":line", ":slots")} - 1)`;

/** A call's place, by primary key and `locks_call`. No row: its run is lost. */
export const READ_PLACE: HotStatement = `
SELECT l.granted_at IS NOT NULL AS is_granted, l.ended_at IS NOT NULL AS has_ended
FROM runs r CROSS JOIN locks l ON l.run_id = r.id AND l.key = :call WHERE ${HELD}`;

/** The lines of the places that end with this write, those of calls and those of runs, by `locks_call`. `:endings` as below. */
const LINES_LEFT = `
  SELECT l.name FROM json_each(:endings) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
    CROSS JOIN locks l ON l.run_id = r.id AND l.key = c.value
  UNION
  SELECT l.name FROM json_each(:endings) j CROSS JOIN runs r ON ${FENCE} AND (j.value ->> 3) IS NULL
    CROSS JOIN locks l ON l.run_id = r.id`;

/** What an upsert must be given of a row that exists. */
const PLACE = "ticket, name, run_id, key, slots, queue, rank, requested_at";

/**
 * Marks places that end, under the fence; one that nobody has asked for has ended before it was, in no line. An upsert, as an
 * update could read all places when statistics say that they are few. `:endings`: `[[runId, epoch, firstSeq, [call, ...]], ...]`;
 * null in place of the calls: the run ends, and so do all of its places.
 */
export const END_PLACES: HotStatement = `
INSERT INTO locks (${PLACE}, ended_at)
SELECT l.ticket, coalesce(l.name, ''), r.id, c.value, coalesce(l.slots, 0), l.queue, coalesce(l.rank, 0), coalesce(l.requested_at, NOW), coalesce(l.ended_at, NOW)
FROM json_each(:endings) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
  LEFT JOIN locks l ON l.run_id = r.id AND l.key = c.value
WHERE c.value IS NOT NULL
UNION
SELECT l.ticket, l.name, l.run_id, l.key, l.slots, l.queue, l.rank, l.requested_at, coalesce(l.ended_at, NOW)
FROM json_each(:endings) j CROSS JOIN runs r ON ${FENCE} AND (j.value ->> 3) IS NULL CROSS JOIN locks l ON l.run_id = r.id
WHERE true
ON CONFLICT (ticket) DO UPDATE SET ended_at = excluded.ended_at`;

/**
 * Places that wait and whose turn it is, in the lines that `names` gives: from place to place by `locks_line`, and no further
 * than the most slots that anybody there asks for, by `locks_slots`. So a long line costs nothing.
 */
const nextIn = (names: string): string => `
WITH RECURSIVE line (name, rank, ticket, before, slots_max) AS (
  SELECT f.name, x.rank, x.ticket, 0,
    ${set(LINE_OF("x"), "(SELECT max(y.slots) FROM locks y INDEXED BY locks_slots WHERE y.name = f.name AND y.ended_at IS NULL)")}
  FROM (${names}) f CROSS JOIN locks x ON x.ticket = (
    SELECT y.ticket FROM locks y INDEXED BY locks_line WHERE y.name = f.name AND y.ended_at IS NULL ORDER BY y.rank, y.ticket LIMIT 1)
  UNION ALL
  SELECT line.name, x.rank, x.ticket, line.before + 1, line.slots_max
  FROM line CROSS JOIN locks x ON x.ticket = coalesce(
    (SELECT min(y.ticket) FROM locks y INDEXED BY locks_line
      WHERE y.name = line.name AND y.ended_at IS NULL AND y.rank = line.rank AND y.ticket > line.ticket),
    (SELECT z.ticket FROM locks z INDEXED BY locks_line
      WHERE z.name = line.name AND z.ended_at IS NULL AND z.rank > line.rank ORDER BY z.rank, z.ticket LIMIT 1))
  WHERE line.before + 1 < line.slots_max)
SELECT w.* FROM line CROSS JOIN locks w ON w.ticket = line.ticket
WHERE w.granted_at IS NULL AND line.before < ${set(LINE_OF("w"), "w.slots")}`;

const tell = (next: string): HotStatement => `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT t.id, 'lock/' || n.ticket, 'lock', json_object('key', n.key), NOW
FROM (${next}) n CROSS JOIN runs t ON t.id = n.run_id
WHERE t.status NOT IN ${OVER}
ORDER BY n.ticket
ON CONFLICT (token) DO NOTHING`;

/** By an upsert as above. */
const grant = (next: string): HotStatement => `
INSERT INTO locks (${PLACE}, granted_at)
SELECT ${PLACE}, NOW FROM (${next})
WHERE true
ON CONFLICT (ticket) DO UPDATE SET granted_at = excluded.granted_at, rank = ${granted("excluded")}`;

const NEXT_IN_LINE = nextIn(LINES_LEFT);

/** Tells those whose turn it is. `:endings` as above. */
export const TELL_NEXT_IN_LINE = tell(NEXT_IN_LINE);

/** Makes the parked ones of them claimable. `:endings` as above. */
export const WAKE_NEXT_IN_LINE: HotStatement = wake(`SELECT n.run_id FROM (${NEXT_IN_LINE}) n`);

/** Grants them the lock. `:endings` as above. */
export const GRANT_NEXT_IN_LINE = grant(NEXT_IN_LINE);

/** Whose turn it is in the lines of a queue of steps of which something was set: `:queue`. By `locks_queue`. */
const NEXT_IN_QUEUE = nextIn(
  "SELECT DISTINCT o.name FROM locks o INDEXED BY locks_queue WHERE o.queue = :queue AND o.granted_at IS NULL AND o.ended_at IS NULL",
);

/** The same for these. */
export const TELL_NEXT_IN_QUEUE = tell(NEXT_IN_QUEUE);
export const WAKE_NEXT_IN_QUEUE: HotStatement = wake(`SELECT n.run_id FROM (${NEXT_IN_QUEUE}) n`);
export const GRANT_NEXT_IN_QUEUE = grant(NEXT_IN_QUEUE);

/** Deletes the places of runs that end: none of them can ask any more. `:ends`: `[[runId, epoch, firstSeq], ...]` */
export const DELETE_PLACES_OF_ENDED: HotStatement = `
DELETE FROM locks INDEXED BY locks_call WHERE run_id IN (SELECT r.id FROM json_each(:ends) j CROSS JOIN runs r ON ${FENCE})`;
