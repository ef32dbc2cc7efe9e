/** A statement was refused or failed; the pipeline goes on and the error is that request's result. */
export class StatementError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "StatementError";
    this.code = code;
  }
}

/** The client broke the protocol: the whole HTTP request fails with status 400 and its stream is closed. */
export class ProtocolError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "ProtocolError";
  }
}

/** The stream of a baton was closed after being idle. A correct client can meet this one. */
export class StreamExpiredError extends Error {
  code = "STREAM_EXPIRED";

  constructor() {
    super("The stream has expired due to inactivity");
    this.name = "StreamExpiredError";
  }
}

// Generic failures (1) are called "unknown" by sqld, and extended codes never reach the wire.
const CODES = new Map([
  [2, "SQLITE_INTERNAL"],
  [3, "SQLITE_PERM"],
  [4, "SQLITE_ABORT"],
  [5, "SQLITE_BUSY"],
  [6, "SQLITE_LOCKED"],
  [7, "SQLITE_NOMEM"],
  [8, "SQLITE_READONLY"],
  [9, "SQLITE_INTERRUPT"],
  [10, "SQLITE_IOERR"],
  [11, "SQLITE_CORRUPT"],
  [12, "SQLITE_NOTFOUND"],
  [13, "SQLITE_FULL"],
  [14, "SQLITE_CANTOPEN"],
  [15, "SQLITE_PROTOCOL"],
  [17, "SQLITE_SCHEMA"],
  [18, "SQLITE_TOOBIG"],
  [19, "SQLITE_CONSTRAINT"],
  [20, "SQLITE_MISMATCH"],
  [21, "SQLITE_MISUSE"],
  [22, "SQLITE_NOLFS"],
  [23, "SQLITE_AUTH"],
  [25, "SQLITE_RANGE"],
  [26, "SQLITE_NOTADB"],
]);

/** The primary SQLite code of an error of the `libsql` package, or null when SQLite did not raise it. */
export function primaryCode(error) {
  return typeof error?.rawCode === "number" ? error.rawCode & 0xff : null;
}

/** @returns {StatementError} what sqld would answer for an error of the `libsql` package */
export function statementErrorFrom(error) {
  const primary = primaryCode(error);
  if (primary === null) throw error;
  if (/syntax error$|^incomplete input$|^unrecognized token/.test(error.message)) {
    return new StatementError("SQL_PARSE_ERROR", `SQL string could not be parsed: ${error.message}`);
  }
  if (/^no such column/.test(error.message)) {
    return new StatementError("SQL_INPUT_ERROR", `SQL input error: ${error.message}`);
  }
  return new StatementError(CODES.get(primary) ?? "SQLITE_UNKNOWN", `SQLite error: ${error.message}`);
}
