import { DefinitionError } from "./errors.ts";

/** The longest name, id, key or tag, in UTF-16 units. */
export const NAME_LENGTH_MAX = 256;

/**
 * Whether the store keeps `text` as it is: well-formed UTF-16 without NUL. SQLite cuts TEXT at a NUL, and its JSON
 * functions do not survive a lone surrogate: they end the process.
 */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/**
 * Checks a name, id, key or tag that becomes TEXT in the log.
 *
 * @throws DefinitionError `NAME_INVALID` when it is empty, too long, holds a NUL or a lone surrogate.
 */
export function checkName(what: string, name: unknown): string {
  const found = nameProblem(name);
  if (found === null) return name as string;
  throw new DefinitionError(
    "NAME_INVALID",
    `expected ${what} to be a text of 1 to ${NAME_LENGTH_MAX} characters without NUL and lone surrogates, but found ${found}`,
    { what, name },
  );
}

/**
 * Checks a name that stands in the path of an address. `.` and `..` cannot: they are steps of a path, and whoever sends them
 * asks for another place, however they are encoded. All else can, slashes too.
 *
 * @throws DefinitionError `NAME_INVALID`
 */
export function checkPathName(what: string, name: unknown): string {
  const found = checkName(what, name);
  if (!isPathStep(found)) return found;
  throw new DefinitionError(
    "NAME_INVALID",
    `expected ${what} to be something else than "." and "..", which are steps of a path and cannot be asked for over HTTP, but found ${JSON.stringify(found)}; any longer name will do`,
    { what, name },
  );
}

/** Whether `name` is `.` or `..`. */
export function isPathStep(name: string): boolean {
  return name === "." || name === "..";
}

function nameProblem(name: unknown): string | null {
  if (typeof name !== "string") return name === null ? "null" : typeof name;
  if (name.length === 0) return "an empty text";
  if (name.length > NAME_LENGTH_MAX) return `${name.length} characters`;
  if (name.includes("\0")) return `a NUL at character ${name.indexOf("\0") + 1}`;
  return name.isWellFormed() ? null : "a lone surrogate";
}

/** So much of a text is shown that is wrong. */
const SHOWN_LENGTH_MAX = 200;

/** Anything, as an error says what was found: texts and numbers as they are, else what kind of thing it is. */
export function shownValue(found: unknown): string {
  if (typeof found === "string") return JSON.stringify(clipText(found, SHOWN_LENGTH_MAX));
  if (found === null || typeof found === "number" || typeof found === "boolean") return String(found);
  return Array.isArray(found) ? "a list" : typeof found;
}

/** `text` made storable and no longer than `max`: for messages of foreign errors, which nobody checked. */
export function clipText(text: string, max: number): string {
  const clipped = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return clipped.toWellFormed();
}

/**
 * The address of a database or server as it may be shown: a user and a password are left out, and so is what stands
 * behind `?` or `#`, where a token may be. A file's path stays whole. A scheme is what `://` follows: before another `:` is
 * a user.
 */
export function shownAddress(address: string): string {
  const cut = address.replace(/([?#]).*/s, "$1…");
  if (/^file:/i.test(cut)) return cut;
  // A `?` before an `@` may be the password's, and then what stands before it is too.
  const known = /[?#].*@/s.test(address) ? `${cut}@` : cut;
  return known.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@");
}

/** Compares secrets: in a time that depends on nothing but the lengths. */
export function isSameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % b.length);
  return difference === 0;
}

/** The address of an HTTP server, or of a place on one, without slashes at its end; null if `url` is something else. */
export function plainHttpAddress(url: unknown): string | null {
  if (typeof url !== "string" || !URL.canParse(url)) return null;
  const { protocol, origin, pathname, search, hash, username, password } = new URL(url);
  const isPlain = `${search}${hash}${username}${password}` === "";
  return isPlain && /^https?:$/.test(protocol) ? `${origin}${pathname}`.replace(/\/+$/, "") : null;
}
