/** Requests as a sender makes them, signed by hand after the specifications. */
import { createHmac } from "node:crypto";
import type { Verification, WebhookRequest } from "../../src/triggers/scheme.ts";

export const NOW = 1_763_720_000_000;

export const bytes = (text: string) => new TextEncoder().encode(text);

export function githubHeaders(secret: string, body: Uint8Array | string, delivery = "d-1"): Record<string, string> {
  return { "x-github-delivery": delivery, "x-hub-signature-256": githubSignature(secret, body) };
}

export function githubSignature(secret: string, body: Uint8Array | string): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

export function standardHeaders(
  secret: string,
  body: Uint8Array | string,
  { id = "msg_1", at = NOW }: { readonly id?: string; readonly at?: number } = {},
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${standardMac(secret, id, timestamp, body)}`,
  };
}

export function standardMac(secret: string, id: string, timestamp: string, body: Uint8Array | string): string {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
}

export function request(
  headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[],
  body: Uint8Array | string,
  receivedAt = NOW,
): WebhookRequest {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return { headers: pairs, body: typeof body === "string" ? bytes(body) : body, receivedAt };
}

/** What a refusal says; fails for an acceptance. */
export function reasonOf(verification: Verification): string {
  if (verification.ok) throw new Error("it was accepted");
  return verification.reason;
}
