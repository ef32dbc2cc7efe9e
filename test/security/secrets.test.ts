/** Secrets as canaries: where they come in, and every place where they must not come out. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { github, standardWebhooks, TerminalError, webhook, withEnv } from "varve";
import { createApp } from "varve/http";
import { createEngine } from "varve/node";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { createClient } from "../../src/runtime/client.ts";
import { varve } from "../bad-input/varve.ts";
import { place } from "../cli/varve.ts";
import { newFolder, rejection } from "../log/open.ts";
import { startHranaServer } from "../support/hrana-server.mjs";
import type { LogLine } from "../support/ports.ts";
import { githubHeaders, standardHeaders } from "../triggers/request.ts";
import { openSecured } from "./secured.ts";

/** Every one of them is told to the engine, or sent to it, and none may be told on. */
const CANARIES = {
  hookSecret: "canary-hook-5f2b",
  standardSecret: `whsec_${Buffer.from("canary-standard-0123456789abcdef").toString("base64")}`,
  authorization: "canary-authorization-91c4",
  cookie: "canary-cookie-77aa",
  proxyAuthorization: "canary-proxy-3e0d",
  gitlabToken: "canary-gitlab-b81f",
  env: "canary-env-d6e2",
  badKey: "varve_canarycanary0000_canary",
  databaseToken: "canary-database-44cd",
  resumeSecret: "canary-resume-7be3-0123456789abcdef",
  nextResumeSecret: "canary-resume-next-0123456789abcdef",
} as const;

/** What is no secret, and is kept: it shows that the search finds. */
const KEPT = { header: "kept-header-12ab", message: "kept-message-34cd" } as const;

interface Env {
  readonly password: string;
}

const { workflow } = withEnv<Env>();

const RESUME = { baseUrl: "https://example.org", secret: [CANARIES.resumeSecret, CANARIES.nextResumeSecret] };

/** Sends an address, and waits for whoever opens it. */
const ask = workflow({ name: "ask", signals: { go: z.object({ by: z.string() }) } }, async (ctx) => {
  const url = ctx.resumeUrl("go");
  await ctx.step("mail", () => url);
  return await ctx.waitFor("go");
});

const work = workflow({ name: "work" }, async (ctx, input: { fail: boolean }) => {
  return await ctx.step("use", async ({ env }) => {
    // A step uses its secret, and tells nobody.
    if (env.password !== CANARIES.env) throw new Error("no password");
    if (input.fail) throw new TerminalError(KEPT.message);
    return { length: env.password.length };
  });
});

const hooks = [
  webhook({
    name: "hub",
    scheme: github({ secrets: [CANARIES.hookSecret] }),
    workflow: work,
    input: () => ({ fail: false }),
  }),
  webhook({
    name: "pay",
    scheme: standardWebhooks({ secrets: () => [CANARIES.standardSecret] }),
    workflow: work,
    input: () => ({ fail: true }),
  }),
];

type Sinks = Map<string, string>;

/** Every file beside a database: itself, its WAL, its lock and what else there is. */
function files(folder: string, sinks: Sinks): void {
  for (const each of readdirSync(folder, { withFileTypes: true })) {
    if (each.isFile()) sinks.set(`file ${each.name}`, readFileSync(join(folder, each.name)).toString("latin1"));
  }
}

function expectNone(sinks: Sinks, secrets: readonly string[]): void {
  for (const [sink, text] of sinks) {
    for (const secret of secrets) {
      expect(text.includes(secret), `${secret} in ${sink}`).toBe(false);
      expect(text.includes(btoa(secret)), `${secret} as base64 in ${sink}`).toBe(false);
    }
  }
}

const answerText = async (response: Response) =>
  `${JSON.stringify([...response.headers])}${response.headers.get("content-type") === "text/event-stream" ? "" : await response.text()}`;

