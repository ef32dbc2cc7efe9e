/**
 * Requests of any form to every route of the table, over a real file: each is answered by what the route says or by a
 * typed problem, and what is refused leaves the file as it is.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import type { Hono } from "hono";
import { github, standardWebhooks, webhook, workflow } from "varve";
import { createApp } from "varve/http";
import { createEngine } from "varve/node";
import { z } from "zod";
import type { Engine } from "../../src/engine/api.ts";
import { ROUTES } from "../../src/http/app.ts";
import type { Route } from "../../src/http/route.ts";
import { problemSchema } from "../../src/http/wire.ts";
import type { LogLevel } from "../../src/kernel/ports.ts";
import { serveOnNode } from "../../src/runtime/serve-node.ts";
import { ODD_TEXTS, oddText } from "../support/storable.ts";
import { githubHeaders } from "../triggers/request.ts";
import type { Effort, Property } from "./lane.ts";
import { inFolder, verified, type Watch, watch } from "./places.ts";
import { junk } from "./values.ts";

const SECRET = "a secret for tests";
const STANDARD_SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;

const echo = workflow({ name: "echo" }, async (ctx, input: unknown) => ctx.step("repeat", () => input as never));
const strict = workflow({ name: "strict", input: z.object({ id: z.string() }) }, async (_ctx, { id }) => id);
/** Takes one signal with a schema and one without, and makes an address for each. */
const addresses = new Map<string, readonly string[]>();
const signals = { approval: z.object({ by: z.string() }), any: z.unknown() };
const asking = workflow({ name: "asking", signals }, async (ctx) => {
  addresses.set(ctx.run.id, [ctx.resumeUrl("approval"), ctx.resumeUrl("any")]);
  await ctx.waitFor("approval");
});
const BASE = "http://varve.test";
const resume = { baseUrl: BASE, secret: "a secret for tests, and a long one" };

const hooks = [
  webhook({ name: "github", scheme: github({ secrets: [SECRET] }), workflow: echo }),
  webhook({ name: "payments", scheme: standardWebhooks({ secrets: [STANDARD_SECRET] }), workflow: strict }),
];

/** An app over a file that nothing but requests writes. */
interface Site {
  readonly path: string;
  readonly app: Hono;
  readonly engine: Engine;
  readonly token: string;
  /** A run that has ended, and one that waits for a worker. */
  readonly runs: readonly string[];
  /** A run that waits for a signal, and the tokens of its addresses. */
  readonly asking: string;
  readonly tokens: readonly string[];
  readonly file: Watch;
  readonly errors: readonly string[];
}

const API_BYTES_MAX = 100_000;

async function overSite(use: (site: Site) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, "log.db");
    const errors: string[] = [];
    const log = (level: LogLevel, message: string, fields: object) => {
      if (level === "error") errors.push(`${message} ${JSON.stringify(fields)}`);
    };
    const engine = await createEngine({
      db: `file:${path}`,
      workflows: [echo, strict, asking],
      hooks,
      resume,
      worker: false,
      logger: { log },
    });
    const file = watch(path);
    try {
      const worker = await engine.work();
      const ended = await engine.start(echo, { ended: true });
      await ended.result();
      const asked = await engine.start(asking, undefined);
      await waited(engine, asked.id);
      await worker.stop();
      const tokens = (addresses.get(asked.id) ?? []).map((url) => url.slice(`${BASE}/resume/`.length));
      const pending = await engine.start(echo, 1);
      const { token } = await engine.keys.create({ name: "all", scopes: ["runs:read", "runs:write"] });
      const app = createApp(engine, { apiBytesMax: API_BYTES_MAX, hookBytesMax: API_BYTES_MAX });
      const runs = [ended.id, pending.id];
      await use({ path, app, engine, token, runs, asking: asked.id, tokens, file, errors });
    } finally {
      file.close();
      await engine.close();
    }
    const { equal, integrity } = await verified(path);
    assert.deepEqual({ equal, integrity }, { equal: true, integrity: [] });
  });
}

/** Resolves when the run's code waits. */
async function waited(engine: Engine, runId: string): Promise<void> {
  for await (const { type } of engine.tail({ runId })) if (type === "wait.started") return;
}

interface Asked {
  /** The id of a route. */
  readonly route: string;
  readonly method: string;
  /** In place of the parameters of the path: a text, or the n-th known run. */
  readonly param: string | number;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | Uint8Array | null;
  /** Goes on with the path: what the route has not. */
  readonly tail: string;
}

