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

/** A seed's objects die with it: a tenth of its time less than with the default. */
const YOUNG_SPACE = "--max-semi-space-size=64";

interface State {
  /** Of the bundle whose seeds these are: with other code they would mean something else. */
  readonly hash: string;
  /** All seeds below are done. */
  next: number;
  summary: Summary;
}

export interface SeedsOptions {
  /** How many seeds, from 0 on. */
  readonly seeds: number;
  /** `seeds-worker.ts` as a bundle. */
  readonly worker: string;
  /** Where what is known is kept, as long as the bundle is the same. */
  readonly file: string;
  /** Called after each chunk. */
  readonly progress: (done: number, summary: Summary) => void;
}

/** Runs what is not done yet. */
export async function runSeeds({ seeds, worker: path, file, progress }: SeedsOptions): Promise<Summary> {
  const state = read(file, createHash("sha256").update(readFileSync(path)).digest("hex"));
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
      while (handedOut < seeds) {
        const from = handedOut;
        handedOut = Math.min(seeds, from + CHUNK);
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
    this.#child = spawn(process.execPath, [YOUNG_SPACE, path], { stdio: ["pipe", "pipe", "inherit"] });
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

function read(file: string, hash: string): State {
  const fresh: State = { hash, next: 0, summary: emptySummary() };
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
