/** `varve db migrate|status|verify` */
import type { Command } from "commander";
import { RUN_STATUSES } from "../kernel/state.ts";
import { shownAddress } from "../kernel/text.ts";
import type { DatabaseFacts } from "../runtime/read-only.ts";
import { openEngine, readOptions } from "./access.ts";
import { EXIT } from "./exit-codes.ts";
import { plain } from "./output.ts";
import { liveOwner } from "./owner-record.ts";
import { bytesText, instantText } from "./time-text.ts";
import { action, type Call, group, type Target, verb, withDatabase, withShared } from "./verb.ts";

const MIGRATE_HELP = `
Makes the database if there is none, and brings its schema up to date. An engine does the same when it opens.
--json prints { db, applied: [name], migrations: [{ name, appliedAt }] }.`;

const STATUS_HELP = `
Reads only, also while another process owns the file.
--json prints { db, sqliteVersion, journalMode, bytes, migrations, isCurrent, owner: { isHeld, server }, log }: log is
null without the current schema, else { now, runs: { <status>: count }, events, inbox, deliveries, workers, ... }.`;

const VERIFY_HELP = `
Checks the file (integrity_check), holds every history to the rules of the log, and rebuilds from the events what is
derived from them: it must be equal. Reads only, also while others write. Exit code 1 if something is wrong.
--json prints { equal, integrity, runs, events, deliveries, differences, violations, unnamed, unsettled }.`;

export function dbVerb(): Command {
  return group("db", "Migrates, describes and verifies a database", [
    withShared(withDatabase(verb("migrate", "Brings the schema up to date")))
      .addHelpText("after", MIGRATE_HELP)
      .action(action(migrateDatabase)),
    withDatabase(verb("status", "Describes the database: schema, counts, size, journal, owner"))
      .addHelpText("after", STATUS_HELP)
      .action(action(showStatus)),
    withDatabase(verb("verify", "Checks that everything derived is what the events say"))
      .addHelpText("after", VERIFY_HELP)
      .action(action(verifyDatabase)),
  ]);
}

async function migrateDatabase({ output, target }: Call<object>): Promise<number> {
  const before = new Set((await appliedMigrations(target)).map(({ name }) => name));
  await (await openEngine(target, { works: false })).close();
  const migrations = await appliedMigrations(target);
  const applied = migrations.map(({ name }) => name).filter((name) => !before.has(name));
  if (output.json) output.document({ db: shownAddress(target.db), applied, migrations });
  else if (applied.length === 0) output.line(`${shownAddress(target.db)} is up to date`);
  else output.line(`${shownAddress(target.db)}: applied ${applied.join(", ")}`);
  return EXIT.ok;
}

async function appliedMigrations(target: Target): Promise<DatabaseFacts["migrations"]> {
  const { databaseExists, inspectDatabase } = await import("../runtime/read-only.ts");
  if (!databaseExists(target.db)) return [];
  const { migrations } = await inspectDatabase(readOptions(target));
  return migrations.filter(({ appliedAt }) => appliedAt !== null);
}

async function showStatus({ output, target }: Call<object>): Promise<number> {
  const { inspectDatabase, openReadOnly } = await import("../runtime/read-only.ts");
  const facts = await inspectDatabase(readOptions(target));
  const isCurrent = facts.migrations.every(({ appliedAt }) => appliedAt !== null);
  const reader = isCurrent ? await openReadOnly(readOptions(target)) : null;
  const log = (await reader?.facts()) ?? null;
  await reader?.close();
  const owner = await ownerOf(target);
  if (output.json) {
    output.document({ db: shownAddress(target.db), ...facts, isCurrent, owner, log });
    return EXIT.ok;
  }
  const pending = facts.migrations.filter(({ appliedAt }) => appliedAt === null).map(({ name }) => name);
  const server =
    owner.server === null ? "by a process that serves no HTTP" : `by ${owner.server.url}, pid ${owner.server.pid}`;
  const lines: [string, string][] = [
    ["database", shownAddress(target.db)],
    ["sqlite", facts.sqliteVersion ?? ""],
    ["journal", facts.journalMode ?? ""],
    ["size", facts.bytes === null ? "" : bytesText(facts.bytes)],
    ["schema", isCurrent ? "current" : `lacks ${pending.join(", ")}: varve db migrate`],
    ["owned", owner.isHeld ? server : "by nobody"],
  ];
  if (log !== null) {
    const live = log.workers.filter(({ expiresAt }) => expiresAt > log.now);
    const counts = RUN_STATUSES.filter((status) => log.runs[status] > 0).map(
      (status) => `${log.runs[status]} ${status}`,
    );
    lines.push(
      ["runs", counts.join(", ") || "none"],
      ["events", String(log.events)],
      ["inbox", String(log.inbox)],
      ["deliveries", String(log.deliveries)],
      ["workers", live.map(({ id, startedAt }) => `${id} since ${instantText(startedAt)}`).join(", ") || "none"],
    );
  }
  for (const [name, text] of lines) if (text !== "") output.line(`${output.colors.dim(name.padEnd(12))}${plain(text)}`);
  return EXIT.ok;
}

/** Who has the file: a server's database has no owner. */
async function ownerOf({ db }: Target): Promise<{ isHeld: boolean; server: { url: string; pid: number } | null }> {
  const { databasePath, isOwned } = await import("../runtime/read-only.ts");
  const path = databasePath(db);
  if (path === null) return { isHeld: false, server: null };
  const server = await liveOwner(path);
  return { isHeld: await isOwned(path), server: server === null ? null : { url: server.url, pid: server.pid } };
}

async function verifyDatabase({ output, target }: Call<object>): Promise<number> {
  const { openReadOnly } = await import("../runtime/read-only.ts");
  const reader = await openReadOnly(readOptions(target));
  const integrity = await reader.integrity();
  const live = output.hasLiveNotes;
  const report = await reader.verify(({ runs, events }) => {
    if (live) process.stderr.write(`\r\u001b[2K${runs} runs, ${events} events`);
  });
  if (live) process.stderr.write("\r\u001b[2K");
  await reader.close();
  const isSound = report.equal && (integrity === null || integrity.length === 0);
  if (output.json) output.document({ ...report, equal: isSound, integrity });
  else {
    for (const fault of integrity ?? []) output.line(plain(`integrity: ${fault}`));
    for (const difference of report.differences) output.line(plain(`difference: ${JSON.stringify(difference)}`));
    for (const violation of report.violations) output.line(plain(`violation: ${JSON.stringify(violation)}`));
    if (report.unnamed > 0) output.line(`and ${report.unnamed} more`);
    if (report.unsettled > 0) output.note(`${report.unsettled} runs changed too fast to be compared`);
    const seen = `${report.runs} runs, ${report.events} events, ${report.deliveries} deliveries`;
    output.line(isSound ? `equal: ${seen}` : `not equal: ${seen}; restore the file from a backup, or report it`);
  }
  return isSound ? EXIT.ok : EXIT.failed;
}
