/**
 * Shopify's webhooks: `X-Shopify-Hmac-Sha256` is the HMAC-SHA-256 of the raw body in base64. There is no signed
 * time-stamp, so only the id tells a repeat.
 * Source: shopify.dev, "Verify webhook deliveries".
 */
import { decodeMac, encodeMac, isMacOfAny, joinedBytes, MAC_BYTES, macOf, textBytes } from "./mac.ts";
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

const SIGNATURE = /^[A-Za-z0-9+/]{43}=$/;

/**
 * Verifies webhooks of Shopify. Dedupe key: `X-Shopify-Webhook-Id`. Time window: none.
 *
 * @param options `secrets`: the app's client secret
 * @example webhook({ name: "shop", scheme: shopify({ secrets: env("SHOPIFY_CLIENT_SECRET") }), workflow: fulfil });
 */
export function shopify(options: { readonly secrets: Secrets }): WebhookScheme {
  return secretScheme(options, { name: "shopify", verify, sign });
}

async function verify(request: WebhookRequest, { secrets }: Proof): Promise<Verification> {
  const signature = singleHeader(request, "x-shopify-hmac-sha256", SIGNATURE);
  if ("refusal" in signature) return signature.refusal;
  const id = singleHeader(request, "x-shopify-webhook-id", DELIVERY_ID);
  if ("refusal" in id) return id.refusal;
  const mac = decodeMac(signature.value, "base64");
  const isGood =
    mac?.length === MAC_BYTES.sha256 &&
    (await isMacOfAny((await secrets()).map(textBytes), mac, joinedBytes(request.body)));
  return isGood ? { ok: true, deliveryId: id.value } : refuse("signature-wrong", "no secret gives this signature");
}

async function sign({ body, id }: Sample, [secret = ""]: readonly string[]): Promise<Record<string, string>> {
  const mac = await macOf(textBytes(secret), joinedBytes(body));
  return { "x-shopify-webhook-id": id, "x-shopify-hmac-sha256": encodeMac(mac, "base64") };
}
