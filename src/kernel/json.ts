/** JSON, as data. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * What JSON keeps of `value`, made storable, or undefined if that is nothing or takes more than `lengthMax`
 * characters. Lossy by intent: for facts beside an error, never for a user's payload. Never throws.
 */
export function lossyJson(value: unknown, lengthMax: number): Json | undefined {
  try {
    const text = JSON.stringify(value, (key, item: unknown) => {
      if (!key.isWellFormed()) return undefined;
      if (typeof item === "bigint") return item.toString();
      return typeof item === "string" ? item.toWellFormed() : item;
    });
    return text === undefined || text.length > lengthMax ? undefined : (JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
}
