/** The app behind a real socket: @hono/node-server over an embedded libSQL file, as `varve serve` runs it. */
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import type { RunHandle } from "../../src/engine/api-run.ts";
import { type AppOptions, createApp } from "../../src/http/index.ts";
import type { WireRun, WireStartedRun } from "../../src/http/wire.ts";
import type { WireDelivery } from "../../src/http/wire-deliveries.ts";
import { createEngine } from "../../src/runtime/node.ts";
import { github } from "../../src/triggers/github.ts";
import { webhook } from "../../src/triggers/hook.ts";
import { realPorts } from "../support/ports.ts";
import { githubHeaders } from "../triggers/request.ts";
import { echo, sleepy } from "./site.ts";
import { listen } from "./sse.ts";

const SECRET = "s3cret";
const BODY = '{"hello":"world"}';
const hook = webhook({ name: "github", scheme: github({ secrets: [SECRET] }), workflow: echo });

let folder: string;
let engine: Engine;
let headers: Record<string, string>;
const servers: Server[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-http-"));
  engine = await createEngine({
    db: `file:${join(folder, "varve.db")}`,
    workflows: [echo, sleepy],
    hooks: [hook],
    logger: realPorts().logger,
  });
  const { token } = await engine.keys.create({ name: "test", scopes: ["runs:read", "runs:write"] });
  headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
});
afterAll(async () => {
  await engine.close();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(folder, { recursive: true });
});

/** Serves an app, which may depend on the port, and returns the port. */
async function listening(options: (port: number) => AppOptions = () => ({})): Promise<number> {
  let app: Hono | null = null;
  const server = await new Promise<Server>((resolve) => {
    const fetch = (request: Request, env: unknown) => (app as Hono).fetch(request, env as object);
    const made = serve({ fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(made as Server));
  });
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  app = createApp(engine, options(port));
  return port;
}

/** Sends bytes as they are and reads the answer until the connection ends or the answer is whole. */
async function raw(port: number, ...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      answer += text;
      const [head, body] = answer.split("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(head ?? "")?.[1] ?? Number.NaN);
      if (body !== undefined && Buffer.byteLength(body) >= length) socket.destroy();
    });
    socket.on("close", () => resolve(answer));
    // What the server has answered counts, also when it then ends a connection that still sends.
    socket.on("error", (error) => (answer === "" ? reject(error) : resolve(answer)));
    for (const piece of pieces) socket.write(piece);
  });
}

const head = (path: string, fields: Record<string, string> | readonly (readonly [string, string])[]) =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    ...(Array.isArray(fields) ? fields : Object.entries(fields)).map(([name, value]) => `${name}: ${value}`),
    "",
    "",
  ].join("\r\n");

const length = { "Content-Length": `${BODY.length}` };

