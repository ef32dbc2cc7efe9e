/** JSON in and out. */
import { PAYLOAD_DEPTH_MAX } from "../kernel/codec.ts";
import { ValidationError } from "../kernel/errors.ts";
import { isDeeper, type Json } from "../kernel/json.ts";
import { findJsonError } from "./json-error.ts";

/**
 * The JSON that bytes hold.
 *
 * @throws ValidationError `JSON_INVALID`, naming the place
 */
export function parseJson(bytes: Uint8Array): Json {
  const text = utf8Text(bytes);
  const json = parse(text);
  if (!isDeeper(json, PAYLOAD_DEPTH_MAX)) return json;
  const message = `expected JSON of at most ${PAYLOAD_DEPTH_MAX} levels, but found more`;
  throw new ValidationError("JSON_INVALID", message, { max: PAYLOAD_DEPTH_MAX });
}

/**
 * The text that bytes hold.
 *
 * @throws ValidationError `JSON_INVALID`
 */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ValidationError("JSON_INVALID", "expected the body to be UTF-8, but found other bytes", {}, { cause });
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    const error = findJsonError(text);
    const where = error === null ? "" : ` at line ${error.line}, column ${error.column}`;
    const what = error === null ? "JSON" : error.expected;
    const found = error === null ? "something else" : error.found;
    const message = `expected the body to be JSON: ${what}${where}, but found ${found}`;
    throw new ValidationError("JSON_INVALID", message, { ...error }, { cause });
  }
}

/** An answer. */
export function jsonResponse(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return jsonText(status, JSON.stringify(body), headers);
}

/** An answer that is text already. */
export function jsonText(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers: { ...headers, "content-type": "application/json" } });
}

/** The longest page, characters: users' values are in it, each of up to `limits.payloadBytesMax`. */
const PAGE_LENGTH_MAX = 8 * 1_048_576;

/** As many of `items` as fit a page, as JSON texts: one at least, so that pages go on. */
export function pageTexts(items: readonly unknown[]): string[] {
  const texts: string[] = [];
  let length = 0;
  for (const item of items) {
    const text = JSON.stringify(item);
    length += text.length;
    if (texts.length > 0 && length > PAGE_LENGTH_MAX) break;
    texts.push(text);
  }
  return texts;
}
