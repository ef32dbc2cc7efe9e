/** Values as users make them: every kind that the log can hold, and what merely looks like one. */
import fc from "fast-check";

const text = fc.string({ unit: "binary" });

/** Texts that databases, JSON and browsers have stumbled over. */
export const ODD_TEXTS = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "\udc00\ud800",
  "\ufeff",
  "\u202e",
  "é".normalize("NFD"),
  "__proto__",
  "constructor",
  "toString",
  "length",
  "null",
  "NaN",
  "-0",
  "1e400",
  "\r\n",
  "\u2028",
  "🙂".repeat(64),
  "x".repeat(257),
] as const;

export const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), text, fc.string());

/** Anything that JavaScript may pass where an option belongs. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0),
  fc.constantFrom<unknown>(-1, 1.5, 2 ** 53, 1e308, 5e-324, 7n, "", [], {}, new Date(Number.NaN), () => 1),
  fc.integer(),
  fc.double(),
  oddText,
  fc.jsonValue({ maxDepth: 2 }),
);

const scalar = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    -0,
    2 ** 53 + 2,
    Number.MAX_SAFE_INTEGER,
    5e-324,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
  ),
  fc.double(),
  oddText,
  fc.bigInt(),
  fc.constant(2n ** 53n + 1n),
  fc.date({ noInvalidDate: false }),
  fc.webUrl().map((url) => new URL(url)),
  fc.uint8Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.uint8Array().map((bytes) => new DataView(bytes.buffer)),
);

const key = fc.oneof(oddText, fc.constantFrom("__proto__", "constructor", "toJSON", "a"));

/** What the log takes, nested. */
export const { storable } = fc.letrec<{ storable: unknown }>((tie) => ({
  storable: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("storable"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("storable")), { maxLength: 4 }).map(recordOf),
    fc.array(fc.tuple(tie("storable"), tie("storable")), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie("storable"), { maxLength: 3 }).map((items) => new Set(items)),
  ),
}));

function recordOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return record;
}

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
