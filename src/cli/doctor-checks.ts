/** The checks of `varve doctor`: each says what it found, and what to do about it. */
import { existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import type { RunInfo } from "../engine/api-run.ts";
import { toFailure } from "../kernel/failure.ts";
import type { DatabaseFacts, LogFacts } from "../runtime/read-only.ts";
import type { OwnerRecord } from "./owner-record.ts";
import { agoText, bytesText, lengthText } from "./time-text.ts";

export interface Finding {
  readonly check: string;
  readonly level: "ok" | "note" | "problem";
  readonly found: string;
  /** What to do; null: nothing. */
  readonly advice: string | null;
}

/** A log, with everything that the checks ask of it. */
export interface LogToExamine {
  /** Null: it is on a server. */
  readonly path: string | null;
  readonly database: DatabaseFacts;
  readonly log: LogFacts;
  /** This machine's clock when the log's was read. */
  readonly clock: number;
  readonly stuck: readonly RunInfo[];
  readonly isOwned: boolean;
  readonly ownerRecord: OwnerRecord | null;
  readonly liveOwner: OwnerRecord | null;
}

const NODE_MAJOR_MIN = 20;

/** SQLite before this can damage a WAL file that several connections write and check-point (the WAL-reset bug). */
const WAL_SAFE_FROM = [3, 51, 3] as const;

const DISK_BYTES = { problem: 100 * 1_048_576, note: 1_073_741_824 } as const;

const SKEW_MS_MAX = 5_000;

/** What `statfs` says of file systems whose locks do not hold. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  16914839: "9P",
  1702057286: "FUSE, which may be a network's",
  1397113167: "AFS",
  12805120: "Ceph",
};

function ok(check: string, found: string): Finding {
  return { check, level: "ok", found, advice: null };
}

function note(check: string, found: string, advice: string): Finding {
  return { check, level: "note", found, advice };
}

function problem(check: string, found: string, advice: string): Finding {
  return { check, level: "problem", found, advice };
}

/** What this process stands on, whatever the database. */
export const SURROUNDINGS: readonly (() => Promise<Finding[]>)[] = [
  async () => {
    const { node } = process.versions;
    if (Number.parseInt(node, 10) >= NODE_MAJOR_MIN) return [ok("node", `Node ${node}`)];
    return [problem("node", `Node ${node}`, `Varve needs Node ${NODE_MAJOR_MIN} or later: upgrade it`)];
  },
  async () => {
    try {
      const { createClient } = await import("@libsql/client");
      const client = createClient({ url: ":memory:" });
      const { rows } = await client.execute("SELECT sqlite_version() AS version");
      client.close();
      return [ok("libsql", `the native module loads, with SQLite ${rows[0]?.version}`)];
    } catch (error) {
      const { message } = toFailure(error);
      const advice =
        "install again for this platform: npm ci without --omit=optional, and not a node_modules of another machine";
      return [problem("libsql", `the native module does not load: ${message}`, advice)];
    }
  },
];

/** Of one log. */
export const LOG_CHECKS: readonly ((log: LogToExamine) => Finding[])[] = [
  fileSystem,
  disk,
  journal,
  sqliteVersion,
  owner,
  clock,
  stuckRuns,
  suspects,
  lostAttempts,
  work,
];

function fileSystem({ path }: LogToExamine): Finding[] {
  if (path === null) return [];
  const kind = NETWORK_FILE_SYSTEMS[statfsSync(dirname(resolve(path))).type];
  if (kind === undefined) return [ok("file system", "not a network's")];
  const advice = "locks do not hold there: put the file on a local disk, or use a libSQL server";
  return [problem("file system", `${path} is on ${kind}`, advice)];
}

function disk({ path, database }: LogToExamine): Finding[] {
  if (path === null) return [];
  const { bavail, bsize } = statfsSync(dirname(resolve(path)));
  const free = bavail * bsize;
  const found = `${bytesText(free)} free, the database takes ${bytesText(database.bytes ?? 0)}`;
  if (free < DISK_BYTES.problem) return [problem("disk", found, "free some: a full disk stops every run")];
  if (free < DISK_BYTES.note) return [note("disk", found, "little is left for growth")];
  return [ok("disk", found)];
}

/** Workers whose lease is that of a process which owns its file live as long as the lock is held. */
function liveWorkers({ log, isOwned, path, database }: LogToExamine): number {
  const live = log.workers.filter(({ expiresAt }) => expiresAt > log.now).length;
  return path === null || isOwned || database.journalMode !== "wal" ? live : 0;
}

function journal({ database, isOwned, log }: LogToExamine): Finding[] {
  const { journalMode } = database;
  if (journalMode === null) return [];
  const owners = new Set(log.workers.filter(({ expiresAt }) => expiresAt > log.now).map(({ id }) => id));
  if (journalMode === "wal" && !isOwned && owners.size > 1) {
    const advice = 'open the file with --shared (file: "shared") in every process, or in one process alone';
    return [problem("journal", `WAL, but ${owners.size} workers have leases and nobody owns the file`, advice)];
  }
  if (journalMode !== "wal" && isOwned) {
    const advice = "a shared opener has been here: restart the owner, and use either way in all processes";
    return [problem("journal", `${journalMode}, but a process owns the file`, advice)];
  }
  const durable = "commits are synchronous=FULL";
  return [
    ok(
      "journal",
      journalMode === "wal" ? `WAL, ${durable}` : `${journalMode}, as at rest, or for a shared file; ${durable}`,
    ),
  ];
}

function sqliteVersion({ database }: LogToExamine): Finding[] {
  const { sqliteVersion: version, journalMode } = database;
  if (version === null) return [];
  const parts = version.split(".").map(Number);
  const difference = WAL_SAFE_FROM.map((part, i) => (parts[i] ?? 0) - part).find((each) => each !== 0) ?? 0;
  if (difference >= 0) return [ok("sqlite", version)];
  const range = `${version}, which has the WAL-reset bug (fixed in ${WAL_SAFE_FROM.join(".")})`;
  if (journalMode !== "wal") return [ok("sqlite", `${range}; this file has no WAL`)];
  return [ok("sqlite", `${range}; it cannot happen while one process writes the file, as now`)];
}

function owner({ path, isOwned, ownerRecord, liveOwner }: LogToExamine): Finding[] {
  if (path === null) return [];
  if (liveOwner !== null) return [ok("owner", `the server at ${liveOwner.url}, pid ${liveOwner.pid}`)];
  if (isOwned && ownerRecord !== null) {
    const advice = "it may be starting, stopping, or held up by synchronous code: look at its log, or at its stack";
    return [problem("owner", `pid ${ownerRecord.pid} owns the file, but ${ownerRecord.url} does not answer`, advice)];
  }
  if (isOwned) return [ok("owner", "a process that serves no HTTP")];
  if (ownerRecord === null || !existsSync(`${path}-owner.json`)) return [ok("owner", "none: nobody works on the runs")];
  return [note("owner", `none: pid ${ownerRecord.pid} has ended without a stop`, "start it again: its runs go on")];
}

function clock({ path, log, clock: here }: LogToExamine): Finding[] {
  if (path !== null) return [];
  const skew = Math.abs(here - log.now);
  const found = `the server's differs by ${lengthText(skew)}, the way there included`;
  if (skew <= SKEW_MS_MAX) return [ok("clock", found)];
  return [problem("clock", found, "set both by NTP: delays and deadlines are reckoned by both")];
}

function stuckRuns({ stuck }: LogToExamine): Finding[] {
  if (stuck.length === 0) return [ok("stuck runs", "none")];
  return stuck.map(({ id, workflow, stuck: why }) => {
    const advice =
      why?.code === "RUN_POISONED"
        ? "fix what ends the process, then have the run tried again: varve runs resume; or end it without its code: varve runs terminate"
        : "serve the code that fits its history: a start with it lets the run go on; varve runs show says more";
    return problem("stuck runs", `${id} of ${workflow}: ${why?.code}: ${why?.message}`, advice);
  });
}

function suspects({ log }: LogToExamine): Finding[] {
  if (log.suspects.length === 0) return [ok("poison", "no run is suspected")];
  return log.suspects.map(({ runId, workflow, uncleanClaims }) =>
    problem(
      "poison",
      `${runId} of ${workflow} was claimed ${uncleanClaims} times without a result`,
      "its code may end the process or block its thread: it runs alone now, and is parked if that goes on",
    ),
  );
}

function lostAttempts({ log }: LogToExamine): Finding[] {
  if (log.lostAttempts.length === 0) return [ok("lost attempts", "none of late")];
  return log.lostAttempts.map(({ workflow, key, times, lastRunId }) =>
    note(
      "lost attempts",
      `${workflow} ${key}: ${times} times its worker was lost, last in ${lastRunId}`,
      "the process ended there, or synchronous code blocked its thread past the lease; such code belongs in a worker thread",
    ),
  );
}

function work(log: LogToExamine): Finding[] {
  const { runs, now, workers } = log.log;
  const open = runs.pending + runs.running + runs.waiting;
  const last = workers.reduce((latest, { startedAt }) => Math.max(latest, startedAt), 0);
  if (open === 0) return [ok("work", "no run is open")];
  if (liveWorkers(log) > 0) return [ok("work", `${open} open runs, ${liveWorkers(log)} workers`)];
  const since = last === 0 ? "there never was one" : `the last began ${agoText(last, now)}`;
  return [note("work", `${open} open runs and no worker: ${since}`, "varve serve works on them")];
}