it("no secret of a hook, a key, a request or the env comes out anywhere", async () => {
  const site = await openSecured({ workflows: [work, ask], hooks, env: { password: CANARIES.env }, resume: RESUME });
  const sinks: Sinks = new Map();
  const { token } = await site.engine.keys.create({ name: "ci", scopes: ["runs:read", "runs:write"] });
  const revoked = await site.engine.keys.create({ name: "old", scopes: ["runs:read"] });
  await site.engine.keys.revoke(revoked.id);
  const secrets = [...Object.values(CANARIES), token, token.slice(-52), revoked.token, revoked.token.slice(-52)];

  // Deliveries, good and bad, with everything in their headers that proves who sends.
  const proof = {
    authorization: `Bearer ${CANARIES.authorization}`,
    cookie: `session=${CANARIES.cookie}`,
    "proxy-authorization": CANARIES.proxyAuthorization,
    "x-gitlab-token": CANARIES.gitlabToken,
    "x-kept": KEPT.header,
  };
  const deliver = async (name: string, headers: Record<string, string>) => {
    const request = { method: "POST", body: "{}", headers: { ...proof, ...headers } };
    return await site.app.request(`/hooks/${name}`, request);
  };
  const good = [
    await deliver("hub", githubHeaders(CANARIES.hookSecret, "{}")),
    await deliver("pay", standardHeaders(CANARIES.standardSecret, "{}", { at: Date.now() })),
  ];
  const runs: string[] = [];
  for (const response of good) {
    expect(response.status).toBe(202);
    runs.push(((await response.json()) as { runId: string }).runId);
  }
  const [first = "", second = ""] = runs;
  await site.engine.run(first).result();
  await rejection(site.engine.run(second).result());
  for (const [name, headers] of [
    ["hub", githubHeaders("another", "{}")],
    ["hub", {}],
    ["pay", standardHeaders(CANARIES.standardSecret, "{}", { at: 0 })],
    ["none", githubHeaders(CANARIES.hookSecret, "{}")],
  ] as const) {
    const response = await deliver(name, headers);
    expect(response.status).toBe(401);
    sinks.set(`refusal of ${name} ${sinks.size}`, await answerText(response));
  }

  // An address that sends a signal, opened well and badly.
  const asking = await site.engine.start(ask, undefined);
  const mailed = async () => (await asking.history()).find((event) => event.type === "step.completed");
  await expect.poll(mailed).toBeDefined();
  const mail = (await mailed())?.data as { value: string };
  const { pathname } = new URL(mail.value);
  for (const path of [pathname, pathname.slice(0, -1), "/resume/none"]) {
    for (const accept of ["text/html", "*/*"]) {
      for (const body of ["[]", '{"by":"ada"}']) {
        const headers = { accept, "content-type": "application/json", cookie: CANARIES.cookie };
        sinks.set(`GET ${path} ${accept}`, await answerText(await site.app.request(path, { headers })));
        const request = { method: "POST", headers, body };
        sinks.set(`POST ${path} ${accept} ${body}`, await answerText(await site.app.request(path, request)));
      }
    }
  }
  expect(await asking.result()).toEqual({ by: "ada" });

  // Answers, good and bad.
  const paths = [
    "/runs",
    `/runs/${first}`,
    `/runs/${second}`,
    `/runs/${second}/history`,
    `/runs/${second}/result`,
    "/workflows",
    "/runs/none",
    "/none",
    "/runs?limit=x",
  ];
  for (const path of paths) {
    for (const authorization of [
      `Bearer ${token}`,
      `Bearer ${revoked.token}`,
      `Bearer ${CANARIES.badKey}`,
      `Basic ${CANARIES.badKey}`,
    ]) {
      const headers = { authorization, cookie: CANARIES.cookie };
      sinks.set(`GET ${path} ${sinks.size}`, await answerText(await site.app.request(`/api/v1${path}`, { headers })));
    }
  }
  for (const body of ['{"workflow":"work","input":{"fail":', '{"workflow":"none"}', "[]"]) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    sinks.set(
      `POST ${body}`,
      await answerText(await site.app.request("/api/v1/runs", { method: "POST", headers, body })),
    );
  }
  const stream = await site.app.request(`/api/v1/runs/${second}/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  sinks.set("stream of a run", await stream.text());
  sinks.set("openapi.json", await answerText(await site.app.request("/openapi.json")));
  sinks.set("keys", JSON.stringify(await site.engine.keys.list()));
  sinks.set("log lines", JSON.stringify(site.lines));
  files(site.folder, sinks);
  await site.engine.close();
  for (const [name, text] of [...filesOf(site.folder)]) sinks.set(`closed ${name}`, text);

  // The command line, over the same file.
  for (const args of [
    "runs list",
    `runs show ${second}`,
    `runs show ${first}`,
    `runs show ${asking.id}`,
    `runs signal ${asking.id} go`,
    "db status",
    "db verify",
    "keys list",
    "doctor",
  ]) {
    for (const json of [[], ["--json"]]) {
      const { stdout, stderr } = await varve([...args.split(" "), "--db", site.path, ...json]);
      sinks.set(`varve ${args} ${json}`, `${stdout}${stderr}`);
    }
  }
  expect(sinks.size).toBeGreaterThan(60);
  expectNone(sinks, secrets);
  const all = [...sinks.values()].join("\n");
  for (const kept of Object.values(KEPT)) expect(all).toContain(kept);
});

function filesOf(folder: string): Sinks {
  const sinks: Sinks = new Map();
  files(folder, sinks);
  return sinks;
}

it("the token of a database, in its address or beside it, comes out nowhere, also when a run or the database fails", async () => {
  const folder = newFolder();
  const server = await startHranaServer({ path: join(folder, "log.db") });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await server.close();
    isOpen = false;
  };
  onTestFinished(close);
  const secret = CANARIES.databaseToken;
  const sinks: Sinks = new Map();
  const lines: LogLine[] = [];
  const logger = {
    log: (level: LogLine["level"], message: string, fields: object) =>
      void lines.push({ level, message, fields: { ...fields } }),
  };
  const address = `${server.url}?authToken=${secret}`;
  const engine = await createEngine<Env>({ db: address, workflows: [work], env: { password: CANARIES.env }, logger });
  const app = createApp(engine);
  const { token } = await engine.keys.create({ name: "ci", scopes: ["runs:read"] });
  const run = await engine.start(work, { fail: true });
  const failed = await rejection(run.result());
  sinks.set("the error of the run", `${failed.stack} ${JSON.stringify(failed)} ${String(failed.cause)}`);
  const asked = async (path: string) =>
    await answerText(await app.request(`/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } }));
  sinks.set("the run", await asked(`/runs/${run.id}`));
  sinks.set("its history", await asked(`/runs/${run.id}/history`));
  for (const args of [
    "db status",
    "db verify",
    "db migrate",
    "runs list",
    `runs show ${run.id}`,
    "keys list",
    "doctor",
    `runs cancel ${run.id}`,
  ]) {
    for (const json of [[], ["--json"]]) {
      for (const where of [
        ["--db", address],
        ["--db", server.url, "--db-token", secret],
      ]) {
        const { stdout, stderr } = await varve([...args.split(" "), ...where, ...json]);
        sinks.set(`varve ${args} ${json} ${where.length}`, `${stdout}${stderr}`);
      }
    }
  }
  files(folder, sinks);
  await close();
  sinks.set("the run, without its database", await asked(`/runs/${run.id}`));
  for (const args of ["db status", "runs list", "doctor"]) {
    for (const at of [
      address,
      address.replace("//", `//user:${secret}@`),
      ` ${address.replace("//", `//user:${secret}@`)}`,
      address.replace("//", `//user:${secret}?@`),
      `${address}&more=1`,
      `postgres://user:${secret}@x/y`,
    ]) {
      const { code, stdout, stderr } = await varve([...args.split(" "), "--db", at, "--json"]);
      expect(code).not.toBe(70);
      sinks.set(`varve ${args} at a lost ${at}`, `${stdout}${stderr}`);
    }
  }
  await engine.close({ deadline: 0 });
  sinks.set("log lines", JSON.stringify(lines));
  expect(lines.length).toBeGreaterThan(0);
  expect(sinks.size).toBeGreaterThan(40);
  expectNone(sinks, [secret, token]);
});

