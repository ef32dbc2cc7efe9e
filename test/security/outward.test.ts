/** What the engine does of its own accord: it opens no connection, and compares secrets in a time that tells nothing. */
import { createHash, createHmac } from "node:crypto";
import dns from "node:dns";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { join } from "node:path";
import { github, standardWebhooks } from "varve";
import { createEngine } from "varve/node";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ROUTES } from "../../src/http/app.ts";
import { newFolder } from "../log/open.ts";
import { ROOT } from "../runtimes/bundle.ts";
import { startHranaServer } from "../support/hrana-server.mjs";
import { githubHeaders, request } from "../triggers/request.ts";
import { echo, openSecured, requestTo, SECRET } from "./secured.ts";

afterEach(() => void vi.restoreAllMocks());

/** Every way out of the process, by what is asked of it. */
function waysOut(): string[] {
  const asked: string[] = [];
  const fetched = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    asked.push(`fetch ${input instanceof Request ? input.url : String(input)}`);
    return await fetched(input, init);
  });
  const connect = net.Socket.prototype.connect;
  vi.spyOn(net.Socket.prototype, "connect").mockImplementation(function (this: net.Socket, ...args: unknown[]) {
    asked.push(`connect ${JSON.stringify(args[0])}`);
    return Reflect.apply(connect, this, args);
  });
  const refuse = (what: string) => () => {
    asked.push(what);
    throw new Error(`${what} is not expected`);
  };
  vi.spyOn(dns, "lookup").mockImplementation(refuse("dns.lookup") as never);
  vi.spyOn(http, "request").mockImplementation(refuse("http.request") as never);
  vi.spyOn(https, "request").mockImplementation(refuse("https.request") as never);
  return asked;
}

const LINKS = {
  url: "http://169.254.169.254/latest/meta-data/",
  $ref: "https://evil.example/schema.json",
  callback_url: "http://127.0.0.1:1/",
  xml: '<!DOCTYPE a [<!ENTITY b SYSTEM "http://evil.example/">]>',
  at: new URL("ftp://evil.example/a"),
};

