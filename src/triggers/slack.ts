/**
 * Slack's requests: events, slash commands and interactions. `X-Slack-Signature` is `v0=` and the HMAC-SHA-256 of
 * `v0:timestamp:body` in hex.
 * Source: docs.slack.dev, "Verifying requests from Slack".
 */
import { deliveryIdOf } from "./delivery-id.ts";
import { atPointer, jsonOf } from "./json-body.ts";
import { decodeMac, encodeMac, isMacOfAny, joinedBytes, macOf, textBytes } from "./mac.ts";
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

const PREFIX = "v0=";
const SIGNATURE = /^v0=[0-9a-f]{64}$/;

/** The longest challenge that is sent back. */
const CHALLENGE_LENGTH_MAX = 1_000;

/**
 * Verifies requests of Slack, and answers its `url_verification` once its signature is good. Dedupe key: `event_id` of an
 * event; a command or interaction has none, so a digest of its body, which holds what is unique to each. Time window: 5
 * minutes.
 *
 * @param options `secrets`: the app's signing secret
 * @throws DefinitionError `DURATION_INVALID`
 * @example webhook({ name: "slack", scheme: slack({ secrets: env("SLACK_SIGNING_SECRET") }), workflow: answer });
 */
export function slack(options: TimedSchemeOptions): WebhookScheme {
  return secretScheme(options, { name: "slack", verify, sign });
}

async function verify(request: WebhookRequest, { secrets, toleranceMs }: Proof): Promise<Verification> {
  const timestamp = singleHeader(request, "x-slack-request-timestamp", SECONDS);
  if ("refusal" in timestamp) return timestamp.refusal;
  const signature = singleHeader(request, "x-slack-signature", SIGNATURE);
  if ("refusal" in signature) return signature.refusal;
  const mac = decodeMac(signature.value.slice(PREFIX.length), "hex");
  const message = joinedBytes(`v0:${timestamp.value}:`, request.body);
  if (mac === null || !(await isMacOfAny((await secrets()).map(textBytes), mac, message)))
    return refuse("signature-wrong", "no secret gives this signature");
  return outsideWindow(request, Number(timestamp.value) * 1_000, toleranceMs) ?? (await acceptedAs(request));
}

async function acceptedAs(request: WebhookRequest): Promise<Verification> {
  const body = jsonOf(request.body);
  const challenge = challengeOf(body);
  const isEvent = atPointer(body, "/event_id") !== undefined;
  const id = await deliveryIdOf(request, isEvent ? { pointer: "/event_id" } : "body");
  if ("refusal" in id) return id.refusal;
  return { ok: true, deliveryId: id.value, ...(challenge === null ? {} : { challenge }) };
}

function challengeOf(body: unknown): string | null {
  if (atPointer(body, "/type") !== "url_verification") return null;
  const challenge = atPointer(body, "/challenge");
  return typeof challenge === "string" && challenge.length <= CHALLENGE_LENGTH_MAX ? challenge : null;
}

async function sign({ body, at }: Sample, [secret = ""]: readonly string[]): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1_000));
  const mac = await macOf(textBytes(secret), joinedBytes(`v0:${timestamp}:`, body));
  return { "x-slack-request-timestamp": timestamp, "x-slack-signature": `${PREFIX}${encodeMac(mac, "hex")}` };
}
