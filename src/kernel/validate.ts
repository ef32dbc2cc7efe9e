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
 * What `schema` makes of `value`; the value itself without a schema. A promise if the schema answers with one.
 *
 * @throws ValidationError with the given code
 */
export function validate(what: string, schema: Schema | undefined, value: unknown, code: string): unknown {
  if (schema === undefined) return value;
  const checked = schema["~standard"].validate(value);
  return checked instanceof Promise
    ? checked.then((result) => accepted(what, result, code))
    : accepted(what, checked, code);
}

/**
 * As {@link validate}, at once: for where nothing may be awaited.
 *
 * @throws DefinitionError `SCHEMA_ASYNC` for a schema that answers with a promise
 */
export function validateNow(what: string, schema: Schema | undefined, value: unknown, code: string): unknown {
  const checked = validate(what, schema, value, code);
  if (checked instanceof Promise) {
    // Nobody waits for it.
    checked.catch(() => {});
    throw new DefinitionError(
      "SCHEMA_ASYNC",
      `expected the schema of ${what} to answer at once, but it answers with a promise`,
    );
  }
  return checked;
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
