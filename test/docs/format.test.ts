import { readFileSync } from "node:fs";
import { createClient } from "@libsql/client";
import { expect, it } from "vitest";
import { EVENT_TYPES } from "../../src/kernel/events.ts";
import { INVARIANTS } from "../../src/kernel/invariants.ts";
import { MIGRATIONS } from "../../src/log/libsql/migrations.ts";
import { ROOT } from "../runtimes/bundle.ts";

const format = readFileSync(`${ROOT}docs/FORMAT.md`, "utf8");

/** The cells of the table rows that begin with a name in backquotes. */
function rowsOf(heading: string): string[][] {
  const section = format.slice(format.indexOf(heading)).split(/\n#+ /)[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

const named = (heading: string) => rowsOf(heading).map(([, name]) => name?.replaceAll("`", ""));

it("docs/FORMAT.md lists every type of event", () => {
  expect(named("## Events").sort()).toEqual([...EVENT_TYPES].sort());
});

it("docs/FORMAT.md lists every rule of a history, in its words", () => {
  const rules = rowsOf("## What every history keeps").map(([, name, rule]) => [name?.replaceAll("`", ""), rule]);
  expect(rules).toEqual(INVARIANTS.map(({ name, rule }) => [name, rule]));
});

it("docs/FORMAT.md lists every table, and every view with its columns", async () => {
  const client = createClient({ url: "file::memory:", concurrency: 1 });
  await client.batch(
    MIGRATIONS.flatMap(({ statements }) => [...statements]),
    "write",
  );
  const found = await client.execute(
    "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name",
  );
  const names = (type: string) => found.rows.filter((row) => row["type"] === type).map((row) => String(row["name"]));
  expect(named("## Tables").sort()).toEqual([...names("table"), "varve_migrations"].sort());
  for (const view of names("view")) {
    const { columns } = await client.execute(`SELECT * FROM ${view} LIMIT 0`);
    const [, , , listed = ""] = rowsOf("## Views").find(([, name]) => name === `\`${view}\``) ?? [];
    expect(/`([^`]+)`/.exec(listed)?.[1]?.split(" ")).toEqual(columns);
  }
  client.close();
});
