/** Values that runs share, under keys within scopes: their names, their bounds and their stored form. */
import { checkSize, decodePayload, encodePayload, type Payload } from "./codec.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { DefinitionError } from "./errors.ts";
import { checkNumbers, invalidOption } from "./options.ts";
import { checkName, isStorableText } from "./text.ts";

/** The longest key, in UTF-16 units: shorter than a name, because the names of calls hold keys. */
export const KEYED_KEY_LENGTH_MAX = 200;

/** The largest value, encoded: 256 KiB. Each read of it is kept in the history of the run that reads. */
export const KEYED_VALUE_BYTES_MAX = 262_144;

/** An update is given up when somebody else was faster so often. */
export const KEYED_TRIES_MAX = 100;

/** Whose a keyed value is. */
export type KeyedScope =
  | "global"
  | { readonly run: string }
  | { readonly workflow: string }
  | { readonly tenant: string };

/**
 * The scope as the store has it.
 *
 * @throws DefinitionError `KV_SCOPE_INVALID`, `NAME_INVALID`
 */
export function keyedScopeText(scope: KeyedScope): string {
  if (scope === "global") return "global";
  const entries = typeof scope === "object" && scope !== null ? Object.entries(scope) : [];
  const [kind, name] = entries[0] ?? [];
  if (entries.length !== 1 || !["run", "workflow", "tenant"].includes(kind as string)) throw scopeInvalid(scope);
  return `${kind}/${checkName(`the ${kind} of a scope of keyed values`, name)}`;
}

/** The error of a scope that there is not. */
export function scopeInvalid(found: unknown): DefinitionError {
  const shown = typeof found === "string" ? JSON.stringify(found) : typeof found;
  return new DefinitionError(
    "KV_SCOPE_INVALID",
    `expected a scope of keyed values: "global", a run, a workflow or a tenant, but found ${shown}`,
  );
}

/** @throws DefinitionError `KV_KEY_INVALID` */
export function checkKeyedKey(key: unknown): string {
  if (typeof key === "string" && key.length > 0 && isKeyedText(key)) return key;
  throw keyInvalid("a key", "a text of 1", key);
}

function isKeyedText(text: string): boolean {
  return text.length <= KEYED_KEY_LENGTH_MAX && isStorableText(text);
}

function keyInvalid(what: string, from: string, found: unknown): DefinitionError {
  const shown = typeof found === "string" ? `one of ${found.length} characters` : typeof found;
  return new DefinitionError(
    "KV_KEY_INVALID",
    `expected ${what} of keyed values to be ${from} to ${KEYED_KEY_LENGTH_MAX} characters without NUL and lone surrogates, but found ${shown}`,
    { key: found },
  );
}

/**
 * How long a value stays; null: until it is changed.
 *
 * @throws DefinitionError `DURATION_INVALID`, `OPTION_INVALID`
 */
export function checkTtl(ttl: Duration | undefined): number | null {
  if (ttl === undefined) return null;
  const ttlMs = parseDuration(ttl);
  if (ttlMs > 0) return ttlMs;
  throw invalidOption("ttl", "longer than nothing", ttl);
}

/** Which keys a list shows. */
export interface KeyedPage {
  /** Only keys that begin so. @default all */
  readonly prefix?: string;
  /** Only keys that come later in the order of their code points. @default all */
  readonly after?: string;
  /** From 1 to 1,000. @default 100 */
  readonly limit?: number;
}

const LIMIT_DEFAULT = 100;
const PAGE_RANGES = { limit: [1, 1_000] } as const;

/**
 * A page with its defaults.
 *
 * @throws DefinitionError `KV_KEY_INVALID`, `OPTION_INVALID`
 */
export function checkKeyedPage(page: KeyedPage): { prefix: string; after: string | null; limit: number } {
  const { prefix = "", after, limit = LIMIT_DEFAULT } = page;
  for (const [what, text] of Object.entries({ prefix, after: after ?? "" })) {
    if (typeof text !== "string" || !isKeyedText(text)) throw keyInvalid(`the ${what} of a list`, "a text of 0", text);
  }
  return { prefix, after: after ?? null, ...checkNumbers("list", { limit }, { limit }, PAGE_RANGES) };
}

/**
 * A value as the store has it: shares nothing with what was given.
 *
 * @throws PayloadError, DefinitionError `KV_VALUE_INVALID`
 */
export function encodeKeyed(value: unknown): string {
  if (value === undefined)
    throw new DefinitionError(
      "KV_VALUE_INVALID",
      "expected a value, but found undefined, which means that there is none; delete the key instead",
    );
  const text = JSON.stringify(encodePayload(value, KEYED_VALUE_BYTES_MAX));
  checkSize(() => "the keyed value", text, KEYED_VALUE_BYTES_MAX);
  return text;
}

/**
 * The value that is under a key; undefined if none is.
 *
 * @throws PayloadError `PAYLOAD_CORRUPT`
 */
export function decodeKeyed(text: string | null): unknown {
  return text === null ? undefined : decodePayload(JSON.parse(text) as Payload);
}
