import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { github } from "../../src/triggers/github.ts";
import { webhook } from "../../src/triggers/hook.ts";
import { githubHeaders } from "../triggers/request.ts";
import { echo, failing, gathered, openSite, sleepy, strict, type TestSite } from "./site.ts";

interface Operation {
  readonly operationId: string;
  readonly security: readonly Record<string, readonly string[]>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Record<string, { readonly schema?: { readonly $ref: string } }>;
  };
  readonly responses: Record<
    string,
    { readonly content?: Record<string, { readonly schema: { readonly $ref?: string } }> }
  >;
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

let site: TestSite;
let document: Document;
beforeAll(async () => {
  const hook = webhook({ name: "github", scheme: github({ secrets: ["s"] }), workflow: echo });
  site = await openSite({ hooks: [hook], workflows: [echo, strict, sleepy, failing, gathered] });
  document = (await (await site.app.request("/openapi.json")).json()) as Document;
});
afterAll(async () => await site.close());

/** A schema of the document, as strict as can be: what it does not name must not be there. */
function schemaOf(reference: string): z.ZodType {
  const text = JSON.stringify(document.components.schemas).replaceAll("#/components/schemas/", "#/$defs/");
  const $defs = JSON.parse(text) as Record<string, Record<string, unknown>>;
  for (const [id, schema] of Object.entries($defs)) {
    if (schema["type"] === "object" && id !== "OpenApi") schema["additionalProperties"] ??= false;
  }
  return z.fromJSONSchema({ $ref: reference.replace("#/components/schemas/", "#/$defs/"), $defs } as never);
}

/** Checks an answer against what the document says of it. */
async function check(method: "get" | "post", path: string, response: Response): Promise<unknown> {
  const operation = document.paths[path]?.[method] as Operation;
  const answer =
    operation.responses[response.status] ?? (response.status >= 400 ? operation.responses["default"] : undefined);
  expect(answer, `${method} ${path} ${response.status}`).toBeDefined();
  const type = response.headers.get("content-type");
  if (type === null) return expect(answer?.content).toBeUndefined();
  const reference = answer?.content?.[type]?.schema.$ref;
  expect(reference, `${method} ${path} ${response.status} ${type}`).toBeDefined();
  const body: unknown = await response.json();
  const fit = schemaOf(reference as string).safeParse(body);
  expect(fit.error?.issues ?? [], `${method} ${path} ${response.status}`).toEqual([]);
  return body;
}

