/** What merely looks like an option or a value. */
import fc from "fast-check";
import { oddText } from "../support/storable.ts";

/** Anything that JavaScript may pass where an option belongs. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0),
  fc.constantFrom<unknown>(-1, 1.5, 2 ** 53, 1e308, 5e-324, 7n, "", [], {}, new Date(Number.NaN), () => 1),
  fc.integer(),
  fc.double(),
  oddText,
  fc.jsonValue({ maxDepth: 2 }),
);

/** What everything inherits from: a value that came from outside must leave it as it is. */
export function prototypes(): string {
  const shared = [Object, Array, Function, Map, Set, Date, Error, Promise, String, Number, Uint8Array];
  return JSON.stringify(
    shared.map(({ name, prototype }) => [
      name,
      Reflect.ownKeys(prototype as object).map(String),
      Object.getPrototypeOf(prototype) === null || Object.getPrototypeOf(prototype) === Object.prototype,
    ]),
  );
}
