/**
 * GitHub's webhooks: `X-Hub-Signature-256` is the HMAC-SHA-256 of the raw body in hex, `X-GitHub-Delivery` the id of the
 * delivery. There is no timestamp, so only the id tells a repeat.
 * Source: docs.github.com, "Validating webhook deliveries".
 */
import { checkSecrets, currentSecrets, isMacOfAny, macFromHex } from "./hmac.ts";
import {
  refuse,
  type Secrets,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";

const SIGNATURE = /^sha256=[0-9a-f]{64}$/;
const DELIVERY = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Verifies webhooks of GitHub.
 *
 * @param options `secrets`: what is entered as the webhook's secret; during a rotation the new one and the old one
 * @example webhook({ name: "github", scheme: github({ secrets: [secret] }), workflow: triage });
 */
export function github(options: { readonly secrets: Secrets }): WebhookScheme {
  return {
    name: "github",
    check: async () => checkSecrets("github", await currentSecrets(options.secrets)),
    verify: (request) => verify(request, options.secrets),
  };
}

async function verify(request: WebhookRequest, secrets: Secrets): Promise<Verification> {
  const signature = singleHeader(request, "x-hub-signature-256", SIGNATURE);
  if ("refusal" in signature) return signature.refusal;
  const delivery = singleHeader(request, "x-github-delivery", DELIVERY);
  if ("refusal" in delivery) return delivery.refusal;
  const mac = macFromHex(signature.value.slice("sha256=".length));
  if (mac === null) return refuse("header-malformed", "the signature is no hex");
  const keys = (await currentSecrets(secrets)).map((secret) => new TextEncoder().encode(secret));
  const isGood = await isMacOfAny(keys, mac, new Uint8Array(request.body));
  return isGood
    ? { ok: true, deliveryId: delivery.value }
    : refuse("signature-wrong", "no secret gives this signature");
}