describe("a connection", () => {
  it("is opened by nothing that an engine over a file is asked, whatever addresses it is given", async () => {
    const asked = waysOut();
    const site = await openSecured();
    const token = await site.token("runs:read", "runs:write");
    const run = await site.engine.start(echo, LINKS, { tags: { url: LINKS.url }, idempotencyKey: LINKS.$ref });
    expect(await run.result()).toEqual(LINKS);
    const body = JSON.stringify(LINKS);
    const headers = { ...githubHeaders(SECRET, body), host: "evil.example", origin: LINKS.url, referer: LINKS.url };
    const delivered = await site.app.request("/hooks/hub", { method: "POST", body, headers });
    expect(delivered.status).toBe(202);
    for (const route of ROUTES) {
      const response = await site.app.fetch(requestTo(route, run.id, { authorization: `Bearer ${token}` }));
      await response.body?.cancel();
    }
    await site.engine.close();
    expect(asked).toEqual([]);
  });

  it("is opened to the database's server alone, if there is one", async () => {
    const server = await startHranaServer({ path: join(newFolder(), "log.db") });
    const { port } = new URL(server.url);
    const asked = waysOut();
    const engine = await createEngine({ db: server.url, workflows: [echo] });
    const run = await engine.start(echo, LINKS);
    expect(await run.result()).toEqual(LINKS);
    await engine.close();
    await server.close();
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((each) => !each.includes(port))).toEqual([]);
  });

  it("can be opened by no code but the client's, the server's and the databases' own", () => {
    const ways =
      /\bfetch\(|\bnew (WebSocket|EventSource|XMLHttpRequest)\b|from "(node:)?(net|tls|http|https|http2|dgram|dns|undici|child_process)(\/\w+)?"/;
    const src = join(ROOT, "src");
    const found = readdirSync(src, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .filter((name) => {
        const code = readFileSync(join(src, name), "utf8").replace(/^\s*(\/?\*|\/\/).*$/gm, "");
        return ways.test(code.replaceAll("app.fetch(", "").replaceAll("app?.fetch(", ""));
      });
    // The client speaks to its server, `dev` starts `serve`, whoever finds a record asks whether its server lives, and
    // `webhooks test` sends to it as a sender would.
    // Outgoing webhooks go to endpoints that are defined, whose addresses are looked at as they are connected to.
    expect(found.sort()).toEqual([
      "cli/dev.ts",
      "cli/owner-record.ts",
      "cli/webhooks-test.ts",
      "client/request.ts",
      "runtime/checked-outbound.ts",
      "runtime/client.ts",
      "runtime/outbound.ts",
      "runtime/serve-node.ts",
    ]);
  });
});

describe("a secret", () => {
  const BODY = "{}";
  const secrets = Array.from({ length: 5 }, (_, i) => `secret ${i}`);

  it("of a hook is compared by WebCrypto, under every key, wherever the good one stands", async () => {
    const verify = vi.spyOn(crypto.subtle, "verify");
    const standardKeys = secrets.map((_, i) => `whsec_${Buffer.alloc(32, i + 1).toString("base64")}`);
    for (let good = 0; good <= secrets.length; good++) {
      verify.mockClear();
      const headers = githubHeaders(secrets[good] ?? "none of them", BODY);
      const { ok } = await github({ secrets }).verify(request(headers, BODY));
      expect([ok, verify.mock.calls.length]).toEqual([good < secrets.length, secrets.length]);
      verify.mockClear();
      const key = Buffer.from(
        (standardKeys[good] ?? `whsec_${Buffer.alloc(32, 99).toString("base64")}`).slice(6),
        "base64",
      );
      const at = Math.floor(Date.now() / 1_000);
      const mac = createHmac("sha256", key).update(`msg.${at}.${BODY}`).digest("base64");
      const signed = { "webhook-id": "msg", "webhook-timestamp": `${at}`, "webhook-signature": `v1,${mac} v1,${mac}` };
      const verdict = await standardWebhooks({ secrets: standardKeys }).verify(request(signed, BODY, Date.now()));
      expect([verdict.ok, verify.mock.calls.length]).toEqual([good < secrets.length, 2 * secrets.length]);
    }
  });

  it("of a key is compared as its digest, also for an id that does not exist, and by one function alone", async () => {
    const source = readFileSync(join(ROOT, "src/engine/keys.ts"), "utf8");
    const compared = [...source.matchAll(/^.*\b(hash|secret)\b.*(===|!==|==|startsWith|localeCompare).*$/gm)].map(
      ([line]) => line.trim(),
    );
    expect(compared).toEqual(["if (id === undefined || secret === undefined) return null;"]);
    expect(source).toContain("isSameText(sha256Hex(secret), row?.hash ?? NO_HASH)");
    for (const name of readdirSync(join(ROOT, "src/triggers"))) {
      const code = readFileSync(join(ROOT, "src/triggers", name), "utf8");
      const lines = [...code.matchAll(/^.*\b(mac|signature|digest)\w*(\.\w+)*\s*[!=]==.*$/gm)].map(([line]) => line);
      expect(lines.filter((line) => !/(=== null|\.length === MAC_BYTES)/.test(line))).toEqual([]);
    }
  });

  it("of resume URLs is compared by the same function, under every key, wherever the good one stands", () => {
    const source = readFileSync(join(ROOT, "src/kernel/resume.ts"), "utf8");
    const compared = [...source.matchAll(/^.*\b(signature|mac|key|keys)\b.*(===|!==|==|startsWith).*$/gm)];
    expect(compared.map(([line]) => line.trim())).toEqual([
      "if (body === undefined || mac === undefined) return null;",
    ]);
    expect(source).toContain("keys.map((key) => isSameText(signature(key, body), mac)).includes(true)");
    const same = readFileSync(join(ROOT, "src/kernel/text.ts"), "utf8")
      .split("function isSameText")[1]
      ?.split("\n}")[0];
    // Nothing in it ends early.
    expect(same).not.toMatch(/\bif\b|break|&&|\|\||\?/);
    expect(same?.match(/return/g)).toHaveLength(1);
  });

  it("of a key is not in the file: its digest is", async () => {
    const site = await openSecured({ worker: false });
    const token = await site.token("runs:read");
    const secret = token.slice(-52);
    const { rows } = await site.file.client.execute("SELECT * FROM api_keys");
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(rows[0]?.hash).toBe(createHash("sha256").update(secret).digest("hex"));
  });
});
