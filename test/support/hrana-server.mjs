// A libSQL server for tests: Hrana over HTTP, versions 2 and 3 in JSON, over one database file.
//
// Owns the HTTP side and what each request of a pipeline means; `hrana-streams.mjs` owns the streams and the order of
// writers, `hrana-connection.mjs` the connections, `hrana-sql.mjs` what is decided about SQL text.

import { once } from "node:events";
import { createServer } from "node:http";
import { ConnectionPool } from "./hrana-connection.mjs";
import { ProtocolError, StatementError, StreamExpiredError } from "./hrana-errors.mjs";
import { parseAll, parseOne } from "./hrana-sql.mjs";
import { Streams, Writers } from "./hrana-streams.mjs";

const STREAM_IDLE_MS = 10_000;
const TRANSACTION_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;
const BODY_BYTES_MAX = 64 * 1024 * 1024;
const PIPELINE_PATH = /^\/v([23])\/pipeline$/;

/** @param {import("./hrana-server.d.mts").HranaServerOptions} options */
export async function startHranaServer({
  path,
  port = 0,
  streamIdleMs = STREAM_IDLE_MS,
  transactionMs = TRANSACTION_MS,
}) {
  const pool = new ConnectionPool(path);
  const writers = new Writers(transactionMs);
  const streams = new Streams(pool, writers, streamIdleMs);
  let requests = 0;
  const server = createServer(async (request, response) => {
    const version = PIPELINE_PATH.exec(request.url ?? "")?.[1];
    if (request.method !== "POST" || version === undefined) return answerProbe(request, response);
    requests += 1;
    try {
      const body = await runPipeline(streams, writers, decodeBody(await readBody(request)), Number(version));
      answer(response, 200, "application/json", JSON.stringify(body));
    } catch (error) {
      answerFailure(response, error);
    }
  });
  // A connection must not be closed under a client that is about to use it again: that would be an unplanned fault.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    get requests() {
      return requests;
    },
    get streams() {
      return streams.size;
    },
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      streams.close();
      pool.close();
    },
  };
}

/** Runs the requests of one HTTP request in order; a failed statement does not stop the ones after it. */
async function runPipeline(streams, writers, { baton, requests }, version) {
  const stream = streams.acquire(baton ?? null);
  try {
    const results = [];
    for (const request of requests) {
      try {
        const response = await respond(stream, writers, request, version);
        results.push({ type: "ok", response: { type: request.type, ...response } });
      } catch (error) {
        if (!(error instanceof StatementError)) throw error;
        results.push({ type: "error", error: errorBody(error) });
      }
    }
    return { baton: streams.release(stream), base_url: null, results };
  } catch (error) {
    streams.remove(stream);
    throw error;
  }
}

async function respond(stream, writers, request, version) {
  switch (request?.type) {
    case "close":
      stream.close();
      return {};
    case "execute": {
      const statement = parseOne(stream.sqlOf(request.stmt));
      return { result: await writers.run(stream, [statement], (db) => executeOne(db, statement, request.stmt)) };
    }
    case "batch": {
      const steps = parseSteps(stream, request.batch.steps, version);
      const statements = steps.map((step) => step.statement);
      return { result: await writers.run(stream, statements, (db) => executeBatch(db, steps)) };
    }
    case "sequence": {
      const statements = parseAll(stream.sqlOf(request));
      await writers.run(stream, statements, (db) => {
        for (const statement of statements) executeOne(db, statement, { want_rows: false });
      });
      return {};
    }
    case "describe":
      return { result: stream.connection.describe(parseOne(stream.sqlOf(request))) };
    case "store_sql":
      stream.storeSql(request.sql_id, request.sql);
      return {};
    case "close_sql":
      stream.sqls.delete(request.sql_id);
      return {};
    case "get_autocommit":
      requireVersion3(version, "The `get_autocommit` request");
      return { is_autocommit: !stream.connection.inTransaction };
    default:
      throw new ProtocolError("StreamRequest type not recognized");
  }
}

function executeOne(connection, statement, stmt) {
  const timeOut = connection.takeTimeOut();
  if (timeOut !== null) throw timeOut;
  return connection.execute(statement, stmt);
}

function executeBatch(connection, steps) {
  const timeOut = connection.takeTimeOut();
  const results = [];
  const errors = [];
  for (const { statement, stmt, condition } of steps) {
    let result = null;
    let error = timeOut;
    if (timeOut === null && holds(condition, results, errors, connection)) {
      try {
        result = connection.execute(statement, stmt);
      } catch (thrown) {
        if (!(thrown instanceof StatementError)) throw thrown;
        error = thrown;
      }
    }
    results.push(result);
    errors.push(error);
  }
  return { step_results: results, step_errors: errors.map((error) => error && errorBody(error)) };
}

// All of a batch is parsed before any of it runs: text that sqld would not serve fails it as a whole.
function parseSteps(stream, steps, version) {
  return steps.map(({ stmt, condition = null }, index) => {
    if (condition !== null) checkCondition(condition, index, version);
    return { statement: parseOne(stream.sqlOf(stmt)), stmt, condition };
  });
}

function checkCondition(condition, index, version) {
  switch (condition?.type) {
    case "ok":
    case "error":
      if (Number.isInteger(condition.step) && condition.step >= 0 && condition.step < index) return;
      throw new ProtocolError("Invalid reference to step in a batch condition");
    case "not":
      return checkCondition(condition.cond, index, version);
    case "and":
    case "or":
      for (const part of condition.conds) checkCondition(part, index, version);
      return;
    case "is_autocommit":
      return requireVersion3(version, "BatchCond of type `is_autocommit`");
    default:
      throw new ProtocolError("BatchCond type not recognized");
  }
}

function holds(condition, results, errors, connection) {
  if (condition === null) return true;
  const part = (other) => holds(other, results, errors, connection);
  switch (condition.type) {
    case "ok":
      return results[condition.step] !== null;
    case "error":
      return errors[condition.step] !== null;
    case "not":
      return !part(condition.cond);
    case "and":
      return condition.conds.every(part);
    case "or":
      return condition.conds.some(part);
    default:
      return !connection.inTransaction;
  }
}

function requireVersion3(version, what) {
  if (version < 3) throw new ProtocolError(`${what} is only supported in protocol version hrana3 and higher`);
}

async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new ProtocolError(`Request body is larger than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function decodeBody(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new ProtocolError(`Cannot deserialize client message from JSON: ${error.message}`);
  }
  if (Array.isArray(body?.requests)) return body;
  throw new ProtocolError("Cannot deserialize client message from JSON: missing field `requests`");
}

// The client may ask for `/v3-protobuf` first; refusing that one makes it speak JSON.
function answerProbe(request, response) {
  request.resume();
  const isKnown = request.method === "GET" && ["/v2", "/v3", "/health"].includes(request.url ?? "");
  answer(response, isKnown ? 200 : 404, "text/plain", isKnown ? "Hrana over HTTP\n" : "Not found\n");
}

function answerFailure(response, error) {
  if (error instanceof ProtocolError) answer(response, 400, "text/plain", error.message);
  else if (error instanceof StreamExpiredError)
    answer(response, 500, "application/json", JSON.stringify(errorBody(error)));
  else answer(response, 500, "text/plain", String(error));
}

function answer(response, status, contentType, body) {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function errorBody({ message, code }) {
  return { message, code };
}
