// Owns the open streams, their batons and the order of writers; called by the server.
//
// I1. One request at a time on a stream: a baton names a stream and its turn, and is good once.
// I2. Between two requests at most one stream holds the write lock. Everything here is synchronous, so a second writer
//     could never get through by waiting inside SQLite: it waits before its request is executed, in order of arrival.
// I3. A stream that is closed, for whatever reason, leaves no transaction behind.

import { randomUUID } from "node:crypto";
import { ProtocolError, StatementError, StreamExpiredError } from "./hrana-errors.mjs";

const EXPIRED_REMEMBERED_MAX = 1_000;
const STORED_SQL_MAX = 50;
const STORED_SQL_BYTES_MAX = 5_000;

/** The order of those who want the write lock, and the end of a transaction that holds it for too long. */
export class Writers {
  #transactionMs;
  #holder = null;
  #since = 0;
  #waiting = [];

  constructor(transactionMs) {
    this.#transactionMs = transactionMs;
  }

  /** Runs `work` in one synchronous go, when no other stream holds the lock that its statements need. */
  async run(stream, statements, work) {
    if (statements.some((statement) => statement.needsWriteLock)) await this.#turn(stream);
    const connection = stream.connection;
    try {
      return work(connection);
    } finally {
      this.settle(connection);
    }
  }

  settle(connection) {
    if (connection.holdsWriteLock && this.#holder !== connection) {
      this.#holder = connection;
      this.#since = performance.now();
    } else if (!connection.holdsWriteLock && this.#holder === connection) {
      this.#holder = null;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
  }

  async #turn(stream) {
    while (this.#holder !== null && this.#holder !== stream.connection) {
      const holder = this.#holder;
      const leftMs = this.#since + this.#transactionMs - performance.now();
      if (leftMs > 0) {
        await this.#change(leftMs);
      } else {
        // Only a waiting writer ends a transaction: one that nobody waits for may last as long as its stream.
        holder.timeOut();
        this.settle(holder);
      }
    }
  }

  #change(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

class Stream {
  id = randomUUID();
  turn = 0;
  sqls = new Map();
  isAcquired = true;
  idleTimer = null;
  #connection;
  #onClose;

  constructor(connection, onClose) {
    this.#connection = connection;
    this.#onClose = onClose;
  }

  get connection() {
    if (this.#connection === null) throw new ProtocolError("Stream for this baton was closed");
    return this.#connection;
  }

  get isClosed() {
    return this.#connection === null;
  }

  close() {
    const connection = this.#connection;
    this.#connection = null;
    clearTimeout(this.idleTimer);
    if (connection !== null) this.#onClose(connection);
  }

  sqlOf({ sql = null, sql_id: sqlId = null }) {
    if (sql !== null && sqlId !== null) throw new ProtocolError("Either `sql` or `sql_id` are required, but not both");
    if (sql === null && sqlId === null) throw new ProtocolError("Either `sql` or `sql_id` are required");
    const text = sql ?? this.sqls.get(sqlId);
    if (text === undefined) throw new ProtocolError(`SQL text ${sqlId} not found`);
    return text;
  }

  storeSql(sqlId, sql) {
    const count = this.sqls.size;
    if (this.sqls.has(sqlId)) throw new ProtocolError(`SQL text ${sqlId} already exists`);
    if (count >= STORED_SQL_MAX) {
      const message = `The server already stores ${count} SQL texts, it cannot store more`;
      throw new StatementError("SQL_STORE_TOO_MANY", message);
    }
    const bytes = Buffer.byteLength(sql);
    if (bytes > STORED_SQL_BYTES_MAX) {
      const message = `The statement is too large to be stored: ${bytes} B/${STORED_SQL_BYTES_MAX} B`;
      throw new StatementError("SQL_STORE_TOO_LARGE", message);
    }
    this.sqls.set(sqlId, sql);
  }
}

export class Streams {
  #pool;
  #writers;
  #idleMs;
  #open = new Map();
  #expired = new Set();
  #isClosed = false;

  constructor(pool, writers, idleMs) {
    this.#pool = pool;
    this.#writers = writers;
    this.#idleMs = idleMs;
  }

  get size() {
    return this.#open.size;
  }

  acquire(baton) {
    if (this.#isClosed) throw new ProtocolError("The server is closed");
    if (baton === null) {
      const stream = new Stream(this.#pool.acquire(), (connection) => this.#returnConnection(connection));
      this.#open.set(stream.id, stream);
      return stream;
    }
    const [id = "", turn] = String(baton).split(".");
    const stream = this.#open.get(id);
    if (stream === undefined && this.#expired.has(id)) throw new StreamExpiredError();
    if (stream === undefined) throw new ProtocolError("Received an invalid baton");
    if (stream.isAcquired || String(stream.turn) !== turn) {
      throw new ProtocolError("Received a baton that has already been used");
    }
    clearTimeout(stream.idleTimer);
    stream.isAcquired = true;
    stream.turn += 1;
    return stream;
  }

  /** @returns {string | null} the baton of the next turn */
  release(stream) {
    if (stream.isClosed) {
      this.remove(stream);
      return null;
    }
    stream.isAcquired = false;
    stream.idleTimer = setTimeout(() => this.#expire(stream), this.#idleMs);
    return `${stream.id}.${stream.turn}`;
  }

  remove(stream) {
    stream.close();
    this.#open.delete(stream.id);
  }

  close() {
    this.#isClosed = true;
    for (const stream of [...this.#open.values()]) this.remove(stream);
  }

  #expire(stream) {
    this.remove(stream);
    this.#expired.add(stream.id);
    if (this.#expired.size > EXPIRED_REMEMBERED_MAX) this.#expired.delete(this.#expired.values().next().value);
  }

  #returnConnection(connection) {
    connection.rollback();
    this.#writers.settle(connection);
    this.#pool.release(connection);
  }
}
