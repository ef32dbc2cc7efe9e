/** Where the id of a delivery comes from, by which a repeat is known. */

import { DefinitionError } from "../kernel/errors.ts";
import { shownValue } from "../kernel/text.ts";
import { atPointer, jsonOf } from "./json-body.ts";
import { digestOf } from "./mac.ts";
import { type Found, refuse, singleHeader, type WebhookRequest } from "./scheme.ts";

/**
 * `header`: a header's value. `pointer`: a text or whole number at this JSON pointer in the body, such as `/event/id`.
 * `"body"`: a digest of the body, so that the same bytes are the same delivery.
 */
export type DeliveryIdSource = { readonly header: string } | { readonly pointer: string } | "body";

/** A name of a header. */
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

/** What an id may be: it becomes part of an idempotency key, and stands in a path, where `.` and `..` are steps. */
const ID = /^(?!\.{1,2}$)[\x21-\x7e]{1,128}$/;

/** @throws DefinitionError `SCHEME_INVALID` */
export function checkIdSource(scheme: string, source: DeliveryIdSource): DeliveryIdSource {
  if (source === "body") return source;
  if (typeof source === "object" && source !== null) {
    if ("header" in source) return { header: checkHeader(scheme, "id.header", source.header) };
    if ("pointer" in source && /^(?:\/(?:[^~/]|~[01])*)+$/.test(source.pointer)) return source;
  }
  throw new DefinitionError(
    "SCHEME_INVALID",
    `expected id of the webhook scheme "${scheme}" to be "body", { header: "X-Id" } or { pointer: "/event/id" }, but found ${shownValue(source)}`,
    { scheme, field: "id" },
  );
}

/** @throws DefinitionError `SCHEME_INVALID` */
export function checkHeader(scheme: string, field: string, name: string): string {
  if (typeof name === "string" && HEADER.test(name)) return name.toLowerCase();
  throw new DefinitionError(
    "SCHEME_INVALID",
    `expected ${field} of the webhook scheme "${scheme}" to be the name of a header, but found ${shownValue(name)}`,
    { scheme, field },
  );
}

/** The id of a verified request, or why it has none. */
export async function deliveryIdOf(request: WebhookRequest, source: DeliveryIdSource): Promise<Found<string>> {
  if (source === "body") return { value: await digestOf(request.body) };
  if ("header" in source) return singleHeader(request, source.header, ID);
  const found = atPointer(jsonOf(request.body), source.pointer);
  const text = Number.isSafeInteger(found) ? String(found) : found;
  if (typeof text === "string" && ID.test(text)) return { value: text };
  return { refusal: refuse("id-missing", `no text or whole number at ${source.pointer} of the body`) };
}