const headerValue = fc.oneof(
  fc.constantFrom("", " ", "application/json", "text/plain", "0", "-1", "1e9", "9007199254740993", "chunked", "*", ","),
  fc.string().map((text) => text.replace(/[^\t\x20-\x7e]/g, "")),
  fc.uint8Array({ min: 0x80, maxLength: 20 }).map((bytes) => String.fromCharCode(...bytes)),
);

const headerName = fc.constantFrom(
  "content-type",
  "content-length",
  "idempotency-key",
  "last-event-id",
  "accept",
  "origin",
  "host",
  "transfer-encoding",
  "x-forwarded-for",
  "x-github-delivery",
  "x-hub-signature-256",
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
  "range",
  "if-none-match",
  "expect",
  "__proto__",
);

const NAMES = [
  ...["workflow", "input", "inputMeta", "idempotencyKey", "delay", "tags", "deadline", "reason", "__proto__"],
  ...["payload", "payloadMeta", "dedupeKey", "action", "ids", "status", "parentId", "limit"],
];

const start = fc.record(
  {
    workflow: fc.oneof(fc.constantFrom<unknown>("echo", "strict", "nope"), junk),
    input: junk,
    inputMeta: junk,
    idempotencyKey: fc.oneof(fc.constantFrom<unknown>("k"), junk),
    delay: junk,
    deadline: junk,
    tags: fc.oneof(fc.dictionary(oddText, oddText), junk),
  },
  { requiredKeys: [] },
);

const bulk = fc.record(
  {
    action: fc.oneof(fc.constantFrom<unknown>("cancel", "pause", "resume", "retry", "delete"), junk),
    ids: fc.oneof(fc.array(oddText, { maxLength: 3 }), junk),
    workflow: fc.oneof(fc.constantFrom<unknown>("echo", "nope"), junk),
    status: fc.oneof(fc.constantFrom<unknown>("failed", ["pending", "waiting"]), junk),
    limit: junk,
    reason: junk,
  },
  { requiredKeys: [] },
);

function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? `${item}` : item)) ?? "";
}

const body: fc.Arbitrary<Asked["body"]> = fc.oneof(
  start.map(jsonText),
  bulk.map(jsonText),
  fc.dictionary(fc.constantFrom(...NAMES), junk).map(jsonText),
  fc.json({ stringUnit: "binary" }),
  fc.json().map((text) => text.slice(0, -1)),
  fc.uint8Array({ maxLength: 200 }),
  fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
  fc.constantFrom("", "{}", "null", "[]", "\ufeff{}", `{"workflow":"echo","input":${"[".repeat(3_000)}`),
  fc.constantFrom("x".repeat(API_BYTES_MAX + 1), `{"workflow":"echo","input":"${"x".repeat(2_000)}"}`),
  fc.constant(null),
);

const queryName = fc.oneof(
  fc.constantFrom("workflow", "status", "tag", "idempotencyKey", "createdFrom", "createdBefore", "limit", "cursor"),
  fc.constantFrom("afterSeq", "timeoutMs", "after", "__proto__"),
  oddText,
);
const queryValue = fc.oneof(
  fc.constantFrom("0", "1", "-1", "500", "501", "1.5", "echo", "failed,stuck", "a:b", ":", "NaN", "9007199254740991"),
  oddText,
);

const asked: fc.Arbitrary<Asked> = fc.record({
  route: fc.constantFrom(...ROUTES.map(({ id }) => id)),
  method: fc.oneof(
    { weight: 6, arbitrary: fc.constant("") },
    {
      weight: 1,
      arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "get"),
    },
  ),
  param: fc.oneof(fc.nat(1), fc.constantFrom(...ODD_TEXTS, "..", "%", "%2e%2e%2f", "%ff", "%00", "a/b"), oddText),
  query: fc.array(fc.tuple(queryName, queryValue), { maxLength: 3 }),
  headers: fc.array(fc.tuple(headerName, headerValue), { maxLength: 3 }),
  body,
  tail: fc.oneof({ weight: 9, arbitrary: fc.constant("") }, { weight: 1, arbitrary: oddText }),
});

function routeOf(id: string): Route {
  return ROUTES.find((route) => route.id === id) as Route;
}

