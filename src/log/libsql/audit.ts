/**
 * What no event determines, held to bounds and references: `varve db verify` asks for it. Each question is one statement,
 * so it sees one state of the database, also while others write; and each reads its tables from end to end, so none of them
 * belongs to the hot path.
 */
import type { Stray } from "../port.ts";
import type { Database } from "./database.ts";
import { OVER } from "./fragments.ts";

interface Question {
  readonly what: string;
  readonly expected: string;
  /** Gives `run_id`, which may be null, and `found`. */
  readonly sql: string;
}

/** The most findings of one question. */
const FOUND_MAX = 100;

/** Rows of a table that a run has for as long as it goes on. */
function ofOpenRuns(table: string, what: string, found: string): Question {
  return {
    what,
    expected: "a run that has not ended",
    sql: `SELECT t.run_id, ${found} || CASE WHEN r.id IS NULL THEN ' of no run' ELSE ' of a run that has ' || r.status END AS found
      FROM ${table} t LEFT JOIN runs r ON r.id = t.run_id WHERE r.id IS NULL OR r.status IN ${OVER}`,
  };
}

/** A place in the log that something has come to. */
function withinLog(table: string, what: string, name: string): Question {
  return {
    what,
    expected: "a position that the log has reached",
    sql: `SELECT NULL AS run_id, ${name} || ' at position ' || t.position AS found
      FROM ${table} t WHERE t.position > (SELECT coalesce(max(position), 0) FROM events) OR t.position < 0`,
  };
}

export const QUESTIONS: readonly Question[] = [
  ofOpenRuns("places", "place", "'place in the line ' || t.line"),
  {
    what: "place",
    expected: "a line that its run's limits name",
    sql: `SELECT t.run_id, 'place in the line ' || t.line AS found FROM places t JOIN runs r ON r.id = t.run_id
      WHERE NOT EXISTS (SELECT 1 FROM json_each(r.limits) l WHERE l.value ->> 0 = t.line)`,
  },
  {
    what: "line",
    expected: "as many places held as there are",
    sql: `SELECT NULL AS run_id, 'line ' || t.line || ' says ' || coalesce(t.held, 0) || ', and there are ' || t.places AS found FROM (
        SELECT n.line, (SELECT l.held FROM lines l WHERE l.line = n.line) AS held,
          (SELECT count(*) FROM places p WHERE p.line = n.line AND p.granted_at IS NOT NULL AND p.ended_at IS NULL) AS places
        FROM (SELECT line FROM lines UNION SELECT line FROM places) n) t
      WHERE coalesce(t.held, 0) <> t.places`,
  },
  ofOpenRuns("locks", "lock", "'place in line for the lock ' || t.name"),
  {
    what: "operation",
    expected: "a run that has not completed",
    sql: `SELECT t.run_id, 'outcome kept for ' || t.key || CASE WHEN r.id IS NULL THEN ' of no run' ELSE ' of a run that has ' || r.status END AS found
      FROM operations t LEFT JOIN runs r ON r.id = t.run_id WHERE r.id IS NULL OR r.status = 'completed'`,
  },
  ofOpenRuns("waits", "wait", "'wait of ' || t.key"),
  {
    what: "wait",
    expected: "an end for what was given, and a message that was published",
    sql: `SELECT t.run_id, 'wait of ' || t.key || CASE WHEN t.given IS NOT NULL AND t.ended_at IS NULL THEN ' is open and was given a message'
        ELSE ' after message ' || max(coalesce(t.after, 0), coalesce(t.given, 0)) END AS found
      FROM waits t WHERE t.given IS NOT NULL AND t.ended_at IS NULL
        OR max(coalesce(t.after, 0), coalesce(t.given, 0)) > (SELECT coalesce(max(s.seq), 0) FROM sqlite_sequence s WHERE s.name = 'messages')`,
  },
  {
    what: "message",
    expected: "one write of a message's decisions and of its being dispatched",
    sql: `SELECT t.run_id, 'decision for ' || t.subject || ' about ' || CASE WHEN m.position IS NULL THEN 'no message' ELSE 'a message that is not dispatched' END AS found
      FROM dispatches t LEFT JOIN messages m ON m.position = t.position WHERE m.dispatched_at IS NULL`,
  },
  {
    what: "message",
    expected: "a run that was told, or what it was gathered with",
    sql: `SELECT t.run_id, t.decision || ' for ' || t.subject AS found FROM dispatches t
      WHERE t.decision IN ('woke', 'cancelled') AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run_id)
        OR t.gathering IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gatherings g WHERE g.id = t.gathering)`,
  },
  {
    what: "gathering",
    expected: "as many messages as it counts, until it is over",
    sql: `SELECT NULL AS run_id, 'gathering ' || t.id || ' of ' || t.subject || ' counts ' || t.count AS found FROM gatherings t
      WHERE t.fired_at IS NULL AND t.count <> (SELECT count(*) FROM dispatches d WHERE d.gathering = t.id)`,
  },
  {
    what: "subscription",
    expected: "a subscription's text",
    sql: `SELECT NULL AS run_id, t.workflow || '/' || t.name AS found FROM subscriptions t
      WHERE NOT json_valid(t.text) OR CASE WHEN json_valid(t.text) THEN json_type(t.text, '$.kind') END IS NOT 'text'`,
  },
  withinLog("ends_cursor", "ends", "'the look for ends of runs'"),
  withinLog("endpoints", "endpoint", "'endpoint ' || t.name"),
  {
    what: "notice",
    expected: "the event that it is about",
    sql: `SELECT t.run_id, t.type || ' at position ' || t.position || ' to ' || t.endpoint AS found
      FROM notices t LEFT JOIN events e ON e.position = t.position
      WHERE e.run_id IS NOT t.run_id OR e.seq IS NOT t.seq OR e.type IS NOT t.type`,
  },
  {
    what: "notice",
    expected: "an endpoint that has come so far, and a time to send it or an end",
    sql: `SELECT t.run_id, t.status || ' at position ' || t.position || ' to ' || t.endpoint AS found
      FROM notices t LEFT JOIN endpoints e ON e.name = t.endpoint
      WHERE e.position IS NULL OR e.position < t.position OR (t.status = 'pending') <> (t.ended_at IS NULL)
        OR (t.status = 'pending') <> (t.due_at IS NOT NULL)`,
  },
  {
    what: "schedule",
    expected: "a next instant after those that are decided",
    sql: `SELECT NULL AS run_id, 'schedule ' || t.id || ' is next at ' || t.next_at || ', decided up to ' || t.cursor AS found
      FROM schedules t WHERE t.next_at <= t.cursor`,
  },
  {
    what: "firing",
    expected: "a schedule, and the run that it started",
    sql: `SELECT t.run_id, 'firing of ' || t.schedule_id || ' at ' || t.at AS found FROM firings t
      WHERE NOT EXISTS (SELECT 1 FROM schedules s WHERE s.id = t.schedule_id)
        OR t.run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run_id)`,
  },
];

/** All that is found, at most {@link FOUND_MAX} of each question. */
export async function strays(db: Database): Promise<Stray[]> {
  const found: Stray[] = [];
  for (const { what, expected, sql } of QUESTIONS) {
    const rows = await db.one(`${sql} LIMIT ${FOUND_MAX}`);
    found.push(
      ...rows.map((row) => ({ runId: row.run_id as string | null, what, expected, found: String(row.found) })),
    );
  }
  return found;
}
