/** Varve on Node: an embedded libSQL file, or a libSQL server. */
import { hostname } from "node:os";
import process from "node:process";
import type { Engine } from "../engine/api.ts";
import { createLocalEngine, type EngineOptions, type Surroundings } from "./local.ts";
import { jsonLogger } from "./system.ts";

export type { EngineOptions } from "./local.ts";

/** A timer that does nothing but keep the process alive. */
const KEEP_ALIVE_MS = 2 ** 30;

const surroundings: Surroundings = {
  drain: (fn) => setImmediate(fn),
  label: `${hostname()}:${process.pid}`,
  keepAlive: () => {
    const timer = setInterval(() => {}, KEEP_ALIVE_MS);
    return () => clearInterval(timer);
  },
  stderr: jsonLogger("warn", (line) => process.stderr.write(`${line}\n`)),
};

/**
 * Opens the log and starts the engine, with a worker unless `worker: false`. The process stays alive until
 * `engine.close()`.
 *
 * @throws DatabaseOwnedError when another process owns the file; StoreError; DefinitionError
 * @example
 * const engine = await createEngine({ db: "file:varve.db", workflows: [fulfil] });
 * const run = await engine.start(fulfil, { id: "o-1" }, { idempotencyKey: "o-1" });
 * console.log(await run.result());
 */
export function createEngine<Env = unknown>(options: EngineOptions<Env>): Promise<Engine> {
  return createLocalEngine(surroundings, options);
}
