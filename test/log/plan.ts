/** How a statement goes through its tables. */
import { createClient } from "@libsql/client";

/** In order: `alias:index`. Explained on a client that is thrown away: afterwards it could not commit. */
export async function plan(path: string, sql: string): Promise<string> {
  const client = createClient({ url: `file:${path}` });
  const text = sql.replaceAll("NOW", ":now");
  const args = Object.fromEntries([...text.matchAll(/:([a-zA-Z]+)\b/g)].map(([, name]) => [name, "[]"]));
  const { rows } = await client.execute({ sql: `EXPLAIN QUERY PLAN ${text}`, args: { ...args, limit: 5 } });
  client.close();
  return rows.flatMap((row) => access(String(row.detail))).join(" ");
}

function access(detail: string): string[] {
  const [, alias, how = ""] = /^(?:SCAN|SEARCH) (\w+)(?: (.*))?$/.exec(detail) ?? [];
  if (alias === undefined || alias === "CONSTANT") return [];
  if (how.startsWith("VIRTUAL TABLE")) return [`${alias}:json`];
  if (/PRIMARY KEY|sqlite_autoindex/.test(how)) return [`${alias}:primary`];
  return [`${alias}:${/USING (?:COVERING )?INDEX (\w+)/.exec(how)?.[1] ?? "all"}`];
}
