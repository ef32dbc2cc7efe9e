/** What runs' parts of a write do beyond their runs. Nothing is added for those that do nothing. */
import { assert } from "../../kernel/assert.ts";
import type { Beyond, ChildStart, RunAppend } from "../port-write.ts";
import { type Batch, eventValues, fenceOf, isEnd, limitsRow, messageRow, takeRows } from "./batch.ts";
import * as beyond from "./statements-beyond.ts";
import * as keyed from "./statements-keyed.ts";
import * as locks from "./statements-locks.ts";
import { DELETE_PLACES, MARK_PLACES, TAKE_CHILD_TOKENS } from "./statements-places.ts";

/** A part of a write that reaches beyond its run. */
export type OutwardAppend = RunAppend & { readonly beyond: Beyond };

export function reachesOut(run: RunAppend): run is OutwardAppend {
  return run.beyond !== null;
}

export function addChildren(batch: Batch, runs: readonly OutwardAppend[]): void {
  const parents = runs.filter((run) => run.beyond.children.length > 0);
  const rows = parents.map((run) => [...fenceOf(run), run.beyond.children.map(childRow)]);
  batch.add(beyond.INSERT_CHILDREN, "children", rows);
  const takers = parents.map((run) => ({
    run,
    takes: takeRows(
      run.beyond.children.map(({ start }) => start),
      true,
    ),
  }));
  const takes = takers.filter((taker) => taker.takes.length > 0).map((taker) => [...fenceOf(taker.run), taker.takes]);
  batch.add(TAKE_CHILD_TOKENS, "takes", takes);
  batch.add(beyond.INSERT_CHILD_EVENTS, "children", rows);
}

export function childRow({ start, created, availableAt }: ChildStart): unknown[] {
  const { runId, workflow, version, idempotencyKey, createdAt, deadlineAt, parentId } = start;
  const tags = JSON.stringify(start.tags);
  const event = eventValues(created);
  const dueAt = start.limits === null ? availableAt : null;
  const row = [runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, parentId, dueAt, event];
  // Without its singleton: one that waits for it would wait for ever if it were not created.
  return [...row, ...limitsRow(start)];
}

export function addTells(batch: Batch, runs: readonly OutwardAppend[]): void {
  const tellers = runs.filter((run) => run.beyond.tells.length > 0);
  assert(
    tellers.every(({ events }) => events.length > 0),
    "a run tells others something without an event",
  );
  const rows = tellers.map((run) => [...fenceOf(run), run.beyond.tells.map(messageRow)]);
  batch.add(beyond.INSERT_TELLS, "tells", rows);
  batch.add(beyond.WAKE_FOR_TELLS, "tells", rows);
}

/** Whether all ends that the run may share with others. */
export function endsSharing(run: OutwardAppend): boolean {
  return isEnd(run) && run.beyond.shares;
}

/** Ends places in line, and grants their locks to the next. */
export function addEndings(batch: Batch, runs: readonly OutwardAppend[]): void {
  const leaving = runs.filter((run) => endsSharing(run) || run.beyond.unlocks.length > 0);
  const endings = leaving.map((run) => [...fenceOf(run), endsSharing(run) ? null : run.beyond.unlocks]);
  batch.add(locks.END_PLACES, "endings", endings);
  batch.add(locks.TELL_NEXT_IN_LINE, "endings", endings);
  batch.add(locks.WAKE_NEXT_IN_LINE, "endings", endings);
  batch.add(locks.GRANT_NEXT_IN_LINE, "endings", endings);
  batch.add(locks.DELETE_PLACES_OF_ENDED, "ends", runs.filter(endsSharing).map(fenceOf));
}

/** Gives back places that limits have given, and admits the next. */
export function addLeavings(batch: Batch, runs: readonly OutwardAppend[]): void {
  const leaving = runs.filter((run) => run.beyond.places !== null);
  const rows = leaving.map((run) => [...fenceOf(run), run.beyond.places === "end" ? 1 : 0]);
  batch.add(MARK_PLACES, "leaving", rows);
  batch.add(DELETE_PLACES, "leaving", rows);
}

/** Forgets what calls came to. */
export function addSettled(batch: Batch, runs: readonly OutwardAppend[]): void {
  const isFinal = (run: OutwardAppend) => endsSharing(run) && run.row.kind === "move" && run.row.status === "completed";
  const settling = runs.filter((run) => !isFinal(run) && run.beyond.settled.length > 0);
  const rows = settling.map((run) => [...fenceOf(run), run.beyond.settled]);
  batch.add(keyed.DELETE_SETTLED, "settled", rows);
  batch.add(keyed.DELETE_OPERATIONS_OF_COMPLETED, "ends", runs.filter(isFinal).map(fenceOf));
}
