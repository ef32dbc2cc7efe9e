/** An app over a real file, with keys of every kind. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { github, type Hook, type Workflow, webhook, workflow } from "varve";
import { type AppOptions, createApp } from "varve/http";
import { createEngine, type EngineOptions } from "varve/node";
import { onTestFinished } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import type { ApiScope } from "../../src/engine/api-keys.ts";
import { ROUTES } from "../../src/http/app.ts";
import { type Route, scopeOf } from "../../src/http/route.ts";
import { type Watch, watch } from "../bad-input/places.ts";
import type { LogLine } from "../support/ports.ts";

export const SECRET = "a secret for tests";

export const echo = workflow({ name: "echo" }, async (ctx, input: unknown) => ctx.step("repeat", () => input as never));

const hubHook = webhook({ name: "hub", scheme: github({ secrets: [SECRET] }), workflow: echo });

export interface Secured {
  readonly folder: string;
  readonly path: string;
  readonly engine: Engine;
  readonly app: Hono;
  readonly lines: readonly LogLine[];
  /** What tells whether anything in the file has changed. */
  readonly file: Watch;
  token(...scopes: ApiScope[]): Promise<string>;
}

export interface SecuredOptions extends Partial<Omit<EngineOptions, "db" | "logger" | "workflows">> {
  readonly workflows?: readonly Workflow<never, unknown, never, never>[];
  readonly hooks?: readonly Hook[];
  readonly app?: AppOptions;
}

/** Closed and gone when the test has ended. */
export async function openSecured({ app: appOptions, ...options }: SecuredOptions = {}): Promise<Secured> {
  const folder = mkdtempSync(join(tmpdir(), "varve-security-"));
  const path = join(folder, "log.db");
  const lines: LogLine[] = [];
  const logger = {
    log: (level: LogLine["level"], message: string, fields: LogLine["fields"]) =>
      void lines.push({ level, message, fields }),
  };
  const all = { workflows: [echo], hooks: [hubHook], ...options, db: `file:${path}`, logger };
  const engine = await createEngine(all as EngineOptions);
  const file = watch(path);
  onTestFinished(async () => {
    file.close();
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const token: Secured["token"] = async (...scopes) => (await engine.keys.create({ name: "test", scopes })).token;
  return { folder, path, engine, app: createApp(engine, appOptions), lines, file, token };
}

/** A request that the route would serve, if its sender were let in. */
export function requestTo(
  route: Route,
  runId: string,
  headers: Readonly<Record<string, string>>,
  method?: string,
): Request {
  const path = route.path.replace(":id", runId).replace(":name", "hub").replace(":token", "none");
  const body = route.body === undefined ? (route.method === "POST" ? "{}" : null) : bodyOf(route.id);
  return new Request(`http://127.0.0.1:8787${path}`, {
    method: method ?? route.method,
    headers: { ...(route.method === "POST" ? { "content-type": "application/json" } : {}), ...headers },
    body,
  });
}

function bodyOf(routeId: string): string {
  if (routeId === "startRun") return '{"workflow":"echo","input":1}';
  return routeId === "bulkRuns" ? '{"action":"pause","workflow":"echo"}' : "{}";
}

/** Every route that wants a key. */
export const GUARDED: readonly Route[] = ROUTES.filter((route) => scopeOf(route) !== null);
