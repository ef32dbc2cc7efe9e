/** A server of the demo, as the one who starts and kills it sees it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ServerSetup } from "./server.ts";

/** Beside this module once both are bundled. */
const SERVER = fileURLToPath(new URL("server.mjs", import.meta.url));

export interface ServerProcess {
  readonly pid: number;
  readonly address: string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it is gone. */
  readonly gone: Promise<unknown>;
}

/** @throws when it ends before it listens */
export async function startServer(setup: ServerSetup): Promise<ServerProcess> {
  const child = spawn(process.execPath, [SERVER, JSON.stringify(setup)], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = once(child, "exit");
  // No server outlives the demo, however that ends.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  void gone.then(() => process.off("exit", kill));
  const line = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const first = await Promise.race([
    line,
    gone.then(([code]) => Promise.reject(new Error(`the server ended: ${code}`))),
  ]);
  const { listening } = JSON.parse(first[0]) as { listening: string };
  return { pid: child.pid ?? 0, address: listening, kill: (signal) => void child.kill(signal), gone };
}
