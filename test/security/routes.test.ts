/** Who may use which route: nobody without a good key of the right scope, and what is refused changes nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { API_SCOPES } from "../../src/engine/keys.ts";
import { ROUTES } from "../../src/http/app.ts";
import { createApp } from "../../src/http/index.ts";
import { problemOf } from "../http/site.ts";
import { echo, GUARDED, openSecured, requestTo } from "./secured.ts";

const SEED = 20_261_107;

describe.each(GUARDED.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (_name, route) => {
  it("is refused without a good key of its scope, and the file stays as it is", async () => {
    const site = await openSecured({ worker: false });
    const { id } = await site.engine.start(echo, 1);
    const good = await site.token(...API_SCOPES);
    const revoked = await site.engine.keys.create({ name: "old", scopes: [...API_SCOPES] });
    await site.engine.keys.revoke(revoked.id);
    const [scheme, keyId, secret] = good.split("_") as [string, string, string];
    const malformed = [
      "",
      "Bearer",
      "Bearer ",
      "Bearer null",
      "Bearer undefined",
      `Bearer ${keyId}`,
      `Bearer ${scheme}_${keyId}_`,
      `Bearer ${scheme}_${keyId}_${secret.slice(1)}`,
      `Bearer ${scheme}_${keyId}_${"0".repeat(secret.length)}`,
      `Bearer ${scheme}_${"0".repeat(keyId.length)}_${secret}`,
      `Bearer ${good}.`,
      `Bearer ${good}, Bearer ${good}`,
      `Basic ${btoa(`key:${good}`)}`,
      `Token ${good}`,
      good,
      `Bearer ${revoked.token}`,
    ];
    const wrongScopes = API_SCOPES.filter((scope) => scope !== route.access);
    const before = await site.file.content();
    const methods = route.method === "GET" ? ["GET", "HEAD"] : [route.method];
    for (const method of methods) {
      for (const authorization of [null, ...malformed]) {
        const headers: Record<string, string> = authorization === null ? {} : { authorization };
        const response = await site.app.fetch(requestTo(route, id, headers, method));
        expect(response.status, `${authorization}`).toBe(401);
        expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="varve"/);
      }
      // Where a key does not belong: in the query, in a cookie, in another header.
      for (const headers of [
        { cookie: `authorization=Bearer ${good}` },
        { "x-api-key": good },
        { "proxy-authorization": `Bearer ${good}` },
      ]) {
        expect((await site.app.fetch(requestTo(route, id, headers, method))).status).toBe(401);
      }
    }
    expect(await site.file.content()).toBe(before);
    for (const scope of wrongScopes) {
      const headers = { authorization: `Bearer ${await site.token(scope)}` };
      const content = await site.file.content();
      const problem = await problemOf(await site.app.fetch(requestTo(route, id, headers)));
      expect(problem).toMatchObject({ status: 403, code: "SCOPE_MISSING" });
      expect(await site.file.content()).toBe(content);
    }
    // The same request with a good key is let in: it was the key that was refused.
    const leaving = new AbortController();
    const request = new Request(requestTo(route, id, { authorization: `Bearer ${good}` }), { signal: leaving.signal });
    const answering = site.app.fetch(request);
    setImmediate(() => setImmediate(() => leaving.abort()));
    const { status, body } = await answering;
    expect([401, 403]).not.toContain(status);
    await body?.cancel();
  });
});

it("every other route is open by what it is, or proves its sender by itself", () => {
  const others = ROUTES.filter((route) => !GUARDED.includes(route)).map(({ id, access }) => [id, access]);
  expect(others).toEqual([
    ["deliver", "signature"],
    ["showResume", "token"],
    ["redeemResume", "token"],
    ["health", "open"],
    ["readiness", "open"],
    ["openApi", "open"],
  ]);
});

describe("loopback without keys", () => {
  const OWN = ["127.0.0.1:8787", "localhost:8787", "[::1]:8787"];
  const peer = fc.constantFrom(
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "",
    "127.0.0.1.evil",
    undefined,
  );
  const host = fc.oneof(
    fc.constantFrom(...OWN, "LOCALHOST:8787"),
    fc.constantFrom(
      "evil.example",
      "127.0.0.1",
      "localhost",
      "localhost:8788",
      "localhost:8787.evil.example",
      "evil@127.0.0.1:8787",
      "127.1:8787",
      "0.0.0.0:8787",
      "2130706433:8787",
      "[::]:8787",
    ),
  );
  const forwarded = fc.option(
    fc.constantFrom("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "X-FORWARDED-FOR"),
    { nil: null, freq: 2 },
  );
  const origin = fc.option(
    fc.constantFrom(
      "http://localhost:8787",
      "https://127.0.0.1:8787",
      "http://[::1]:8787",
      "http://localhost:3000",
      "null",
      "https://evil.example",
      "http://localhost:8787.evil.example",
      "file://",
      "",
    ),
    { nil: null, freq: 2 },
  );
  const site_ = fc.option(fc.constantFrom("same-origin", "same-site", "none", "cross-site"), { nil: null });

  it(`lets in what this machine sends to itself, and nobody else (seed ${SEED})`, async () => {
    let from: string | undefined;
    const site = await openSecured({ worker: false });
    const app = createApp(site.engine, { auth: { loopback: { hosts: OWN, peerAddress: () => from } } });
    const { id } = await site.engine.start(echo, 1);
    const before = await site.file.content();
    const route = fc.constantFrom(...GUARDED.map((each) => each.id));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        route,
        peer,
        host,
        forwarded,
        origin,
        site_,
        async (routeId, peer, host, forwarded, origin, fetchSite) => {
          from = peer;
          const headers: Record<string, string> = { host };
          if (forwarded !== null) headers[forwarded] = "127.0.0.1";
          if (origin !== null) headers["origin"] = origin;
          if (fetchSite !== null) headers["sec-fetch-site"] = fetchSite;
          const isOwnPeer = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"].includes(peer ?? "");
          const isOwnOrigin =
            origin === null || OWN.some((own) => [`http://${own}`, `https://${own}`].includes(origin));
          const isLetIn =
            isOwnPeer &&
            forwarded === null &&
            OWN.includes(host.toLowerCase()) &&
            isOwnOrigin &&
            fetchSite !== "cross-site";
          const route = GUARDED.find((each) => each.id === routeId) as (typeof GUARDED)[number];
          // What is let in is only looked at: a POST without a body that fits, a wait of no time.
          const request = requestTo(route, id, headers);
          const asked = route.method === "POST" ? new Request(request, { body: "[]", method: "POST" }) : request;
          const url =
            route.id === "getResult" ? new Request(`${asked.url}?timeoutMs=0`, { headers: asked.headers }) : asked;
          const response = await app.fetch(url);
          if (isLetIn) expect(response.status).not.toBe(403);
          else {
            refused++;
            expect((await problemOf(response)).code).toMatch(/^(PEER|HOST|ORIGIN)_REFUSED$/);
          }
          await response.body?.cancel().catch(() => {});
        },
      ),
      { seed: SEED, numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(300);
    expect(await site.file.content()).toBe(before);
  });

  it("cannot be asked for by a page: what a form or a script of another site sends unasked is no JSON", async () => {
    const site = await openSecured({ worker: false });
    const app = createApp(site.engine, { auth: { loopback: { hosts: OWN, peerAddress: () => "127.0.0.1" } } });
    const before = await site.file.content();
    const types = [
      "",
      "text/plain",
      "text/plain;application/json",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "application/jsonp",
      "text/json",
    ];
    for (const route of GUARDED.filter(({ method }) => method === "POST")) {
      for (const type of types) {
        const request = requestTo(route, "run_x", { host: OWN[0] as string, "content-type": type });
        expect((await app.fetch(request)).status, `${route.id} ${type}`).toBe(415);
      }
    }
    expect(await site.file.content()).toBe(before);
  });
});
