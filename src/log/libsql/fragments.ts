/** What the files of statements share. */
import { WAKES_PAUSED } from "../port.ts";

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

/**
 * Makes runs claimable that are parked and have mail which wakes them, by primary key: the `+` keeps `runs_status` out.
 * `ids`: a query.
 */
export const wake = (ids: string): HotStatement => `
UPDATE runs SET status = 'pending', ${WOKEN}
WHERE id IN (${ids}) AND +status IN ('waiting', 'pending', 'stuck', 'paused') AND owner IS NULL
  AND EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = runs.id AND (runs.status <> 'paused' OR i.kind IN ${texts(WAKES_PAUSED)}))`;
