/**
 * Errors as data. A failure is what the log holds of a thrown value; every error that workflow code sees was a
 * failure first, on the first pass as on every replay (rule R5), so its text never differs between them.
 */
import * as errors from "./errors.ts";
import { type Json, lossyJson } from "./json.ts";
import { clipText } from "./text.ts";

/** An error as the log holds it. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: Failure;
  /** The error's own further fields, as far as JSON keeps them. */
  readonly fields?: { readonly [field: string]: Json };
}

const MESSAGE_LENGTH_MAX = 4_096;
const STACK_LENGTH_MAX = 4_096;
const CAUSES_MAX = 4;
/** The most that an error's own fields take together, characters. */
const FIELDS_LENGTH_MAX = 8_192;
const OWN_FIELDS = new Set(["name", "message", "code", "stack", "cause"]);

/** What the log keeps of a thrown value, whatever it is. Never throws. */
export function toFailure(thrown: unknown, depth = 0): Failure {
  if (!(thrown instanceof Error)) {
    return { name: "Error", message: clipText(`thrown: ${preview(thrown)}`, MESSAGE_LENGTH_MAX) };
  }
  const fields = ownFields(thrown);
  const code = read(thrown, "code");
  const stack = read(thrown, "stack");
  const cause = depth < CAUSES_MAX ? read(thrown, "cause") : undefined;
  return {
    name: clipText(String(read(thrown, "name") ?? "Error"), 256),
    message: clipText(String(read(thrown, "message") ?? ""), MESSAGE_LENGTH_MAX),
    ...(typeof code === "string" || typeof code === "number" ? { code: clipText(String(code), 256) } : {}),
    ...(typeof stack === "string" ? { stack: clipText(stack, STACK_LENGTH_MAX) } : {}),
    ...(cause !== undefined && cause !== null ? { cause: toFailure(cause, depth + 1) } : {}),
    ...(fields === undefined ? {} : { fields }),
  };
}

/** A user's error object can throw on any access. */
function read(error: Error, field: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[field];
  } catch {
    return undefined;
  }
}

function ownFields(error: Error): Record<string, Json> | undefined {
  const fields: Record<string, Json> = {};
  let room = FIELDS_LENGTH_MAX;
  for (const field of Object.keys(error)) {
    if (OWN_FIELDS.has(field) || field === "__proto__" || !field.isWellFormed()) continue;
    const json = lossyJson(read(error, field), room);
    // What JSON cannot keep (a socket) or is large (a response) is left out: the error itself matters more.
    if (json === undefined || isEmpty(json)) continue;
    room -= field.length + JSON.stringify(json).length;
    if (room < 0) break;
    fields[field] = json;
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

/** The `facts` of most errors are empty: not worth their bytes. */
function isEmpty(json: Json): boolean {
  return typeof json === "object" && json !== null && Object.keys(json).length === 0;
}

function preview(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

const CLASSES = new Map<string, new (code: string, message: string, facts: errors.ErrorFacts) => errors.VarveError>(
  [
    errors.VarveError,
    errors.DefinitionError,
    errors.ValidationError,
    errors.PayloadError,
    errors.LimitError,
    errors.TimeoutError,
    errors.StepFailedError,
    errors.OutcomeUnknownError,
    errors.CancelledError,
    errors.ForeignAwaitError,
  ].map((type) => [type.name, type]),
);

/** The error that a failure stands for: one of Varve's own by its class, any other as an `Error` of that name. */
export function fromFailure(failure: Failure): Error {
  const fields = failure.fields ?? {};
  const error = build(failure, fields);
  if (failure.stack === undefined) delete error.stack;
  else hide(error, "stack", failure.stack);
  if (failure.cause !== undefined) hide(error, "cause", fromFailure(failure.cause));
  return error;
}

function build(failure: Failure, fields: Readonly<Record<string, Json>>): Error {
  const type = failure.code === undefined ? undefined : CLASSES.get(failure.name);
  if (type !== undefined)
    return new type(failure.code as string, failure.message, (fields.facts ?? {}) as errors.ErrorFacts);
  const error = new Error(failure.message);
  hide(error, "name", failure.name);
  if (failure.code !== undefined) Object.assign(error, { code: failure.code });
  for (const [field, value] of Object.entries(fields)) {
    Object.defineProperty(error, field, { value, enumerable: true, configurable: true, writable: true });
  }
  return error;
}

function hide(error: Error, field: string, value: unknown): void {
  Object.defineProperty(error, field, { value, enumerable: false, configurable: true, writable: true });
}
