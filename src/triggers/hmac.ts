/** HMAC-SHA-256 by WebCrypto, which compares in constant time. */
import { DefinitionError } from "../kernel/errors.ts";
import type { Secrets } from "./scheme.ts";

const HMAC_SHA256 = { name: "HMAC", hash: "SHA-256" } as const;

/** The length of an HMAC-SHA-256, bytes. */
export const MAC_BYTES = 32;

/**
 * Whether `mac` is the HMAC of `message` under any of `keys`. Every key is tried, so that the time tells nothing; but an
 * empty one, which a secret can become while it is served, proves nothing: anybody has it.
 */
export async function isMacOfAny(
  keys: readonly Uint8Array<ArrayBuffer>[],
  mac: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  let found = false;
  for (const bytes of keys) {
    if (bytes.length === 0) continue;
    const key = await crypto.subtle.importKey("raw", bytes, HMAC_SHA256, false, ["verify"]);
    if (await crypto.subtle.verify("HMAC", key, mac, message)) found = true;
  }
  return found;
}

/** The bytes of strict lower-case hex of a MAC; null if it is none. */
export function macFromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[0-9a-f]{64}$/.test(text)) return null;
  return Uint8Array.from({ length: MAC_BYTES }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** The bytes of strict base64; null if it is none. */
export function fromStrictBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const binary = atob(text);
  // The unused bits of the last character must be zero, or one MAC would have several texts.
  if (btoa(binary) !== text) return null;
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** The secrets as they are now. */
export async function currentSecrets(secrets: Secrets): Promise<readonly string[]> {
  return typeof secrets === "function" ? await secrets() : secrets;
}

/**
 * Checks that there is a secret and that none is empty.
 *
 * @throws DefinitionError `SECRET_INVALID`
 */
export function checkSecrets(scheme: string, secrets: readonly string[]): void {
  const found =
    secrets.length === 0
      ? "none"
      : secrets.some((secret) => typeof secret !== "string" || secret === "")
        ? "an empty one"
        : null;
  if (found === null) return;
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected at least one secret for the webhook scheme "${scheme}" and none of them empty, but found ${found}; a hook without a secret is not served`,
    { scheme },
  );
}
