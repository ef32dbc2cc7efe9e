/** JSON, as data. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The deepest nesting of {@link lossyJson}: SQLite's JSON functions refuse a whole event beyond 1,000. */
const LOSSY_DEPTH_MAX = 64;

/**
 * What JSON keeps of `value`, made storable, or undefined if that is nothing, is nested too deep or takes more than
 * `lengthMax` characters. Lossy by intent: for facts beside an error, never for a user's payload. Never throws.
 */
export function lossyJson(value: unknown, lengthMax: number): Json | undefined {
  try {
    const text = JSON.stringify(value, (key, item: unknown) => {
      if (!key.isWellFormed()) return undefined;
      if (typeof item === "bigint") return item.toString();
      return typeof item === "string" ? item.toWellFormed() : item;
    });
    if (text === undefined || text.length > lengthMax) return undefined;
    const json = JSON.parse(text) as Json;
    return isDeeper(json, LOSSY_DEPTH_MAX) ? undefined : json;
  } catch {
    return undefined;
  }
}

/** Whether `json` has more than `depthMax` levels. */
export function isDeeper(json: Json, depthMax: number): boolean {
  if (typeof json !== "object" || json === null) return false;
  return depthMax === 0 || Object.values(json).some((item) => isDeeper(item as Json, depthMax - 1));
}
