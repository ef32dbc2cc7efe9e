/** The statements of the values that runs share, and of the ledger of what runs' calls have done to them. */
import { FENCE, HELD, type HotStatement } from "./fragments.ts";

/** The version of a value, by primary key; 0: it was never set. `:scope`, `:key` */
const VERSION = "coalesce((SELECT k.version FROM kv k WHERE k.scope = :scope AND k.key = :key), 0)";

/** Whether there is a value: it was neither deleted nor has it expired. */
const IS_THERE = "k.value IS NOT NULL AND (k.expires_at IS NULL OR k.expires_at > NOW)";

/** Puts a value over whatever is there, or over one version of it. By primary key. */
export const PUT_KEYED: HotStatement = `
INSERT INTO kv (scope, key, value, version, expires_at)
SELECT :scope, :key, :value, ${VERSION} + 1, NOW + :ttlMs
WHERE :ifVersion IS NULL OR ${VERSION} = :ifVersion
ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;

/** What {@link PUT_KEYED} left, by primary key. */
export const READ_VERSION: HotStatement = `SELECT ${VERSION} AS version`;

/** Notes that a call puts over a version, if that is there and the call has not put before. By primary keys and `operations_call`. */
export const NOTE_OPERATION: HotStatement = `
INSERT INTO operations (run_id, key, version, note)
SELECT r.id, :call, :ifVersion + 1, :note FROM runs r
WHERE ${HELD} AND ${VERSION} = :ifVersion
ON CONFLICT (run_id, key) DO NOTHING`;

/** Puts what the statement before has just noted: of an earlier note the value's version is not below. By `operations_call`. */
export const PUT_NOTED: HotStatement = `
INSERT INTO kv (scope, key, value, version, expires_at)
SELECT :scope, :key, :value, o.version, NOW + :ttlMs FROM operations o
WHERE o.run_id = :runId AND o.key = :call AND o.version = :ifVersion + 1 AND ${VERSION} = :ifVersion
ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;

/** What a call's put came to, by primary key and `operations_call`. No row: its run is lost. No version: it met another one. */
export const READ_OPERATION: HotStatement = `
SELECT o.version, o.note FROM runs r LEFT JOIN operations o ON o.run_id = r.id AND o.key = :call WHERE ${HELD}`;

/** By primary key. */
export const READ_KEYED: HotStatement = `
SELECT k.version, iif(${IS_THERE}, k.value, NULL) AS value, iif(${IS_THERE}, k.expires_at, NULL) AS expires_at
FROM kv k WHERE k.scope = :scope AND k.key = :key`;

/** Values in a range of keys, by primary key. `:until`: null has no end, as every text is less than a blob. */
export const LIST_KEYED: HotStatement = `
SELECT k.key, k.value, k.version, k.expires_at FROM kv k
WHERE k.scope = :scope AND k.key >= max(:prefix, coalesce(:after, '')) AND k.key < coalesce(:until, x'') AND k.key IS NOT :after
  AND ${IS_THERE}
ORDER BY k.key LIMIT :limit`;

/**
 * Forgets what calls came to that have recorded it, by `operations_call`. The ledger is small, and SQLite would rather read
 * it from end to end when its statistics say so. `:settled`: `[[runId, epoch, firstSeq, [call, ...]], ...]`
 */
export const DELETE_SETTLED: HotStatement = `
DELETE FROM operations INDEXED BY operations_call
WHERE run_id IN (SELECT j.value ->> 0 FROM json_each(:settled) j) AND +rowid IN (
  SELECT o.rowid FROM json_each(:settled) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c
    CROSS JOIN operations o INDEXED BY operations_call ON o.run_id = r.id AND o.key = c.value)`;

/** The same for all calls of runs that complete. `:ends`: `[[runId, epoch, firstSeq], ...]` */
export const DELETE_OPERATIONS_OF_COMPLETED: HotStatement = `
DELETE FROM operations INDEXED BY operations_call WHERE run_id IN (SELECT r.id FROM json_each(:ends) j CROSS JOIN runs r ON ${FENCE})`;
