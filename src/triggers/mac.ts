/** HMACs by WebCrypto, which compares in constant time, and the encodings in which senders write them. */
import { toBase64, toBase64Url } from "../kernel/base64.ts";

/** The hash of an HMAC. SHA-1 is weak as a hash, and still good in an HMAC. */
export type HmacAlgorithm = "sha1" | "sha256" | "sha512";

/** How a MAC is written. */
export type MacEncoding = "hex" | "base64" | "base64url";

const HASHES = { sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" } as const;

/** The lengths of MACs, bytes. */
export const MAC_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;

/** More bytes than any MAC or signature here has are never decoded. */
const DECODED_BYTES_MAX = 64;

/**
 * Whether `mac` is the HMAC of `message` under any of `keys`. Every key is tried, so that the time tells nothing; but an
 * empty one, which a secret can become while it is served, proves nothing: anybody has it.
 */
export async function isMacOfAny(
  keys: readonly Uint8Array<ArrayBuffer>[],
  mac: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  algorithm: HmacAlgorithm = "sha256",
): Promise<boolean> {
  let found = false;
  for (const bytes of keys) {
    if (bytes.length === 0) continue;
    const key = await keyOf(bytes, algorithm, "verify");
    if (await crypto.subtle.verify("HMAC", key, mac, message)) found = true;
  }
  return found;
}

/** The HMAC of `message`: for senders. */
export async function macOf(
  bytes: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  algorithm: HmacAlgorithm = "sha256",
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await keyOf(bytes, algorithm, "sign");
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
}

async function keyOf(bytes: Uint8Array<ArrayBuffer>, algorithm: HmacAlgorithm, usage: "sign" | "verify") {
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: HASHES[algorithm] }, false, [usage]);
}

/** The digest of a body in hex: an id for what has no other. */
export async function digestOf(body: Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(body))));
}

/** The bytes of `text`, as a secret is a key. */
export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Parts of what is signed, one after another. */
export function joinedBytes(...parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.map((part) => (typeof part === "string" ? textBytes(part) : part));
  const joined = new Uint8Array(bytes.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The bytes of a MAC as it is written; null if it is none. Each MAC has one text in each encoding. */
export function decodeMac(text: string, encoding: MacEncoding): Uint8Array<ArrayBuffer> | null {
  if (text.length > 2 * DECODED_BYTES_MAX) return null;
  if (encoding === "hex") return fromHex(text);
  return encoding === "base64" ? fromStrictBase64(text) : fromBase64Url(text);
}

export function encodeMac(mac: Uint8Array, encoding: MacEncoding): string {
  if (encoding === "hex") return toHex(mac);
  return encoding === "base64" ? toBase64(mac) : toBase64Url(mac);
}

/** Strict lower-case hex. */
function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[0-9a-f]{2})+$/.test(text)) return null;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** The bytes of strict base64; null if it is none. */
export function fromStrictBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const binary = atob(text);
  // The unused bits of the last character must be zero, or one MAC would have several texts.
  if (btoa(binary) !== text) return null;
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** Without padding. */
function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  const padding = "=".repeat((4 - (text.length % 4)) % 4);
  return fromStrictBase64(`${text.replaceAll("-", "+").replaceAll("_", "/")}${padding}`);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
