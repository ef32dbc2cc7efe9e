/** Copies of an owned file in use, as a crash of the machine may leave it: the end of the write-ahead log is missing. */
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { afterEach, beforeEach, expect, it } from "vitest";
import { verify } from "../../src/history/verify.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { lostParts, readAcknowledged } from "../support/acknowledged.ts";
import { realPorts, seededRandom } from "../support/ports.ts";
import type { Setup } from "./child-main.ts";
import { Life } from "./life.ts";
import { Place } from "./place.ts";
import { type Cut, copyCut, walState } from "./wal.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

/** How often the process is held, and how many copies with a cut are made then. */
const HOLDS = 12;
const CUTS = 17;

/** How many writes are acknowledged between two holds, at least. */
const WRITES_BETWEEN = 25;

/** Each so many copies the projections are rebuilt. */
const VERIFY_EVERY = 10;

let place: Place;
let life: Life;

beforeEach(async () => {
  place = Place.open();
});

afterEach(async () => {
  await life.kill();
  await place.close();
});

/** A process that owns the file. */
function ownerOf({ path, evidence, acknowledged }: Place): Setup {
  const owned = { db: `file:${path}`, file: "owned", leaseMs: 15_000, concurrency: 100 } as const;
  return { ...owned, path, evidence, acknowledged, isBlind: false, isFenced: true };
}

/** Asks SQLite, past the engine. */
function query(path: string, sql: string): unknown[] {
  const db = new Database(path);
  const rows = db.prepare(sql).all();
  db.close();
  return rows;
}

/** The whole log. */
function logOf(path: string): EventRow[] {
  const cells = 'position, run_id AS "runId", seq, epoch, type, v, key, scope, attempt, at, data';
  return query(path, `SELECT ${cells} FROM events ORDER BY position`) as EventRow[];
}

/** After each event of a log, a digest of all up to it. */
function digests(log: readonly EventRow[]): string[] {
  const hash = createHash("sha256");
  return log.map((row) => hash.update(JSON.stringify(row)).copy().digest("base64url"));
}

/** Opens the log at `path` as its owner would, and closes it again. */
async function reopened(path: string, isVerified: boolean): Promise<void> {
  const store = await openLog(clientFor, { url: `file:${path}` }, realPorts());
  try {
    if (isVerified)
      expect(await verify(store, { drain: (fn) => void setImmediate(fn) })).toMatchObject({ equal: true });
  } finally {
    await store.close();
  }
}

it("a copy opens, is whole, and is the log up to some point: with nothing cut, up to what was acknowledged", {
  timeout: 120_000,
}, async () => {
  const random = seededRandom(SEED);
  const { path, acknowledged } = place;
  const bundle = await place.bundle("test/kill/child-main.ts");
  const boot = (starts: number) => {
    life = new Life(bundle, ownerOf(place), () => {});
    life.go({ starts: Array.from({ length: starts }, (_, n) => n), stay: null, release: null });
  };
  boot(400);

  const written = () => readFileSync(acknowledged, "utf8").split("\n").length - 1;
  const copy = join(place.folder, "copy.db");
  let copies = 0;
  let shortened = 0;

  /** Makes a copy, judges it by itself, and returns its log. */
  async function logOfCopy(cut: Cut): Promise<EventRow[]> {
    copyCut(path, copy, cut);
    await reopened(copy, copies++ % VERIFY_EVERY === 0);
    expect(query(copy, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    const log = logOf(copy);
    for (const suffix of ["", "-wal", "-shm", "-owner"]) rmSync(`${copy}${suffix}`, { force: true });
    return log;
  }

  let cuts = 0;
  const lengths: string[] = [];
  for (let hold = 0; hold < HOLDS; hold++) {
    if (hold === HOLDS / 2) {
      // From here on the file holds a part of the log.
      expect(await life.stop()).toBe(0);
      query(path, "PRAGMA wal_checkpoint(TRUNCATE)");
      boot(0);
    }
    const before = written();
    while (written() < before + WRITES_BETWEEN) await new Promise((resolve) => setTimeout(resolve, 5));
    life.signal("SIGSTOP");
    await life.stopped();
    const { bytes, isInFile } = walState(path);
    const whole = await logOfCopy({ kind: "none" });
    expect(lostParts(readAcknowledged(acknowledged), whole)).toEqual([]);
    const wholeDigests = digests(whole);
    let shortest = whole.length;
    for (let i = 0; i < CUTS && !isInFile; i++, cuts++) {
      const at = Math.floor(random.float() * bytes);
      const found = digests(await logOfCopy({ kind: random.float() < 0.75 ? "truncated" : "zeroed", at }));
      // Each digest is of all events up to it, so the last one answers for the rest.
      expect(found.at(-1)).toBe(wholeDigests[found.length - 1]);
      if (found.length < whole.length) shortened++;
      shortest = Math.min(shortest, found.length);
    }
    lengths.push(`${shortest} to ${whole.length}`);
    life.signal("SIGCONT");
  }
  console.log(
    `seed ${SEED}: ${copies} copies at ${HOLDS} instants, ${cuts} of them cut, ${shortened} shorter for it; ${written()} writes; events: ${lengths.join(", ")}`,
  );
  expect(cuts).toBeGreaterThanOrEqual(200);
});
