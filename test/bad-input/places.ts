/** Database files of the lanes, and what tells whether anybody has written to one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import type { Logger } from "../../src/kernel/ports.ts";
import { openReadOnly, type VerifyReport } from "../../src/runtime/read-only.ts";

/** Calls `use` with a folder, which is gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "varve-input-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const silent: Logger = { log: () => {} };

/** A foreign connection to a file. */
export interface Watch {
  readonly client: Client;
  /** A number that another connection's commit changes, and nothing else does. */
  version(): Promise<number>;
  close(): void;
}

export function watch(path: string): Watch {
  const client = createClient({ url: `file:${path}`, concurrency: 1 });
  return {
    client,
    version: async () => Number((await client.execute("PRAGMA data_version")).rows[0]?.data_version),
    close: () => client.close(),
  };
}

/** What `varve db verify` finds. */
export async function verified(path: string): Promise<VerifyReport & { readonly integrity: readonly string[] }> {
  const log = await openReadOnly({ db: `file:${path}` });
  try {
    return { ...(await log.verify(() => {})), integrity: (await log.integrity()) ?? [] };
  } finally {
    await log.close();
  }
}
