/**
 * Errors as data. A failure is what the log holds of a thrown value; every error that workflow code sees was a
 * failure first, on the first pass as on every replay (rule R5), so its text never differs between them.
 */
import * as errors from "./errors.ts";
import { type Json, lossyJson } from "./json.ts";
import { clipText, NAME_LENGTH_MAX } from "./text.ts";

/** An error as the log holds it. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: Failure;
  /** What an `AggregateError` gathers, the first {@link ERRORS_MAX}; `fields.errorsInAll` says how many there were. */
  readonly errors?: readonly Failure[];
  /** The error's own further fields, as far as JSON keeps them. */
  readonly fields?: { readonly [field: string]: Json };
}

const MESSAGE_LENGTH_MAX = 4_096;
const STACK_LENGTH_MAX = 4_096;
const CAUSES_MAX = 4;
const ERRORS_MAX = 8;
/** The most errors of one failure in all, causes and gathered ones: it bounds what a tree of them takes. */
const TREE_ERRORS_MAX = 12;
/** The most that an error's own fields take together, characters. */
const FIELDS_LENGTH_MAX = 8_192;
const OWN_FIELDS = new Set(["name", "message", "code", "stack", "cause"]);

/** Whether `value` is an error, also one of another realm: `node:vm`, and test runners that are built on it. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

/** What the log keeps of a thrown value, whatever it is. Never throws. */
export function toFailure(thrown: unknown): Failure {
  return failureOf(thrown, 0, { left: TREE_ERRORS_MAX - 1 });
}

/** How many more errors a tree may hold. */
interface Room {
  left: number;
}

function failureOf(thrown: unknown, depth: number, room: Room): Failure {
  if (!isError(thrown)) {
    return { name: "Error", message: clipText(`thrown: ${preview(thrown)}`, MESSAGE_LENGTH_MAX) };
  }
  const code = read(thrown, "code");
  const stack = read(thrown, "stack");
  const cause = innerFailures([read(thrown, "cause")], depth, room)[0];
  const gathered = gatheredBy(thrown);
  const inner = innerFailures(gathered.first, depth, room);
  const fields = { ...ownFields(thrown), ...(gathered.inAll > inner.length ? { errorsInAll: gathered.inAll } : {}) };
  return {
    name: clipText(plainText(read(thrown, "name") ?? "Error"), NAME_LENGTH_MAX),
    message: clipText(plainText(read(thrown, "message") ?? ""), MESSAGE_LENGTH_MAX),
    ...(typeof code === "string" || typeof code === "number" ? { code: clipText(String(code), NAME_LENGTH_MAX) } : {}),
    ...(typeof stack === "string" ? { stack: clipText(stack, STACK_LENGTH_MAX) } : {}),
    ...(cause === undefined ? {} : { cause }),
    ...(inner.length === 0 ? {} : { errors: inner }),
    ...(Object.keys(fields).length === 0 ? {} : { fields }),
  };
}

function innerFailures(list: readonly unknown[], depth: number, room: Room): Failure[] {
  const failures: Failure[] = [];
  for (const thrown of list) {
    if (thrown === undefined || thrown === null) continue;
    if (depth >= CAUSES_MAX || room.left === 0) break;
    room.left--;
    failures.push(failureOf(thrown, depth + 1, room));
  }
  return failures;
}

/** What an `AggregateError` gathers. In any other error a field of that name is a field like others. */
function gatheredBy(error: Error): { readonly first: readonly unknown[]; readonly inAll: number } {
  const list = read(error, "name") === "AggregateError" ? read(error, "errors") : undefined;
  try {
    return Array.isArray(list) ? { first: list.slice(0, ERRORS_MAX), inAll: list.length } : NOTHING_GATHERED;
  } catch {
    return NOTHING_GATHERED;
  }
}

const NOTHING_GATHERED = { first: [], inAll: 0 } as const;

/** A user's error object can throw on any access. */
function read(error: Error, field: string): unknown {
  try {
    return error[field as keyof Error];
  } catch {
    return undefined;
  }
}

