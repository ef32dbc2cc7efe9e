/** One worker process of a kill lane, seen from outside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Go, SentRun, Setup, Told } from "./child-main.ts";

export class Life {
  readonly #child: ChildProcess;
  /** Resolves when the process has come where it was to stay, with the write that it holds. */
  readonly here: Promise<readonly SentRun[]>;
  readonly opened: Promise<void>;
  readonly answered: Promise<void>;
  /** Resolves with how it ended: its exit code or the signal. */
  readonly gone: Promise<number | string>;
  readonly #told = new Map<Told["told"], number>();
  #stderr = "";

  /** Boots a process, which then waits to be told to go. `started`: called for each start that was acknowledged. */
  constructor(bundle: string, setup: Setup, started: (n: number, runId: string) => void) {
    this.#child = spawn(process.execPath, [bundle, JSON.stringify(setup)], {
      stdio: ["pipe", "inherit", "pipe", "pipe"],
    });
    const heard = listen(this.#child.stdio[3] as Readable);
    heard.on((line) => {
      this.#told.set(line.told, this.times(line.told) + 1);
      if (line.told === "started") started(line.n, line.runId);
    });
    this.here = heard.first("here").then((line) => line.write ?? []);
    this.opened = heard.first("open").then(() => {});
    this.answered = heard.first("answered").then(() => {});
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    // One that is dead reads no more.
    this.#child.stdin?.on("error", () => {});
    // Not "exit": what it told before its end must have been read.
    this.gone = once(this.#child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** How often it has told this. */
  times(told: Told["told"]): number {
    return this.#told.get(told) ?? 0;
  }

  go(order: Go): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** Asks it to close its engine and end. */
  async stop(): Promise<number | string> {
    this.#child.stdin?.write("stop\n");
    return await this.gone;
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  /** Resolves when SIGSTOP holds it: a signal is delivered a little after it was sent. */
  async stopped(): Promise<void> {
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${this.pid}/status`, "utf8"))) await nextTurn();
  }

  /** Ends it by SIGKILL. Resolves when it is gone and everything that it told has been heard. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.gone;
  }
}

type ToldAs<T extends Told["told"]> = Extract<Told, { told: T }>;

function listen(stream: Readable) {
  const listeners: ((line: Told) => void)[] = [];
  let rest = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) for (const listener of listeners) listener(JSON.parse(line) as Told);
  });
  return {
    on: (listener: (line: Told) => void) => void listeners.push(listener),
    first: <T extends Told["told"]>(kind: T) =>
      new Promise<ToldAs<T>>((resolve) => {
        listeners.push((line) => {
          if (line.told === kind) resolve(line as ToldAs<T>);
        });
      }),
  };
}