it("the key of a client comes out of none of its errors", async () => {
  for (const url of ["http://127.0.0.1:1", "http://127.0.0.1:1/path"]) {
    const client = createClient({ url, key: CANARIES.badKey });
    const error = await rejection(client.list());
    expect(`${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain(CANARIES.badKey);
  }
  for (const args of [
    ["runs", "list"],
    ["runs", "show", "run_x"],
    ["run", "work", "--detach"],
  ]) {
    const { code, stdout, stderr } = await varve([
      ...args,
      "--url",
      `http://me:${CANARIES.env}@127.0.0.1:1`,
      "--key",
      CANARIES.badKey,
    ]);
    expect(code).toBe(2);
    expect(`${stdout}${stderr}`).not.toMatch(/canary/);
  }
});

it("a server writes none of its environment into the record beside its file, nor into its output", async () => {
  const here = place();
  here.write(
    "workflows/w.ts",
    `import { github, webhook, workflow } from "varve";
export const env = { password: process.env.PASSWORD };
export const work = workflow({ name: "work" }, async (ctx) => {
  const length = await ctx.step("use", ({ env }) => env.password.length);
  return [length, ctx.resumeUrl("go")];
});
export const hub = webhook({ name: "hub", scheme: github({ secrets: [process.env.HOOK_SECRET ?? ""] }), workflow: work, input: () => null });`,
  );
  const secrets = {
    PASSWORD: CANARIES.env,
    HOOK_SECRET: CANARIES.hookSecret,
    VARVE_API_KEY: CANARIES.badKey,
    VARVE_RESUME_URL: "https://example.org",
    VARVE_RESUME_SECRET: `${CANARIES.resumeSecret},${CANARIES.nextResumeSecret}`,
  };
  const server = await here.serve([], { env: secrets });
  const headers = { ...githubHeaders(CANARIES.hookSecret, "{}"), cookie: CANARIES.cookie };
  const sent = await fetch(`${server.url}/hooks/hub`, { method: "POST", body: "{}", headers });
  expect(sent.status).toBe(202);
  const { runId } = (await sent.json()) as { runId: string };
  const result = await (await fetch(`${server.url}/api/v1/runs/${runId}/result`)).text();
  expect(result).toContain(`[${CANARIES.env.length},"https://example.org/resume/`);
  const sinks = filesOf(here.path);
  expect([...sinks.keys()]).toContain("file varve.db-owner.json");
  server.kill("SIGTERM");
  const { stdout, stderr } = await server.ended;
  sinks.set("stdout", stdout).set("stderr", stderr).set("result", result);
  for (const [name, text] of filesOf(here.path)) sinks.set(`closed ${name}`, text);
  expectNone(sinks, Object.values(CANARIES));
});
