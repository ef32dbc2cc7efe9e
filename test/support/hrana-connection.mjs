// Owns the libsql connections of one database file; called by the server, one connection per open stream.
//
// I1. A connection serves one stream at a time. It goes back to the pool only when nothing of that stream is left on
//     it: no transaction, no setting, no statement that SQLite still counts as running.
// I2. All connections of the file live on one thread, so a checkpoint never runs beside a write.

import Database from "libsql";
import { ProtocolError, primaryCode, StatementError, statementErrorFrom } from "./hrana-errors.mjs";

/** @typedef {import("./hrana-sql.mjs").Statement} Statement */

const IDLE_CONNECTIONS_MAX = 16;
const PREPARED_MAX = 200;
const BUSY_TIMEOUT_MS = 100;
const SQLITE_ERROR = 1;
const SQLITE_CONSTRAINT = 19;
const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;

export class ConnectionPool {
  #path;
  #idle = [];
  #keeper;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    // Without one that stays open, each request that closes the last connection would checkpoint and delete the WAL.
    this.#keeper = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    this.#keeper.pragma("journal_mode = WAL");
  }

  acquire() {
    return this.#idle.pop() ?? new Connection(this.#path);
  }

  /** @param {Connection} connection */
  release(connection) {
    if (connection.isReusable && this.#idle.length < IDLE_CONNECTIONS_MAX) this.#idle.push(connection);
    else connection.close();
  }

  close() {
    for (const connection of this.#idle) connection.close();
    this.#idle = [];
    this.#keeper.close();
  }
}

class Connection {
  #db;
  #prepared = new Map();
  #isClean = true;
  #hasWritten = false;
  #timedOut = false;

  constructor(path) {
    this.#db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    this.#db.defaultSafeIntegers(true);
    this.#db.exec("PRAGMA synchronous = FULL");
  }

  get inTransaction() {
    return this.#db.inTransaction;
  }

  get holdsWriteLock() {
    return this.#hasWritten && this.#db.inTransaction;
  }

  get isReusable() {
    return this.#isClean && !this.#timedOut && !this.#db.inTransaction;
  }

  /** Takes the transaction away for a waiting writer; the stream learns of it from its next statement. */
  timeOut() {
    this.rollback();
    this.#timedOut = true;
  }

  /** @returns {StatementError | null} the one answer to every step of the first program after a time-out */
  takeTimeOut() {
    if (!this.#timedOut) return null;
    this.#timedOut = false;
    return new StatementError("TRANSACTION_TIMEOUT", "Transaction timed out");
  }

  rollback() {
    if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
  }

  close() {
    // Closing alone is not enough: SQLite keeps the connection, with its locks, while a statement awaits collection.
    this.rollback();
    this.#prepared.clear();
    this.#db.close();
  }

  /**
   * @param {Statement} statement
   * @param {{ args?: unknown[], named_args?: { name: string, value: unknown }[], want_rows?: boolean }} options
   */
  execute(statement, { args = [], named_args: namedArgs = [], want_rows: wantRows = true }) {
    const { changesConnection, isExplain, isChange, isInsert, needsWriteLock, sql } = statement;
    // An explained write with RETURNING still counts as running when all its rows are read.
    if (changesConnection || isExplain) this.#isClean = false;
    const values = bind(statement, args, namedArgs);
    if (!this.#db.inTransaction) this.#hasWritten = false;
    if (needsWriteLock) this.#hasWritten = true;
    return this.#guard(() => {
      const prepared = this.#prepare(sql);
      const rows = prepared.reader ? prepared.all(values) : [];
      if (!prepared.reader) prepared.run(values);
      const [changes, rowId] = isChange ? this.#lastChange() : [0n, 0n];
      return {
        cols: columnsOf(prepared),
        rows: wantRows ? rows.map((row) => row.map(encodeValue)) : [],
        affected_row_count: Number(changes),
        last_insert_rowid: isInsert ? String(rowId) : null,
      };
    });
  }

  /** @param {Statement} statement */
  describe(statement) {
    return this.#guard(() => ({
      params: statement.parameters.map((name) => ({ name })),
      cols: columnsOf(this.#prepare(statement.sql)),
      is_explain: statement.isExplain,
      is_readonly: !statement.needsWriteLock,
    }));
  }

  /** RETURNING leaves the change count of the `libsql` package at zero, and its row id is a rounded number. */
  #lastChange() {
    return this.#prepare("SELECT changes(), last_insert_rowid()").all([])[0];
  }

  // A prepared statement is freed only when its object is collected, 8 kB later: without this the server grows.
  #prepare(sql) {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#db.prepare(sql);
    if (prepared.reader) prepared.raw();
    if (this.#prepared.size >= PREPARED_MAX) this.#prepared.delete(this.#prepared.keys().next().value);
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #guard(work) {
    try {
      return work();
    } catch (error) {
      // A statement that got BUSY counts as running until it is collected, and nothing can be committed beside it.
      const primary = primaryCode(error);
      if (primary !== SQLITE_CONSTRAINT && primary !== SQLITE_ERROR) this.#isClean = false;
      throw statementErrorFrom(error);
    }
  }
}

function columnsOf(prepared) {
  return prepared.columns().map((column) => ({ name: column.name, decltype: column.type }));
}

function bind({ parameters, isExplain }, args, namedArgs) {
  if (args.length > 0 && namedArgs.length > 0) {
    const message = "Specifying both positional and named arguments is not supported";
    throw new StatementError("ARGS_BOTH_POSITIONAL_AND_NAMED", message);
  }
  const named = new Map(namedArgs.map(({ name, value }) => [name, value]));
  const given = args.length + named.size;
  if (given > parameters.length) {
    throw argsInvalid(`too many parameters, expected ${parameters.length} found ${given}`);
  }
  return parameters.map((name, index) => {
    const value =
      name === null ? args[index] : name.startsWith("?") ? args[name.slice(1) - 1] : namedValue(named, name);
    if (value === undefined && !isExplain) throw argsInvalid(`value for parameter ${name ?? index + 1} not found`);
    return value === undefined ? null : decodeValue(value);
  });
}

function namedValue(named, name) {
  return named.get(name) ?? named.get(name.slice(1));
}

function argsInvalid(reason) {
  return new StatementError("ARGS_INVALID", `Arguments do not match SQL parameters: ${reason}`);
}

function decodeValue(value) {
  switch (value?.type) {
    case "null":
      return null;
    case "integer":
      return decodeInteger(value.value);
    case "float":
      if (typeof value.value === "number") return value.value;
      break;
    case "text":
      // sqld's JSON reader refuses a lone surrogate, where this one would store a replacement character.
      if (typeof value.value === "string" && value.value.isWellFormed()) return value.value;
      break;
    case "blob":
      if (typeof value.base64 === "string") return Buffer.from(value.base64, "base64");
      break;
  }
  throw new ProtocolError(`Cannot deserialize client message from JSON: invalid value of type ${value?.type}`);
}

function decodeInteger(text) {
  const integer = typeof text === "string" && /^[+-]?\d{1,19}$/.test(text) ? BigInt(text) : null;
  if (integer === null || integer < INTEGER_MIN || integer > INTEGER_MAX) {
    throw new ProtocolError("Cannot deserialize client message from JSON: expected a decimal integer as a string");
  }
  return integer;
}

function encodeValue(value) {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: String(value) };
  if (typeof value === "number") return { type: "float", value };
  if (typeof value === "string") return { type: "text", value };
  return { type: "blob", base64: Buffer.from(value).toString("base64").replace(/=+$/, "") };
}
