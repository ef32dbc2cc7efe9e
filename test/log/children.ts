/** Starts processes of `child-main.ts`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { bundleForNode, ROOT } from "../runtimes/bundle.ts";
import { type Child, startChild } from "../runtimes/child.ts";
import type { Task, Told } from "./child-main.ts";

/** Call it at the top of a test file: what it returns starts a process. */
export function childProcesses(): (task: Task) => Child<Told> {
  const started: Child<Told>[] = [];
  let folder: string;

  beforeAll(async () => {
    // In the package's folder, so that the bundle finds what it imports.
    mkdirSync(join(ROOT, ".tmp"), { recursive: true });
    folder = mkdtempSync(join(ROOT, ".tmp", "log-"));
    writeFileSync(join(folder, "child.mjs"), (await bundleForNode("test/log/child-main.ts")).code);
  });

  afterAll(async () => {
    await Promise.all(started.map((child) => child.kill()));
    rmSync(folder, { recursive: true });
  });

  return (task) => {
    const child = startChild<Told>(process.execPath, [join(folder, "child.mjs"), JSON.stringify(task)]);
    started.push(child);
    return child;
  };
}

export const is = (told: Told["told"]) => (line: Told) => line.told === told;
