/** One write of the log: a batch whose parts are all fenced, and the verdict that ends it. */
import type { ResultSet, Row } from "@libsql/client";
import { assert } from "../../kernel/assert.ts";
import { isTerminalStatus } from "../../kernel/state.ts";
import type { LogWrite, MessageVerdict, RunAppend, RunHead, RunStart, WriteVerdict } from "../port.ts";
import type { Bound, Database } from "./database.ts";
import * as sql from "./statements.ts";

/** Stores `write`. See `LogStore.append`. */
export async function append(db: Database, write: LogWrite): Promise<WriteVerdict> {
  const batch = new Batch();
  addStarts(batch, write.starts);
  addAppends(batch, write.runs);
  addMessages(batch, write.messages);
  addDeletes(batch, write.runs);
  addRows(batch, write.runs);
  addVerdicts(batch, write);
  const results = await db.write(batch.statements);
  return verdict(results, batch, write);
}

/** Collects statements, leaving out those that would have nothing to do, and remembers where the answers are. */
class Batch {
  readonly statements: Bound[] = [];
  readonly answers = new Map<"heads" | "starts" | "messages", number>();

  add(statement: string, name: string, rows: readonly unknown[]): void {
    if (rows.length > 0) this.statements.push({ sql: statement, args: { [name]: JSON.stringify(rows) } });
  }

  ask(answer: "heads" | "starts" | "messages", statement: string, name: string, rows: readonly unknown[]): void {
    if (rows.length > 0) this.answers.set(answer, this.statements.length);
    this.add(statement, name, rows);
  }
}

function startRow(start: RunStart): unknown[] {
  const { runId, workflow, version, idempotencyKey, createdAt, deadlineAt, owner } = start;
  const tags = JSON.stringify(start.tags);
  return [runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, owner, owner === null ? 0 : 1];
}

function addStarts(batch: Batch, starts: readonly RunStart[]): void {
  batch.add(sql.INSERT_RUNS, "starts", starts.map(startRow));
  for (const { runId, workflow, idempotencyKey, delivery } of starts) {
    if (delivery === null) continue;
    const { hook, deliveryId, receivedAt, body } = delivery;
    const headers = JSON.stringify(delivery.headers);
    batch.statements.push({
      sql: sql.INSERT_DELIVERY,
      args: { hook, deliveryId, receivedAt, headers, body, runId, workflow, key: idempotencyKey },
    });
  }
}

function addAppends(batch: Batch, runs: readonly RunAppend[]): void {
  const appends: unknown[] = [];
  for (const { runId, epoch, firstSeq, events } of runs) {
    if (events.length === 0) continue;
    const rows = events.map((event) => [
      event.type,
      event.v,
      event.key,
      event.scope,
      event.attempt,
      event.at,
      event.data,
    ]);
    appends.push([runId, epoch, firstSeq, rows]);
  }
  batch.add(sql.INSERT_EVENTS, "appends", appends);
}

function addMessages(batch: Batch, messages: LogWrite["messages"]): void {
  const rows = messages.map(({ runId, token, kind, data, at }) => [runId, token, kind, data, at]);
  batch.add(sql.INSERT_MESSAGES, "messages", rows);
  batch.add(sql.WAKE_FOR_MESSAGES, "messages", rows);
}

function addDeletes(batch: Batch, runs: readonly RunAppend[]): void {
  const drains = runs.filter((run) => run.drained.length > 0);
  batch.add(
    sql.DELETE_DRAINED,
    "drains",
    drains.map((run) => [run.runId, run.epoch, run.firstSeq, run.drained]),
  );
  const ends = runs.filter((run) => run.row.kind === "move" && isTerminalStatus(run.row.status));
  batch.add(
    sql.DELETE_MAIL_OF_ENDED,
    "ends",
    ends.map((run) => [run.runId, run.epoch, run.firstSeq]),
  );
}

function addRows(batch: Batch, runs: readonly RunAppend[]): void {
  const advances: unknown[] = [];
  const moves: unknown[] = [];
  const parks: unknown[] = [];
  for (const { runId, epoch, firstSeq, events, row } of runs) {
    const head = [runId, epoch, firstSeq, firstSeq + events.length - 1, row.unclean];
    if (row.kind === "advance") {
      advances.push(head);
      continue;
    }
    const { status, availableAt, release, result, startedAt, endedAt, stuck } = row;
    const move = [...head, status, availableAt, release ? 1 : 0, result, startedAt, endedAt, stuck];
    (status === "waiting" ? parks : moves).push(move);
  }
  batch.add(sql.ADVANCE_RUNS, "advances", advances);
  batch.add(sql.MOVE_RUNS, "moves", moves);
  batch.add(sql.PARK_RUNS, "moves", parks);
}

function addVerdicts(batch: Batch, write: LogWrite): void {
  batch.ask(
    "heads",
    sql.READ_HEADS,
    "ids",
    write.runs.map((run) => run.runId),
  );
  // Without an idempotency key no other run can be in its place.
  batch.ask("starts", sql.READ_STARTS, "starts", write.starts.filter(isKeyed).map(startRow));
  batch.ask(
    "messages",
    sql.READ_MESSAGES,
    "messages",
    write.messages.map(({ runId, token }) => [runId, token]),
  );
}

function isKeyed(start: RunStart): boolean {
  return start.idempotencyKey !== null;
}

function verdict(results: readonly ResultSet[], batch: Batch, write: LogWrite): WriteVerdict {
  const rowsOf = (answer: "heads" | "starts" | "messages") => {
    const index = batch.answers.get(answer);
    return index === undefined ? [] : (results[index]?.rows ?? []);
  };
  const starts = new Map(write.starts.map(({ runId }) => [runId, runId]));
  for (const row of rowsOf("starts")) {
    assert(row.actual !== null, "a start left neither its run nor another under its key");
    starts.set(row.asked as string, row.actual as string);
  }
  return {
    runs: new Map(rowsOf("heads").flatMap(headsOf)),
    starts,
    messages: new Map(rowsOf("messages").map((row) => [row.token as string, row.verdict as MessageVerdict])),
  };
}

function headsOf(row: Row): [string, RunHead][] {
  const heads = JSON.parse(row.heads as string) as [string, number, number, number | null][];
  return heads.map(([id, epoch, head, availableAt]) => [id, { epoch, head, availableAt }]);
}
