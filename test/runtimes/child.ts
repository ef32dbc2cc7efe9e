/** A child process that tells, line by line, what it does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ROOT } from "./bundle.ts";

export interface Child<Line> {
  /** Every line so far. */
  readonly lines: readonly Line[];
  /**
   * The first line that fits, of those that came and those that come.
   *
   * @throws when the process ends without one
   */
  told<Fitting extends Line>(fits: (line: Line) => line is Fitting): Promise<Fitting>;
  told(fits: (line: Line) => boolean): Promise<Line>;
  /** What it has written to stderr. */
  readonly stderr: string;
  /** Ends it by SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Its exit code, once it has ended by itself. */
  readonly exited: Promise<number | null>;
}

export interface ChildOptions {
  /** Where it tells: a file descriptor. @default 1, stdout */
  readonly tellsOn?: 1 | 3;
}

/**
 * Starts `command`, a path from the package's root, whose lines are JSON.
 *
 * @throws when the runtime is not there: then its tests fail, none is passed over
 */
export function startChild<Line>(
  command: string,
  args: readonly string[],
  { tellsOn = 1 }: ChildOptions = {},
): Child<Line> {
  if (!existsSync(resolve(ROOT, command))) throw new Error(`${command} is missing, and nothing is skipped: run npm ci`);
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe", ...(tellsOn === 3 ? (["pipe"] as const) : [])],
  });
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  const tellAll = () => {
    for (const look of [...waiting]) look();
  };
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const reader = createInterface({ input: child.stdio[tellsOn] as Readable });
  reader.on("line", (line) => {
    lines.push(JSON.parse(line) as Line);
    tellAll();
  });
  let hasEnded = false;
  const closed = once(child, "close").then(([code]) => {
    hasEnded = true;
    tellAll();
    return code as number | null;
  });
  const told = (fits: (line: Line) => boolean) =>
    new Promise<Line>((resolve, reject) => {
      const look = () => {
        const found = lines.find(fits);
        if (found === undefined && !hasEnded) return;
        waiting.delete(look);
        if (found !== undefined) resolve(found);
        else reject(new Error(`${command} ended without telling it; it said:\n${JSON.stringify(lines)}\n${stderr}`));
      };
      waiting.add(look);
      look();
    });
  return {
    lines,
    told: told as Child<Line>["told"],
    get stderr() {
      return stderr;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await closed;
    },
    exited: closed,
  };
}
