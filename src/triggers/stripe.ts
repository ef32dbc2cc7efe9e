/**
 * Stripe's webhooks: `Stripe-Signature` is `t=<seconds>,v1=<hex>`, with several `v1` while secrets are rotated: the
 * HMAC-SHA-256 of `t.body` under the whole text of the endpoint's secret.
 * Source: docs.stripe.com/webhooks, "Verify webhook signatures manually".
 */
import { deliveryIdOf } from "./delivery-id.ts";
import { decodeMac, encodeMac, isMacOfAny, joinedBytes, MAC_BYTES, macOf, textBytes } from "./mac.ts";
import {
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

/** Items `name=value`, as many as any sender needs. */
const SIGNATURE = /^[a-z0-9]+=[^,=\s]+(?:,[a-z0-9]+=[^,=\s]+){1,15}$/;

/**
 * Verifies webhooks of Stripe. Dedupe key: the event's `id` in the body, which every try to deliver it has. Time window: 5
 * minutes.
 *
 * @param options `secrets`: the endpoint's signing secret, `whsec_...`
 * @throws DefinitionError `DURATION_INVALID`
 * @example webhook({ name: "stripe", scheme: stripe({ secrets: env("STRIPE_WEBHOOK_SECRET") }), workflow: settle });
 */
export function stripe(options: TimedSchemeOptions): WebhookScheme {
  return secretScheme(options, { name: "stripe", verify, sign });
}

async function verify(request: WebhookRequest, { secrets, toleranceMs }: Proof): Promise<Verification> {
  const header = singleHeader(request, "stripe-signature", SIGNATURE);
  if ("refusal" in header) return header.refusal;
  const items = header.value.split(",").map((item) => item.split("=") as [name: string, value: string]);
  const valuesOf = (wanted: string) => items.flatMap(([name, value]) => (name === wanted ? [value] : []));
  const [timestamp = "", ...others] = valuesOf("t");
  if (!SECONDS.test(timestamp) || others.length > 0)
    return refuse("header-malformed", "stripe-signature has not one t of seconds");
  const message = joinedBytes(`${timestamp}.`, request.body);
  const keys = (await secrets()).map(textBytes);
  let isGood = false;
  for (const mac of valuesOf("v1").flatMap((text) => decodeMac(text, "hex") ?? [])) {
    if (mac.length === MAC_BYTES.sha256 && (await isMacOfAny(keys, mac, message))) isGood = true;
  }
  if (!isGood) return refuse("signature-wrong", "no secret gives any v1 of stripe-signature");
  const off = outsideWindow(request, Number(timestamp) * 1_000, toleranceMs);
  if (off !== null) return off;
  const id = await deliveryIdOf(request, { pointer: "/id" });
  return "refusal" in id ? id.refusal : { ok: true, deliveryId: id.value };
}

async function sign({ body, at }: Sample, [secret = ""]: readonly string[]): Promise<Record<string, string>> {
  const timestamp = Math.floor(at / 1_000);
  const mac = await macOf(textBytes(secret), joinedBytes(`${timestamp}.`, body));
  return { "stripe-signature": `t=${timestamp},v1=${encodeMac(mac, "hex")}` };
}
