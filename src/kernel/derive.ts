/**
 * Randomness that replay repeats: derived from the run, the scope and the occurrence, so it needs no event. Each value
 * is SHA-256 of those three. It is not a secret: whoever knows the run's id can compute it.
 */
import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { utf8ToBytes } from "@noble/hashes/utils";

/** The longest idempotency key that goes out as it is; the strictest large provider takes 255 characters. */
const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

function digest(...parts: (string | number)[]): Uint8Array {
  return sha256(utf8ToBytes(parts.join("\0")));
}

/** A float in [0, 1) with 53 random bits. */
export function derivedFloat(runId: string, scope: string, occurrence: number): number {
  const bytes = digest("random", runId, scope, occurrence);
  const high = ((bytes[0] as number) << 13) | ((bytes[1] as number) << 5) | ((bytes[2] as number) >> 3);
  const low = new DataView(bytes.buffer, bytes.byteOffset + 3, 4).getUint32(0);
  return (high * 2 ** 32 + low) / 2 ** 53;
}

/** A version 8 UUID (RFC 9562: custom bits). */
export function derivedUuid(runId: string, scope: string, occurrence: number): string {
  const bytes = digest("uuid", runId, scope, occurrence).slice(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Tells the `occurrence`-th resume URL for a signal in a scope from every other one of its run: 128 bits, hex. */
export function resumeCall(runId: string, scope: string, signal: string, occurrence: number): string {
  return toHex(digest("resume", runId, scope, signal, occurrence).subarray(0, 16));
}

/** The key that every attempt of one step gives to foreign systems: the run's id and the step's key. */
export function stepIdempotencyKey(runId: string, key: string): string {
  const plain = `${runId}/${key}`;
  return plain.length <= IDEMPOTENCY_KEY_LENGTH_MAX ? plain : `${runId}/sha256-${toHex(digest(key))}`;
}

/** SHA-256 of a text, in hex: for secrets that are stored as their digest. */
export function sha256Hex(text: string): string {
  return toHex(sha256(utf8ToBytes(text)));
}

/** HMAC-SHA-256 of a text, for what we sign ourselves: at once, as WebCrypto does not. */
export function hmacSha256(key: Uint8Array, text: string): Uint8Array {
  return hmac(sha256, key, utf8ToBytes(text));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
