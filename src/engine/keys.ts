/**
 * API keys: who may speak to the engine over HTTP, and what for.
 *
 * Owns: a copy of the keys' rows, so that a request costs no read. Called by the HTTP gate and by whoever makes keys.
 *
 * K1 A secret is stored and compared as its SHA-256 alone. It has 260 random bits, so a slow hash would add nothing.
 * K2 A key that was revoked, by whatever process, is refused after {@link COPY_MS} at the latest.
 * K3 What requests share is data, never a promise: in an isolate one request must not wait for another's.
 */
import { sha256Hex } from "../kernel/derive.ts";
import * as errors from "../kernel/errors.ts";
import { invalidOption } from "../kernel/options.ts";
import type { Clock, Random } from "../kernel/ports.ts";
import { checkName, isSameText } from "../kernel/text.ts";
import type { LogStore } from "../log/port.ts";
import type { ApiKeyRow } from "../log/port-api-keys.ts";
import type { ApiKey, ApiKeys, ApiScope, NewApiKey } from "./api-keys.ts";

/** All scopes. There is none for reading secrets, nor for making keys: that takes the engine itself. */
export const API_SCOPES: readonly ApiScope[] = ["runs:read", "runs:write"];

/** The most keys that are not revoked. */
const API_KEYS_MAX = 1_000;

/** How long a copy of the keys is used, milliseconds. */
const COPY_MS = 2_000;

/** For a key that the copy lacks: another process may have made it since. So often at most the database is asked. */
const COPY_MS_FOR_UNKNOWN = 500;

/** Crockford's base 32: no letter that is taken for another, nothing that ends a double-click's selection. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LENGTH = 16;
const SECRET_LENGTH = 52;
const TOKEN = new RegExp(`^varve_([${ALPHABET}]{${ID_LENGTH}})_([${ALPHABET}]{${SECRET_LENGTH}})$`);

/** Compared with for an id that does not exist, so that the time tells nothing. */
const NO_HASH = "0".repeat(64);

export interface ApiKeyParts {
  readonly store: LogStore;
  readonly clock: Pick<Clock, "monotonic">;
  readonly random: Random;
  /** The database's clock, milliseconds. */
  readonly now: () => Promise<number>;
  /** Throws when the engine is closed. */
  readonly checkOpen: () => void;
}

export class ApiKeyRing implements ApiKeys {
  readonly #parts: ApiKeyParts;
  #copy: { readonly rows: ReadonlyMap<string, ApiKeyRow>; readonly readAt: number } | null = null;

  constructor(parts: ApiKeyParts) {
    this.#parts = parts;
  }

  async create(options: { readonly name: string; readonly scopes: readonly ApiScope[] }): Promise<NewApiKey> {
    const name = checkName("the name of an API key", options.name);
    const scopes = checkScopes(options.scopes);
    const { store, random, now } = this.#parts;
    const live = [...(await this.#rows(0)).values()].filter((row) => row.revokedAt === null);
    if (live.length >= API_KEYS_MAX) {
      throw new errors.LimitError(
        "API_KEYS_LIMIT",
        `expected at most ${API_KEYS_MAX} API keys, and there are as many; revoke those that nobody uses`,
        { max: API_KEYS_MAX, found: live.length },
      );
    }
    const id = randomText(random, ID_LENGTH);
    const secret = randomText(random, SECRET_LENGTH);
    const createdAt = Math.floor(await now());
    const row: ApiKeyRow = { id, name, hash: sha256Hex(secret), scopes, createdAt, revokedAt: null };
    await store.putApiKey(row);
    this.#copy = null;
    return { ...apiKey(row), token: `varve_${id}_${secret}` };
  }

  async list(): Promise<ApiKey[]> {
    const rows = [...(await this.#rows(0)).values()];
    return rows.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)).map(apiKey);
  }

  async revoke(id: string): Promise<ApiKey> {
    const row = (await this.#rows(0)).get(checkName("the id of an API key", id));
    if (row === undefined) {
      throw new errors.NotFoundError("API_KEY_NOT_FOUND", `expected an API key with the id ${JSON.stringify(id)}`, {
        id,
      });
    }
    if (row.revokedAt !== null) return apiKey(row);
    const revoked = { ...row, revokedAt: Math.floor(await this.#parts.now()) };
    await this.#parts.store.putApiKey(revoked);
    this.#copy = null;
    return apiKey(revoked);
  }

  async verify(token: string): Promise<ApiKey | null> {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return null;
    const known = await this.#rows(COPY_MS);
    const row = known.get(id) ?? (await this.#rows(COPY_MS_FOR_UNKNOWN)).get(id);
    const isGood = isSameText(sha256Hex(secret), row?.hash ?? NO_HASH);
    return isGood && row !== undefined && row.revokedAt === null ? apiKey(row) : null;
  }

  /** All rows by id, as they were at most `ageMs` ago. */
  async #rows(ageMs: number): Promise<ReadonlyMap<string, ApiKeyRow>> {
    const { store, clock, checkOpen } = this.#parts;
    checkOpen();
    const readAt = clock.monotonic();
    if (this.#copy !== null && readAt - this.#copy.readAt < ageMs) return this.#copy.rows;
    const rows = new Map((await store.listApiKeys()).map((row) => [row.id, row]));
    this.#copy = { rows, readAt };
    return rows;
  }
}

function checkScopes(scopes: readonly string[]): ApiScope[] {
  if (!Array.isArray(scopes)) throw invalidOption("scopes", "a list of scopes", scopes);
  const unknown = scopes.find((scope) => !API_SCOPES.includes(scope as ApiScope));
  if (scopes.length > 0 && unknown === undefined) return API_SCOPES.filter((scope) => scopes.includes(scope));
  throw new errors.DefinitionError(
    "SCOPE_INVALID",
    `expected one or more scopes of ${API_SCOPES.join(", ")}, but found ${unknown === undefined ? "none" : JSON.stringify(unknown)}`,
    { scopes },
  );
}

function randomText(random: Random, length: number): string {
  return Array.from(random.bytes(length), (byte) => ALPHABET[byte & 31]).join("");
}

function apiKey({ id, name, scopes, createdAt, revokedAt }: ApiKeyRow): ApiKey {
  return { id, name, scopes: scopes as readonly ApiScope[], createdAt, revokedAt };
}
