/** The statements by which no line waits for a worker that nobody runs: see `LogStore.passOver`. */
import { DEFAULT_QUEUE } from "../../kernel/pool.ts";
import { ASIDE_MS, PASSED_LOOKED_MAX, PASSED_MAX } from "../port-patience.ts";
import type { HotStatement } from "./fragments.ts";

/** The most programs and queues that are looked at. */
const KINDS_MAX = 1_000;

const queueIn = (of: string, list: string) =>
  `coalesce(${of}.queue, '${DEFAULT_QUEUE}') IN (SELECT q.value FROM json_each(${list}) q)`;

/** The caller serves the queue of a row. `:queues`: `[queue, ...]`; null: all. */
const served = (of: string) => `(:queues IS NULL OR ${queueIn(of, ":queues")})`;

/** The caller, or a worker that lives, takes what has the program and the queue of a kind. */
const TAKEN = `(
  (EXISTS (SELECT 1 FROM json_each(:programs) p WHERE p.value ->> 0 = kind.workflow AND p.value ->> 1 = kind.version) AND ${served("kind")})
  OR EXISTS (
    SELECT 1 FROM workers w
    WHERE w.expires_at > NOW
      AND (w.programs IS NULL OR EXISTS (
        SELECT 1 FROM json_each(w.programs) p WHERE p.value ->> 'workflow' = kind.workflow AND p.value ->> 'version' = kind.version))
      AND (w.queues IS NULL OR ${queueIn("kind", "w.queues")})))`;

/** Runs that were passed over and that the caller takes, by `runs_passed`. */
const RETURNING = `FROM json_each(:programs) p CROSS JOIN runs r INDEXED BY runs_passed
  ON r.workflow = p.value ->> 0 AND r.version = p.value ->> 1 AND r.passed_at IS NOT NULL AND ${served("r")}`;

/** Runs with limits that may be claimed, now or at a time: `runs_queue` holds them by kind, and of each kind the oldest first. */
const firstOf = (what: string, condition: string) => `
    SELECT ${what} FROM runs y INDEXED BY runs_queue
    WHERE y.limits IS NOT NULL AND y.available_at IS NOT NULL ${condition}
    ORDER BY y.queue, y.workflow, y.version, y.available_at LIMIT 1`;

/**
 * Queues and programs of which a run has been admitted for long and that nobody takes; and whether there are runs that get in
 * line again. From kind to kind by `runs_queue`, however many runs there are of each. A row value behind `queue IS` would use no
 * more of the index than its first part, so each part has its own search.
 */
export const READ_UNTAKEN: HotStatement = `
WITH RECURSIVE kind (queue, workflow, version, since) AS (
  SELECT * FROM (${firstOf("y.queue, y.workflow, y.version, y.available_at", "")})
  UNION ALL
  SELECT x.queue, x.workflow, x.version, x.available_at FROM kind CROSS JOIN runs x ON x.rowid = coalesce(
    (${firstOf("y.rowid", "AND y.queue IS kind.queue AND y.workflow = kind.workflow AND y.version > kind.version")}),
    (${firstOf("y.rowid", "AND y.queue IS kind.queue AND y.workflow > kind.workflow")}),
    (${firstOf("y.rowid", "AND y.queue > coalesce(kind.queue, '')")}))
  LIMIT ${KINDS_MAX}
)
SELECT
  (SELECT json_group_array(json_array(kind.queue, kind.workflow, kind.version)) FROM kind
    WHERE kind.since <= NOW - :patienceMs AND NOT ${TAKEN}) AS untaken,
  EXISTS (SELECT 1 ${RETURNING}) AS returns`;

/** Lets them get in line again. */
export const RETURN_PASSED: HotStatement = `
UPDATE runs SET line_at = min(line_at, NOW), passed_at = NULL
WHERE id IN (SELECT r.id ${RETURNING} LIMIT ${PASSED_MAX})`;

/** How many have left their lines. */
export const COUNT_PASSED: HotStatement =
  "SELECT count(*) AS passed FROM runs INDEXED BY runs_passed WHERE passed_at IS NOT NULL";

/**
 * Passes runs over that are of `:untaken`, if nobody takes them still: first those that wait, so that what the others give back
 * goes to somebody else. `:untaken`: `[[queue, workflow, version], ...]`
 */
export const PASS_OVER: HotStatement = `
WITH untaken AS MATERIALIZED (
  SELECT kind.queue, kind.workflow, kind.version
  FROM (SELECT j.value ->> 0 AS queue, j.value ->> 1 AS workflow, j.value ->> 2 AS version FROM json_each(:untaken) j) kind
  WHERE NOT ${TAKEN}
), overdue AS MATERIALIZED (
  SELECT x.id, x.head FROM untaken CROSS JOIN runs x INDEXED BY runs_queue
    ON x.queue IS untaken.queue AND x.workflow = untaken.workflow AND x.version = untaken.version AND x.limits IS NOT NULL
      AND x.available_at IS NOT NULL AND x.available_at <= NOW - :patienceMs
  WHERE x.owner IS NULL LIMIT ${PASSED_MAX}
), held AS MATERIALIZED (
  SELECT p.run_id, p.line FROM overdue CROSS JOIN places p ON p.run_id = overdue.id
  WHERE p.granted_at IS NOT NULL AND p.ended_at IS NULL AND (p.hold = 'work' OR overdue.head = 1)
), waiting AS MATERIALIZED (
  SELECT p.run_id, p.line, EXISTS (
    SELECT 1 FROM untaken WHERE untaken.queue IS x.queue AND untaken.workflow = x.workflow AND untaken.version = x.version) AS is_untaken
  FROM (SELECT DISTINCT held.line FROM held) line
    CROSS JOIN places p INDEXED BY places_line ON p.line = line.line AND p.granted_at IS NULL AND p.ended_at IS NULL
    CROSS JOIN runs x ON x.id = p.run_id
  LIMIT ${PASSED_LOOKED_MAX}
), wanted AS MATERIALIZED (
  SELECT DISTINCT waiting.line FROM waiting WHERE NOT is_untaken
), passed AS (
  SELECT run_id, 0 AS holds FROM waiting WHERE is_untaken AND line IN (SELECT wanted.line FROM wanted)
  UNION
  SELECT run_id, 1 FROM held WHERE line IN (SELECT wanted.line FROM wanted)
)
INSERT INTO asides (run_id, at, until)
SELECT run_id, NOW, NOW + ${ASIDE_MS} FROM passed ORDER BY holds, run_id LIMIT ${PASSED_MAX}`;
