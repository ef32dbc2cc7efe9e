/** What Node, Deno and Bun have in common: all three speak `node:os` and `node:process`. */
import { hostname } from "node:os";
import process from "node:process";
import { drainByImmediate } from "./drain.ts";
import type { Surroundings } from "./local.ts";
import { jsonLogger } from "./system.ts";

/** The interval of a timer that does nothing but keep the process alive. */
const KEEP_ALIVE_MS = 2 ** 30;

export const processSurroundings: Surroundings = {
  drain: drainByImmediate,
  label: `${hostname()}:${process.pid}`,
  keepAlive: () => {
    const timer = setInterval(() => {}, KEEP_ALIVE_MS);
    return () => clearInterval(timer);
  },
  secrets: (name) => process.env[name],
  stderr: jsonLogger("warn", (line) => process.stderr.write(`${line}\n`)),
};
