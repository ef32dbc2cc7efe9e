/**
 * The ceiling: the chain's own rows, written into a table of the same columns and indexes by one `json_each` statement a
 * commit, as many rows in each as the engine had events in a commit. Nothing else is done: even the text is prepared.
 */
import { type Client, createClient } from "@libsql/client";
import type { ChainShape, RawFigures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../stats.ts";
import { databaseFile } from "./setup.ts";

const INSERT = `
INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
  j.value ->> 8, j.value ->> 9
FROM json_each(?) j`;

type Row = (string | number | null)[];

export async function measureRaw(
  folder: string,
  shape: ChainShape,
  chain: Sizes["chain"],
  singleRows: number,
): Promise<RawFigures> {
  const { rows, schema } = await readChain(shape);
  const client = createClient({ url: `file:${databaseFile(folder, "raw")}`, concurrency: 1 });
  await client.execute("PRAGMA journal_mode = WAL");
  await client.execute("PRAGMA synchronous = FULL");
  for (const statement of schema) await client.execute(statement);
  const perCommit = Math.max(1, Math.round(shape.eventsPerCommit));
  const passes: number[] = [];
  for (let pass = 0; pass < chain.warmUps + chain.passes; pass++) {
    const seconds = await write(client, renamed(rows, `pass-${pass}`), perCommit);
    if (pass >= chain.warmUps) passes.push(rows.length / seconds.reduce((sum, each) => sum + each, 0));
  }
  const singles = await write(client, renamed(rows, "singles").slice(0, singleRows), 1);
  client.close();
  return { rowsPerSecond: median(passes), commitMs: median(singles) * 1_000 };
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

/** The same rows of other runs, whose ids are as long and sort after the earlier ones. */
function renamed(rows: readonly Row[], pass: string): Row[] {
  return rows.map(([runId, ...rest]) => [`${pass}${String(runId).slice(pass.length)}`, ...rest]);
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
