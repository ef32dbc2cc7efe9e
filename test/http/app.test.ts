import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiScope } from "../../src/engine/api-keys.ts";
import { ROUTES } from "../../src/http/app.ts";
import { createApp } from "../../src/http/index.ts";
import { StoreError } from "../../src/kernel/errors.ts";
import type { LogWrite } from "../../src/log/port-write.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

let site: TestSite;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => await site.close());

/** What Hono really serves: every route but those that refuse. */
const served = (app: Hono) => app.routes.filter(({ method }) => method !== "ALL");

const OPEN = ["/healthz", "/readyz", "/openapi.json"];

describe("the route table", () => {
  test("is what the app serves, and each route says who may use it", () => {
    const table = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(served(site.app).map(({ method, path }) => `${method} ${path}`)).toEqual(table);
    const open = ROUTES.filter(({ access }) => access === "open").map(({ path }) => path);
    expect(open.sort()).toEqual([...OPEN].sort());
    const paths = (access: string) => ROUTES.filter((route) => route.access === access).map(({ path }) => path);
    expect(paths("signature")).toEqual(["/hooks/:name"]);
    expect(paths("token")).toEqual(["/resume/:token", "/resume/:token"]);
    for (const { method, access, path } of ROUTES) {
      if (path.startsWith("/api/")) expect(access, path).toBe(method === "GET" ? "runs:read" : "runs:write");
    }
  });

  /** Each route that wants a key, by what Hono serves and not by what the table says. */
  const guarded = () =>
    served(site.app).filter(({ path }) => !OPEN.includes(path) && !/^\/(hooks|resume)\//.test(path));

  async function statuses(authorization: string | undefined): Promise<Map<string, Response>> {
    const answers = new Map<string, Response>();
    for (const { method, path } of guarded()) {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (authorization !== undefined) headers["authorization"] = authorization;
      const body = method === "POST" ? "{}" : null;
      answers.set(`${method} ${path}`, await site.app.request(path.replace(":id", "run_x"), { method, headers, body }));
    }
    expect(answers.size).toBeGreaterThanOrEqual(10);
    return answers;
  }

  test("without a key, or with one that is no key, every route answers 401 and how to ask", async () => {
    const good = await site.token("runs:read", "runs:write");
    const flipped = good.slice(0, -1) + (good.endsWith("0") ? "1" : "0");
    const bad = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Bearer x",
      `Basic ${good}`,
      `Bearer ${flipped}`,
      `Bearer ${good} x`,
    ];
    for (const authorization of [...bad, `Bearer ${good}, Bearer ${good}`, `Bearer ${good.toUpperCase()}`]) {
      for (const [name, response] of await statuses(authorization)) {
        expect(await problemOf(response), `${name} ${authorization}`).toMatchObject({
          status: 401,
          code: "UNAUTHENTICATED",
        });
        expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="varve"/);
      }
    }
  });

  test("with a revoked key every route answers 401", async () => {
    const { id, token } = await site.engine.keys.create({ name: "old", scopes: ["runs:read", "runs:write"] });
    for (const [name, response] of await statuses(`Bearer ${token}`)) expect(response.status, name).not.toBe(401);
    await site.engine.keys.revoke(id);
    for (const [name, response] of await statuses(`Bearer ${token}`)) {
      expect((await problemOf(response)).code, name).toBe("UNAUTHENTICATED");
      expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
  });

  test("with the wrong scope every route answers 403 and names the right one", async () => {
    const scopes: ApiScope[] = ["runs:read", "runs:write"];
    for (const scope of scopes) {
      for (const [name, response] of await statuses(`Bearer ${await site.token(scope)}`)) {
        const needed: ApiScope = name.startsWith("GET") ? "runs:read" : "runs:write";
        if (needed === scope) {
          expect([401, 403], name).not.toContain(response.status);
          continue;
        }
        expect(await problemOf(response), name).toMatchObject({
          status: 403,
          code: "SCOPE_MISSING",
          facts: { expected: needed },
        });
        expect(response.headers.get("www-authenticate")).toContain(`error="insufficient_scope", scope="${needed}"`);
      }
    }
  });

  test("the scheme is taken in any case", async () => {
    const headers = { authorization: `bEARER ${await site.token("runs:read")}` };
    expect((await site.app.request("/api/v1/runs", { headers })).status).toBe(200);
  });

  test("what is open needs no key", async () => {
    for (const path of OPEN) expect((await site.app.request(path)).status, path).toBe(200);
  });

  test("a method that a path has not is 405 with those that it has", async () => {
    for (const [path, allow] of [
      ["/api/v1/runs", "POST, GET, HEAD"],
      ["/hooks/x", "POST"],
      ["/healthz", "GET, HEAD"],
    ] as const) {
      for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
        const response = await site.app.request(path, { method });
        expect(await problemOf(response)).toMatchObject({ status: 405, code: "METHOD_UNKNOWN" });
        expect(response.headers.get("allow")).toBe(allow);
      }
    }
    expect((await site.app.request("/hooks/x")).status).toBe(405);
  });

  test("another path is a problem, and a HEAD is a GET without its body", async () => {
    for (const path of ["/", "/nope", "/api", "/api/v1/runs/", "/hooks", "/hooks/a/b", "/openapi"]) {
      expect(await problemOf(await site.app.request(path)), path).toMatchObject({ status: 404, code: "ROUTE_UNKNOWN" });
    }
    const head = await site.ask("/api/v1/events", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  });

  test("every answer carries the security headers", async () => {
    const paths = ["/healthz", "/nope", "/api/v1/runs", "/openapi.json", "/api/v1/runs/x", "/api/v1/events"];
    for (const path of paths) {
      const { headers, body } = await site.get(path);
      expect(headers.get("x-content-type-options"), path).toBe("nosniff");
      expect(headers.get("cache-control"), path).toBe("no-store");
      expect(headers.get("content-security-policy"), path).toContain("default-src 'none'");
      await body?.cancel();
    }
  });
});

