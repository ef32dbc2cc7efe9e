import { encodePayload } from "../kernel/codec.ts";

/** A user's value for the wire: the field `name` and, if JSON cannot say all of it, `nameMeta` beside it. */
export function valueFields(name: string, value: unknown): Readonly<Record<string, unknown>> {
  // The server says how much it takes.
  const { value: plain, meta } = encodePayload(value, Number.POSITIVE_INFINITY);
  return { [name]: plain, ...(meta === undefined ? {} : { [`${name}Meta`]: meta }) };
}
