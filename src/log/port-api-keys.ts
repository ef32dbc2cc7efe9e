/** What the storage port says of the keys of the HTTP API. */

/** An API key as it is stored: never the secret itself. */
export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** The part of the log that holds API keys. */
export interface ApiKeyStore {
  putApiKey(key: ApiKeyRow): Promise<void>;
  listApiKeys(): Promise<ApiKeyRow[]>;
}
