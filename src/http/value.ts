import { decodePayload, type Payload } from "../kernel/codec.ts";
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
