/** The libSQL server of the lanes, as a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../runtimes/bundle.ts";

export interface ServerProcess {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves the file at `path`. */
export async function startServer(path: string): Promise<ServerProcess> {
  const child = spawn(process.execPath, [join(ROOT, "test/support/hrana-main.mjs"), "--db", path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const stop = async () => {
    child.kill("SIGTERM");
    await once(child, "close");
  };
  return { url: line.replace("listening ", ""), stop };
}
