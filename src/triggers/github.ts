/**
 * GitHub's webhooks: `X-Hub-Signature-256` is the HMAC-SHA-256 of the raw body in hex, `X-GitHub-Delivery` the id of the
 * delivery. There is no timestamp, so only the id tells a repeat.
 * Source: docs.github.com, "Validating webhook deliveries".
 */
import { decodeMac, encodeMac, isMacOfAny, joinedBytes, macOf, textBytes } from "./mac.ts";
import {
  DELIVERY_ID,
  refuse,
  type Sample,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { type Proof, secretScheme } from "./secret-scheme.ts";
import type { Secrets } from "./secrets.ts";

const PREFIX = "sha256=";
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;

/**
 * Verifies webhooks of GitHub. Dedupe key: `X-GitHub-Delivery`, which a redelivery keeps. Time window: none.
 *
 * @param options `secrets`: what is entered as the webhook's secret; during a rotation the new one and the old one
 * @example webhook({ name: "github", scheme: github({ secrets: env("GITHUB_WEBHOOK_SECRET") }), workflow: triage });
 */
export function github(options: { readonly secrets: Secrets }): WebhookScheme {
  return secretScheme(options, { name: "github", verify, sign });
}

async function verify(request: WebhookRequest, { secrets }: Proof): Promise<Verification> {
  const signature = singleHeader(request, "x-hub-signature-256", SIGNATURE);
  if ("refusal" in signature) return signature.refusal;
  const delivery = singleHeader(request, "x-github-delivery", DELIVERY_ID);
  if ("refusal" in delivery) return delivery.refusal;
  const mac = decodeMac(signature.value.slice(PREFIX.length), "hex");
  if (mac === null) return refuse("header-malformed", "the signature is no hex");
  const keys = (await secrets()).map(textBytes);
  return (await isMacOfAny(keys, mac, joinedBytes(request.body)))
    ? { ok: true, deliveryId: delivery.value }
    : refuse("signature-wrong", "no secret gives this signature");
}

async function sign({ body, id }: Sample, [secret = ""]: readonly string[]): Promise<Record<string, string>> {
  const mac = await macOf(textBytes(secret), joinedBytes(body));
  return { "x-github-delivery": id, "x-hub-signature-256": `${PREFIX}${encodeMac(mac, "hex")}` };
}
