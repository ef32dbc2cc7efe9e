/**
 * The HTTP app over an engine: routes by Hono, everything else here and in `route.ts`. It keeps nothing between
 * requests, so it works in an isolate as in a process.
 */
import { type Context, Hono } from "hono";
import type { Engine } from "../engine/api.ts";
import { DefinitionError, isVarveError, NotFoundError } from "../kernel/errors.ts";
import { type Auth, gateOf, localTestOf } from "./auth.ts";
import { jsonResponse } from "./json.ts";
import { openApi } from "./openapi.ts";
import { problemResponse, RefusalError } from "./problem.ts";
import { type Route, route, type Site } from "./route.ts";
import { controlRoutes } from "./routes/control.ts";
import { deliveryRoutes } from "./routes/deliveries.ts";
import { eventRoutes } from "./routes/events.ts";
import { hookRoutes } from "./routes/hooks.ts";
import { messageRoutes } from "./routes/messages.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { queueRoutes } from "./routes/queues.ts";
import { resumeRoutes } from "./routes/resume.ts";
import { runRoutes } from "./routes/runs.ts";
import { scheduleRoutes } from "./routes/schedules.ts";
import { systemRoutes } from "./routes/system.ts";
import { openApiSchema } from "./wire.ts";

/** Options of {@link createApp}. */
export interface AppOptions {
  /** Who may use the API. @default "keys" */
  readonly auth?: Auth;
  /** The largest body of an API request, bytes. @default 2_097_152 (2 MiB) */
  readonly apiBytesMax?: number;
  /**
   * The largest body of a webhook, bytes. Whoever reaches the server can make it hold that much for a moment, before
   * the signature is known: lower it if your senders send less. @default 26_214_400 (25 MiB: the most that GitHub sends)
   */
  readonly hookBytesMax?: number;
}

const API_BYTES_MAX = 2 * 1_048_576;
const HOOK_BYTES_MAX = 25 * 1_048_576;

/** On every answer, unless its route says otherwise: it is data for the one who asked, never a page, never kept. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
} as const;

/** Where the document is that describes the others. */
const OPENAPI_PATH = "/openapi.json";

/** Made at the first request: it takes milliseconds, which nobody without a key should cost us twice. */
let document: Readonly<Record<string, unknown>> | null = null;

const getOpenApi = route({
  id: "openApi",
  method: "GET",
  path: OPENAPI_PATH,
  access: "open",
  summary: "This document.",
  answers: { 200: { description: "OpenAPI 3.1.", schema: openApiSchema } },
  handle: ({ request }) => {
    document ??= openApi(ROUTES);
    const base = new URL(request.url).pathname.slice(0, -OPENAPI_PATH.length);
    return jsonResponse(200, { ...document, servers: [{ url: base === "" ? "/" : base }] });
  },
});

/** All routes. */
export const ROUTES: readonly Route[] = [
  ...[...hookRoutes, ...resumeRoutes, ...runRoutes, ...messageRoutes, ...controlRoutes, ...scheduleRoutes],
  ...[...eventRoutes, ...deliveryRoutes, ...notificationRoutes, ...queueRoutes, ...systemRoutes, getOpenApi],
];

/**
 * The HTTP API of an engine, as a Hono app: serve it by itself, or mount it into yours.
 *
 * @throws DefinitionError `AUTH_INVALID`, `BODY_LIMIT_INVALID`
 * @example
 * import { serve } from "@hono/node-server";
 * import { createApp } from "varve/http";
 *
 * serve({ fetch: createApp(engine).fetch, port: 8787 });
 * // Or below a path of an app of yours:
 * site.route("/varve", createApp(engine));
 */
export function createApp(engine: Engine, options: AppOptions = {}): Hono {
  const site: Site = {
    engine,
    gate: gateOf(options.auth ?? "keys", engine),
    isLocal: localTestOf(options.auth ?? "keys"),
    apiBytesMax: checkBytes(options.apiBytesMax ?? API_BYTES_MAX),
    hookBytesMax: checkBytes(options.hookBytesMax ?? HOOK_BYTES_MAX),
  };
  const app = new Hono();
  for (const each of ROUTES) app.on(each.method, each.path, (c) => answer(site, c, () => each.serve(site, c)));
  for (const path of new Set(ROUTES.map((each) => each.path))) {
    app.all(path, (c) => answer(site, c, () => refuseMethod(c, path)));
  }
  app.notFound((c) => answer(site, c, () => refusePath(c)));
  // Mounted, the app's own `notFound` is not asked. At the root of an app the paths of others are theirs.
  app.all("*", async (c, next) => {
    if (c.req.routePath === "/*") return await next();
    return await answer(site, c, () => refusePath(c));
  });
  return app;
}

/** Every answer goes through here, every error too. */
async function answer(site: Site, c: Context, serve: () => Response | Promise<Response>): Promise<Response> {
  const response = await answerOrProblem(site, c, serve);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  return response;
}

async function answerOrProblem(site: Site, c: Context, serve: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await serve();
  } catch (error) {
    // Nobody is there to be told, and what broke off because of that is no fault.
    if (!isVarveError(error) && c.req.raw.signal.aborted) return new Response(null, { status: 499 });
    return problemResponse(error, site.engine.ports, c.req.raw);
  }
}

function refuseMethod(c: Context, path: string): never {
  const methods = ROUTES.filter((each) => each.path === path).map((each) => each.method);
  const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
  throw new RefusalError("METHOD_UNKNOWN", `expected one of ${allow}, but found ${c.req.method}`, {}, { allow });
}

function refusePath(c: Context): never {
  throw new NotFoundError("ROUTE_UNKNOWN", `expected a path of the API, but found ${c.req.path}; see openapi.json`);
}

function checkBytes(bytes: number): number {
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new DefinitionError(
    "BODY_LIMIT_INVALID",
    `expected a limit of bodies to be a whole number of bytes above 0, but found ${String(bytes)}`,
  );
}
