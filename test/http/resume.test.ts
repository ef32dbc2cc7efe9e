import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/ctx/workflow.ts";
import { createApp } from "../../src/http/index.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

const BASE = "https://example.org/varve";
const approval = z.object({ by: z.string() }).optional();

const urls = new Map<string, string>();

const asking = workflow({ name: "asking", signals: { approval, '<b>"&': z.unknown() } }, async (ctx, name: string) => {
  urls.set(ctx.run.id, ctx.resumeUrl(name as "approval"));
  return (await ctx.waitFor(name as "approval")) ?? null;
});

let site: TestSite;
beforeAll(async () => {
  site = await openSite({
    workflows: [asking],
    resume: { baseUrl: BASE, secret: "the secret of the tests, long enough" },
  });
});
afterAll(async () => await site.close());

const HTML = { accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" };
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const JSON_ = { "content-type": "application/json" };

/** A run that waits, and the path of its address. */
async function waiting(signal = "approval"): Promise<{ id: string; path: string; result: Promise<unknown> }> {
  const run = await site.engine.start(asking, signal);
  await expect.poll(() => urls.has(run.id)).toBe(true);
  const url = urls.get(run.id) as string;
  expect(url.startsWith(`${BASE}/resume/`)).toBe(true);
  const result = run.result();
  result.catch(() => {});
  return { id: run.id, path: url.slice(BASE.length), result };
}

/** Nobody has a key here: the address is the right. */
const ask = (path: string, init: RequestInit = {}) => site.app.request(path, init);
const post = (path: string, headers: Record<string, string> = {}, body: string | null = null) =>
  ask(path, { method: "POST", headers, body });

const told = async (id: string) =>
  (await site.engine.history(id)).flatMap((event) => (event.type === "signal.received" ? [event.data.payload] : []));

describe("GET of a resume URL", () => {
  test("shows a page with a button, without script, and sends nothing, however often", async () => {
    const { id, path } = await waiting();
    for (const method of ["GET", "HEAD", "GET"]) {
      const page = await ask(path, { method, headers: HTML });
      expect(page.status).toBe(200);
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(page.headers.get("content-security-policy")).toBe(
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      );
      for (const [name, value] of [
        ["referrer-policy", "no-referrer"],
        ["cache-control", "no-store"],
        ["x-content-type-options", "nosniff"],
      ] as const)
        expect(page.headers.get(name)).toBe(value);
      const html = await page.text();
      if (method === "HEAD") expect(html).toBe("");
      else {
        expect(html).toContain('<form method="post"><button>');
        expect(html).toContain("approval");
        expect(html).not.toMatch(/<script|<style|<img|<link|\bon\w+=|https?:|run_/);
      }
    }
    expect(await site.store.readInbox([id])).toEqual([]);
    expect(await told(id)).toEqual([]);
  });

  test("writes a signal's name as text", async () => {
    const { path } = await waiting('<b>"&');
    expect(await (await ask(path)).text()).toContain("&quot;&lt;b&gt;&quot;&amp;&quot;");
  });

  test("asks nothing of the database", async () => {
    const { path } = await waiting();
    const asked: string[] = [];
    const silent = await openSite({
      worker: false,
      workflows: [asking],
      resume: { baseUrl: BASE, secret: "the secret of the tests, long enough" },
      over: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            const member = Reflect.get(target, name);
            if (typeof member !== "function") return member;
            return (...args: unknown[]) => {
              asked.push(String(name));
              return Reflect.apply(member, target, args);
            };
          },
        }),
    });
    asked.length = 0;
    expect((await silent.app.request(path)).status).toBe(200);
    expect(asked).toEqual([]);
    await silent.close();
  });
});

