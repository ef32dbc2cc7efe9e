/**
 * Events for a file whose client keeps its prepared statements: rows of bound values in blocks of a few sizes.
 *
 * Two fifths of the time of `INSERT_EVENTS` are JSON, each value of which SQLite writes, reads and looks up again. Bound
 * values of 200 rows a statement cost a quarter less, their text included, but only where the statement, which is long,
 * is not prepared anew for each commit, and where it does not travel: on the way to a server a bound value takes three
 * times the bytes.
 */
import type { AppendedEvent, RunAppend } from "../port-write.ts";
import type { Bound } from "./database.ts";

/** How many rows a statement takes, the largest first: any count is made of them. */
const BLOCK_ROWS = [64, 16, 4, 1] as const;

/** The values of a row: run id, epoch, first seq of the write, seq, type, v, key, scope, attempt, at, data. */
const ROW_VALUES = 11;
const ROW = `(${Array(ROW_VALUES).fill("?").join(",")})`;

/** Appends so many events under the fence (rule R2), in the order given, each by its run's primary key. */
const insertRows = (rows: number): string => `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT r.id, e.column4, r.epoch, e.column5, e.column6, e.column7, e.column8, e.column9, e.column10, e.column11
FROM (VALUES ${Array(rows).fill(ROW).join(",")}) e
CROSS JOIN runs r ON r.id = e.column1 AND r.epoch = e.column2 AND r.head = e.column3 - 1`;

/** The statement for each size. */
export const EVENT_BLOCKS: readonly { readonly rows: number; readonly sql: string }[] = BLOCK_ROWS.map((rows) => ({
  rows,
  sql: insertRows(rows),
}));

type Value = string | number | null;

/** The events of `runs`, in their order. */
export function eventBlocks(runs: readonly RunAppend[]): Bound[] {
  let left = runs.reduce((sum, { events }) => sum + events.length, 0);
  const blocks: (Bound & { readonly args: Value[] })[] = [];
  for (const { rows, sql } of EVENT_BLOCKS) {
    for (; left >= rows; left -= rows) blocks.push({ sql, args: new Array(rows * ROW_VALUES) });
  }
  fill(
    blocks.map(({ args }) => args),
    runs,
  );
  return blocks;
}

/** Puts the rows' values into `blocks`, which are as long together. */
function fill(blocks: readonly Value[][], runs: readonly RunAppend[]): void {
  let block = 0;
  let args = blocks[0] as Value[];
  let i = 0;
  for (const { runId, epoch, firstSeq, events } of runs) {
    for (let e = 0; e < events.length; e++) {
      const { type, v, key, scope, attempt, at, data } = events[e] as AppendedEvent;
      if (i === args.length) {
        args = blocks[++block] as Value[];
        i = 0;
      }
      args[i++] = runId;
      args[i++] = epoch;
      args[i++] = firstSeq;
      args[i++] = firstSeq + e;
      args[i++] = type;
      args[i++] = v;
      args[i++] = key;
      args[i++] = scope;
      args[i++] = attempt;
      args[i++] = at;
      args[i++] = data;
    }
  }
}
