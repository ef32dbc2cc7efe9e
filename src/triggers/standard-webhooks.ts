/**
 * Standard Webhooks 1.0: `webhook-signature` holds one or more `v1,<base64>` of the HMAC-SHA-256 of
 * `id.timestamp.body`, with `webhook-id` and `webhook-timestamp`.
 * Source: the specification at github.com/standard-webhooks/standard-webhooks.
 */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { checkSecrets, currentSecrets, fromStrictBase64, isMacOfAny, MAC_BYTES } from "./hmac.ts";
import {
  refuse,
  type Secrets,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";

/** The specification warns of an id with a dot: it would move the boundary of what is signed. */
const ID = /^[A-Za-z0-9_-]{1,128}$/;
/** Seconds; the reference takes any text that begins with digits. */
const TIMESTAMP = /^[0-9]{1,12}$/;
const SIGNATURES = /^[\x21-\x7e]+(?: [\x21-\x7e]+){0,15}$/;

/** The time-stamp may differ by so much from our clock, both ways: the reference's value. */
const TOLERANCE_MS = 300_000;

/** The specification wants secrets of 24 to 64 bytes. */
const SECRET_BYTES = { min: 24, max: 64 } as const;

export interface StandardWebhooksOptions {
  /** `whsec_` and base64 of 24 to 64 bytes. */
  readonly secrets: Secrets;
  /** How far the time-stamp may be from our clock, both ways. @default "5m" */
  readonly tolerance?: Duration;
}

/**
 * Verifies webhooks that follow Standard Webhooks.
 *
 * @example webhook({ name: "billing", scheme: standardWebhooks({ secrets: ["whsec_..."] }), workflow: settle });
 */
export function standardWebhooks(options: StandardWebhooksOptions): WebhookScheme {
  const toleranceMs = options.tolerance === undefined ? TOLERANCE_MS : parseDuration(options.tolerance);
  return {
    name: "standard-webhooks",
    check: async () => {
      const secrets = await currentSecrets(options.secrets);
      checkSecrets("standard-webhooks", secrets);
      for (const secret of secrets) requireKey(secret);
    },
    verify: (request) => verify(request, options.secrets, toleranceMs),
  };
}

async function verify(request: WebhookRequest, secrets: Secrets, toleranceMs: number): Promise<Verification> {
  const id = singleHeader(request, "webhook-id", ID);
  if ("refusal" in id) return id.refusal;
  const timestamp = singleHeader(request, "webhook-timestamp", TIMESTAMP);
  if ("refusal" in timestamp) return timestamp.refusal;
  const signatures = singleHeader(request, "webhook-signature", SIGNATURES);
  if ("refusal" in signatures) return signatures.refusal;
  const message = signedBytes(id.value, timestamp.value, request.body);
  const keys = (await currentSecrets(secrets)).flatMap((secret) => keyOf(secret) ?? []);
  let isGood = false;
  for (const mac of macsOf(signatures.value)) if (await isMacOfAny(keys, mac, message)) isGood = true;
  if (!isGood) return refuse("signature-wrong", "no secret gives any of the signatures");
  const offMs = Math.abs(request.receivedAt - Number(timestamp.value) * 1_000);
  if (offMs > toleranceMs) return refuse("outside-time-window", `signed ${Math.round(offMs / 1_000)} s from now`);
  return { ok: true, deliveryId: id.value };
}

function signedBytes(id: string, timestamp: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** Signatures of other versions, which we cannot verify, are passed over: the sender may send several. */
function macsOf(header: string): Uint8Array<ArrayBuffer>[] {
  return header
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .flatMap((signature) => fromStrictBase64(signature.slice("v1,".length)) ?? [])
    .filter((mac) => mac.length === MAC_BYTES);
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> | null {
  const key = fromStrictBase64(secret.replace(/^whsec_/, ""));
  return key === null || key.length < SECRET_BYTES.min || key.length > SECRET_BYTES.max ? null : key;
}

function requireKey(secret: string): void {
  if (keyOf(secret) !== null) return;
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected secrets of the form "whsec_" and base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes, but found one of another form`,
    { scheme: "standard-webhooks" },
  );
}
