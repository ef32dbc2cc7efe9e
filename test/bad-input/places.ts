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
  /** How much of everything there is: whoever adds, changes or takes away a row of another than a worker's changes it. */
  content(): Promise<string>;
  close(): void;
}

const CONTENT = `
SELECT (SELECT max(position) || ' ' || count(*) FROM events) AS events,
  (SELECT json_group_array(json_array(id, status, head, epoch, available_at)) FROM (
    SELECT * FROM runs ORDER BY id DESC LIMIT 20)) AS newest,
  (SELECT json_array(count(*), total(head), total(epoch), total(available_at), total(length(result))) FROM runs) AS runs,
  (SELECT max(id) || ' ' || count(*) FROM inbox) AS inbox,
  (SELECT count(*) || ' ' || total(length(body)) FROM deliveries) AS deliveries,
  (SELECT json_group_array(json_array(id, hash, scopes, revoked_at)) FROM api_keys) AS keys`;

export function watch(path: string): Watch {
  const client = createClient({ url: `file:${path}`, concurrency: 1 });
  return {
    client,
    content: async () => JSON.stringify((await client.execute(CONTENT)).rows[0]),
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
