/**
 * A route of the API: what it takes, what it answers, who may use it. The app serves the routes and the OpenAPI document
 * describes them, both from these records alone.
 */
import type { Context } from "hono";
import * as z from "zod";
import type { Engine } from "../engine/api.ts";
import type { ApiScope } from "../engine/api-keys.ts";
import { validateNow } from "../kernel/validate.ts";
import type { Gate, LocalTest } from "./auth.ts";
import { JSON_TYPE, mediaTypeOf, readBody, unsupportedType } from "./body.ts";
import { parseJson } from "./json.ts";

/** What the routes of one app share. */
export interface Site {
  readonly engine: Engine;
  readonly gate: Gate;
  readonly isLocal: LocalTest;
  /** The largest body of an API request, bytes. */
  readonly apiBytesMax: number;
  /** The largest body of a webhook, bytes. */
  readonly hookBytesMax: number;
}

/** A request to a route, checked. */
export interface Call<Params, Query, Body> {
  readonly site: Site;
  readonly engine: Engine;
  readonly request: Request;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Whether the sender would still be let in. */
  readonly isStillAllowed: () => Promise<boolean>;
  /** Whether a program of this machine sent it, as far as the app can tell. */
  readonly isLocal: () => boolean;
}

/** A body that a route reads by itself, as the document tells of it. */
export interface RawBody {
  readonly description: string;
  readonly contentTypes: readonly string[];
  readonly required: boolean;
}

/** One answer of a route. */
export interface Answer {
  readonly description: string;
  /** One of `wireSchemas`; none: the answer has no JSON body. */
  readonly schema?: z.ZodType;
  /** @default "application/json", if there is a schema */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteOptions<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  readonly id: string;
  readonly method: "GET" | "POST";
  /** Below the app's place, in Hono's form: `/runs/:id`. */
  readonly path: string;
  /** `open`: anybody. `signature`: it verifies the sender by itself. `token`: who has the address has the right. */
  readonly access: ApiScope | "open" | "signature" | "token";
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  /** Request headers that mean something here, by name. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly rawBody?: RawBody;
  readonly answers: Readonly<Record<number, Answer>>;
  readonly handle: (call: Call<z.output<Params>, z.output<Query>, z.output<Body>>) => Response | Promise<Response>;
}

/** A route whose types are its own affair. */
export interface Route extends Omit<RouteOptions<z.ZodType, z.ZodType, z.ZodType>, "handle"> {
  readonly serve: (site: Site, c: Context) => Promise<Response>;
}

export function route<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>({ handle, ...route }: RouteOptions<Params, Query, Body>): Route {
  const { params, query, body } = route;
  const scope = scopeOf(route);
  const serve = async (site: Site, c: Context): Promise<Response> => {
    const request = c.req.raw;
    const admission = scope === null ? null : await site.gate(c, scope);
    return await handle({
      site,
      engine: site.engine,
      request,
      params: validateNow("the path", params, c.req.param(), "REQUEST_INVALID") as z.output<Params>,
      query: (scope === null ? undefined : checkQuery(request, query ?? NO_QUERY)) as z.output<Query>,
      body: (body === undefined ? undefined : await checkBody(request, body, site.apiBytesMax)) as z.output<Body>,
      isStillAllowed: async () => (await admission?.isStillGood()) ?? true,
      isLocal: () => site.isLocal(c),
    });
  };
  return { ...route, serve } as Route;
}

/** The scope that a key must have; null: none is asked for. */
export function scopeOf({ access }: Pick<Route, "access">): ApiScope | null {
  return access === "open" || access === "signature" || access === "token" ? null : access;
}

/** A query that takes nothing: what nobody knows is refused, not passed over. */
const NO_QUERY = z.strictObject({});

/** A parameter that comes once is a text, several times a list: the schema says which it takes. */
function checkQuery(request: Request, schema: z.ZodType): unknown {
  const { searchParams } = new URL(request.url);
  const found = [...new Set(searchParams.keys())].map((name) => {
    const values = searchParams.getAll(name);
    return [name, values.length === 1 ? values[0] : values] as const;
  });
  return validateNow("the query", schema, Object.fromEntries(found), "REQUEST_INVALID");
}

/** No body is `{}`. The content type is asked for even then: a page of another site cannot send it unasked. */
async function checkBody(request: Request, schema: z.ZodType, bytesMax: number): Promise<unknown> {
  if (mediaTypeOf(request) !== JSON_TYPE) throw unsupportedType(request, [JSON_TYPE]);
  const bytes = await readBody(request, bytesMax);
  return validateNow("the body", schema, bytes.length === 0 ? {} : parseJson(bytes), "REQUEST_INVALID");
}
