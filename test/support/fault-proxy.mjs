// A proxy before a server of the Hrana protocol that makes the network fail on demand.
//
// I1. A planned fault is applied once, to the first pipeline request that matches it, in the order of planning.
// I2. Without a fault, requests and replies pass unchanged; a failure of the target is seen as a cut connection.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const KEEP_ALIVE_MS = 60_000;
const PIPELINE_PATH = /\/pipeline$/;

/** @type {import("./fault-proxy.d.mts").FaultKind[]} */
const KINDS = ["drop-request", "drop-reply", "hang-request", "hang-reply", "delay", "duplicate", "status"];

/** What becomes of a request that gets no reply. */
const CUT = "cut";
const HANG = "hang";

/** @param {import("./fault-proxy.d.mts").FaultProxyOptions} options */
export async function startFaultProxy({ target, port = 0 }) {
  const applied = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  const sockets = new Set();
  let planned = [];
  let isPartitioned = false;

  const take = (request, body) => {
    if (request.method !== "POST" || !PIPELINE_PATH.test(request.url)) return null;
    const found = planned.find(({ fault }) => fault.match?.(body) ?? true);
    planned = planned.filter((other) => other !== found);
    return found ?? null;
  };

  const server = createServer(async (request, response) => {
    try {
      const body = Buffer.concat(await request.toArray());
      const found = take(request, body.toString("utf8"));
      const reply = await pass(target, request, body, found?.fault ?? null);
      if (found !== null) {
        applied[found.fault.kind] += 1;
        found.resolve();
      }
      if (reply === CUT) request.socket.destroy();
      else if (reply !== HANG) response.writeHead(reply.status, reply.headers).end(reply.body);
    } catch {
      request.socket.destroy();
    }
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on("connection", (socket) => {
    if (isPartitioned) return socket.destroy();
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");

  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    get applied() {
      return { ...applied };
    },
    get pending() {
      return planned.length;
    },
    plan: (fault) => {
      if (!Object.hasOwn(applied, fault.kind)) throw new TypeError(`unknown fault ${fault.kind}`);
      return new Promise((resolve) => planned.push({ fault, resolve }));
    },
    partition: (on) => {
      isPartitioned = on;
      if (on) cutAll();
    },
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      cutAll();
      await closed;
    },
  };
}

/** @returns the reply for the client, or what becomes of its connection without one */
async function pass(target, request, body, fault) {
  const send = () => forward(target, request, body);
  switch (fault?.kind) {
    case undefined:
      return send();
    case "drop-request":
      return CUT;
    case "drop-reply":
      await send();
      return CUT;
    case "hang-request":
      return HANG;
    case "hang-reply":
      await send();
      return HANG;
    case "delay":
      await delay(fault.ms);
      return send();
    case "duplicate":
      await send();
      return send();
    case "status":
      return { status: fault.status, headers: { "content-type": "text/plain" }, body: "planned fault\n" };
    default:
      throw new TypeError(`unknown fault ${fault.kind}`);
  }
}

async function forward(target, { method, url, headers }, body) {
  // A connection of its own for each request: a kept one may be stale after the server was killed and started again.
  const outgoing = httpRequest(new URL(url, target), { method, headers: forwarded(headers, body), agent: false });
  outgoing.end(body);
  const [incoming] = await once(outgoing, "response");
  return {
    status: incoming.statusCode,
    headers: { "content-type": incoming.headers["content-type"] ?? "text/plain" },
    body: Buffer.concat(await incoming.toArray()),
  };
}

function forwarded(headers, body) {
  const { host: _host, connection: _connection, "transfer-encoding": _encoding, ...kept } = headers;
  return { ...kept, "content-length": body.length };
}
