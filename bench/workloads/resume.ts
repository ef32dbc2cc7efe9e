/**
 * W5: a long run whose process is killed, and the process that goes on with it. Each body writes a line of evidence as it
 * starts, in one synchronous write, before anything else.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { sequence } from "./long-history.ts";
import { databaseFile, openEngine } from "./setup.ts";

const evidenceFile = (folder: string) => join(folder, "resume-evidence.txt");

/** The process that dies: by SIGKILL, in the body of step `killAt`. */
export async function beKilled(folder: string, { steps, killAt }: Sizes["resume"]): Promise<never> {
  const database = databaseFile(folder, "resume");
  const long = sequence((index) => {
    appendFileSync(evidenceFile(folder), `killed ${index}\n`);
    if (index === killAt) process.kill(process.pid, "SIGKILL");
  });
  const engine = await openEngine(database, [long]);
  const run = await engine.start(long, { steps }, { idempotencyKey: "resumed" });
  await run.result();
  throw new Error(`expected to be killed at step ${killAt}, but the run ended`);
}

/** The process that goes on. `resumeMs`: from the call of `createEngine` to the start of the next body. */
export async function measureResume(folder: string, { steps, killAt }: Sizes["resume"]): Promise<Figures["w5"]> {
  const database = databaseFile(folder, "resume");
  let firstAt: number | null = null;
  const long = sequence((index) => {
    firstAt ??= performance.now();
    appendFileSync(evidenceFile(folder), `resumed ${index}\n`);
  });
  const calledAt = performance.now();
  const engine = await openEngine(database, [long]);
  const run = await engine.start(long, { steps }, { idempotencyKey: "resumed" });
  await run.result();
  await engine.close();
  if (run.created || firstAt === null) throw new Error("expected the killed run to go on, but it had ended");
  return { resumeMs: firstAt - calledAt, repeatedBodies: repeats(folder, killAt) };
}

/** Starts of a body whose completion was in the log: of all but the one in which the process was killed, the second. */
function repeats(folder: string, killAt: number): number {
  const starts = readFileSync(evidenceFile(folder), "utf8").trim().split("\n");
  const steps = starts.map((line) => Number(line.split(" ")[1]));
  const mayRepeat = starts.includes(`resumed ${killAt}`) ? 1 : 0;
  return steps.length - new Set(steps).size - mayRepeat;
}
