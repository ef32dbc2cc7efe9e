/** A libSQL server in a process of its own, over one file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@libsql/client";

const MAIN = fileURLToPath(new URL("../support/hrana-main.mjs", import.meta.url));

export interface ServerProcess {
  readonly url: string;
  /** Deletes every row but the migrations'. */
  wipe(): Promise<void>;
  /** Ends it by SIGKILL and deletes its file. */
  stop(): Promise<void>;
}

export async function startServerProcess(): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "varve-server-"));
  const child = spawn(process.execPath, [MAIN, "--db", join(folder, "log.db")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const url = line.replace("listening ", "");
  return {
    url,
    wipe: () => wipe(url),
    stop: async () => {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

async function wipe(url: string): Promise<void> {
  const client = createClient({ url });
  const tables = await client.execute(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'varve_migrations'",
  );
  await client.batch([...tables.rows.map(({ name }) => `DELETE FROM ${name}`), "DELETE FROM sqlite_sequence"], "write");
  client.close();
}
