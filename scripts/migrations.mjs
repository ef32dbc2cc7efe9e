// Compiles migrations/*.sql into src/log/libsql/migrations.ts. With --check: fails if the module is not up to date.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const SOURCE = new URL("../migrations/", import.meta.url);
const TARGET = new URL("../src/log/libsql/migrations.ts", import.meta.url);
const SEPARATOR = /^--> statement$/m;

function compile(file) {
  const text = readFileSync(new URL(file, SOURCE), "utf8");
  const statements = text
    .split(SEPARATOR)
    .map((statement) =>
      statement
        .replace(/^--.*$/gm, "")
        .trim()
        .replace(/;$/, ""),
    )
    .filter((statement) => statement !== "");
  const hash = createHash("sha256").update(statements.join(";\n")).digest("hex");
  const lines = statements.map((statement) => `      ${JSON.stringify(statement)},\n`);
  return `  {\n    name: ${JSON.stringify(file.replace(/\.sql$/, ""))},\n    hash: "${hash}",\n    statements: [\n${lines.join("")}    ],\n  },\n`;
}

const files = readdirSync(SOURCE)
  .filter((file) => file.endsWith(".sql"))
  .sort();
const module = `/** Compiled from \`migrations/\` by \`npm run migrations\`. Do not edit. */

/** One numbered migration. */
export interface Migration {
  readonly name: string;
  /** SHA-256 of the statements. */
  readonly hash: string;
  readonly statements: readonly string[];
}

export const MIGRATIONS: readonly Migration[] = [
${files.map(compile).join("")}];
`;

if (process.argv.includes("--check")) {
  if (readFileSync(TARGET, "utf8") !== module) {
    console.error("src/log/libsql/migrations.ts is not what migrations/ says: run `npm run migrations`");
    process.exit(1);
  }
} else {
  writeFileSync(TARGET, module);
}
