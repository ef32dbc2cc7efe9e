import { decodePayload, encodePayload, type Payload } from "../kernel/codec.ts";
import { ValidationError } from "../kernel/errors.ts";
import type { WirePayloadMeta } from "./wire.ts";

/**
 * A user's value from the wire: a field `name` and, beside it, what of it JSON could not say.
 *
 * @throws ValidationError `REQUEST_INVALID`, PayloadError `PAYLOAD_CORRUPT`
 */
export function decodeValue(name: string, value: unknown, meta: WirePayloadMeta | undefined): unknown {
  if (meta === undefined) return value;
  if (value === undefined) {
    throw new ValidationError("REQUEST_INVALID", `expected a field ${name} beside ${name}Meta, but found none`);
  }
  return decodePayload({ value, meta } as Payload);
}

/** A user's value for the wire. It came from the log, which took it: no bound is asked for again. */
export function encodeValue(given: unknown): { readonly value: unknown; readonly meta?: WirePayloadMeta } {
  const { value, meta } = encodePayload(given, Number.POSITIVE_INFINITY);
  return meta === undefined ? { value } : { value, meta: meta.map(([path, tag]) => [[...path], tag]) };
}
