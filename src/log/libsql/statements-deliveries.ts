/** The statements of webhook deliveries: each is decided about once, in the write that does what is decided. */
import { UNTOLD } from "../port-deliveries.ts";
import { INBOX_ROWS_MAX } from "../port-inbox.ts";
import { type HotStatement, OVER, wake } from "./fragments.ts";

/** Whether nothing has been decided about a delivery, by `deliveries_id`. */
export const UNDECIDED = `NOT EXISTS (
  SELECT 1 FROM deliveries d WHERE d.hook = :hook AND d.delivery_id = :deliveryId AND d.replay = :replay)`;

/** Stores a delivery beside the run that its start found or made, after {@link UNDECIDED} let the start through. */
export const INSERT_STARTED: HotStatement = `
INSERT INTO deliveries (hook, delivery_id, replay, received_at, decision, run_id, headers, body)
SELECT :hook, :deliveryId, :replay, :receivedAt, 'started', r.id, :headers, :body
FROM runs r
WHERE r.id = coalesce((SELECT k.id FROM runs k WHERE k.workflow = :workflow AND k.idempotency_key = :key), :runId)
ON CONFLICT (hook, delivery_id, replay) DO NOTHING`;

/** Sends the signal of a delivery that has not been decided about, by primary key. */
export const INSERT_SIGNAL: HotStatement = `
INSERT INTO inbox (run_id, token, kind, data, at)
SELECT r.id, :token, :kind, :data, :at
FROM runs r
WHERE r.id = :runId AND r.status NOT IN ${OVER} AND ${UNDECIDED}
  AND (SELECT count(*) FROM inbox i WHERE i.run_id = r.id) < ${INBOX_ROWS_MAX}
ON CONFLICT (token) DO NOTHING`;

export const WAKE_FOR_SIGNAL: HotStatement = wake("SELECT :runId");

/** Stores that a signal was sent; that its run could not take it; or nothing, if its run is full. By primary key. */
export const INSERT_SIGNALLED: HotStatement = `
INSERT INTO deliveries (hook, delivery_id, replay, received_at, decision, run_id, reason, headers, body)
SELECT :hook, :deliveryId, :replay, :receivedAt, iif(r.id IS NULL OR r.status IN ${OVER}, 'ignored', 'signalled'), :runId,
  CASE WHEN r.id IS NULL THEN '${UNTOLD.unknown}' WHEN r.status IN ${OVER} THEN '${UNTOLD.over}' END, :headers, :body
FROM (SELECT :runId AS run_id) one LEFT JOIN runs r ON r.id = one.run_id
WHERE r.id IS NULL OR r.status IN ${OVER} OR EXISTS (SELECT 1 FROM inbox i WHERE i.token = :token)
ON CONFLICT (hook, delivery_id, replay) DO NOTHING`;

/** Stores that nothing comes of a delivery. */
export const INSERT_DECIDED: HotStatement = `
INSERT INTO deliveries (hook, delivery_id, replay, received_at, decision, reason, headers, body)
VALUES (:hook, :deliveryId, :replay, :receivedAt, :decision, :reason, :headers, :body)
ON CONFLICT (hook, delivery_id, replay) DO NOTHING`;

const COLUMNS =
  "d.position, d.hook, d.delivery_id, d.replay, d.received_at, d.decision, d.run_id, d.reason, coalesce(length(d.body), 0) AS bytes";

/** What was decided, by `deliveries_id`. */
export const READ_DECIDED: HotStatement = `
SELECT ${COLUMNS} FROM deliveries d WHERE d.hook = :hook AND d.delivery_id = :deliveryId AND d.replay = :replay`;

/** The same with the content. */
export const READ_DELIVERY: HotStatement = READ_DECIDED.replace(COLUMNS, `${COLUMNS}, d.headers, d.body`);

/** By `deliveries_id`. */
export const READ_LAST_REPLAY: HotStatement = `
SELECT max(d.replay) AS replay FROM deliveries d WHERE d.hook = :hook AND d.delivery_id = :deliveryId`;

/** Newest first, by row id; those of one hook by `deliveries_hook`. */
export const listDeliveries = (ofHook: boolean): HotStatement => `
SELECT ${COLUMNS} FROM deliveries d
WHERE d.position < coalesce(:before, 9007199254740991) AND (:decision IS NULL OR d.decision = :decision)${ofHook ? " AND d.hook = :hook" : ""}
ORDER BY d.position DESC LIMIT :limit`;

/** Deletes those of which all is old, by `deliveries_received` and `deliveries_id`. */
export const PRUNE: HotStatement = `
DELETE FROM deliveries WHERE position IN (
  SELECT d.position FROM deliveries d INDEXED BY deliveries_received
  WHERE d.received_at < :before AND NOT EXISTS (
    SELECT 1 FROM deliveries n WHERE n.hook = d.hook AND n.delivery_id = d.delivery_id AND n.received_at >= :before)
  ORDER BY d.received_at LIMIT :limit)`;
