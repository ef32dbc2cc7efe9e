/** Many seeds over several processes, and what is known of them so far: kept in a file, so that a later run goes on. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { emptySummary, merge, type Summary } from "../../test/sim/summary.ts";

/** Seeds that a process runs before it tells: what is lost when everything is ended. */
const CHUNK = 250;

/**
 * A seed's objects die with it, every core has a process of its own, and nobody reads the stacks of errors that a seed means:
 * up to a tenth of its time less than with the defaults.
 */
const NODE_OPTIONS = ["--max-semi-space-size=32", "--single-threaded-gc", "--stack-trace-limit=0"];

interface State {
  /** Of the bundle whose seeds these are, with the first one: with other code they would mean something else. */
  readonly hash: string;
  /** All seeds from the first one to below this one are done. */
  next: number;
  summary: Summary;
}

export interface SeedsOptions {
  /** How many seeds. */
  readonly seeds: number;
  /** The first one. Default: 0. */
  readonly from?: number;
  /** `seeds-worker.ts` as a bundle. */
  readonly worker: string;
  /** Where what is known is kept, as long as the bundle and the first seed are the same. */
  readonly file: string;
  /** Called after each chunk, with the seed up to which all are done. */
  readonly progress: (done: number, summary: Summary) => void;
}

/** Runs what is not done yet. */
export async function runSeeds({
  seeds,
  from: first = 0,
  worker: path,
  file,
  progress,
}: SeedsOptions): Promise<Summary> {
  const end = first + seeds;
  const state = read(file, `${createHash("sha256").update(readFileSync(path)).digest("hex")} from ${first}`, first);
  /** Chunks that are done while an earlier one is not. */
  const ahead = new Map<number, Summary>();
  let handedOut = state.next;
  const note = (from: number, summary: Summary) => {
    ahead.set(from, summary);
    for (let found = ahead.get(state.next); found !== undefined; found = ahead.get(state.next)) {
      ahead.delete(state.next);
      merge(state.summary, found);
      state.next += found.seeds;
    }
    write(file, state);
    progress(state.next, state.summary);
  };
  const lane = async () => {
    const worker = new SeedWorker(path);
    try {
      while (handedOut < end) {
        const from = handedOut;
        handedOut = Math.min(end, from + CHUNK);
        note(from, await worker.run(from, handedOut));
      }
    } finally {
      worker.end();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return state.summary;
}

class SeedWorker {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string) {
    this.#child = spawn(process.execPath, [...NODE_OPTIONS, path], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async run(from: number, to: number): Promise<Summary> {
    this.#child.stdin.write(`${JSON.stringify({ from, to })}\n`);
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`the process of the seeds ${from} to ${to} ended without an answer`);
    return JSON.parse(value) as Summary;
  }

  end(): void {
    this.#child.stdin.end();
  }
}

function read(file: string, hash: string, first: number): State {
  const fresh: State = { hash, next: first, summary: emptySummary() };
  if (!existsSync(file)) return fresh;
  const state = JSON.parse(readFileSync(file, "utf8")) as State;
  return state.hash === hash ? state : fresh;
}

/** Whole or not at all, whenever the process is ended. */
function write(file: string, state: State): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}
