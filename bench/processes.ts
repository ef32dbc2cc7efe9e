/** The processes of workloads. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Task } from "./workload.ts";

/** Beside this module once both are bundled. */
const WORKLOAD = fileURLToPath(new URL("workload.mjs", import.meta.url));

const start = (task: Task): ChildProcess =>
  spawn(process.execPath, [WORKLOAD, JSON.stringify(task)], { stdio: ["pipe", "pipe", "inherit"] });

/** `figures`: what the process printed; null when a signal ended it. */
export async function runTask(task: Task): Promise<{ figures: unknown; signal: NodeJS.Signals | null }> {
  const child = start(task);
  child.stdin?.end();
  const [printed, [code, signal]] = await Promise.all([
    text(child.stdout as NonNullable<typeof child.stdout>),
    once(child, "exit"),
  ]);
  if (signal !== null) return { figures: null, signal };
  if (code !== 0) throw failed(task, `exit code ${code}`);
  return { figures: JSON.parse(printed), signal: null };
}

/** A workload that is measured in parts, in its own process. */
export class WorkloadProcess {
  readonly #task: Task;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(task: Task) {
    this.#task = task;
    this.#child = start(task);
    const input = this.#child.stdout as NonNullable<ChildProcess["stdout"]>;
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  /** What it tells once it is warm: before the first part. */
  opening<T>(): Promise<T> {
    return this.#next();
  }

  part<T>(): Promise<T> {
    this.#child.stdin?.write("\n");
    return this.#next();
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }

  async #next<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw failed(this.#task, "no answer");
    return JSON.parse(value) as T;
  }
}

function failed({ workload }: Task, found: string): Error {
  return new Error(`expected the workload ${workload} to tell what it measured, but found ${found}`);
}
