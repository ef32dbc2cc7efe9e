/**
 * The payload codec: how a user's value lives in the log.
 *
 * Plain JSON is stored as it is, so `json_extract(data, '$.value.order.id')` finds it. What JSON cannot say is put
 * there in a readable JSON form, and `meta` lists where and what it was: `[[path, tag], ...]`, inner places before
 * outer ones. So `{ at: new Date(0) }` is `{"value":{"at":"1970-01-01T00:00:00.000Z"},"meta":[[["at"],"date"]]}`.
 *
 * A string with a lone surrogate is stored as base64 of its UTF-16 units: SQLite's JSON functions abort the process
 * over `"\ud800"`: they panic in native code, which nothing can catch.
 *
 * The seam for encryption is not here but at the storage port (`log/port.ts`): a cipher is asynchronous, and replay gives
 * outcomes to the code without waiting. A user's values leave the engine only as JSON text, in `AppendedEvent.data`,
 * `RunRowMove.result` and `InboxMessage.data`, and come back only by `load`, `readHistory`, `readLog`, `getRun`, `listRuns`
 * and `readInbox`. So a cipher is a `LogStore` around another, which puts a sealed text in the place of each payload's
 * value, under a tag of its own; a reader without the key meets an unknown tag: `PAYLOAD_CORRUPT`. What it sends again
 * must be the same bytes as before.
 */
import { fromBase64, toBase64 } from "./base64.ts";
import { PayloadError } from "./errors.ts";
import { type Failure, fromFailure, isError, toFailure } from "./failure.ts";
import type { Json } from "./json.ts";

type PathSegment = string | number;

/** What a place held that JSON cannot say. */
type Tag =
  | "undefined"
  | "-0"
  | "nan"
  | "+inf"
  | "-inf"
  | "bigint"
  | "date"
  | "map"
  | "set"
  | "object"
  | "error"
  | "url"
  | "utf16"
  | "ArrayBuffer"
  | "DataView"
  | TypedArrayName;

/** A value in its stored form. */
export interface Payload {
  readonly value: Json;
  readonly meta?: readonly (readonly [path: readonly PathSegment[], tag: Tag])[];
}

/** The largest encoded value that is accepted by default: 1 MiB. */
export const PAYLOAD_BYTES_MAX = 1_048_576;

/** The deepest nesting that is accepted. SQLite's JSON functions stop at 1,000. */
export const PAYLOAD_DEPTH_MAX = 256;

const TYPED_ARRAYS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;
type TypedArrayName = keyof typeof TYPED_ARRAYS;

/**
 * The stored form of `value`. A plain value comes back as the same object, not a copy: write it before anyone can
 * change it.
 *
 * @throws PayloadError `PAYLOAD_UNSTORABLE`, `PAYLOAD_TOO_DEEP` or `PAYLOAD_TOO_LARGE`, naming the place.
 */
export function encodePayload(value: unknown, bytesMax: number = PAYLOAD_BYTES_MAX): Payload {
  const encoder = new Encoder(bytesMax);
  const json = encoder.encode(value);
  return encoder.meta.length === 0 ? { value: json } : { value: json, meta: encoder.meta };
}

/**
 * The value that {@link encodePayload} was given: equal, and sharing nothing mutable with it once stored. `payload` is
 * not changed: plain parts of it are in the value as they are, the way to what is revived is copied.
 *
 * @throws PayloadError `PAYLOAD_CORRUPT` when `meta` does not fit the value.
 */
export function decodePayload(payload: Payload): unknown {
  if (payload.meta === undefined) return payload.value;
  const root: Container = { value: payload.value };
  const copies = new Set<unknown>();
  if (!isPlaces(payload.meta)) throw corrupt([], "meta");
  for (const [path, tag] of payload.meta) {
    let parent = root;
    let last: PathSegment = "value";
    for (const segment of path) {
      parent = ownCopy(parent, last, copies);
      if (!hasPlace(parent, segment)) throw corrupt(path, tag);
      last = segment;
    }
    define(parent, last, revived(tag, parent[last], path));
  }
  return root.value;
}

/** The row may have been damaged, and what is read here steers what is built. */
function isPlaces(meta: unknown): boolean {
  return Array.isArray(meta) && meta.every((place) => Array.isArray(place) && Array.isArray(place[0]));
}

type Container = Record<PathSegment, unknown>;

/** Not an array's `length`, which is its own too. */
function hasPlace(parent: Container, segment: PathSegment): boolean {
  return Object.hasOwn(parent, segment) && (typeof segment === "number" || !Array.isArray(parent));
}

