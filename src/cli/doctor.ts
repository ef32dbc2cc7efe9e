/** `varve doctor`: runs every check and prints what it found, and what to do. */
import type { Command } from "commander";
import { isVarveError } from "../kernel/errors.ts";
import { readOptions } from "./access.ts";
import { type Finding, LOG_CHECKS, type LogToExamine, SURROUNDINGS } from "./doctor-checks.ts";
import { EXIT } from "./exit-codes.ts";
import { type Output, plain } from "./output.ts";
import { liveOwner, readOwnerRecord } from "./owner-record.ts";
import { action, type Call, type Target, verb, withDatabase } from "./verb.ts";

const HELP = `
Looks at this Node, the database file, what keeps it, and the runs in it. Reads only. Exit code 1 if there is a problem.
--json prints { problems, findings: [{ check, level: "ok" | "note" | "problem", found, advice }] }.

Example:
  varve doctor --db file:/var/lib/app/varve.db`;

export function doctorVerb(): Command {
  return withDatabase(verb("doctor", "Looks for what is wrong, and says what to do"))
    .addHelpText("after", HELP)
    .action(action(doctor));
}

async function doctor({ output, target }: Call<object>): Promise<number> {
  const findings: Finding[] = [];
  for (const check of SURROUNDINGS) findings.push(...(await check()));
  findings.push(...(await examineDatabase(target)));
  const problems = findings.filter(({ level }) => level === "problem").length;
  if (output.json) output.document({ problems, findings });
  else for (const finding of findings) print(output, finding);
  return problems === 0 ? EXIT.ok : EXIT.failed;
}

/** A database that cannot be read is a finding too. */
async function examineDatabase(target: Target): Promise<Finding[]> {
  try {
    const log = await examined(target);
    return LOG_CHECKS.flatMap((check) => check(log));
  } catch (error) {
    if (!isVarveError(error)) throw error;
    const { code, message } = error;
    // Nothing there yet is how everybody begins.
    const level = code === "DATABASE_NOT_FOUND" ? "note" : "problem";
    return [{ check: "database", level, found: `${message} [${code}]`, advice: null }];
  }
}

async function examined(target: Target): Promise<LogToExamine> {
  const { databasePath, inspectDatabase, isOwned, openReadOnly } = await import("../runtime/read-only.ts");
  const path = databasePath(target.db);
  const options = readOptions(target);
  const database = await inspectDatabase(options);
  const reader = await openReadOnly(options);
  try {
    return {
      path,
      database,
      log: await reader.facts(),
      clock: Date.now(),
      stuck: (await reader.engine.list({ status: "stuck", limit: 10 })).runs,
      isOwned: path !== null && (await isOwned(path)),
      ownerRecord: path === null ? null : readOwnerRecord(path),
      liveOwner: path === null ? null : await liveOwner(path),
    };
  } finally {
    await reader.close();
  }
}

const MARKS = { ok: "✓", note: "·", problem: "✗" } as const;

function print(output: Output, { check, level, found, advice }: Finding): void {
  const { colors } = output;
  const paint = { ok: colors.green, note: colors.yellow, problem: colors.red }[level];
  output.line(`${paint(MARKS[level])} ${check.padEnd(14)} ${plain(found)}`);
  if (advice !== null) output.line(`${" ".repeat(17)}${colors.dim(plain(advice))}`);
}
