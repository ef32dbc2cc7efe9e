/** What query parameters look like: texts, or lists of texts when one comes several times. */
import * as z from "zod";
import { nameSchema } from "./wire.ts";

/** A whole number of decimal digits. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^[0-9]{1,16}$/, "expected a whole number")
    .transform(Number)
    .refine((found) => found >= min && found <= max, `expected a whole number from ${min} to ${max}`)
    .meta({ type: "integer", pattern: undefined, minimum: min, maximum: max });
}

/** One or more of `schema`: `a=x&a=y`, and `a=x,y`. */
export function listOf<S extends z.ZodType<unknown, string>>(schema: S) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((found) => [found].flat().flatMap((text) => text.split(",")))
    .pipe(z.array(schema))
    .meta({ type: "array", items: z.toJSONSchema(schema, { io: "input" }), anyOf: undefined });
}

/** Tags as `tag=name:value`, several times. A name with a colon cannot be asked for. */
export const tagFilter = z
  .union([z.string(), z.array(z.string())])
  .transform((found, context) => {
    const tags = new Map<string, string>();
    for (const text of [found].flat()) {
      const [name, value] = splitTag(text);
      if (tags.has(name)) context.addIssue(`expected each tag once, but found ${JSON.stringify(name)} twice`);
      else if (!isName(name) || !isName(value)) context.addIssue("expected name:value, neither of them empty");
      else tags.set(name, value);
    }
    return Object.fromEntries(tags);
  })
  .meta({ type: "array", items: { type: "string", pattern: "^[^:]+:.+$" }, anyOf: undefined });

function splitTag(text: string): [name: string, value: string] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

function isName(text: string): boolean {
  return nameSchema.safeParse(text).success;
}
