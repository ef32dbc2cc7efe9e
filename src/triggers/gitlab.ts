/**
 * GitLab's webhooks: a secret token in `X-Gitlab-Token`, or a signing token, by which they are signed as Standard Webhooks.
 * Source: docs.gitlab.com, "Webhooks".
 */
import {
  DELIVERY_ID,
  hasHeader,
  refuse,
  type Sample,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { type Proof, secretScheme, type TimedSchemeOptions } from "./secret-scheme.ts";
import { isStandard, requireKey, signedHeaders, symmetricKey, verifyStandard } from "./standard-webhooks.ts";
import { isAnyText } from "./token.ts";

const TOKEN = /^[\x20-\x7e]{1,1024}$/;

/** Newer versions send it with every webhook, the same with each try; it is what a signature covers as `webhook-id`. */
const RETRY_KEY = "idempotency-key";
const EVENT_ID = "x-gitlab-event-uuid";

/**
 * Verifies webhooks of GitLab. Dedupe key: `webhook-id` if it is signed; else `Idempotency-Key`, and `X-Gitlab-Event-UUID`
 * of versions without it. Time window: 5 minutes if it is signed; a secret token has none.
 *
 * @param options `secrets`: secret tokens, and signing tokens, which begin with `whsec_`; a signing token is never taken as a
 *   secret token
 * @throws DefinitionError `DURATION_INVALID`
 * @example webhook({ name: "gitlab", scheme: gitlab({ secrets: env("GITLAB_SIGNING_TOKEN") }), workflow: build });
 */
export function gitlab(options: TimedSchemeOptions): WebhookScheme {
  const requireForm = (secret: string) => {
    if (isSigningToken(secret)) requireKey(secret, "gitlab");
  };
  return secretScheme(options, { name: "gitlab", requireForm, verify, sign });
}

async function verify(request: WebhookRequest, { secrets, toleranceMs }: Proof): Promise<Verification> {
  if (isStandard(request)) {
    const signing = async () => (await secrets()).filter(isSigningToken);
    return await verifyStandard(request, { secrets: signing, toleranceMs });
  }
  const token = singleHeader(request, "x-gitlab-token", TOKEN);
  if ("refusal" in token) return token.refusal;
  const tokens = (await secrets()).filter((secret) => !isSigningToken(secret));
  if (!isAnyText(tokens, token.value)) return refuse("signature-wrong", "no secret is this token");
  const id = singleHeader(request, hasHeader(request, RETRY_KEY) ? RETRY_KEY : EVENT_ID, DELIVERY_ID);
  return "refusal" in id ? id.refusal : { ok: true, deliveryId: id.value };
}

function isSigningToken(secret: string): boolean {
  return secret.startsWith("whsec_");
}

async function sign(sample: Sample, [secret = ""]: readonly string[]): Promise<Record<string, string>> {
  const key = isSigningToken(secret) ? symmetricKey(secret) : null;
  if (key !== null) return await signedHeaders(key, sample);
  return { "x-gitlab-token": secret, [EVENT_ID]: sample.id };
}
