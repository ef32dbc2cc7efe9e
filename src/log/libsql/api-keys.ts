/** API keys, by the digest of their secret. */
import type { ApiKeyRow } from "../port-api-keys.ts";
import type { Database } from "./database.ts";
import { apiKeys } from "./schema.ts";

/** Stores a key, or a change of it. */
export async function putApiKey(db: Database, key: ApiKeyRow): Promise<void> {
  const row = { ...key, scopes: [...key.scopes] };
  await db.attempt(async () => {
    await db.query.insert(apiKeys).values(row).onConflictDoUpdate({ target: apiKeys.id, set: row });
  });
}

export async function listApiKeys(db: Database): Promise<ApiKeyRow[]> {
  return await db.attempt(async () => await db.query.select().from(apiKeys).orderBy(apiKeys.id));
}
