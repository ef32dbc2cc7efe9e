/**
 * Standard Webhooks 1.0: `webhook-signature` holds one or more signatures of `id.timestamp.body`, with `webhook-id` and
 * `webhook-timestamp`: `v1,<base64>` is an HMAC-SHA-256, `v1a,<base64>` a signature by ed25519. Svix sends the same with
 * `svix-` in place of `webhook-`.
 * Source: the specification at github.com/standard-webhooks/standard-webhooks.
 */
import { DefinitionError } from "../kernel/errors.ts";
import { decodeMac, encodeMac, fromStrictBase64, isMacOfAny, joinedBytes, MAC_BYTES, macOf } from "./mac.ts";
import {
  // The specification warns of an id with a dot, which would move the boundary of what is signed: this has none.
  DELIVERY_ID,
  hasHeader,
  outsideWindow,
  refuse,
  type Sample,
  SECONDS,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { type Proof, secretScheme, type TimedSchemeOptions } from "./secret-scheme.ts";

const SIGNATURES = /^[\x21-\x7e]+(?: [\x21-\x7e]+){0,15}$/;

/** The specification wants secrets of 24 to 64 bytes. */
const SECRET_BYTES = { min: 24, max: 64 } as const;

/** The lengths of a public key of ed25519 and of its signatures, bytes. */
const ED25519_BYTES = { key: 32, signature: 64 } as const;

/**
 * Verifies webhooks that follow Standard Webhooks, also by Svix. Dedupe key: `webhook-id`. Time window: 5 minutes.
 *
 * @param options `secrets`: `whsec_` and base64 of 24 to 64 bytes; or `whpk_` and base64 of an ed25519 public key, for `v1a`
 * @throws DefinitionError `DURATION_INVALID`
 * @example webhook({ name: "billing", scheme: standardWebhooks({ secrets: env("BILLING_SECRET") }), workflow: settle });
 */
export function standardWebhooks(options: TimedSchemeOptions): WebhookScheme {
  const requireForm = (secret: string) => requireKey(secret, "standard-webhooks");
  return secretScheme(options, { name: "standard-webhooks", requireForm, verify: verifyStandard, sign });
}

/** Whether a request has signatures of this kind. */
export function isStandard(request: WebhookRequest): boolean {
  return hasHeader(request, "webhook-signature");
}

/** Verifies a request under secrets, of which those of another form are passed over. */
export async function verifyStandard(request: WebhookRequest, { secrets, toleranceMs }: Proof): Promise<Verification> {
  // One whole set of headers: they must not be mixed.
  const prefix = hasHeader(request, "svix-id") && !hasHeader(request, "webhook-id") ? "svix" : "webhook";
  const id = singleHeader(request, `${prefix}-id`, DELIVERY_ID);
  if ("refusal" in id) return id.refusal;
  const timestamp = singleHeader(request, `${prefix}-timestamp`, SECONDS);
  if ("refusal" in timestamp) return timestamp.refusal;
  const signatures = singleHeader(request, `${prefix}-signature`, SIGNATURES);
  if ("refusal" in signatures) return signatures.refusal;
  const message = joinedBytes(`${id.value}.${timestamp.value}.`, request.body);
  if (!(await isSigned(signatures.value, message, await secrets())))
    return refuse("signature-wrong", "no secret gives any of the signatures");
  const off = outsideWindow(request, Number(timestamp.value) * 1_000, toleranceMs);
  return off ?? { ok: true, deliveryId: id.value };
}

async function isSigned(
  header: string,
  message: Uint8Array<ArrayBuffer>,
  secrets: readonly string[],
): Promise<boolean> {
  const keys = secrets.flatMap((secret) => symmetricKey(secret) ?? []);
  const publicKeys = secrets.flatMap((secret) => publicKey(secret) ?? []);
  let isGood = false;
  for (const mac of signaturesOf(header, "v1,", MAC_BYTES.sha256)) {
    if (await isMacOfAny(keys, mac, message)) isGood = true;
  }
  for (const signature of signaturesOf(header, "v1a,", ED25519_BYTES.signature)) {
    for (const key of publicKeys) if (await isSignatureOf(key, signature, message)) isGood = true;
  }
  return isGood;
}

/** Signatures of other versions, which we cannot verify, are passed over: the sender may send several. */
function signaturesOf(header: string, version: string, bytes: number): Uint8Array<ArrayBuffer>[] {
  return header
    .split(" ")
    .filter((signature) => signature.startsWith(version))
    .flatMap((signature) => decodeMac(signature.slice(version.length), "base64") ?? [])
    .filter(({ length }) => length === bytes);
}

/** A key that is no point of the curve verifies nothing. */
async function isSignatureOf(
  bytes: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = await crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
  return await crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
}

async function sign(sample: Sample, secrets: readonly string[]): Promise<Record<string, string>> {
  const key = secrets.flatMap((secret) => symmetricKey(secret) ?? [])[0];
  if (key === undefined) {
    throw new DefinitionError(
      "SECRET_INVALID",
      'expected a secret of the form "whsec_..." to sign with, but found public keys alone, by which nobody can sign',
      { scheme: "standard-webhooks" },
    );
  }
  return await signedHeaders(key, sample);
}

/** The headers of a sender with this key. */
export async function signedHeaders(
  key: Uint8Array<ArrayBuffer>,
  { body, id, at }: Sample,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1_000));
  const mac = await macOf(key, joinedBytes(`${id}.${timestamp}.`, body));
  const signature = `v1,${encodeMac(mac, "base64")}`;
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
}

/** The key of a secret `whsec_...`; null if it is none. */
export function symmetricKey(secret: string): Uint8Array<ArrayBuffer> | null {
  const key = fromStrictBase64(secret.replace(/^whsec_/, ""));
  return key === null || key.length < SECRET_BYTES.min || key.length > SECRET_BYTES.max ? null : key;
}

/** A public key that lost its prefix would be taken for a secret, which everybody knows: so it is asked for. */
function publicKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!secret.startsWith("whpk_")) return null;
  const key = fromStrictBase64(secret.slice("whpk_".length));
  return key?.length === ED25519_BYTES.key ? key : null;
}

/** @throws DefinitionError `SECRET_INVALID` */
export function requireKey(secret: string, scheme: string): void {
  if (symmetricKey(secret) !== null || publicKey(secret) !== null) return;
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected secrets of the form "whsec_" and base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes, or "whpk_" and base64 of ${ED25519_BYTES.key}, but found one of another form`,
    { scheme },
  );
}
