/** Values against schemas. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { DefinitionError, ValidationError } from "./errors.ts";
import type { Schema } from "./workflow-ref.ts";

/** The most issues that an error's message names; `facts.issues` has all. */
const ISSUES_NAMED_MAX = 5;

/** What is wrong at one place of a value. */
export interface ValidationIssue {
  /** Such as `$.order.lines[2].sku`. */
  readonly path: string;
  readonly message: string;
}

/**
 * What `schema` makes of `value`; the value itself without a schema.
 *
 * @throws ValidationError `INPUT_INVALID`, or the given code
 */
export async function validate(
  what: string,
  schema: Schema | undefined,
  value: unknown,
  code: string,
): Promise<unknown> {
  if (schema === undefined) return value;
  return accepted(what, await schema["~standard"].validate(value), code);
}

/**
 * As {@link validate}, at once: for where nothing may be awaited.
 *
 * @throws DefinitionError `SCHEMA_ASYNC` for a schema that answers with a promise
 */
export function validateNow(what: string, schema: Schema | undefined, value: unknown, code: string): unknown {
  if (schema === undefined) return value;
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    throw new DefinitionError(
      "SCHEMA_ASYNC",
      `expected the schema of ${what} to answer at once, but it answers with a promise`,
    );
  }
  return accepted(what, result, code);
}

function accepted(what: string, result: StandardSchemaV1.Result<unknown>, code: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(issueOf);
  const named = issues.slice(0, ISSUES_NAMED_MAX).map(({ path, message }) => `${path}: ${message}`);
  const more = issues.length > ISSUES_NAMED_MAX ? ` (and ${issues.length - ISSUES_NAMED_MAX} more)` : "";
  throw new ValidationError(code, `expected ${what} to fit its schema, but found ${named.join("; ")}${more}`, {
    issues,
  });
}

function issueOf({ message, path }: StandardSchemaV1.Issue): ValidationIssue {
  const segments = (path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment));
  const text = segments.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return { path: `$${text}`, message };
}
