/** What the client's errors mean for the engine. */
import { StoreError } from "../../kernel/errors.ts";
import { type Failure, fromFailure, toFailure } from "../../kernel/failure.ts";

/** What the caller can do about each kind of failure. `retry`: the same call may succeed later. */
const MEANINGS = {
  STORE_BUSY: { retry: true, advice: "another process holds the write lock for long; see `varve doctor`" },
  STORE_FULL: { retry: true, advice: "free disk space, or raise max_page_count; the engine goes on by itself then" },
  STORE_IO: { retry: true, advice: "check the disk and the file's permissions" },
  STORE_UNAVAILABLE: { retry: true, advice: "check the server's address and the network; the engine keeps trying" },
  STORE_CORRUPT: { retry: false, advice: "restore the file from a backup; `varve db verify` says what is readable" },
  STORE_REJECTED: {
    retry: false,
    advice: "the database refused the statement: run `varve db status`, it may lack a migration",
  },
} as const;

type StoreErrorCode = keyof typeof MEANINGS;

interface ClientError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
}

/** Whether the connection that gave `error` is poisoned and the call may be repeated on another. */
export function isBusy(error: unknown): boolean {
  const { code, message } = innermost(error);
  return (
    /^SQLITE_(BUSY|LOCKED)/.test(String(code)) || /database is locked|SQL statements in progress/.test(String(message))
  );
}

/** Whether another call replaced the connection before this one began on it. It has done nothing. */
export function isReplaced(error: unknown): boolean {
  return innermost(error).code === "CLIENT_CLOSED";
}

/** Which database it was. */
export interface Located {
  readonly isRemote: boolean;
  /** Its path or address. */
  readonly name: string;
}

/** The typed error for what the client threw. */
export function storeError(error: unknown, { isRemote, name }: Located): Error {
  if (error instanceof StoreError) return error;
  const code = classify(error, isRemote);
  const { retry, advice } = MEANINGS[code];
  const database = withoutSecrets(name).replace(/[?#].*$/, "");
  const found = withoutSecrets(String(innermost(error).message ?? error));
  return new StoreError(
    code,
    `expected the database ${database} to take the call, but found: ${found}; ${advice}`,
    { retry, database },
    { cause: shownCause(error) },
  );
}

/** The cause as it may be logged: its texts, and those of its stack, may name the address. */
function shownCause(error: unknown): unknown {
  const text = JSON.stringify(toFailure(error));
  const clean = JSON.stringify(
    JSON.parse(text, (_key, value) => (typeof value === "string" ? withoutSecrets(value) : value)),
  );
  return clean === text ? error : fromFailure(JSON.parse(clean) as Failure);
}

/** An address may hold a password or a token, and the text of an error an address. */
function withoutSecrets(text: string): string {
  return text.replace(/:\/\/[^/\s]*@/g, "://").replace(/(authToken=)[^&\s]*/g, "$1…");
}

function classify(error: unknown, isRemote: boolean): StoreErrorCode {
  const { code: rawCode, message } = innermost(error);
  const code = String(rawCode ?? "");
  if (isBusy(error)) return "STORE_BUSY";
  if (/^SQLITE_FULL/.test(code) || /database or disk is full/.test(String(message))) return "STORE_FULL";
  // The client reads no integer above 2^53, and the engine writes none.
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code) || innermost(error) instanceof RangeError) return "STORE_CORRUPT";
  if (/^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/.test(code)) return "STORE_IO";
  if (/^SQLITE_/.test(code)) return "STORE_REJECTED";
  return isRemote ? "STORE_UNAVAILABLE" : "STORE_IO";
}

/** Drizzle and the batch call wrap the client's error; the one with a code that says something is inside. */
function innermost(error: unknown): ClientError {
  let found: unknown = error;
  while (isObject(found) && !hasSqliteCode(found) && isObject(found.cause)) found = found.cause;
  return isObject(found) ? found : { message: String(error) };
}

function hasSqliteCode(error: ClientError): boolean {
  return typeof error.code === "string" && /^(SQLITE_|CLIENT_CLOSED)/.test(error.code);
}

function isObject(value: unknown): value is ClientError {
  return typeof value === "object" && value !== null;
}
