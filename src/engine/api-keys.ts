/** API keys as users of the engine, the HTTP layer and the client see them. */

/** What a key of the HTTP API may be used for. */
export type ApiScope = "runs:read" | "runs:write";

/** A key of the HTTP API, without its secret. */
export interface ApiKey {
  readonly id: string;
  /** Whose it is, or what for. */
  readonly name: string;
  readonly scopes: readonly ApiScope[];
  readonly createdAt: number;
  /** Null: it is good. */
  readonly revokedAt: number | null;
}

/** A key that was just made. */
export interface NewApiKey extends ApiKey {
  /** `varve_<id>_<secret>`, sent as `Authorization: Bearer ...`. Shown now and never again. */
  readonly token: string;
}

/** The keys of the HTTP API. They live in the log's database, so every process over it knows them. */
export interface ApiKeys {
  /**
   * Makes a key.
   *
   * @throws DefinitionError `SCOPE_INVALID`, LimitError `API_KEYS_LIMIT`
   * @example const { token } = await engine.keys.create({ name: "ci", scopes: ["runs:write"] });
   */
  create(options: { readonly name: string; readonly scopes: readonly ApiScope[] }): Promise<NewApiKey>;
  /** All keys, also the revoked ones, oldest first. */
  list(): Promise<ApiKey[]>;
  /**
   * Ends a key, for this process at once and for others over the same database within seconds.
   *
   * @throws NotFoundError `API_KEY_NOT_FOUND`
   */
  revoke(id: string): Promise<ApiKey>;
  /** The key that `token` is of; null: there is none, or it is revoked. */
  verify(token: string): Promise<ApiKey | null>;
}
