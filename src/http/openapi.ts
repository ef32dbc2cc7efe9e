/** The OpenAPI 3.1 document, made of the routes and of the schemas that check what goes in and out. Pure. */
import * as z from "zod";
import { type Answer, type Route, scopeOf } from "./route.ts";
import { problemSchema, wireSchemas } from "./wire.ts";

type JsonObject = Record<string, unknown>;

/** The document of `routes`, but for where they are served. */
export function openApi(routes: readonly Route[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Varve",
      version: "1",
      description: "Durable runs of workflows: start them, look at them, follow their log. Instants are milliseconds.",
    },
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "`varve_<id>_<secret>`; scopes: runs:read, runs:write." },
      },
    },
  };
}

function operation(route: Route): JsonObject {
  const { id, summary } = route;
  const scope = scopeOf(route);
  const parameters = [
    ...parametersOf(route.params, "path"),
    ...parametersOf(route.query, "query"),
    ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
      name,
      in: "header",
      description,
      schema: { type: "string" },
    })),
  ];
  return {
    operationId: id,
    summary,
    security: scope === null ? [] : [{ key: [scope] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody(route),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, response(answer)])),
      default: response({ description: "Why the request was refused.", schema: problemSchema }),
    },
  };
}

function requestBody({ body, rawBody }: Route): JsonObject {
  if (rawBody !== undefined) {
    const { description, contentTypes, required } = rawBody;
    const content = Object.fromEntries(contentTypes.map((contentType) => [contentType, {}]));
    return { requestBody: { description, content, required } };
  }
  if (body === undefined) return {};
  return { requestBody: { content: { "application/json": { schema: reference(body) } } } };
}

function parametersOf(schema: z.ZodType | undefined, place: "path" | "query"): JsonObject[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property as JsonObject;
    return {
      name,
      in: place,
      required: required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function response({ description, schema, contentType, headers }: Answer): JsonObject {
  const type = contentType ?? (schema === problemSchema ? "application/problem+json" : "application/json");
  const content = schema === undefined ? { schema: { type: "string" } } : { schema: reference(schema) };
  return {
    description,
    ...(schema === undefined && contentType === undefined ? {} : { content: { [type]: content } }),
    ...(headers === undefined ? {} : { headers: headersOf(headers) }),
  };
}

function headersOf(headers: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  );
}

function reference(schema: z.ZodType): JsonObject {
  return { $ref: placeOf(wireSchemas.get(schema)?.id ?? "") };
}

function placeOf(id: string): string {
  return `#/components/schemas/${id}`;
}

function componentSchemas(): JsonObject {
  const { schemas } = z.toJSONSchema(wireSchemas, { uri: placeOf, io: "input" });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]));
}