describe("on Node, over a file", () => {
  test("a webhook starts a run, whose events and result can be followed", async () => {
    const port = await listening();
    const url = `http://127.0.0.1:${port}`;
    const sent = await fetch(`${url}/hooks/github`, {
      method: "POST",
      body: BODY,
      headers: githubHeaders(SECRET, BODY, "n-1"),
    });
    expect(sent.status).toBe(202);
    const { runId, created } = (await sent.json()) as WireDelivery;
    expect(created).toBe(true);
    const events = await listen(await fetch(`${url}/api/v1/runs/${runId}/events`, { headers })).rest();
    expect(events.at(-1)?.event).toBe("run.completed");
    const result = (await (await fetch(`${url}/api/v1/runs/${runId}/result`, { headers })).json()) as WireRun;
    expect(result).toMatchObject({ status: "completed", output: { hello: "world" } });
    const all = await fetch(`${url}/hooks/github`, {
      method: "POST",
      body: BODY,
      headers: githubHeaders(SECRET, BODY, "n-1"),
    });
    expect(await all.json()).toMatchObject({ runId, created: false, deliveryId: "n-1", decision: "started" });
  });

  test("a header that is sent twice is refused", async () => {
    const port = await listening();
    const signed = Object.entries(githubHeaders(SECRET, BODY, "n-2"));
    const good = await raw(port, head("/hooks/github", [...signed, ...Object.entries(length)]), BODY);
    expect(good).toMatch(/^HTTP\/1.1 202 /);
    for (const double of signed) {
      const answer = await raw(port, head("/hooks/github", [...signed, double, ...Object.entries(length)]), BODY);
      expect(answer).toMatch(/^HTTP\/1.1 401 /);
    }
  });

  test("a body above the limit is told so, announced or in chunks, and a short one is no body", async () => {
    const port = await listening(() => ({ hookBytesMax: 20_000 }));
    const announced = await raw(port, head("/hooks/github", { "Content-Length": "20001" }), "x".repeat(20_001));
    expect(announced).toMatch(/^HTTP\/1.1 413 /);
    const chunk = `4e20\r\n${"x".repeat(20_000)}\r\n`;
    const chunked = await raw(
      port,
      head("/hooks/github", { "Transfer-Encoding": "chunked" }),
      chunk,
      chunk,
      "0\r\n\r\n",
    );
    expect(chunked).toMatch(/^HTTP\/1.1 413 /);
    expect(chunked).toContain("BODY_TOO_LARGE");
    const before = await engine.lastPosition();
    // Two more bytes than the Content-Length are another request, and no valid one: Node may say so first.
    const signed = githubHeaders(SECRET, BODY, "n-3");
    const cut = await raw(port, head("/hooks/github", { ...signed, "Content-Length": `${BODY.length - 2}` }), BODY);
    expect(cut).toMatch(/^HTTP\/1.1 40[01] /);
    expect(await engine.lastPosition()).toBe(before);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  });

  test("a client that leaves ends its event stream and its wait", async () => {
    const port = await listening();
    const url = `http://127.0.0.1:${port}/api/v1`;
    const started = await fetch(`${url}/runs`, { method: "POST", body: '{"workflow":"sleepy"}', headers });
    const { id } = (await started.json()) as WireStartedRun;

    const gone = new AbortController();
    const read = spySignal("tail");
    const events = listen(await fetch(`${url}/runs/${id}/events`, { headers, signal: gone.signal }));
    expect((await events.next())?.event).toBe("run.created");
    gone.abort();
    await aborted(await read);

    const left = new AbortController();
    const wait = spySignal("run");
    const answer = fetch(`${url}/runs/${id}/result`, { headers, signal: left.signal }).catch(
      (error: Error) => error.name,
    );
    const signal = await wait;
    left.abort();
    expect(await answer).toBe("AbortError");
    await aborted(signal);
    await engine.run(id).cancel();
  });

  test("loopback serves what is sent to it by name, and no foreign name", async () => {
    const port = await listening((port) => ({
      auth: {
        loopback: {
          hosts: [`localhost:${port}`, `127.0.0.1:${port}`],
          peerAddress: (c) => getConnInfo(c).remote.address,
        },
      },
    }));
    const url = `http://127.0.0.1:${port}/api/v1/runs`;
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url, { headers: { origin: "https://evil.example" } })).status).toBe(403);
    expect((await fetch(url, { headers: { "x-forwarded-for": "10.0.0.1" } })).status).toBe(403);
    const get = (host: string) => `GET /api/v1/runs HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    expect(await raw(port, get(`localhost:${port}`))).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(port, get(`evil.example:${port}`))).toContain("HOST_REFUSED");
    expect(await raw(port, get(`localhost:${port}\r\nHost: evil.example`))).not.toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(port, get(`LOCALHOST:${port}`))).toMatch(/^HTTP\/1.1 200 /);
  });
});

/** The signal that the next call of the engine's `tail`, or of the result of a run, is given. */
async function spySignal(method: "tail" | "run"): Promise<AbortSignal> {
  return await new Promise((resolve) => {
    const told = (options: { readonly signal?: AbortSignal } | undefined) => {
      Reflect.deleteProperty(engine, method);
      resolve(options?.signal as AbortSignal);
    };
    if (method === "tail") {
      const tail = engine.tail.bind(engine);
      engine.tail = (options) => {
        told(options);
        return tail(options);
      };
      return;
    }
    const run = engine.run.bind(engine) as (id: string) => RunHandle;
    engine.run = ((id: string) => {
      const handle = run(id);
      const result = handle.result.bind(handle);
      handle.result = async (options) => {
        told(options);
        return await result(options);
      };
      return handle;
    }) as Engine["run"];
  });
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}