describe("POST of a resume URL", () => {
  test("of JSON sends the payload, once, and answers the same each time, also after the run's end", async () => {
    const { id, path, result } = await waiting();
    for (const by of ["ada", "bob"]) {
      const response = await post(path, JSON_, JSON.stringify({ by }));
      expect([response.status, await response.json()]).toEqual([200, { signal: "approval" }]);
      expect(await result).toEqual({ by: "ada" });
    }
    expect(await told(id)).toHaveLength(1);
  });

  test("of the page's form sends no payload, and answers a page", async () => {
    const { id, path, result } = await waiting();
    const done = await post(path, { ...HTML, ...FORM });
    expect(done.status).toBe(200);
    expect(done.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await done.text()).toContain("Thank you");
    expect(await result).toBe(null);
    expect(await told(id)).toEqual([{ value: null, meta: [[[], "undefined"]] }]);
  });

  test("of a form with fields sends them as texts", async () => {
    const { path, result } = await waiting();
    expect((await post(path, FORM, "by=Ada+L%C3%B6vel&by2=")).status).toBe(200);
    expect(await result).toEqual({ by: "Ada Lövel" });
  });

  test("of nothing sends no payload, with and without a content type", async () => {
    for (const headers of [{}, JSON_]) {
      const { path, result } = await waiting();
      expect((await post(path, headers)).status).toBe(200);
      expect(await result).toBe(null);
    }
  });

  test.each<[string, Record<string, string>, string, string, number]>([
    ["a payload that does not fit", JSON_, '{"by":7}', "SIGNAL_INVALID", 400],
    ["a form that does not fit", FORM, "name=ada", "SIGNAL_INVALID", 400],
    ["no JSON", JSON_, "{", "JSON_INVALID", 400],
    ["a form with a field twice", FORM, "by=ada&by=bob", "REQUEST_INVALID", 400],
    ["another content type", { "content-type": "text/plain" }, "x", "CONTENT_TYPE_UNSUPPORTED", 415],
    [
      "another content type and no body",
      { "content-type": "multipart/form-data; boundary=x" },
      "",
      "CONTENT_TYPE_UNSUPPORTED",
      415,
    ],
    ["a body that is too large", JSON_, `"${"x".repeat(2_100_000)}"`, "BODY_TOO_LARGE", 413],
    ["a payload above the log's limit", JSON_, `{"by":"${"x".repeat(1_100_000)}"}`, "PAYLOAD_TOO_LARGE", 413],
  ])("of %s is refused, and the address is still good", async (_what, headers, body, code, status) => {
    const { path, result } = await waiting();
    const problem = await problemOf(await post(path, headers, body));
    expect(problem).toMatchObject({ code, status });
    const page = await post(path, { ...headers, ...HTML }, body);
    expect([page.status, page.headers.get("content-type")]).toEqual([status, "text/html; charset=utf-8"]);
    expect((await post(path, JSON_, '{"by":"ada"}')).status).toBe(200);
    expect(await result).toEqual({ by: "ada" });
  });

  test("of a run that has ended without it is 409", async () => {
    const { id, path, result } = await waiting();
    await site.engine.run(id).terminate();
    await result.catch(() => {});
    expect(await problemOf(await post(path, JSON_, "{}"))).toMatchObject({ status: 400 });
    expect(await problemOf(await post(path))).toMatchObject({ status: 409, code: "RUN_OVER" });
    const page = await post(path, HTML);
    expect([page.status, await page.text()]).toEqual([409, expect.stringContaining("It is over")]);
  });
});

test("an address that cannot be served for now says so, and its token is in no log line", async () => {
  const { path } = await waiting();
  const broken = await openSite({
    worker: false,
    workflows: [asking],
    resume: { baseUrl: BASE, secret: "the secret of the tests, long enough" },
    over: (store) => Object.assign(store, { getRun: () => Promise.reject(new Error("secret inside")) }),
  });
  expect(await problemOf(await broken.app.request(path, { method: "POST" }))).toMatchObject({ status: 500 });
  const page = await broken.app.request(path, { method: "POST", headers: HTML });
  expect([page.status, await page.text()]).toEqual([500, expect.stringContaining("Not now")]);
  expect(broken.lines.map(({ fields }) => fields["path"])).toEqual(["/resume/…", "/resume/…"]);
  expect(JSON.stringify(broken.lines)).not.toContain(path.slice("/resume/".length));
  await broken.close();
});

describe("an address that is not good", () => {
  const bad = (path: string) => [
    `${path}A`,
    path.slice(0, -1),
    `/resume/${path.slice("/resume/".length + 1)}`,
    path.replace(".", ""),
    "/resume/x",
    "/resume/%00",
    "/resume/..%2fhealthz",
  ];

  test("is not found by any method, and nobody is told why", async () => {
    const { id, path } = await waiting();
    const answers = new Set<string>();
    for (const each of bad(path)) {
      for (const answer of [await ask(each), await post(each), await post(each, JSON_, "{")]) {
        const { instance: _, ...problem } = await problemOf(answer);
        answers.add(JSON.stringify(problem));
      }
      for (const answer of [await ask(each, { headers: HTML }), await post(each, { ...HTML, ...FORM }, "by=ada")]) {
        expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining("Not found")]);
      }
    }
    expect([...answers].map((each) => JSON.parse(each).code)).toEqual(["RESUME_UNKNOWN"]);
    expect(await told(id)).toEqual([]);
  });

  test("is not found either where no secret is set, nor under another", async () => {
    const { path } = await waiting();
    for (const resume of [undefined, { baseUrl: BASE, secret: "another secret of the tests, long too" }]) {
      const other = await openSite({ worker: false, workflows: [asking], ...(resume === undefined ? {} : { resume }) });
      for (const method of ["GET", "POST"]) {
        expect(await problemOf(await other.app.request(path, { method }))).toMatchObject({
          status: 404,
          code: "RESUME_UNKNOWN",
        });
      }
      await other.close();
    }
  });

  test("of a good token whose run is in another database is 404", async () => {
    const { path } = await waiting();
    const resume = { baseUrl: BASE, secret: "the secret of the tests, long enough" };
    const other = await openSite({ worker: false, workflows: [asking], resume });
    expect(await problemOf(await other.app.request(path, { method: "POST" }))).toMatchObject({ status: 404 });
    await other.close();
  });

  test("is 405 by another method, and the paths around it are none", async () => {
    const { path } = await waiting();
    const response = await ask(path, { method: "PUT" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
    for (const each of ["/resume", "/resume/", `${path}/x`]) expect((await ask(each)).status).toBe(404);
  });
});

test("the address is served on loopback without keys too, to whoever comes", async () => {
  const { path, result } = await waiting();
  const app = createApp(site.engine, {
    auth: { loopback: { hosts: ["127.0.0.1:8787"], peerAddress: () => "10.0.0.1" } },
  });
  const headers = { ...JSON_, host: "example.org", "x-forwarded-for": "10.0.0.1" };
  expect((await app.request(path, { method: "POST", headers, body: '{"by":"ada"}' })).status).toBe(200);
  expect(await result).toEqual({ by: "ada" });
});
