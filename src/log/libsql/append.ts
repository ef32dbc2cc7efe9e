/**
 * One write of the log: a batch whose parts are all fenced, and the verdict on it.
 *
 * The verdict costs nothing when all is well: as many rows were moved as were sent, so every run is written. Only if one is
 * missing, because it is somebody else's or was written by an earlier try, are the runs' rows read again.
 */
import type { ResultSet, Row } from "@libsql/client";
import type { MessageVerdict } from "../port-inbox.ts";
import type { LogWrite, RunAppend, RunHead, RunStart, WriteVerdict } from "../port-write.ts";
import { Batch, eventValues, fenceOf, isEnd, limitsRow, messageRow, takeRows } from "./batch.ts";
import { addChildren, addEndings, addLeavings, addSettled, addTells, reachesOut } from "./beyond.ts";
import type { Database, DatabaseKind } from "./database.ts";
import { deliveryArgs } from "./deliveries.ts";
import { eventBlocks } from "./event-blocks.ts";
import { addWaitsOfEnded } from "./messages.ts";
import * as sql from "./statements.ts";
import { INSERT_STARTED } from "./statements-deliveries.ts";
import { READ_REFUSED, TAKE_TOKENS } from "./statements-places.ts";

/** Stores `write`. See `LogStore.append`. */
export async function append(db: Database, write: LogWrite): Promise<WriteVerdict> {
  const batch = new Batch();
  const outward = write.runs.filter(reachesOut);
  addStarts(batch, write.starts);
  addChildren(batch, outward);
  addAppends(batch, write.runs, db.kind);
  addMessages(batch, write.messages);
  addTells(batch, outward);
  addEndings(batch, outward);
  addLeavings(batch, outward);
  addSettled(batch, outward);
  addWaitsOfEnded(batch, outward);
  addDeletes(batch, write.runs);
  addRows(batch, write.runs);
  addQuestions(batch, write);
  const results = await db.write(batch.statements);
  const isWhole = batch.moves.every(({ index, rows }) => results[index]?.rowsAffected === rows);
  const heads = isWhole ? writtenHeads(write, batch.rowsOf("parks", results)) : await readHeads(db, write);
  return { runs: heads, ...answers(results, batch, write) };
}

function startRow(start: RunStart): unknown[] {
  const { runId, workflow, version, idempotencyKey, createdAt, deadlineAt, owner, parentId } = start;
  const tags = JSON.stringify(start.tags);
  const epoch = owner === null ? 0 : 1;
  const row = [runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, owner, epoch, parentId];
  return [...row, ...limitsRow(start), start.limits?.singleton ?? null];
}

function addStarts(batch: Batch, starts: readonly RunStart[]): void {
  batch.add(sql.INSERT_RUNS, "starts", starts.filter((start) => start.delivery === null).map(startRow));
  batch.add(
    TAKE_TOKENS,
    "takes",
    takeRows(
      starts.filter((start) => start.delivery === null),
      false,
    ),
  );
  // One by one: of two starts by one delivery the second must find what the first has left.
  for (const start of starts) {
    if (start.delivery === null) continue;
    const { runId, workflow, idempotencyKey: key, delivery } = start;
    const { hook, deliveryId, replay } = delivery;
    batch.add(sql.INSERT_DELIVERED_RUN, "starts", [startRow(start)], { hook, deliveryId, replay });
    batch.add(TAKE_TOKENS, "takes", takeRows([start], false));
    batch.statements.push({ sql: INSERT_STARTED, args: { ...deliveryArgs(delivery), runId, workflow, key } });
  }
}

function addAppends(batch: Batch, runs: readonly RunAppend[], kind: DatabaseKind): void {
  if (kind === "owned-file") {
    batch.statements.push(...eventBlocks(runs));
    return;
  }
  const appends: unknown[] = [];
  for (const { runId, epoch, firstSeq, events } of runs) {
    if (events.length === 0) continue;
    appends.push([runId, epoch, firstSeq, events.map(eventValues)]);
  }
  batch.add(sql.INSERT_EVENTS, "appends", appends);
}

function addMessages(batch: Batch, messages: LogWrite["messages"]): void {
  const rows = messages.map(messageRow);
  batch.add(sql.INSERT_MESSAGES, "messages", rows);
  batch.add(sql.WAKE_FOR_MESSAGES, "messages", rows);
}

function addDeletes(batch: Batch, runs: readonly RunAppend[]): void {
  const drains = runs.filter((run) => run.drained.length > 0);
  batch.add(
    sql.DELETE_DRAINED,
    "drains",
    drains.map((run) => [...fenceOf(run), run.drained]),
  );
  batch.add(sql.DELETE_MAIL_OF_ENDED, "ends", runs.filter(isEnd).map(fenceOf));
}

