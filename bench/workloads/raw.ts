/**
 * The ceiling: the chain's own rows, written into a table of the same columns and indexes by one `json_each` statement a
 * commit. Nothing else is done: even the text is prepared.
 */
import { type Client, createClient } from "@libsql/client";
import type { ChainShape } from "../figures.ts";
import type { Session } from "../session.ts";
import type { Sizes } from "../sizes.ts";
import { databaseFile } from "./setup.ts";

const INSERT = `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
  j.value ->> 8, j.value ->> 9
FROM json_each(?) j`;

type Row = (string | number | null)[];

/** A part is as many rows as a pass of the chain, in commits as large as the engine's were: rows a second. */
export async function openRaw(folder: string, shape: ChainShape, { warmUps }: Sizes["chain"]): Promise<Session> {
  const { client, rows } = await openTable(databaseFile(folder, "raw"), shape);
  const perCommit = Math.max(1, Math.round(shape.eventsPerCommit));
  let pass = 0;
  const part = async () => {
    const seconds = await write(client, renamed(rows, pass++), perCommit);
    return rows.length / seconds.reduce((sum, each) => sum + each, 0);
  };
  while (pass < warmUps) await part();
  return { opening: null, part, close: async () => client.close() };
}

/** A part is `count` commits of a single row: the seconds that each took. */
export async function openSingles(
  folder: string,
  shape: ChainShape,
  { runsPerPart: count, warmUps }: Sizes["latency"],
): Promise<Session> {
  const { client, rows } = await openTable(databaseFile(folder, "singles"), shape);
  let part = 0;
  const measure = () => write(client, renamed(rows, part++).slice(0, count), 1);
  // Until the write-ahead log has grown to its size: a commit that makes the file longer is dearer.
  for (let commits = 0; commits < warmUps; commits += count) await measure();
  return { opening: null, part: measure, close: async () => client.close() };
}

async function openTable(file: string, shape: ChainShape): Promise<{ client: Client; rows: Row[] }> {
  const { rows, schema } = await readChain(shape);
  const client = createClient({ url: `file:${file}`, concurrency: 1 });
  await client.execute("PRAGMA journal_mode = WAL");
  await client.execute("PRAGMA synchronous = FULL");
  for (const statement of schema) await client.execute(statement);
  return { client, rows };
}

/** The rows of one pass of the chain, the last, and what makes their table. */
async function readChain({ database, eventsPerPass }: ChainShape): Promise<{ rows: Row[]; schema: string[] }> {
  const client = createClient({ url: `file:${database}` });
  const tables = await client.execute("SELECT sql FROM sqlite_schema WHERE tbl_name = 'events' AND sql IS NOT NULL");
  const events = await client.execute({
    sql: "SELECT run_id, seq, epoch, type, v, key, scope, attempt, at, data FROM events ORDER BY position DESC LIMIT ?",
    args: [eventsPerPass],
  });
  client.close();
  return {
    schema: tables.rows.map((row) => row.sql as string),
    rows: events.rows.map((row) => Array.from(row as ArrayLike<Row[number]>)).reverse(),
  };
}

/** The same rows of other runs, whose ids are as long and sort after those of the parts before. */
function renamed(rows: readonly Row[], part: number): Row[] {
  const prefix = `part_${String(part).padStart(5, "0")}`;
  return rows.map(([runId, ...rest]) => [`${prefix}${String(runId).slice(prefix.length)}`, ...rest]);
}

/** Writes `rows`, and returns the seconds that each commit took. */
async function write(client: Client, rows: readonly Row[], perCommit: number): Promise<number[]> {
  const texts: string[] = [];
  for (let from = 0; from < rows.length; from += perCommit) {
    texts.push(JSON.stringify(rows.slice(from, from + perCommit)));
  }
  const seconds: number[] = [];
  for (const text of texts) {
    const beganAt = performance.now();
    await client.execute({ sql: INSERT, args: [text] });
    seconds.push((performance.now() - beganAt) / 1_000);
  }
  return seconds;
}
