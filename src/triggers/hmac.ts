/** Webhooks of senders that sign by HMAC in a way of their own: what differs between them is configuration. */

import type { Duration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import { shownValue } from "../kernel/text.ts";
import { checkHeader, checkIdSource, type DeliveryIdSource, deliveryIdOf } from "./delivery-id.ts";
import {
  decodeMac,
  encodeMac,
  type HmacAlgorithm,
  isMacOfAny,
  MAC_BYTES,
  type MacEncoding,
  macOf,
  textBytes,
} from "./mac.ts";
import {
  type Found,
  outsideWindow,
  refuse,
  type Sample,
  singleHeader,
  toleranceMsOf,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { type Proof, secretScheme } from "./secret-scheme.ts";
import type { Secrets } from "./secrets.ts";
import { compileSigned, type SignedBytes } from "./signed-text.ts";

export interface HmacOptions {
  /** The keys, as their bytes in UTF-8. */
  readonly secrets: Secrets;
  /** The header that holds the signature. */
  readonly header: string;
  /** What stands before the signature, such as `sha256=`. @default nothing */
  readonly prefix?: string;
  /** Hex is lower-case, base64 padded, base64url not. @default "hex" */
  readonly encoding?: MacEncoding;
  /** @default "sha256" */
  readonly algorithm?: HmacAlgorithm;
  /** Where the id of a delivery comes from, by which a repeat is known. A header that is not signed can be changed. */
  readonly id: DeliveryIdSource;
  /** The header that holds when it was signed, and how far that may be from our clock, both ways. @default none is asked for */
  readonly timestamp?: HmacTimestamp;
  /**
   * What is signed: a text with `{body}`, and `{timestamp}` (which must be there if there is one) and `{id}` as their headers
   * hold them. @default "{body}", or "{timestamp}.{body}" with a timestamp
   */
  readonly signed?: string;
}

export interface HmacTimestamp {
  readonly header: string;
  /** What the header counts since the epoch. @default "s" */
  readonly unit?: "s" | "ms";
  /** @default "5m" */
  readonly tolerance?: Duration;
}

/** The options, checked. */
interface Checked {
  readonly header: string;
  readonly prefix: string;
  readonly encoding: MacEncoding;
  readonly algorithm: HmacAlgorithm;
  readonly id: DeliveryIdSource;
  readonly timestamp: { readonly header: string; readonly unitMs: number; readonly toleranceMs: number } | null;
  readonly signedBytes: SignedBytes;
}

const HEADER_TEXT = /^[\x20-\x7e]{1,1024}$/;
const TIMESTAMP = /^[0-9]{1,15}$/;
const UNIT_MS = { s: 1_000, ms: 1 } as const;
const ENCODINGS: readonly MacEncoding[] = ["hex", "base64", "base64url"];

/**
 * Verifies webhooks that are signed by HMAC, in whatever header and encoding. Dedupe key: what `id` names. Time window: that
 * of `timestamp`, if there is one.
 *
 * @throws DefinitionError `SCHEME_INVALID`, `DURATION_INVALID`
 * @example
 * hmac({
 *   secrets: env("LINEAR_SECRET"),
 *   header: "Linear-Signature",
 *   id: { header: "Linear-Delivery" },
 * });
 */
export function hmac(options: HmacOptions): WebhookScheme {
  const checked = check(options);
  return secretScheme(
    { secrets: options.secrets },
    {
      name: "hmac",
      verify: (request, proof) => verify(request, checked, proof),
      sign: (sample, secrets) => sign(sample, checked, secrets),
    },
  );
}

function check(options: HmacOptions): Checked {
  checkOptions("hmac", options);
  const { prefix = "", encoding = "hex", algorithm = "sha256", timestamp } = options;
  const id = checkIdSource("hmac", options.id);
  const header = checkHeader("hmac", "header", options.header);
  if (!ENCODINGS.includes(encoding)) throw invalid("encoding", ENCODINGS, encoding);
  if (!Object.hasOwn(MAC_BYTES, algorithm)) throw invalid("algorithm", Object.keys(MAC_BYTES), algorithm);
  if (typeof prefix !== "string" || !/^[\x20-\x7e]*$/.test(prefix)) throw invalid("prefix", ["a text"], prefix);
  const { signed = timestamp === undefined ? "{body}" : "{timestamp}.{body}" } = options;
  const knowsId = typeof id === "object" && "header" in id;
  const signedBytes = compileSigned(signed, {
    needed: timestamp === undefined ? ["body"] : ["body", "timestamp"],
    known: [...(timestamp === undefined ? [] : ["timestamp" as const]), ...(knowsId ? ["id" as const] : []), "body"],
  });
  return { header, prefix, encoding, algorithm, id, timestamp: checkTimestamp(timestamp), signedBytes };
}

function checkTimestamp(timestamp: HmacTimestamp | undefined): Checked["timestamp"] {
  if (timestamp === undefined) return null;
  if (typeof timestamp !== "object" || timestamp === null) throw invalid("timestamp", ["{ header, unit }"], timestamp);
  const { unit = "s", tolerance } = timestamp;
  if (!Object.hasOwn(UNIT_MS, unit)) throw invalid("timestamp.unit", Object.keys(UNIT_MS), unit);
  const header = checkHeader("hmac", "timestamp.header", timestamp.header);
  return { header, unitMs: UNIT_MS[unit], toleranceMs: toleranceMsOf(tolerance) };
}

async function verify(request: WebhookRequest, scheme: Checked, { secrets }: Proof): Promise<Verification> {
  const signature = singleHeader(request, scheme.header, HEADER_TEXT);
  if ("refusal" in signature) return signature.refusal;
  if (!signature.value.startsWith(scheme.prefix))
    return refuse("header-malformed", `${scheme.header} does not begin with ${JSON.stringify(scheme.prefix)}`);
  const mac = decodeMac(signature.value.slice(scheme.prefix.length), scheme.encoding);
  if (mac?.length !== MAC_BYTES[scheme.algorithm])
    return refuse("header-malformed", `${scheme.header} holds no ${scheme.algorithm} in ${scheme.encoding}`);
  const timestamp = timestampOf(request, scheme);
  if ("refusal" in timestamp) return timestamp.refusal;
  const id = await deliveryIdOf(request, scheme.id);
  // What is in the body is looked at after the signature; what is in a header may be signed.
  const isInHeader = typeof scheme.id === "object" && "header" in scheme.id;
  if (isInHeader && "refusal" in id) return id.refusal;
  const values = { timestamp: timestamp.value, id: "value" in id ? id.value : "", body: request.body };
  const keys = (await secrets()).map(textBytes);
  if (!(await isMacOfAny(keys, mac, scheme.signedBytes(values), scheme.algorithm)))
    return refuse("signature-wrong", "no secret gives this signature");
  const off = isOff(request, timestamp.value, scheme);
  if (off !== null) return off;
  return "refusal" in id ? id.refusal : { ok: true, deliveryId: id.value };
}

function timestampOf(request: WebhookRequest, { timestamp }: Checked): Found<string> {
  return timestamp === null ? { value: "" } : singleHeader(request, timestamp.header, TIMESTAMP);
}

function isOff(request: WebhookRequest, text: string, { timestamp }: Checked): Verification | null {
  if (timestamp === null) return null;
  return outsideWindow(request, Number(text) * timestamp.unitMs, timestamp.toleranceMs);
}

async function sign(
  { body, id, at }: Sample,
  scheme: Checked,
  [secret = ""]: readonly string[],
): Promise<Record<string, string>> {
  const { timestamp, header, prefix, encoding, algorithm, id: source } = scheme;
  const time = timestamp === null ? "" : String(Math.floor(at / timestamp.unitMs));
  const mac = await macOf(textBytes(secret), scheme.signedBytes({ timestamp: time, id, body }), algorithm);
  return {
    ...(timestamp === null ? {} : { [timestamp.header]: time }),
    ...(typeof source === "object" && "header" in source ? { [source.header]: id } : {}),
    [header]: `${prefix}${encodeMac(mac, encoding)}`,
  };
}

function invalid(field: string, expected: readonly string[], found: unknown): DefinitionError {
  return new DefinitionError(
    "SCHEME_INVALID",
    `expected ${field} of the webhook scheme "hmac" to be ${expected.join(" or ")}, but found ${shownValue(found)}`,
    { scheme: "hmac", field },
  );
}
