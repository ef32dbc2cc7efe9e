/** An HTTP server on Node for a `fetch` handler. */
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { StoreError } from "../kernel/errors.ts";

/** Every answer has this header with the id of the server's start. */
export const OWNER_HEADER = "varve-owner";

export interface ServeOptions {
  /** `env` is what `getConnInfo` of @hono/node-server reads. */
  readonly fetch: (request: Request, env: object) => Response | Promise<Response>;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Names this start of a server. */
  readonly id: string;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no more requests; ends those that are under way after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Listens.
 *
 * @throws StoreError `ADDRESS_UNAVAILABLE` when the port is taken or may not be used
 */
export async function serveOnNode({ fetch, host, port, id }: ServeOptions): Promise<HttpServer> {
  const named = async (request: Request, env: object): Promise<Response> => {
    const response = await fetch(request, env);
    response.headers.set(OWNER_HEADER, id);
    return response;
  };
  const server = await new Promise<Server>((resolve, reject) => {
    const starting = serve({ fetch: named, hostname: host, port }, () => resolve(starting)) as Server;
    starting.once("error", (cause) => reject(unavailable(host, port, cause)));
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: (graceMs) => close(server, graceMs),
  };
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

function unavailable(host: string, port: number, cause: Error): StoreError {
  return new StoreError(
    "ADDRESS_UNAVAILABLE",
    `expected to listen at ${host}:${port}, but found: ${cause.message}; --port names another, 0 takes any`,
    { host, port },
    { cause },
  );
}
