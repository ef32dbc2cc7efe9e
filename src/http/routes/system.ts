/** What is there, and whether it is well. */
import { StoreError } from "../../kernel/errors.ts";
import { jsonResponse } from "../json.ts";
import { type Route, route } from "../route.ts";
import * as wire from "../wire.ts";

const listWorkflows = route({
  id: "listWorkflows",
  method: "GET",
  path: `${wire.API_PATH}/workflows`,
  access: "runs:read",
  summary: "The registered workflows.",
  answers: { 200: { description: "The workflows, by name.", schema: wire.workflowListSchema } },
  handle: ({ engine }) => jsonResponse(200, { workflows: engine.workflows() }),
});

const health = route({
  id: "health",
  method: "GET",
  path: "/healthz",
  access: "open",
  summary: "Whether the process is up.",
  answers: { 200: { description: "It is.", schema: wire.healthSchema } },
  handle: () => jsonResponse(200, { status: "ok" }),
});

const readiness = route({
  id: "readiness",
  method: "GET",
  path: "/readyz",
  access: "open",
  summary: "Whether the engine takes work.",
  answers: {
    200: { description: "It does.", schema: wire.healthSchema },
    503: { description: "The engine is closed, or its database takes no writes.", schema: wire.problemSchema },
  },
  handle: ({ engine }) => {
    const { storeFailingMs } = engine.health();
    if (storeFailingMs === null) return jsonResponse(200, { status: "ok" });
    throw new StoreError("STORE_FAILING", `the database has refused writes for ${Math.round(storeFailingMs)} ms`, {
      retry: true,
    });
  },
});

export const systemRoutes: readonly Route[] = [listWorkflows, health, readiness];