function ownFields(error: Error): Record<string, Json> {
  const fields: Record<string, Json> = {};
  let room = FIELDS_LENGTH_MAX;
  const isOurs = error instanceof errors.VarveError;
  for (const field of fieldNames(error)) {
    if (OWN_FIELDS.has(field) || field === "__proto__" || !field.isWellFormed()) continue;
    let json = lossyJson(read(error, field), room);
    // `facts`, empty or not, says that an error is Varve's.
    if (isOurs && field === "facts") json ??= {};
    // What JSON cannot keep (a socket), is large (a response) or empty is left out: the error itself matters more.
    else if (json === undefined || isEmpty(json)) continue;
    room -= field.length + JSON.stringify(json).length;
    if (room < 0) break;
    fields[field] = json;
  }
  return fields;
}

function fieldNames(error: Error): string[] {
  try {
    return Object.keys(error);
  } catch {
    return [];
  }
}

function isEmpty(json: Json): boolean {
  return typeof json === "object" && json !== null && Object.keys(json).length === 0;
}

function preview(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? plainText(value);
  } catch {
    return plainText(value);
  }
}

/** `String(value)`, which runs code of the value and so can throw. */
function plainText(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `a value of type ${typeof value} that has no text`;
  }
}

const CLASSES = new Map<string, new (code: string, message: string, facts: errors.ErrorFacts) => errors.VarveError>(
  [
    errors.VarveError,
    errors.DefinitionError,
    errors.ValidationError,
    errors.PayloadError,
    errors.ConflictError,
    errors.NotFoundError,
    errors.DatabaseOwnedError,
    errors.StoreError,
    errors.LimitError,
    errors.ClosedError,
    errors.RunFailedError,
    errors.RunCancelledError,
    errors.TimeoutError,
    errors.StepFailedError,
    errors.MapFailedError,
    errors.OutcomeUnknownError,
    errors.BreakerOpenError,
    errors.CancelledError,
    errors.ForeignAwaitError,
    errors.LeaseLostError,
    errors.ReplayDivergedError,
  ].map((type) => [type.name, type]),
);

/** The error that a failure stands for: one of Varve's own by its class, any other as an `Error` of that name. */
export function fromFailure(failure: Failure): Error {
  const error = build(failure, failure.fields ?? {});
  hide(error, "stack", failure.stack);
  if (failure.cause !== undefined) hide(error, "cause", fromFailure(failure.cause));
  return error;
}

function build(failure: Failure, fields: Readonly<Record<string, Json>>): Error {
  const ours = isFacts(fields.facts) ? varveError(failure, fields.facts) : null;
  const error = ours ?? foreignError(failure);
  if (ours === null) {
    hide(error, "name", failure.name);
    if (failure.code !== undefined) Object.assign(error, { code: failure.code });
  }
  for (const [field, value] of Object.entries(fields)) {
    Object.defineProperty(error, field, { value, enumerable: true, configurable: true, writable: true });
  }
  return error;
}

function foreignError({ name, message, errors: gathered = [] }: Failure): Error {
  return name === "AggregateError" ? new AggregateError(gathered.map(fromFailure), message) : new Error(message);
}

/** Null for an error that only has the name of one of Varve's: others have a `TimeoutError` too. */
function varveError({ name, message, code }: Failure, facts: errors.ErrorFacts): errors.VarveError | null {
  if (code === undefined) return null;
  if (name === "TerminalError") return new errors.TerminalError(message, { code });
  if (name === "RetryableError") return new errors.RetryableError(message, { code });
  const type = CLASSES.get(name);
  return type === undefined ? null : new type(code, message, facts);
}

function isFacts(facts: Json | undefined): facts is { readonly [fact: string]: Json } {
  return typeof facts === "object" && facts !== null && !Array.isArray(facts);
}

function hide(error: Error, field: string, value: unknown): void {
  Object.defineProperty(error, field, { value, enumerable: false, configurable: true, writable: true });
}
