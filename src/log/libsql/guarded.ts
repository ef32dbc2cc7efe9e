/**
 * Runs that are started, and mail that is sent, if and only if something else is so: a decision is a fact, and what it does
 * is in the batch that records it.
 *
 * A guard is SQL, true or false, over rows of whoever decides; `args` are its arguments, each of them used. Parts of one
 * batch under one guard stand together: what makes the guard false comes after them. A batch that is sent again finds it
 * false and does nothing, and if it finds it true because its first try was not done, it does everything once: runs have
 * ids and idempotency keys, mail has tokens.
 */
import type { InboxMessage } from "../port-inbox.ts";
import type { ChildStart } from "../port-write.ts";
import { type Batch, messageRow, takeRows } from "./batch.ts";
import { childRow } from "./beyond.ts";
import type { Args } from "./database.ts";
import { childEvents, childRuns, type HotStatement, tellsOf, wake } from "./fragments.ts";
import { READ_STARTS } from "./statements.ts";
import { TAKE_TOKENS } from "./statements-places.ts";

/** Starts runs under a guard: pending, each with its first event. One whose id or idempotency key has a run is left as it is. */
export function addGuardedStarts(batch: Batch, guard: string, args: Args, starts: readonly ChildStart[]): void {
  const rows = starts.map(childRow);
  batch.add(insertStarts(guard), "starts", rows, args);
  // Of those that exist now: nothing, if the guard is false.
  const created = starts.map(({ start }) => start);
  batch.add(TAKE_TOKENS, "takes", takeRows(created, true));
  batch.add(insertStartEvents(guard), "starts", rows, args);
}

/** Reads in the same batch which run exists for each of `starts`: see {@link startedRuns}. */
export function askStarts(batch: Batch, starts: readonly ChildStart[]): void {
  batch.ask("starts", READ_STARTS, "starts", starts.map(childRow));
}

/** Tells runs something under a guard. One that is over or unknown is told nothing; the inbox's bound does not hold. */
export function addGuardedTells(batch: Batch, guard: string, args: Args, tells: readonly InboxMessage[]): void {
  const rows = tells.map(messageRow);
  batch.add(insertTells(guard), "tells", rows, args);
  batch.add(wakeForTells(guard), "tells", rows, args);
}

/** `guard` is looked at before any row is: SQLite evaluates what does not depend on `c` once. */
const under = (guard: string, rows: string, as: string): string =>
  `(SELECT 1 WHERE ${guard}) g CROSS JOIN json_each(${rows}) ${as}`;

/** `:starts`: `[[id, workflow, version, key, tags, createdAt, deadlineAt, parentId, availableAt, event, limits, lineAt, queue], ...]` */
export const insertStarts = (guard: string): HotStatement => childRuns(under(guard, ":starts", "c"), "c.key");

/** `:starts` as above. */
export const insertStartEvents = (guard: string): HotStatement => childEvents(under(guard, ":starts", "c"), "c.key");

/** `:tells`: `[[runId, token, kind, data, at], ...]` */
export const insertTells = (guard: string): HotStatement => tellsOf(under(guard, ":tells", "m"), "m.key");

/** `:tells` as above. */
export const wakeForTells = (guard: string): HotStatement =>
  wake(`SELECT m.value ->> 0 FROM ${under(guard, ":tells", "m")}`);
