/** The statements of what a run's part of a write starts and tells, all under its fence. */
import { childEvents, childRuns, FENCE, type HotStatement, tellsOf, wake } from "./fragments.ts";

/**
 * Creates children as pending runs with one event, unless their id or idempotency key exists.
 * `:children`: `[[runId, epoch, firstSeq, [[id, workflow, version, key, tags, createdAt, deadlineAt, parentId, availableAt, event, limits, lineAt, queue], ...]], ...]`
 */
export const INSERT_CHILDREN: HotStatement = childRuns(
  `json_each(:children) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c`,
  "j.key, c.key",
);

/**
 * Appends the first event of each child that the statement before has created: a run that was there has one. By primary
 * key. `:children` as above; an event is `[type, v, key, scope, attempt, at, data]`.
 */
export const INSERT_CHILD_EVENTS: HotStatement = childEvents(
  `json_each(:children) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') c`,
  "j.key, c.key",
);

/** Stores what runs tell others that are not over, by primary key. `:tells`: `[[runId, epoch, firstSeq, [[runId, token, kind, data, at], ...]], ...]` */
export const INSERT_TELLS: HotStatement = tellsOf(
  `json_each(:tells) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') m`,
  "j.key, m.key",
);

/** Makes the parked runs among them claimable. `:tells` as above. */
export const WAKE_FOR_TELLS: HotStatement = wake(
  `SELECT m.value ->> 0 FROM json_each(:tells) j CROSS JOIN runs r ON ${FENCE} CROSS JOIN json_each(j.value, '$[3]') m`,
);
