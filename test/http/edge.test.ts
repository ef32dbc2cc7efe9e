/** The app over an engine for isolates: nothing works between requests but what a tick does. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import { createApp } from "../../src/http/index.ts";
import type { WireRun } from "../../src/http/wire.ts";
import type { WireDelivery } from "../../src/http/wire-deliveries.ts";
import { createEngine } from "../../src/runtime/edge.ts";
import { github } from "../../src/triggers/github.ts";
import { webhook } from "../../src/triggers/hook.ts";
import { type HranaServer, startHranaServer } from "../support/hrana-server.mjs";
import { githubHeaders } from "../triggers/request.ts";
import { echo } from "./site.ts";
import { listen } from "./sse.ts";

let folder: string;
let server: HranaServer;
let engine: Engine;
let app: Hono;
let headers: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-edge-"));
  server = await startHranaServer({ path: join(folder, "log.db") });
  const hook = webhook({ name: "github", scheme: github({ secrets: ["s"] }), workflow: echo });
  engine = await createEngine({ db: server.url, workflows: [echo], hooks: [hook] });
  app = createApp(engine);
  const { token } = await engine.keys.create({ name: "edge", scopes: ["runs:read", "runs:write"] });
  headers = { authorization: `Bearer ${token}` };
});
afterAll(async () => {
  await engine.close();
  await server.close();
  await rm(folder, { recursive: true });
});

test("a webhook that comes five times at once starts one run, which a tick brings to its end", async () => {
  const signed = githubHeaders("s", "[1]", "edge-1");
  const answers = await Promise.all(
    Array.from(
      { length: 5 },
      async () => await app.request("/hooks/github", { method: "POST", body: "[1]", headers: signed }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
  const deliveries = await Promise.all(answers.map(async (answer) => (await answer.json()) as WireDelivery));
  expect(new Set(deliveries.map(({ runId }) => runId)).size).toBe(1);
  const path = `/api/v1/runs/${deliveries[0]?.runId}`;

  const early = await app.request(`${path}/result?timeoutMs=0`, { headers });
  expect(early.status).toBe(202);
  const waiting = app.request(`${path}/result`, { headers });
  const following = listen(await app.request(`${path}/events`, { headers }));
  expect((await following.next())?.event).toBe("run.created");
  await engine.tick({ budgetMs: 5_000 });

  expect((await following.rest()).at(-1)?.event).toBe("run.completed");
  const run = (await (await waiting).json()) as WireRun;
  expect(run).toMatchObject({ status: "completed", output: [1], worker: null });
  const after = await app.request(`${path}/events`, {
    headers: { ...headers, "last-event-id": `${await engine.lastPosition()}` },
  });
  expect(after.status).toBe(204);
});

test("a database that cannot be reached is 503", async () => {
  const lost = await createEngine({ db: "http://127.0.0.1:1", workflows: [echo], logger: { log: () => {} } });
  const response = await createApp(lost).request("/api/v1/runs", {
    headers: { authorization: `Bearer varve_${"0".repeat(16)}_${"0".repeat(52)}` },
  });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "STORE_UNAVAILABLE" });
  await lost.close();
});
