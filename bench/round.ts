/** One round of the bench: every workload once, each in a process of its own, one after the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { ChainFigures, ChainShape, Figures, RawFigures } from "./figures.ts";
import type { SizeName } from "./sizes.ts";
import type { Task, WorkloadName } from "./workload.ts";

/** Beside this module once both are bundled. */
const WORKLOAD = fileURLToPath(new URL("workload.mjs", import.meta.url));

/** @param folder is made, and removed afterwards */
export async function runRound(folder: string, size: SizeName): Promise<Figures & { chain: ChainShape }> {
  const measure = async <T>(workload: WorkloadName, shape?: ChainShape) => {
    const { figures, signal } = await runTask({ workload, folder, size, ...(shape === undefined ? {} : { shape }) });
    if (figures === null) throw new Error(`expected the workload ${workload} to end, but ${signal} ended it`);
    return figures as T;
  };
  try {
    const chain = await measure<ChainFigures & ChainShape>("chain");
    const raw = await measure<RawFigures>("raw", chain);
    const w2 = await measure<Figures["w2"]>("latency");
    const w3 = await measure<Figures["w3"]>("fan-out");
    const w4 = await measure<Figures["w4"]>("long-history");
    const { signal } = await runTask({ workload: "be-killed", folder, size });
    if (signal !== "SIGKILL") throw new Error(`expected SIGKILL in the middle of the run, but found ${signal}`);
    const w5 = await measure<Figures["w5"]>("resume");
    await measure("put-to-sleep");
    const w6 = await measure<Figures["w6"]>("idle");
    const { startMs } = await measure<{ startMs: number }>("start-up");
    const { database, eventsPerPass, eventsPerCommit, ...w1 } = chain;
    return { raw, w1, w2, w3, w4, w5, w6, startMs, chain: { database, eventsPerPass, eventsPerCommit } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `figures`: what the process printed; null when a signal ended it. */
async function runTask(task: Task): Promise<{ figures: unknown; signal: NodeJS.Signals | null }> {
  const child = spawn(process.execPath, [WORKLOAD, JSON.stringify(task)], { stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (signal !== null) return { figures: null, signal };
  if (code !== 0) throw new Error(`the workload ${task.workload} ended with exit code ${code}`);
  return { figures: JSON.parse(printed), signal: null };
}
