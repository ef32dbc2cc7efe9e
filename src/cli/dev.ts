/**
 * `varve dev`: `serve` in a child process, and another one when a module changes. Runs go on by replay.
 *
 * D1 The old child serves until the new one has loaded its modules: what does not load is said, and changes nothing.
 * D2 A child is a session of its own, so Ctrl-C reaches this process alone, which tells the child once.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { DEV_VARIABLE, type DevLine, OPEN } from "./dev-protocol.ts";
import { isModule } from "./load.ts";
import type { Output } from "./output.ts";
import { modulePaths, type ServeOptions, withServing } from "./serve.ts";
import { type StopSignals, stopSignals } from "./signals.ts";
import { action, type Call, type Target, verb } from "./verb.ts";

const HELP = `
As serve, and again whenever a module or a file that it imports changes. A module that does not load is reported, and
what was served before goes on.

Example:
  varve dev workflows/greet.ts`;

/** Editors write in several steps: a change is taken up when nothing more has changed for so long, milliseconds. */
const QUIET_MS = 150;

/** How long steps may take to end at a reload, unless said otherwise. */
const STOP_MS = 2_000;

export function devVerb(): Command {
  const command = withServing(verb("dev", "Serves, and reloads when a workflow module changes"));
  command.setOptionValue("stopWithin", STOP_MS);
  return command.addHelpText("after", HELP).action(action(dev));
}

async function dev(call: Call<ServeOptions>, modules: readonly string[]): Promise<number> {
  const stop = stopSignals();
  return await new Dev(call, modulePaths(modules, call.options), stop).run();
}

class Dev {
  readonly #output: Output;
  readonly #target: Target;
  readonly #options: ServeOptions;
  readonly #paths: readonly string[];
  readonly #stop: StopSignals;
  readonly #watched = new Watched(() => this.#wake());
  #port: number;
  #child: Child | null = null;
  #wake: () => void = () => {};
  #hasServed = false;

  constructor({ output, target, options }: Call<ServeOptions>, paths: readonly string[], stop: StopSignals) {
    this.#output = output;
    this.#target = target;
    this.#options = options;
    this.#paths = paths;
    this.#stop = stop;
    this.#port = options.port;
  }

  async run(): Promise<number> {
    const stopped = new Promise<void>((resolve) => this.#stop.signal.addEventListener("abort", () => resolve()));
    while (!this.#stop.signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#watched.add(this.#paths);
      await this.#reload();
      await Promise.race([changed, stopped]);
    }
    this.#watched.end();
    await this.#child?.stop();
    return this.#stop.code() ?? 0;
  }

  /** Starts the next child, and ends the one before once the next has loaded. */
  async #reload(): Promise<void> {
    const next = new Child(this.#args(), this.#hasServed);
    const loading = await next.nextLine();
    if (loading === null || loading.told === "listening") return this.#say("the server ended before it had loaded");
    this.#watched.add(loading.files);
    if (loading.told === "failed") {
      return this.#say(this.#child === null ? "waiting for a change" : "what was served before goes on");
    }
    const before = this.#child;
    this.#child = next;
    await before?.stop();
    if (this.#stop.signal.aborted) return;
    next.open();
    const listening = await next.nextLine();
    if (listening?.told !== "listening") {
      this.#child = null;
      return this.#say("the server ended; waiting for a change");
    }
    this.#port = listening.port;
    if (this.#hasServed) this.#say("reloaded");
    this.#hasServed = true;
    void next.exited.then(() => {
      if (this.#child !== next || this.#stop.signal.aborted) return;
      this.#child = null;
      this.#say("the server ended; waiting for a change");
    });
  }

  #say(text: string): void {
    this.#output.note(this.#output.noteColors.dim(`dev: ${text}`));
  }

  #args(): string[] {
    const { host, stopWithin, queues } = this.#options;
    const { db, dbToken, shared } = this.#target;
    return [
      "serve",
      ...this.#paths,
      ...["--db", db, "--host", host, "--port", String(this.#port), "--stop-within", `${stopWithin}ms`],
      ...(dbToken === undefined ? [] : ["--db-token", dbToken]),
      ...(shared ? ["--shared"] : []),
      ...(queues === undefined ? [] : ["--queues", queues.join()]),
      ...(this.#output.json ? ["--json"] : []),
      ...(this.#output.noteColors.isColorSupported ? [] : ["--no-color"]),
    ];
  }
}

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));

/** A `varve serve` of ours. */
class Child {
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #lines: DevLine[] = [];
  #hasExited = false;
  #heard: () => void = () => {};

  constructor(args: readonly string[], isNext: boolean) {
    this.#process = spawn(process.execPath, [...process.execArgv, MAIN, ...args], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
      env: { ...process.env, [DEV_VARIABLE]: isNext ? "next" : "first" },
    });
    this.#process.on("message", (line) => {
      this.#lines.push(line as DevLine);
      this.#heard();
    });
    this.exited = once(this.#process, "exit").then(() => {
      this.#hasExited = true;
      this.#heard();
    });
  }

  /** What it tells next; null: it has ended. */
  async nextLine(): Promise<DevLine | null> {
    while (this.#lines.length === 0 && !this.#hasExited) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return this.#lines.shift() ?? null;
  }

  open(): void {
    this.#process.send(OPEN);
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.exited;
  }
}

/** Files whose change means something. Their directories are watched: an editor replaces a file rather than writing it. */
class Watched {
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #files = new Set<string>();
  /** Every module in these means something, also one that is new. */
  readonly #directories = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  add(paths: readonly string[]): void {
    for (const path of paths.map((each) => resolve(each))) {
      const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
      (isDirectory ? this.#directories : this.#files).add(path);
      this.#watch(isDirectory ? path : dirname(path));
    }
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #watch(directory: string): void {
    if (this.#watchers.has(directory) || statSync(directory, { throwIfNoEntry: false }) === undefined) return;
    const watcher = watch(directory, (_, name) => {
      if (name !== null && this.#means(directory, basename(name))) this.#notice();
    });
    // Gone with its directory: what is left is watched.
    watcher.on("error", () => this.#watchers.delete(directory));
    this.#watchers.set(directory, watcher);
  }

  #means(directory: string, name: string): boolean {
    return this.#files.has(resolve(directory, name)) || (this.#directories.has(directory) && isModule(name));
  }

  #notice(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, QUIET_MS);
  }
}
