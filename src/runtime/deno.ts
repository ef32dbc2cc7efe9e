/** Varve on Deno: an embedded libSQL file, or a libSQL server. */
import type { Engine } from "../engine/api.ts";
import { createLocalEngine, type EngineOptions } from "./local.ts";
import { processSurroundings } from "./process.ts";

export type { EngineOptions } from "./local.ts";

/**
 * Opens the log and starts the engine, with a worker unless `worker: false`. The process stays alive until
 * `engine.close()`.
 *
 * A file needs `--allow-read --allow-write --allow-ffi --allow-env --allow-sys`, a server `--allow-net` too. In an isolate
 * (Deno Deploy) use `varve/edge`.
 *
 * @throws DatabaseOwnedError when another process owns the file; StoreError; DefinitionError
 * @example
 * const engine = await createEngine({ db: "file:varve.db", workflows: [fulfil] });
 * const run = await engine.start(fulfil, { id: "o-1" }, { idempotencyKey: "o-1" });
 * console.log(await run.result());
 */
export function createEngine<Env = unknown>(options: EngineOptions<Env>): Promise<Engine> {
  return createLocalEngine(processSurroundings, options);
}