function addRows(batch: Batch, runs: readonly RunAppend[]): void {
  const moves: unknown[] = [];
  const parks: unknown[] = [];
  const limited: unknown[] = [];
  for (const run of runs) {
    const { runId, epoch, firstSeq, events, row } = run;
    if (row.kind === "advance") continue;
    const { status, availableAt, release, result, startedAt, endedAt, stuck, unclean } = row;
    const head = [runId, epoch, firstSeq, firstSeq + events.length - 1, unclean];
    const move = [...head, status, availableAt, release ? 1 : 0, result, startedAt, endedAt, stuck];
    (isPark(run) ? (run.beyond?.places === "yield" ? limited : parks) : moves).push(move);
  }
  addAdvances(batch, runs);
  batch.move(sql.MOVE_RUNS, "moves", moves);
  batch.move(sql.PARK_RUNS, "moves", parks);
  batch.move(sql.PARK_LIMITED_RUNS, "moves", limited);
}

function addAdvances(batch: Batch, runs: readonly RunAppend[]): void {
  // By when they were started; null: as it is. One number for the rest, because most writes have one group only.
  const groups = new Map<number | null, Map<number, unknown[]>>();
  for (const { runId, epoch, firstSeq, events, row } of runs) {
    if (row.kind !== "advance") continue;
    const byChange = groups.get(row.startedAt) ?? new Map<number, unknown[]>();
    groups.set(row.startedAt, byChange);
    const change = events.length * 2 + (row.unclean === "reset" ? 1 : 0);
    const advances = byChange.get(change);
    if (advances === undefined) byChange.set(change, [[runId, epoch, firstSeq]]);
    else advances.push([runId, epoch, firstSeq]);
  }
  for (const [startedAt, byChange] of groups) {
    for (const [change, advances] of byChange)
      batch.move(sql.ADVANCE_RUNS, "advances", advances, { startedAt, count: change >> 1, reset: change & 1 });
  }
}

function addQuestions(batch: Batch, write: LogWrite): void {
  // Mail decides when a run that would wait or be paused goes on.
  const parks = write.runs.filter(isPark).map(({ runId }) => runId);
  batch.ask("parks", sql.READ_HEADS, "ids", parks);
  // Without a key, and without a delivery, no other run can be in its place.
  batch.ask("starts", sql.READ_STARTS, "starts", write.starts.filter(mayBeAnother).map(startRow));
  batch.ask("refused", READ_REFUSED, "takes", takeRows(write.starts, false));
  batch.ask(
    "messages",
    sql.READ_MESSAGES,
    "messages",
    write.messages.map(({ runId, token }) => [runId, token]),
  );
}

function mayBeAnother({ idempotencyKey, delivery, limits }: RunStart): boolean {
  if (idempotencyKey !== null || delivery !== null) return true;
  return limits !== null && (limits.singleton !== null || limits.takes.length > 0);
}

function isPark({ row }: RunAppend): boolean {
  return row.kind === "move" && (row.status === "waiting" || row.status === "paused");
}

/** What the rows are after a write that was taken whole. */
function writtenHeads(write: LogWrite, parks: readonly Row[]): Map<string, RunHead> {
  const heads = new Map(write.runs.map(writtenHead));
  for (const [runId, head] of parks.flatMap(headsOf)) heads.set(runId, head);
  return heads;
}

function writtenHead({ runId, epoch, firstSeq, events, row }: RunAppend): [string, RunHead] {
  const availableAt = row.kind === "move" ? row.availableAt : null;
  return [runId, { epoch, head: firstSeq + events.length - 1, availableAt }];
}

async function readHeads(db: Database, write: LogWrite): Promise<Map<string, RunHead>> {
  const ids = JSON.stringify(write.runs.map(({ runId }) => runId));
  return new Map((await db.one(sql.READ_HEADS, { ids })).flatMap(headsOf));
}

function answers(
  results: readonly ResultSet[],
  batch: Batch,
  write: LogWrite,
): Pick<WriteVerdict, "starts" | "refused" | "messages"> {
  const starts = new Map(write.starts.map(({ runId }) => [runId, runId]));
  for (const row of batch.rowsOf("starts", results)) {
    if (row.actual === null) starts.delete(row.asked as string);
    else starts.set(row.asked as string, row.actual as string);
  }
  const refused = batch.rowsOf("refused", results);
  const messages = batch.rowsOf("messages", results);
  return {
    starts,
    refused: new Map(refused.map((row) => [row.asked as string, Math.ceil(Number(row.retry_at))])),
    messages: new Map(messages.map((row) => [row.token as string, row.verdict as MessageVerdict])),
  };
}

function headsOf(row: Row): [string, RunHead][] {
  const heads = JSON.parse(row.heads as string) as [string, number, number, number | null][];
  return heads.map(([id, epoch, head, availableAt]) => [id, { epoch, head, availableAt }]);
}
