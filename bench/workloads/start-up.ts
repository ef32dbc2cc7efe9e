/** Start-up: from the birth of the process to an engine on a new file that takes runs. */
import { workflow } from "varve";
import { databaseFile, openEngine } from "./setup.ts";

const nothing = workflow({ name: "nothing" }, async () => null);

export async function measureStartUp(folder: string): Promise<{ startMs: number }> {
  const engine = await openEngine(databaseFile(folder, "start-up"), [nothing]);
  // The clock of `performance` begins with the process.
  const startMs = performance.now();
  await engine.close();
  return { startMs };
}
