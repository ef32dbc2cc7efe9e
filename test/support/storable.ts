/** Values as users make them, for properties: every kind that the log can hold, with texts and keys that have hurt others. */
import fc from "fast-check";

/** Any text, also with halves of pairs. Says no less than `unit: "binary"`, which each file sets up for a second. */
export const anyText = fc.string({
  unit: fc.integer({ min: 0, max: 0x10_ffff }).map((code) => String.fromCodePoint(code)),
});

/** Often with halves of surrogate pairs. */
const illFormed = fc
  .array(fc.integer({ min: 0xd700, max: 0xe000 }), { maxLength: 3 })
  .map((units) => String.fromCharCode(...units));

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

export const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), anyText, illFormed, fc.string());

const scalar = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    -0,
    2 ** 53 + 2,
    Number.MAX_SAFE_INTEGER,
    5e-324,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ),
  fc.jsonValue({ maxDepth: 0 }),
  fc.double(),
  oddText,
  fc.bigInt(),
  fc.constant(2n ** 53n + 1n),
  fc.date({ noInvalidDate: false }),
  fc.webUrl().map((url) => new URL(url)),
  fc.uint8Array(),
  fc.float64Array(),
  fc.int16Array(),
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
