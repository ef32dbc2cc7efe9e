/** The batch of one write: its statements, where in it the answers are, and how what it is fed is written as JSON. */
import type { ResultSet, Row } from "@libsql/client";
import { namedQueue } from "../../kernel/pool.ts";
import { isTerminalStatus } from "../../kernel/state.ts";
import type { InboxMessage } from "../port-inbox.ts";
import type { AppendedEvent, RunAppend, RunStart } from "../port-write.ts";
import type { Args, Bound } from "./database.ts";
import { limitsText } from "./limits-text.ts";

type Answer = "parks" | "starts" | "refused" | "messages";

/** Collects statements, leaving out those that would have nothing to do, and remembers where the answers are. */
export class Batch {
  readonly statements: Bound[] = [];
  /** Statements that move runs' rows, and how many rows each was given. */
  readonly moves: { readonly index: number; readonly rows: number }[] = [];
  readonly #answers = new Map<Answer, number>();

  add(statement: string, name: string, rows: readonly unknown[], more?: Args): void {
    if (rows.length > 0) this.statements.push({ sql: statement, args: { ...more, [name]: JSON.stringify(rows) } });
  }

  move(statement: string, name: string, rows: readonly unknown[], more?: Args): void {
    if (rows.length > 0) this.moves.push({ index: this.statements.length, rows: rows.length });
    this.add(statement, name, rows, more);
  }

  ask(answer: Answer, statement: string, name: string, rows: readonly unknown[]): void {
    if (rows.length > 0) this.#answers.set(answer, this.statements.length);
    this.add(statement, name, rows);
  }

  rowsOf(answer: Answer, results: readonly ResultSet[]): readonly Row[] {
    const index = this.#answers.get(answer);
    return index === undefined ? [] : (results[index]?.rows ?? []);
  }
}

/** What the fence of a run's part compares. */
export function fenceOf({ runId, epoch, firstSeq }: RunAppend): [string, number, number] {
  return [runId, epoch, firstSeq];
}

/** Whether the run is over with this part. */
export function isEnd({ row }: RunAppend): boolean {
  return row.kind === "move" && isTerminalStatus(row.status);
}

export function eventValues({ type, v, key, scope, attempt, at, data }: AppendedEvent): unknown[] {
  return [type, v, key, scope, attempt, at, data];
}

/** What a start's row says of its limits: they, when it gets in line, its queue. */
export function limitsRow({ limits }: RunStart): [string | null, number | null, string | null] {
  if (limits === null) return [null, null, null];
  const { places, lineAt } = limits;
  return [limitsText(places), lineAt, namedQueue(places)];
}

/** What starts take of buckets, and in what order. `isChild`: none is refused. */
export function takeRows(starts: readonly RunStart[], isChild: boolean): unknown[] {
  return starts.flatMap(({ runId, limits }) =>
    (limits?.takes ?? []).map(({ bucket, intervalMs, aheadMs, delays }) => [
      ...[runId, bucket, intervalMs, aheadMs],
      isChild || delays ? 1 : 0,
    ]),
  );
}

export function messageRow({ runId, token, kind, data, at }: InboxMessage): unknown[] {
  return [runId, token, kind, data, at];
}
