/** A process that is none of Varve's and takes the write lock of a file again and again, for times that a seed decides. */
import Database from "libsql";
import { seededRandom } from "../support/ports.ts";

export interface LockSetup {
  readonly path: string;
  readonly seed: number;
  /** For how long at least and at most, milliseconds: as often short as long. */
  readonly holdMs: readonly [number, number];
  /** How long it leaves the file alone in between, at least and at most, milliseconds. */
  readonly pauseMs: readonly [number, number];
  /** It ends after so much time. */
  readonly totalMs: number;
}

/** It had the lock between two instants, milliseconds since the epoch. */
export interface LockTold {
  readonly from: number;
  readonly to: number;
}

/** How long it waits for the lock itself. */
const WAIT_MS = 10_000;

const { path, seed, holdMs, pauseMs, totalMs } = JSON.parse(process.argv[2] ?? "{}") as LockSetup;
const random = seededRandom(seed);
const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const between = ([min, max]: readonly [number, number], share: number) => min * (max / min) ** share;

const db = new Database(path, { timeout: WAIT_MS });
const endsAt = Date.now() + totalMs;
while (Date.now() < endsAt) {
  db.exec("BEGIN IMMEDIATE");
  const from = Date.now();
  await pass(Math.min(between(holdMs, random.float()), endsAt - from));
  const told: LockTold = { from, to: Date.now() };
  db.exec("ROLLBACK");
  console.log(JSON.stringify(told));
  await pass(between(pauseMs, random.float()));
}
db.close();
