/** What every workload needs: an engine on a database file of its own, with the settings that users get. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Engine, Workflow } from "varve";
import { createEngine, type EngineOptions } from "varve/node";

/** The file of a workload's database. */
export function databaseFile(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.db`);
}

/** Opens an engine on `file`, with every default that durability depends on: WAL, `synchronous=FULL`, one owner. */
export async function openEngine(
  file: string,
  workflows: readonly Workflow<never, unknown, unknown>[],
  options: Pick<EngineOptions, "worker" | "limits"> = {},
): Promise<Engine> {
  return await createEngine({ db: `file:${file}`, workflows, ...options });
}

/** Calls `task` `count` times, with at most `inFlight` at a time. */
export async function inLanes(count: number, inFlight: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
}