function requestOf({ runs, token }: Site, asked: Asked): Request {
  const { param, query, headers, tail, body } = asked;
  const route = routeOf(asked.route);
  const method = asked.method === "" ? route.method : asked.method;
  const name = typeof param === "number" ? (runs[param] as string) : encoded(param);
  const path = `${route.path.replace(/:\w+/g, () => name)}${tail === "" ? "" : encoded(tail)}`;
  const search = query.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join("&");
  const all = new Headers({ authorization: `Bearer ${token}` });
  if (route.method === "POST") all.set("content-type", "application/json");
  for (const [key, value] of headers) all.set(key, value);
  return new Request(`http://varve.test${path}${search === "" ? "" : `?${search}`}`, {
    method,
    headers: all,
    body: method === "GET" || method === "HEAD" ? null : (body as string | Uint8Array<ArrayBuffer> | null),
  });
}

/** What is well-formed is encoded; the rest goes as it is, for the URL to make something of. */
function encoded(text: string): string {
  return text.isWellFormed() && !text.includes("%") ? encodeURIComponent(text) : text.replace(/[?#]/g, "");
}

/** The answer to a request. A wait is given up once it has begun: its client has left. */
async function answerOf(site: Site, request: Request): Promise<Response> {
  const leaving = new AbortController();
  const answering = site.app.fetch(new Request(request, { signal: leaving.signal }));
  if (new URL(request.url).pathname.endsWith("/result")) setImmediate(() => setImmediate(() => leaving.abort()));
  return await answering;
}

/** The route of a request; undefined: there is none, so it must be refused. */
function servedBy({ method, url }: Request): Route | undefined {
  const { pathname } = new URL(url);
  const asked = method === "HEAD" ? "GET" : method;
  const form = (path: string) => new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`);
  return ROUTES.find((route) => route.method === asked && form(route.path).test(pathname));
}

/** Checks that an answer is one that the route documents, or a typed problem. Returns whether it is a success. */
async function checked(request: Request, response: Response): Promise<boolean> {
  const { status } = response;
  // Nobody was there to be told.
  if (status === 499) return false;
  assert.ok(status < 500, `${status} for ${request.method} ${request.url}`);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  if (status >= 400) {
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const text = await response.text();
    // The answer to a HEAD has no body.
    if (text !== "") assert.equal(problemSchema.parse(JSON.parse(text)).status, status);
    return false;
  }
  const answer = servedBy(request)?.answers[status];
  assert.notEqual(answer, undefined, `${status} for ${request.method} ${request.url} is documented`);
  const contentType = response.headers.get("content-type");
  if (contentType === "text/event-stream" || answer?.schema === undefined) await response.body?.cancel();
  else {
    const text = await response.text();
    if (text !== "") answer.schema.parse(JSON.parse(text));
  }
  return true;
}

async function anyRequestIsAnswered(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    await fc.assert(
      fc.asyncProperty(asked, async (asked) => {
        let request: Request;
        try {
          request = requestOf(site, asked);
        } catch {
          // The platform itself does not make such a request; the lane of raw bytes sends them.
          return;
        }
        const before = await site.file.content();
        const isServed = await checked(request, await answerOf(site, request));
        if (!isServed || request.method !== "POST")
          assert.equal(await site.file.content(), before, "nothing is written");
      }),
      effort,
    );
    assert.deepEqual(site.errors, []);
  });
}

/** What a signal may be called, and carry. */
const signalName = fc.oneof(fc.constantFrom("approval", "any", "aproval", "toString", "__proto__"), oddText);
const payload = fc.oneof(fc.record({ by: fc.oneof(fc.string(), junk) }), junk);

async function anySignalIsTakenOrRefused(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    const { asking: runId, token } = site;
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(signalName, payload, fc.option(oddText), async (name, payload, key) => {
        // Of a path those are steps, and not names: no workflow can declare them.
        fc.pre(name.isWellFormed() && !/^\.{0,2}$/.test(name));
        const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
        const text = jsonText({ payload, ...(key === null ? {} : { dedupeKey: key }) });
        const path = `/api/v1/runs/${runId}/signals/${encodeURIComponent(name)}`;
        const request = new Request(`${BASE}${path}`, { method: "POST", headers, body: text });
        const before = await site.file.content();
        const isSent = await checked(request, await site.app.fetch(request));
        const value = (JSON.parse(text) as { payload?: unknown }).payload;
        const isFit = name === "any" || (name === "approval" && signals.approval.safeParse(value).success);
        const isKey =
          key === null || (key.length > 0 && key.length <= 256 && key.isWellFormed() && !key.includes("\0"));
        assert.equal(isSent, isFit && isKey, text);
        if (isSent) sent++;
        else assert.equal(await site.file.content(), before, "what is refused leaves nothing");
      }),
      effort,
    );
    assert.ok(sent > 10, `${sent} were taken`);
    assert.deepEqual(site.errors, []);
  });
}

const resumeHeaders = fc.constantFrom<Record<string, string>>(
  {},
  { accept: "text/html" },
  { "content-type": "application/json" },
  { "content-type": "application/x-www-form-urlencoded" },
  { "content-type": "application/x-www-form-urlencoded", accept: "text/html" },
  { "content-type": "text/plain" },
);

/** Bodies for an address: JSON, forms and what is neither. */
const resumeBody = fc.oneof(
  payload.map(jsonText),
  fc.array(fc.tuple(oddText, oddText), { maxLength: 3 }).map((fields) => {
    const form = new URLSearchParams();
    for (const [name, value] of fields) form.append(name.toWellFormed(), value.toWellFormed());
    return `${form}`;
  }),
  fc.constantFrom("", "by=ada", '{"by":"ada"}', "=", "&&", "%", "%ff=%00", "by=a&by=b"),
  fc.uint8Array({ maxLength: 50 }),
);

async function anyTokenIsRedeemedOrUnknown(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    const good = fc.constantFrom(...site.tokens);
    const token = fc.oneof(
      good,
      fc.tuple(good, fc.nat()).map(([text, at]) => text.slice(0, at % text.length)),
      fc.tuple(good, oddText).map(([text, more]) => `${text}${more}`),
      oddText,
    );
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(token, resumeHeaders, resumeBody, fc.boolean(), async (token, headers, body, isRead) => {
        fc.pre(token.isWellFormed() && !/^\.{0,2}$/.test(token));
        const isGood = site.tokens.includes(token);
        const url = `${BASE}/resume/${encodeURIComponent(token)}`;
        const before = await site.file.content();
        const init = { method: isRead ? "GET" : "POST", headers };
        const response = await site.app.request(url, isRead ? init : { ...init, body: body as string });
        const type = response.headers.get("content-type");
        const isPage = headers["accept"] === "text/html" || (isRead && isGood);
        assert.ok(response.status < 500, `${response.status} for ${url}`);
        assert.match(String(type), isPage ? /^text\/html; charset=utf-8$/ : /^application\/(problem\+)?json$/);
        const text = await response.text();
        assert.doesNotMatch(text, /<script|a secret for tests/);
        if (!isGood) assert.equal(response.status, 404);
        else if (isRead) assert.equal(response.status, 200);
        else assert.ok([200, 400, 415, 422].includes(response.status), `${response.status}`);
        if (isGood && !isRead && response.status === 200) sent++;
        else assert.equal(await site.file.content(), before, "nothing is written");
      }),
      effort,
    );
    assert.ok(sent > 10, `${sent} were sent`);
    // Each token has sent its signal once, however often it was good.
    assert.equal((await site.file.client.execute("SELECT count(*) AS count FROM inbox")).rows[0]?.count, 2);
    assert.deepEqual(site.errors, []);
  });
}

async function signedBodiesAreTakenOrRefused(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    let deliveries = 0;
    await fc.assert(
      fc.asyncProperty(body, async (body) => {
        const bytes = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body ?? []);
        const headers = githubHeaders(SECRET, bytes, `d-${++deliveries}`);
        const request = new Request("http://varve.test/hooks/github", { method: "POST", headers, body: bytes });
        const before = await site.file.content();
        const response = await site.app.fetch(request);
        assert.ok([202, 413, 422].includes(response.status), `${response.status}`);
        const isLarge = response.status === 413;
        await checked(request, response);
        assert.equal((await site.file.content()) !== before, !isLarge, "a decision is recorded, and nothing else");
      }),
      effort,
    );
    assert.deepEqual(site.errors, []);
  });
}

const lastEventId = fc.oneof(
  headerValue,
  fc.nat(40).map(String),
  fc.nat().map((n) => `${n}`.padStart(17, "0")),
  fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String),
  fc.tuple(fc.nat(20), fc.constantFrom(".0", "e1", " ", ",1", "n", "x")).map(([n, text]) => `${n}${text}`),
);

async function lastEventIdsAreReadOrRefused(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    const [ended = ""] = site.runs;
    const last = await site.engine.lastPosition();
    const lastOfRun = (await site.engine.run(ended).history()).at(-1)?.position as number;
    const paths = fc.constantFrom("/api/v1/events", `/api/v1/runs/${ended}/events`);
    await fc.assert(
      fc.asyncProperty(paths, lastEventId, async (path, id) => {
        const headers = new Headers({ authorization: `Bearer ${site.token}`, "last-event-id": id });
        const response = await site.app.request(path, { headers });
        const found = headers.get("last-event-id") as string;
        const isPosition = /^[0-9]{1,16}$/.test(found) && Number(found) <= last;
        if (!isPosition) {
          const problem = problemSchema.parse(await response.json());
          assert.deepEqual([response.status, problem.code], [400, "POSITION_INVALID"]);
          return;
        }
        const hasMore = Number(found) < (path.endsWith("/api/v1/events") ? last : lastOfRun);
        assert.equal(response.status, path !== "/api/v1/events" && !hasMore ? 204 : 200);
        const reader = response.body?.getReader();
        let text = "";
        while (hasMore && !/^id: /m.test(text)) text += new TextDecoder().decode((await reader?.read())?.value);
        if (hasMore) assert.ok(Number(/^id: ([0-9]+)$/m.exec(text)?.[1]) > Number(found));
        await reader?.cancel();
      }),
      effort,
    );
  });
}

const line = fc.oneof(
  fc.constantFrom("GET / HTTP/1.1", "GET /healthz HTTP/9.9", "POST /hooks/github HTTP/1.1", "PRI * HTTP/2.0", "\0"),
  fc.constantFrom("Host: x", "Content-Length: -1", "Content-Length: 1e9", "Transfer-Encoding: chunked", "A: b\0c", ":"),
  fc.constantFrom(
    "Content-Length: 3",
    "Content-Length: 4",
    "Expect: 100-continue",
    "Upgrade: websocket",
    " folded",
    "",
  ),
  fc.tuple(fc.constantFrom("GET", "POST", "X"), oddText).map(([method, path]) => `${method} /${path} HTTP/1.1`),
  oddText,
);

const raw = fc.oneof(
  fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => Buffer.from(`${lines.join("\r\n")}\r\n\r\n`)),
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

/** Sends bytes, and whatever comes back, until the server ends or has answered. */
function sent(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = createConnection(port, "127.0.0.1", () => socket.end(bytes));
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
    });
    // Refused on the way, or reset: the server may.
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

async function rawBytesAreSurvived(effort: Effort): Promise<void> {
  await overSite(async (site) => {
    const server = await serveOnNode({ fetch: site.app.fetch, host: "127.0.0.1", port: 0, id: "lane" });
    const before = await site.file.content();
    try {
      await fc.assert(
        fc.asyncProperty(raw, async (bytes) => {
          const answer = await sent(server.port, bytes);
          assert.doesNotMatch(answer, /^HTTP\/1\.1 5(?!05)/m);
        }),
        effort,
      );
      const health = await fetch(`http://127.0.0.1:${server.port}/healthz`);
      assert.equal(health.status, 200);
      await health.text();
    } finally {
      await server.close(0);
    }
    assert.equal(await site.file.content(), before);
    assert.deepEqual(site.errors, []);
  });
}

export const http: readonly Property[] = [
  {
    title: "any signal with any payload and key is taken or refused, and what is refused leaves nothing",
    runs: 400,
    holds: anySignalIsTakenOrRefused,
  },
  {
    title: "any token is redeemed once or is not found, and a look at its address sends nothing",
    runs: 400,
    holds: anyTokenIsRedeemedOrUnknown,
  },
  {
    title:
      "any request to any route gets what the route documents or a typed problem, and what is refused writes nothing",
    runs: 700,
    holds: anyRequestIsAnswered,
  },
  {
    title: "any body that is signed is taken or refused, and recorded with the decision",
    runs: 150,
    holds: signedBodiesAreTakenOrRefused,
  },
  {
    title: "any Last-Event-ID is a position from which the stream goes on, or is refused",
    runs: 250,
    holds: lastEventIdsAreReadOrRefused,
  },
  {
    title: "any bytes on the connection leave the server up and the file as it was",
    runs: 150,
    holds: rawBytesAreSurvived,
  },
];