describe("the OpenAPI document", () => {
  test("holds every route that the app serves, and no other", () => {
    const served = site.app.routes.filter(({ method }) => method !== "ALL");
    const fromApp = served.map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`);
    const fromDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(fromDocument.sort()).toEqual(fromApp.sort());
    expect(document.openapi).toBe("3.1.0");
  });

  test("names each operation once, each path parameter, and only schemas that it holds", () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { path, parameters = [] } of operations) {
      const named = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
      expect(named).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(20);
    for (const [, id] of references) expect(document.components.schemas).toHaveProperty(id as string);
  });

  test("says which scope each operation needs", () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { security }] of Object.entries(methods)) {
        const scope = method === "get" ? "runs:read" : "runs:write";
        expect(security, path).toEqual(path.startsWith("/api/") ? [{ key: [scope] }] : []);
      }
    }
  });

  test("says what bodies are taken that have no schema", () => {
    const bodyOf = (path: string) => document.paths[path]?.["post"]?.requestBody;
    expect(bodyOf("/hooks/{name}")).toMatchObject({ required: true, content: { "*/*": {} } });
    expect(bodyOf("/resume/{token}")).toMatchObject({
      required: false,
      content: { "application/json": {}, "application/x-www-form-urlencoded": {} },
    });
    expect(document.paths["/resume/{token}"]?.["get"]?.requestBody).toBeUndefined();
  });

  test("describes the query as it is checked", () => {
    const list = document.paths["/api/v1/runs"]?.["get"]?.parameters ?? [];
    const byName = Object.fromEntries(list.map(({ name, schema }) => [name, schema]));
    expect(Object.keys(byName).sort()).toEqual(
      [
        ...["createdBefore", "createdFrom", "cursor", "idempotencyKey", "limit"],
        ...["parentId", "status", "tag", "workflow"],
      ].sort(),
    );
    expect(byName["limit"]).toEqual({ type: "integer", minimum: 1, maximum: 500 });
    expect(byName["status"]).toMatchObject({ type: "array", items: { enum: expect.arrayContaining(["completed"]) } });
    expect(byName["tag"]).toMatchObject({ type: "array", items: { type: "string" } });
  });

  test("is what real answers fit", async () => {
    const run = (await check(
      "post",
      "/api/v1/runs",
      await site.post("/api/v1/runs", { workflow: "echo", input: [1] }),
    )) as { id: string };
    const again = { workflow: "echo", input: 1, idempotencyKey: "k", tags: { a: "b" } };
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", again));
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", again));
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", { ...again, input: 2 }));
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", { workflow: "nope" }));
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", { workflow: "strict", input: 1 }));
    await check("post", "/api/v1/runs", await site.post("/api/v1/runs", "{"));
    const id = "/api/v1/runs/{id}";
    for (const workflow of ["echo", "failing", "gathered"]) {
      const started = (await (await site.post("/api/v1/runs", { workflow })).json()) as { id: string };
      await check("get", `${id}/result`, await site.get(`/api/v1/runs/${started.id}/result`));
      await check("get", `${id}/history`, await site.get(`/api/v1/runs/${started.id}/history`));
    }
    const sleeping = (await (await site.post("/api/v1/runs", { workflow: "sleepy", deadline: "2h" })).json()) as {
      id: string;
    };
    await check("get", `${id}/result`, await site.get(`/api/v1/runs/${sleeping.id}/result?timeoutMs=0`));
    await check("get", id, await site.get(`/api/v1/runs/${sleeping.id}`));
    const told = async (verb: string, body: object, path = verb) =>
      await check("post", `${id}/${path}`, await site.post(`/api/v1/runs/${sleeping.id}/${verb}`, body));
    await told("signals/x", { payload: 1, dedupeKey: "k" }, "signals/{name}");
    await told("pause", { reason: "a look" });
    await told("resume", {});
    await told("retry", {});
    await told("rerun", { delay: "1h" });
    await told("cancel", { reason: "enough" });
    await check("get", `${id}/result`, await site.get(`/api/v1/runs/${sleeping.id}/result`));
    for (const verb of ["cancel", "terminate", "pause", "resume"]) await told(verb, {});
    await told("retry", {});
    await told("terminate", {});
    const bulk = { action: "cancel", workflow: "sleepy" };
    for (const body of [bulk, { ...bulk, action: "" }])
      await check("post", "/api/v1/runs/bulk", await site.post("/api/v1/runs/bulk", body));
    await check("get", id, await site.get("/api/v1/runs/nope"));
    await check("get", `${id}/history`, await site.get("/api/v1/runs/nope/history"));
    await check("get", "/api/v1/runs", await site.get("/api/v1/runs"));
    await check("get", "/api/v1/runs", await site.get("/api/v1/runs?limit=x"));
    await check("get", "/api/v1/runs", await site.app.request("/api/v1/runs"));
    const last = { "last-event-id": `${await site.engine.lastPosition()}` };
    await site.engine.run(run.id).result();
    await check("get", `${id}/events`, await site.ask(`/api/v1/runs/${run.id}/events`, { headers: last }));
    await check("get", "/api/v1/events", await site.ask("/api/v1/events?after=x"));
    for (const path of ["/api/v1/log", "/api/v1/workflows", "/healthz", "/readyz", "/openapi.json"]) {
      await check("get", path, await site.get(path));
    }
    for (const secret of ["s", "other"]) {
      const headers = githubHeaders(secret, "{}");
      await check(
        "post",
        "/hooks/{name}",
        await site.app.request("/hooks/github", { method: "POST", body: "{}", headers }),
      );
    }
  });

  test("is what a wrong answer does not fit", () => {
    const run = { id: "x", created: true };
    expect(schemaOf("#/components/schemas/StartedRun").safeParse(run).success).toBe(true);
    expect(schemaOf("#/components/schemas/StartedRun").safeParse({ ...run, more: 1 }).success).toBe(false);
    expect(schemaOf("#/components/schemas/RunPage").safeParse({ runs: [run], cursor: null }).success).toBe(false);
  });
});
