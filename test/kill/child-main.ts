/**
 * A worker process of the kill lanes. It opens the log when it is told to go, starts the runs that it is given, and
 * works. It tells on fd 3, one JSON object a line, each in one synchronous write.
 *
 * It can be asked to tell when it is in a certain phase for the n-th time, and then to stay there: so whoever kills it
 * knows where the kill has landed.
 */
import { existsSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import Database from "libsql";
import type { Engine } from "varve";
import { createEngineOf } from "../../src/engine/engine.ts";
import type { Ports } from "../../src/kernel/ports.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { LogWrite } from "../../src/log/port-write.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { processSurroundings } from "../../src/runtime/process.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { noteAcknowledged } from "../support/acknowledged.ts";
import { note } from "../support/evidence.ts";
import { blindToLeases, withoutFence } from "../support/without-fence.ts";
import { type BodyInfo, type WorkEnv, work } from "./workload.ts";

/** A phase in which a process can be killed. */
export type Phase =
  /** A body has begun and has not ended. */
  | "body"
  /** A body has ended; the write with its completion is about to be sent. */
  | "flush"
  /** That write is done, and its answer has not been read. */
  | "commit"
  /** The code has asked for a call that the log has concluded. */
  | "replay";

/** Of the bodies that can be long, each so many is. */
const LONG_BODY_EVERY = 3;

/** What a process is given when it is born. */
export interface Setup {
  readonly db: string;
  readonly file: "owned" | "shared";
  /** The database's file, to be read past the engine. */
  readonly path: string;
  readonly evidence: string;
  /** Where it notes what the log has acknowledged. */
  readonly acknowledged: string;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** Its worker never doubts its lease (see `without-fence.ts`). */
  readonly isBlind: boolean;
  /** False: the log takes what anybody writes. */
  readonly isFenced: boolean;
  /** Some first attempts take so much longer, milliseconds. @default none */
  readonly longBodyMs?: number;
}

/** What it is told when it is to begin. */
export interface Go {
  /** Numbers of the runs that it starts. */
  readonly starts: readonly number[];
  /** Where it is to stay, and at which time that it comes there; null: nowhere. Only writes of so many runs count. */
  readonly stay: { readonly phase: Phase; readonly time: number; readonly runsMin: number } | null;
  /** It stays no longer than until this file exists; null: for ever. */
  readonly release: string | null;
}

export type Told =
  | { readonly told: "open" }
  | { readonly told: "started"; readonly n: number; readonly runId: string }
  | { readonly told: "here"; readonly write?: readonly SentRun[] }
  /** What it stayed with was answered. */
  | { readonly told: "answered" }
  /** Its worker has lost its lease. */
  | { readonly told: "lost" }
  /** The signal of a long body that was under way was aborted. */
  | { readonly told: "aborted" };

/** One run's part of the write with which a process stayed. */
export interface SentRun {
  readonly runId: string;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly events: number;
}

const setup = JSON.parse(process.argv[2] ?? "{}") as Setup;
const tell = (line: Told) => void writeSync(3, `${JSON.stringify(line)}\n`);
const ports: Ports = {
  clock: systemClock,
  random: systemRandom,
  drain: processSurroundings.drain,
  logger: processSurroundings.stderr,
};

let go: Go = { starts: [], stay: null, release: null };
let visits = 0;

/** Whether the process has come where it is to stay. */
function isThere(phase: Phase): boolean {
  return go.stay?.phase === phase && ++visits === go.stay.time;
}

/** Tells, and holds the thread: from here on nothing happens in this process. */
function holdThread(write?: LogWrite): void {
  const sent = write?.runs.map(({ runId, epoch, firstSeq, events }) => {
    return { runId, epoch, firstSeq, events: events.length };
  });
  tell(sent === undefined ? { told: "here" } : { told: "here", write: sent });
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (go.release === null || !existsSync(go.release)) Atomics.wait(cell, 0, 0, 5);
}

// ---- What is watched ----

/** Keys that the log had concluded when a run was loaded: asked for, they are replay. */
const recorded = new Set<string>();

function watched(store: LogStore): LogStore {
  return {
    ...store,
    load: async (claims) => {
      const loaded = await store.load(claims);
      for (const rows of loaded.values()) {
        for (const { runId, type, key } of rows) {
          if (/\.(completed|failed|fired)$/.test(type)) recorded.add(`${runId} ${key}`);
        }
      }
      return loaded;
    },
    append: async (write) => {
      const completing = write.runs.filter(({ events }) => events.some(({ type }) => type === "step.completed"));
      const completes = completing.length >= (go.stay?.runsMin ?? 1);
      const isHeld = completes && isThere("flush");
      if (isHeld) holdThread(write);
      const verdict = await store.append(write);
      noteAcknowledged(setup.acknowledged, write, verdict);
      if (isHeld) tell({ told: "answered" });
      if (completes && isThere("commit")) holdThread();
      return verdict;
    },
  };
}

const asked = (runId: string, key: string) => {
  if (recorded.delete(`${runId} ${key}`) && isThere("replay")) holdThread();
};

let reader: InstanceType<typeof Database> | null = null;

/** The log's last position, past the engine: on a connection of its own, at once. */
function lastPosition(): number {
  reader ??= new Database(setup.path, { timeout: 10_000 });
  const row = reader.prepare("SELECT max(position) AS position FROM events").get() as { position: number };
  return row.position;
}

let bodies = 0;

const begun = async ({ key, attempt, run, signal }: BodyInfo) => {
  // Before the log is read: on a file that others write this can take long.
  const at = Date.now();
  note(setup.evidence, { runId: run.id, key, attempt, pid: process.pid, at, position: lastPosition() });
  if (setup.longBodyMs !== undefined && attempt === 1 && ++bodies % LONG_BODY_EVERY === 0) {
    signal.addEventListener("abort", () => tell({ told: "aborted" }));
    await new Promise((resolve) => setTimeout(resolve, setup.longBodyMs));
  }
  if (!isThere("body")) return;
  tell({ told: "here" });
  await new Promise(() => {});
};

// ---- Its life ----

async function open(): Promise<Engine> {
  const { db: url, file, leaseMs, concurrency } = setup;
  const log = await openLog(clientFor, { url, file }, ports);
  const leased = setup.isBlind ? blindToLeases(log, leaseMs) : log;
  const store = watched(setup.isFenced ? leased : withoutFence(leased));
  const env: WorkEnv = { begun };
  const engine = await createEngineOf({ store, ports, workflows: [work], env, asked });
  engine.on("worker.lost", () => tell({ told: "lost" }));
  await engine.work({ leaseMs, concurrency, label: processSurroundings.label, pollMsMax: 100 });
  return engine;
}

async function begin(order: Go): Promise<Engine> {
  go = order;
  const engine = await open();
  tell({ told: "open" });
  for (const n of go.starts) {
    void engine
      .start(work, { n }, { idempotencyKey: `n-${n}` })
      .then((run) => tell({ told: "started", n, runId: run.id }));
  }
  return engine;
}

let life: Promise<Engine> | null = null;

createInterface({ input: process.stdin }).on("line", async (line) => {
  if (life === null) {
    life = begin(JSON.parse(line) as Go);
    return;
  }
  await (await life).close();
  process.exit(0);
});
