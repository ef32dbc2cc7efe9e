/** Webhooks of senders that can do no more than show a secret: `basic` and `bearer`. Use them over TLS alone. */
import { toBase64 } from "../kernel/base64.ts";
import { checkIdSource, type DeliveryIdSource, deliveryIdOf } from "./delivery-id.ts";
import { textBytes } from "./mac.ts";
import {
  refuse,
  type Sample,
  singleHeader,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { type Proof, secretScheme } from "./secret-scheme.ts";
import type { Secrets } from "./secrets.ts";
import { isAnyText } from "./token.ts";

export interface ShownSecretOptions {
  /** The tokens; for `basic` the passwords. */
  readonly secrets: Secrets;
  /** Where the id of a delivery comes from, by which a repeat is known. @default "body": a digest of it */
  readonly id?: DeliveryIdSource;
}

export interface BasicOptions extends ShownSecretOptions {
  /** The user's name. */
  readonly user: string;
}

const AUTHORIZATION = /^[\x20-\x7e]{1,4096}$/;

/**
 * Verifies `Authorization: Bearer <secret>`. Dedupe key: what `id` names. Time window: none.
 *
 * @throws DefinitionError `SCHEME_INVALID`
 * @example webhook({ name: "ci", scheme: bearer({ secrets: env("CI_TOKEN"), id: { pointer: "/build/id" } }), workflow: deploy });
 */
export function bearer(options: ShownSecretOptions): WebhookScheme {
  return shownSecret("bearer", options, (secret) => `Bearer ${secret}`);
}

/**
 * Verifies `Authorization: Basic ...` of a user and its password. Dedupe key: what `id` names. Time window: none.
 *
 * @throws DefinitionError `SCHEME_INVALID`
 * @example webhook({ name: "erp", scheme: basic({ user: "erp", secrets: env("ERP_PASSWORD") }), workflow: book });
 */
export function basic({ user, ...options }: BasicOptions): WebhookScheme {
  return shownSecret("basic", options, (secret) => {
    return secret === "" ? "" : `Basic ${toBase64(textBytes(`${user}:${secret}`))}`;
  });
}

function shownSecret(
  name: "basic" | "bearer",
  { secrets, id: source = "body" }: ShownSecretOptions,
  headerOf: (secret: string) => string,
): WebhookScheme {
  const id = checkIdSource(name, source);
  const verify = async (request: WebhookRequest, proof: Proof): Promise<Verification> => {
    const header = singleHeader(request, "authorization", AUTHORIZATION);
    if ("refusal" in header) return header.refusal;
    const current = (await proof.secrets()).filter((secret) => secret !== "");
    // The name of the method may be written in any way.
    const found = header.value.replace(/^(?:basic|bearer) +/i, (method) =>
      isOf(name, method) ? titleOf(name) : method,
    );
    if (!isAnyText(current.map(headerOf), found)) return refuse("signature-wrong", "no secret is this one");
    const deliveryId = await deliveryIdOf(request, id);
    return "refusal" in deliveryId ? deliveryId.refusal : { ok: true, deliveryId: deliveryId.value };
  };
  const sign = async (sample: Sample, [secret = ""]: readonly string[]) => ({
    authorization: headerOf(secret),
    ...(typeof id === "object" && "header" in id ? { [id.header]: sample.id } : {}),
  });
  return secretScheme({ secrets }, { name, verify, sign });
}

function isOf(name: string, method: string): boolean {
  return method.trim().toLowerCase() === name;
}

function titleOf(name: "basic" | "bearer"): string {
  return name === "basic" ? "Basic " : "Bearer ";
}
