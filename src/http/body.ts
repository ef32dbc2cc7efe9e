/** Bodies of requests, read within a bound. */
import { LimitError, ValidationError } from "../kernel/errors.ts";
import { RefusalError } from "./problem.ts";

export const JSON_TYPE = "application/json";

/** What a form sends. */
export const FORM_TYPE = "application/x-www-form-urlencoded";

/** The content type without its parameters, in lower case; null: there is none. */
export function mediaTypeOf(request: Request): string | null {
  return request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? null;
}

export function unsupportedType(request: Request, expected: readonly string[]): RefusalError {
  const found = request.headers.get("content-type") ?? "none";
  const message = `expected the content type ${expected.join(" or ")}, but found ${found}`;
  return new RefusalError("CONTENT_TYPE_UNSUPPORTED", message, { expected: expected.join(), found });
}

/**
 * The body of a request. What counts is what comes: a Content-Length can lie, and a chunked body has none.
 *
 * @throws LimitError `BODY_TOO_LARGE`, ValidationError `BODY_UNREADABLE` when it breaks off
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > bytesMax) throw tooLarge(announced, bytesMax);
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(brokenOff);
    if (done) return joined(chunks, length);
    length += value.byteLength;
    // Not cancelled: on Node that would end the connection before the answer. The server discards the rest.
    if (length > bytesMax) throw tooLarge(length, bytesMax);
    chunks.push(value);
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function tooLarge(found: number, max: number): LimitError {
  const message = `expected a body of at most ${max} bytes, but found ${found} or more`;
  return new LimitError("BODY_TOO_LARGE", message, { max, found });
}

function brokenOff(cause: unknown): never {
  throw new ValidationError("BODY_UNREADABLE", "expected a whole body, but it broke off", {}, { cause });
}