describe("mounted below a path", () => {
  test("routes, problems and the document hold, and the paths of others are theirs", async () => {
    const parent = new Hono();
    parent.route("/varve", createApp(site.engine));
    parent.get("/own", (c) => c.text("mine"));
    expect((await parent.request("/varve/healthz")).status).toBe(200);
    expect(await problemOf(await parent.request("/varve/nope"))).toMatchObject({ code: "ROUTE_UNKNOWN" });
    expect(await problemOf(await parent.request("/varve/api/v1/runs"))).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await (await parent.request("/own")).text()).toBe("mine");
    expect((await parent.request("/nope")).headers.get("content-type")).toMatch(/^text\/plain/);
    const document = (await (await parent.request("/varve/openapi.json")).json()) as { servers: unknown };
    expect(document.servers).toEqual([{ url: "/varve" }]);
  });

  test("at the root of an app it leaves what it does not know to that app", async () => {
    const parent = new Hono();
    parent.route("/", createApp(site.engine));
    parent.get("/own", (c) => c.text("mine"));
    expect(await (await parent.request("/own")).text()).toBe("mine");
    expect((await parent.request("/healthz")).status).toBe(200);
  });
});

describe("loopback", () => {
  const hosts = ["127.0.0.1:8787", "localhost:8787", "[::1]:8787"];
  let peer: string | undefined = "127.0.0.1";
  const app = () => createApp(site.engine, { auth: { loopback: { hosts, peerAddress: () => peer } } });
  const ask = async (headers: Record<string, string>, init: RequestInit = {}) =>
    await app().request("http://127.0.0.1:8787/api/v1/runs", {
      ...init,
      headers: { host: "127.0.0.1:8787", ...headers },
    });

  test("a program of this machine needs no key", async () => {
    for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
      peer = address;
      for (const host of [...hosts, "LOCALHOST:8787"])
        expect((await ask({ host })).status, `${address} ${host}`).toBe(200);
    }
  });

  test("nobody else is let in, and nobody when the peer is not known", async () => {
    for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "127.0.0.1.evil", "", undefined]) {
      peer = address;
      expect(await problemOf(await ask({}))).toMatchObject({ status: 403, code: "PEER_REFUSED" });
    }
    peer = "127.0.0.1";
  });

  test("what a proxy forwards is not of this machine", async () => {
    for (const name of ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]) {
      expect(await problemOf(await ask({ [name]: "127.0.0.1" }))).toMatchObject({ code: "PEER_REFUSED" });
    }
  });

  test("a foreign name that is bound to 127.0.0.1 is refused", async () => {
    for (const host of [
      "evil.example",
      "evil.example:8787",
      "127.0.0.1",
      "127.0.0.1:8788",
      "localhost:8787.evil.example",
    ]) {
      expect(await problemOf(await ask({ host }))).toMatchObject({ status: 403, code: "HOST_REFUSED" });
    }
  });

  test("a page of another site is refused, one of ours is not", async () => {
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:3000", "http://localhost", ""]) {
      expect(await problemOf(await ask({ origin })), origin).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
    }
    expect(await problemOf(await ask({ "sec-fetch-site": "cross-site" }))).toMatchObject({ code: "ORIGIN_REFUSED" });
    expect((await ask({ origin: "http://localhost:8787", "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  test("what a form of another site can send is refused by its content type", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const init = { method: "POST", body: '{"workflow":"echo"}' };
      expect(await problemOf(await ask({ "content-type": type }, init))).toMatchObject({ status: 415 });
    }
    const good = await ask(
      { "content-type": "application/json; charset=utf-8" },
      { method: "POST", body: '{"workflow":"echo"}' },
    );
    expect(good.status).toBe(201);
  });

  test("every route of the API is guarded so", async () => {
    peer = "10.0.0.1";
    for (const { method, path } of served(app()).filter((each) => each.path.startsWith("/api/"))) {
      const answer = await app().request(path.replace(":id", "x"), { method, headers: { host: "127.0.0.1:8787" } });
      expect((await problemOf(answer)).code, path).toBe("PEER_REFUSED");
    }
    peer = "127.0.0.1";
  });

  test.each([
    ["no hosts", { loopback: { hosts: [], peerAddress: () => "::1" } }],
    ["no function for the peer", { loopback: { hosts } }],
    ["nothing", { loopback: {} }],
    ["another word", "none"],
  ])("an app with %s is not made", (_what, auth) => {
    expect(() => createApp(site.engine, { auth: auth as never })).toThrow(
      expect.objectContaining({ code: "AUTH_INVALID" }),
    );
  });

  test("a limit that is none is refused", () => {
    for (const apiBytesMax of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createApp(site.engine, { apiBytesMax })).toThrow(
        expect.objectContaining({ code: "BODY_LIMIT_INVALID" }),
      );
    }
  });
});

