/**
 * GitLab's webhooks: a secret token in `X-Gitlab-Token`, or a signing token, by which they are signed as Standard Webhooks.
 * Source: docs.gitlab.com, "Webhooks".
 */
import type { Duration } from "../kernel/duration.ts";
import {
  closed,
  DELIVERY_ID,
  hasHeader,
  refuse,
  type Sample,
  singleHeader,
  toleranceMsOf,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { currentSecrets, requireSecrets, type SecretResolver, type Secrets } from "./secrets.ts";
import { isStandard, requireKey, signedHeaders, symmetricKey, verifyStandard } from "./standard-webhooks.ts";
import { isAnyText } from "./token.ts";

const TOKEN = /^[\x20-\x7e]{1,1024}$/;

/** Newer versions send it with every webhook, the same with each try; it is what a signature covers as `webhook-id`. */
const RETRY_KEY = "idempotency-key";
const EVENT_ID = "x-gitlab-event-uuid";

export interface GitlabOptions {
  /** Secret tokens, and signing tokens, which begin with `whsec_`. A signing token is never taken as a secret token. */
  readonly secrets: Secrets;
  /** How far the time-stamp of a signed request may be from our clock, both ways. @default "5m" */
  readonly tolerance?: Duration;
}

/**
 * Verifies webhooks of GitLab. Dedupe key: `webhook-id` if it is signed; else `Idempotency-Key`, and `X-Gitlab-Event-UUID`
 * of versions without it. Time window: 5 minutes if it is signed; a secret token has none.
 *
 * @example webhook({ name: "gitlab", scheme: gitlab({ secrets: env("GITLAB_SIGNING_TOKEN") }), workflow: build });
 */
export function gitlab({ secrets, tolerance }: GitlabOptions): WebhookScheme {
  const toleranceMs = toleranceMsOf(tolerance);
  return {
    name: "gitlab",
    check: async (resolve) => {
      const current = await requireSecrets("gitlab", secrets, resolve);
      for (const secret of current.filter(isSigningToken)) requireKey(secret, "gitlab");
    },
    verify: (request, resolve) =>
      closed(async () => await verify(request, await currentSecrets(secrets, resolve), toleranceMs)),
    sign: (sample, resolve) => sign(sample, secrets, resolve),
  };
}

async function verify(request: WebhookRequest, secrets: readonly string[], toleranceMs: number): Promise<Verification> {
  if (isStandard(request)) return await verifyStandard(request, secrets.filter(isSigningToken), toleranceMs);
  const token = singleHeader(request, "x-gitlab-token", TOKEN);
  if ("refusal" in token) return token.refusal;
  const tokens = secrets.filter((secret) => !isSigningToken(secret));
  if (!isAnyText(tokens, token.value)) return refuse("signature-wrong", "no secret is this token");
  const id = singleHeader(request, hasHeader(request, RETRY_KEY) ? RETRY_KEY : EVENT_ID, DELIVERY_ID);
  return "refusal" in id ? id.refusal : { ok: true, deliveryId: id.value };
}

function isSigningToken(secret: string): boolean {
  return secret.startsWith("whsec_");
}

async function sign(
  sample: Sample,
  secrets: Secrets,
  resolve: SecretResolver | undefined,
): Promise<Record<string, string>> {
  const [secret = ""] = await requireSecrets("gitlab", secrets, resolve);
  const key = isSigningToken(secret) ? symmetricKey(secret) : null;
  if (key !== null) return await signedHeaders(key, sample);
  return { "x-gitlab-token": secret, [EVENT_ID]: sample.id };
}
