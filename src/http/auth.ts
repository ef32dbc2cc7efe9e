/**
 * Who may use the API. Keys by default; on a machine of one user, loopback without keys.
 *
 * A1 There is no third way: nothing is served to a stranger but what is marked open, and hooks, which prove themselves
 *    by their signature.
 * A2 Loopback trusts only what a program of this machine sends: the peer is loopback and no proxy stands before it, the
 *    Host is one of ours (else a foreign name could be bound to 127.0.0.1: DNS rebinding), and a page that sends an
 *    Origin is one of ours. A POST needs `application/json` (see `route.ts`), which a foreign page cannot send unasked.
 */
import type { Context } from "hono";
import type { Engine } from "../engine/api.ts";
import type { ApiScope } from "../engine/api-keys.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { RefusalError } from "./problem.ts";

export interface LoopbackOptions {
  /** What `Host` may be, with the port: `127.0.0.1:8787`, `localhost:8787`, `[::1]:8787`. */
  readonly hosts: readonly string[];
  /**
   * The address of who sends. On Node `(c) => getConnInfo(c).remote.address`, with `getConnInfo` of
   * `@hono/node-server/conninfo`; on Deno and Bun of `hono/deno` and `hono/bun`. Without an answer nothing is served.
   */
  readonly peerAddress: (c: Context) => string | undefined;
}

/** `keys`: bearer keys of `engine.keys`. `loopback`: anybody on this machine, and nobody else. */
export type Auth = "keys" | { readonly loopback: LoopbackOptions };

/** A request that was let in. */
export interface Admission {
  /** Whether it would be let in again: asked now and then by answers that go on for long. */
  isStillGood(): Promise<boolean>;
}

/** Lets a request in, or throws a {@link RefusalError}. */
export type Gate = (c: Context, scope: ApiScope) => Promise<Admission>;

/** Whether a request is one of this machine (A2). With keys nobody can tell. */
export type LocalTest = (c: Context) => boolean;

/** @throws DefinitionError `AUTH_INVALID` */
export function localTestOf(auth: Auth): LocalTest {
  if (auth === "keys") return () => false;
  const { hosts, peerAddress } = checkLoopback(auth);
  return (c) => {
    try {
      checkPeer(c, peerAddress);
      checkHost(c.req.raw, hosts);
      return true;
    } catch (error) {
      if (error instanceof RefusalError) return false;
      throw error;
    }
  };
}

/**
 * The gate that an option asks for.
 *
 * @throws DefinitionError `AUTH_INVALID`
 */
export function gateOf(auth: Auth, engine: Engine): Gate {
  if (auth === "keys") return (c, scope) => admitKey(engine, c.req.raw, scope);
  const { hosts, peerAddress } = checkLoopback(auth);
  return async (c) => {
    checkPeer(c, peerAddress);
    checkHost(c.req.raw, hosts);
    return { isStillGood: async () => true };
  };
}

async function admitKey(engine: Engine, request: Request, scope: ApiScope): Promise<Admission> {
  const token = bearerToken(request);
  const key = token === null ? null : await engine.keys.verify(token);
  if (token === null || key === null) {
    throw new RefusalError(
      "UNAUTHENTICATED",
      'expected a key as "Authorization: Bearer varve_...", but found none that is good',
      {},
      { "www-authenticate": `Bearer realm="varve"${token === null ? "" : ', error="invalid_token"'}` },
    );
  }
  if (!key.scopes.includes(scope)) {
    throw new RefusalError(
      "SCOPE_MISSING",
      `expected a key with the scope ${scope}, but this one has ${key.scopes.join(", ")}`,
      { expected: scope, found: key.scopes },
      { "www-authenticate": `Bearer realm="varve", error="insufficient_scope", scope="${scope}"` },
    );
  }
  return { isStillGood: async () => (await engine.keys.verify(token)) !== null };
}

function bearerToken(request: Request): string | null {
  return /^Bearer +([^\s,]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
}

function checkLoopback(auth: unknown): LoopbackOptions {
  const { hosts, peerAddress } = ((auth as { loopback?: unknown } | null)?.loopback ?? {}) as Partial<LoopbackOptions>;
  const hasHosts = Array.isArray(hosts) && hosts.length > 0 && hosts.every((host) => typeof host === "string");
  if (hasHosts && typeof peerAddress === "function") {
    return { hosts: hosts.map((host) => host.toLowerCase()), peerAddress };
  }
  throw new DefinitionError(
    "AUTH_INVALID",
    'expected auth to be "keys", or { loopback: { hosts, peerAddress } } with at least one host and a function that tells the peer\'s address, but found something else; without them loopback is open to every page in a browser',
  );
}

/** What a proxy adds. Behind one the peer is the proxy, which says nothing about who sends. */
const PROXY_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] as const;

function checkPeer(c: Context, peerAddress: LoopbackOptions["peerAddress"]): void {
  const peer = peerAddress(c);
  const proxyHeader = PROXY_HEADERS.find((name) => c.req.raw.headers.has(name));
  if (peer !== undefined && isLoopback(peer) && proxyHeader === undefined) return;
  throw new RefusalError(
    "PEER_REFUSED",
    "expected a request from this machine itself: the API is served on loopback without keys; use keys to serve others",
  );
}

function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address) || address === "::1";
}

function checkHost(request: Request, hosts: readonly string[]): void {
  // An in-process request has no Host header: its URL says where it goes.
  const host = (request.headers.get("host") ?? new URL(request.url).host).toLowerCase();
  if (!hosts.includes(host)) {
    throw new RefusalError("HOST_REFUSED", `expected the Host to be one of ${hosts.join(", ")}`, { expected: hosts });
  }
  const origin = request.headers.get("origin");
  const isOwn = origin === null || hosts.some((own) => origin === `http://${own}` || origin === `https://${own}`);
  if (!isOwn || request.headers.get("sec-fetch-site") === "cross-site") {
    throw new RefusalError("ORIGIN_REFUSED", "expected no page of another site to ask", { expected: hosts });
  }
}