describe("faults", () => {
  test("an unknown error is 500, told without its inside and logged with the instance", async () => {
    const broken = await openSite({
      worker: false,
      over: (store) => Object.assign(store, { getRun: () => Promise.reject(new Error("secret inside")) }),
    });
    const problem = await problemOf(await broken.get("/api/v1/runs/run_x"));
    expect(problem).toMatchObject({ status: 500, code: "INTERNAL", title: "Internal" });
    expect(JSON.stringify(problem)).not.toContain("secret");
    const line = broken.lines.find(({ fields }) => fields["instance"] === problem.instance);
    expect(line).toMatchObject({
      level: "error",
      fields: { path: "/api/v1/runs/run_x", error: { message: "secret inside" } },
    });
    await broken.close();
  });

  test("a database that may come back is 503 and says when to ask again; one that cannot is 500", async () => {
    for (const [retry, status, code] of [
      [true, 503, "STORE_BUSY"],
      [false, 500, "INTERNAL"],
    ] as const) {
      const fail = () => Promise.reject(new StoreError("STORE_BUSY", "locked: /secret/path", { retry }));
      const broken = await openSite({ worker: false, over: (store) => Object.assign(store, { getRun: fail }) });
      const response = await broken.get("/api/v1/runs/run_x");
      expect(response.headers.get("retry-after")).toBe(retry ? "1" : null);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ status, code });
      expect(JSON.stringify(problem)).not.toContain("secret");
      await broken.close();
    }
  });

  test("a closed engine is alive but not ready, and serves nothing", async () => {
    const closed = await openSite({ worker: false });
    await closed.close();
    expect((await closed.get("/healthz")).status).toBe(200);
    for (const path of ["/readyz", "/api/v1/runs", "/api/v1/workflows"]) {
      const response = await closed.get(path);
      expect(await problemOf(response), path).toMatchObject({ status: 503, code: "ENGINE_CLOSED" });
    }
    expect((await closed.app.request("/hooks/x", { method: "POST", body: "x" })).status).toBe(503);
  });

  test("a database that refuses writes makes the engine not ready until it takes them again", async () => {
    let isFull = true;
    const full = await openSite({
      worker: false,
      over: (store) => {
        const append = store.append.bind(store);
        const full = () => Promise.reject(new StoreError("STORE_FULL", "full", { retry: true }));
        return Object.assign(store, { append: (write: LogWrite) => (isFull ? full() : append(write)) });
      },
    });
    expect((await full.get("/readyz")).status).toBe(200);
    const failing = new Promise((resolve) => full.engine.on("store.failing", resolve));
    const recovered = new Promise((resolve) => full.engine.on("store.recovered", resolve));
    const start = full.post("/api/v1/runs", { workflow: "echo" });
    await failing;
    const response = await full.get("/readyz");
    expect(await problemOf(response)).toMatchObject({ status: 503, code: "STORE_FAILING" });
    isFull = false;
    expect((await start).status).toBe(201);
    await recovered;
    expect((await full.get("/readyz")).status).toBe(200);
    await full.close();
  });
});
