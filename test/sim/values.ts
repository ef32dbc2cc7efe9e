/** Values of steps, and how two of them are told apart. */
import type { ValueSpec } from "./program.ts";

/** What stands in for a step that has failed for good. */
export const FALLBACK = "fell back";

export function specified(spec: ValueSpec): unknown {
  if (spec.kind === "json") return spec.json;
  if (spec.kind === "text") return "x".repeat(spec.length);
  switch (spec.which) {
    case "undefined":
      return undefined;
    case "date":
      return new Date(86_400_000);
    case "map":
      return new Map([["key", { inner: new Date(0) }]]);
    case "set":
      return new Set([1, "one"]);
    case "bigint":
      return 2n ** 70n;
    case "nan":
      return Number.NaN;
    case "minus-zero":
      return -0;
    case "surrogate":
      return "lone \ud800";
    case "bytes":
      return new Uint8Array([0, 255]);
  }
}

/** A text that two values share only if they are the same, their types included. */
export function canonical(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value !== "object") return `${typeof value} ${String(value)}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof Map) return `Map ${canonical([...value])}`;
  if (value instanceof Set) return `Set ${canonical([...value])}`;
  if (value instanceof Uint8Array) return `Uint8Array ${canonical([...value])}`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .sort()
    .join()}}`;
}