/** What is at `place`, copied unless it is a copy already. What holds no places has none to look for: `{}`. */
function ownCopy(parent: Container, place: PathSegment, copies: Set<unknown>): Container {
  const found = parent[place];
  if (typeof found !== "object" || found === null) return {};
  if (copies.has(found)) return found as Container;
  const copy = Array.isArray(found) ? [...found] : { ...found };
  copies.add(copy);
  define(parent, place, copy);
  return copy as Container;
}

/** Checks that `text`, an encoded value, is no larger than `max` bytes of UTF-8. `what` names it in the error. */
export function checkSize(what: () => string, text: string, max: number): void {
  // A UTF-16 unit is at most three bytes, so most texts need no count.
  if (text.length * 3 <= max) return;
  const found = utf8Bytes(text);
  if (found > max) throw tooLarge(what(), found, max);
}

/** The size of `text` in UTF-8, without encoding it. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

function tooLarge(what: string, found: number, max: number): PayloadError {
  return new PayloadError(
    "PAYLOAD_TOO_LARGE",
    `expected ${what} to take at most ${max} bytes in the log, but it takes ${found} or more; store it elsewhere and keep a reference, or raise limits.payloadBytesMax`,
    { what, found, max },
  );
}

class Encoder {
  readonly meta: [PathSegment[], Tag][] = [];
  readonly #path: PathSegment[] = [];
  readonly #bytesMax: number;
  /** No more than the bytes so far: what is shared in memory is written at each place, so a small graph can be huge. */
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  encode(value: unknown): Json {
    this.#count(1);
    switch (typeof value) {
      case "string":
        this.#count(value.length);
        return value.isWellFormed() ? value : this.#tag("utf16", toBase64(utf16Units(value)));
      case "number":
        return this.#number(value);
      case "boolean":
        return value;
      case "undefined":
        return this.#tag("undefined", null);
      case "bigint":
        return this.#tag("bigint", value.toString());
      case "object":
        return value === null ? null : this.#object(value);
      default:
        throw this.#refuse(`a ${typeof value}`);
    }
  }

  #number(value: number): Json {
    if (value === 0) return Object.is(value, -0) ? this.#tag("-0", 0) : 0;
    if (Number.isFinite(value)) return value;
    if (Number.isNaN(value)) return this.#tag("nan", null);
    return this.#tag(value > 0 ? "+inf" : "-inf", null);
  }

  #object(value: object): Json {
    if (this.#path.length > PAYLOAD_DEPTH_MAX) {
      throw new PayloadError(
        "PAYLOAD_TOO_DEEP",
        `expected at most ${PAYLOAD_DEPTH_MAX} levels of nesting, but found more at ${pathText(this.#path.slice(0, 4))}…: a cycle, or a structure to flatten`,
        { max: PAYLOAD_DEPTH_MAX },
      );
    }
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#record(value as Record<string, unknown>);
    if (value instanceof Date) return this.#date(value);
    if (value instanceof Map) return this.#tag("map", this.#entries([...value]));
    if (value instanceof Set) return this.#tag("set", this.#array([...value]));
    // A failure is JSON; its optional fields, which are left out and never undefined, keep the compiler from seeing it.
    if (isError(value)) return this.#tag("error", toFailure(value) as unknown as Json);
    if (value instanceof URL) return this.#tag("url", value.href);
    const bytes = bytesOf(value);
    if (bytes !== null) {
      this.#count(bytes.bytes.length);
      return this.#tag(bytes.tag, toBase64(bytes.bytes));
    }
    // A plain object of another realm (a VM context) has another Object.prototype.
    if (isForeignPlain(prototype)) return this.#record(value as Record<string, unknown>);
    throw this.#refuse(`an instance of ${constructorName(prototype)}`);
  }

  #array(value: readonly unknown[]): Json {
    if (value.length > this.#bytesMax) throw tooLarge(pathText(this.#path), value.length, this.#bytesMax);
    this.#requireNoToJson(value);
    let copy: Json[] | null = null;
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      this.#path.push(i);
      const json = this.encode(item);
      this.#path.pop();
      if (copy !== null) copy.push(json);
      else if (json !== item) copy = [...(value.slice(0, i) as Json[]), json];
    }
    return copy ?? (value as Json[]);
  }

  #record(value: Record<string, unknown>): Json {
    if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refuse("an object with symbol keys");
    const keys = Object.keys(value);
    if (keys.some((key) => !key.isWellFormed())) return this.#tag("object", this.#entries(Object.entries(value)));
    this.#requireNoToJson(value);
    let copy: Record<string, Json> | null = null;
    for (const key of keys) {
      this.#count(key.length);
      const item = value[key];
      this.#path.push(key);
      const json = this.encode(item);
      this.#path.pop();
      if (copy === null && json !== item) copy = { ...value } as Record<string, Json>;
      if (copy !== null) define(copy, key, json);
    }
    return copy ?? (value as Record<string, Json>);
  }

  #entries(entries: [unknown, unknown][]): Json {
    return this.#array(entries);
  }

  #date(value: Date): Json {
    return this.#tag("date", Number.isNaN(value.getTime()) ? null : value.toISOString());
  }

  /** What is stored is what was given, never what it says of itself. */
  #requireNoToJson(value: object): void {
    if (typeof (value as { toJSON?: unknown }).toJSON === "function")
      throw this.#refuse("an object with a toJSON method");
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) throw tooLarge("a value", this.#bytes, this.#bytesMax);
  }

  #tag(tag: Tag, json: Json): Json {
    this.#count(this.#path.length + tag.length);
    this.meta.push([[...this.#path], tag]);
    return json;
  }

  #refuse(found: string): PayloadError {
    const place = pathText(this.#path);
    return new PayloadError(
      "PAYLOAD_UNSTORABLE",
      `expected a value that the log can hold (JSON, undefined, bigint, Date, Map, Set, typed arrays, URL, Error), but found ${found} at ${place}; return plain data instead`,
      { path: [...this.#path], found },
    );
  }
}

function revived(tag: Tag, json: unknown, path: readonly PathSegment[]): unknown {
  try {
    return revive(tag, json, path);
  } catch (error) {
    throw error instanceof PayloadError ? error : corrupt(path, tag, error);
  }
}

function revive(tag: Tag, json: unknown, path: readonly PathSegment[]): unknown {
  switch (tag) {
    case "undefined":
      return undefined;
    case "-0":
      return -0;
    case "nan":
      return Number.NaN;
    case "+inf":
      return Number.POSITIVE_INFINITY;
    case "-inf":
      return Number.NEGATIVE_INFINITY;
    case "bigint":
      return BigInt(json as string);
    case "date":
      return new Date(json === null ? Number.NaN : (json as string));
    case "map":
      return new Map(json as [unknown, unknown][]);
    case "set":
      return new Set(json as unknown[]);
    case "object":
      return objectOf(json as [string, unknown][]);
    case "error":
      return fromFailure(json as Failure);
    case "url":
      return new URL(json as string);
    case "utf16":
      return utf16Text(fromBase64(json as string));
    case "ArrayBuffer":
      return fromBase64(json as string).buffer;
    case "DataView":
      return new DataView(fromBase64(json as string).buffer);
    default: {
      if (!Object.hasOwn(TYPED_ARRAYS, tag)) throw corrupt(path, tag);
      const type = TYPED_ARRAYS[tag];
      return new type(fromBase64(json as string).buffer);
    }
  }
}

function corrupt(path: readonly PathSegment[], tag: string, cause?: unknown): PayloadError {
  return new PayloadError(
    "PAYLOAD_CORRUPT",
    `expected the stored value to have a place ${pathText(path)} of kind "${tag}", but it has none: the row was changed, or a later version of Varve wrote it`,
    { path, tag },
    { cause },
  );
}

function objectOf(entries: [string, unknown][]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) define(object, key, value);
  return object;
}

/** Assignment that cannot reach a prototype through `__proto__`. */
function define(target: object, key: PathSegment, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else (target as Record<PathSegment, unknown>)[key] = value;
}

function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && constructorName(prototype) === "Object";
}

function constructorName(prototype: object): string {
  const made = (prototype as { constructor?: { name?: unknown } }).constructor;
  return typeof made?.name === "string" && made.name !== "" ? made.name : "an anonymous class";
}

function bytesOf(value: object): { tag: Tag; bytes: Uint8Array } | null {
  if (value instanceof ArrayBuffer) return { tag: "ArrayBuffer", bytes: new Uint8Array(value) };
  if (!ArrayBuffer.isView(value)) return null;
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof DataView) return { tag: "DataView", bytes };
  // Node's Buffer is a Uint8Array and comes back as one: the log is read by every runtime.
  const tag = (Object.keys(TYPED_ARRAYS) as TypedArrayName[]).find((name) => value instanceof TYPED_ARRAYS[name]);
  return tag === undefined ? null : { tag, bytes };
}

function utf16Units(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit & 0xff;
    bytes[2 * i + 1] = unit >> 8;
  }
  return bytes;
}

function utf16Text(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    text += String.fromCharCode((bytes[i] as number) | ((bytes[i + 1] as number) << 8));
  }
  return text;
}

/** `path` as a reader writes it: `$.order.lines[2].sku`. */
function pathText(path: readonly PathSegment[]): string {
  return path.reduce<string>(
    (text, segment) => text + (typeof segment === "number" ? `[${segment}]` : `.${segment}`),
    "$",
  );
}
