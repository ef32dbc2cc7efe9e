/**
 * Requests out into the world from a process, by `node:http` and `node:https`, which Deno and Bun have too: unlike `fetch`,
 * they let us see what a host's name comes to at the very moment of connecting.
 *
 * I1 What was checked is what is connected to: the name is resolved once, by the connection itself. A name server that
 *    changes its mind between a check and a connection finds no gap.
 * I2 A connection that is used again was made under the same rule: there is one set of them for each.
 */
import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { Outbound, OutboundAnswer, OutboundRequest } from "../kernel/ports.ts";

/** An address that must not be reached. */
class Refused extends Error {
  readonly address: string;

  constructor(address: string) {
    super(`${address} must not be reached`);
    this.address = address;
  }
}

/** Finds all addresses of a name. */
export type Lookup = (
  host: string,
  options: LookupOptions & { readonly all: true },
  done: (error: Error | null, found: LookupAddress[]) => void,
) => void;

const AGENT = { keepAlive: true } as const;

/** So much of an answer's body is read, so that its connection can be used again: it does not matter what it says. */
const BODY_BYTES_MAX = 65_536;

/** @param resolve how names are resolved. As the platform does it by default */
export function checkedOutbound(resolve: Lookup = lookup): Outbound {
  const http = { checked: new HttpAgent(AGENT), free: new HttpAgent(AGENT) };
  const https = { checked: new HttpsAgent(AGENT), free: new HttpsAgent(AGENT) };
  const post = ({ url, headers, body, signal, allows }: OutboundRequest): Promise<OutboundAnswer> => {
    const { protocol, hostname } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, "");
    // Nobody asks `lookup` about what is an address already.
    if (allows !== null && isIP(host) !== 0 && !allows(host)) throw new Refused(host);
    const [send, agents] = protocol === "https:" ? [httpsRequest, https] : [httpRequest, http];
    const options: RequestOptions = {
      ...{ method: "POST", headers: { ...headers, "content-length": Buffer.byteLength(body) }, signal },
      ...(allows === null ? { agent: agents.free } : { agent: agents.checked, lookup: lookupWithin(resolve, allows) }),
    };
    return new Promise((answered, failed) => {
      send(url, options, (response) => void passed(response).then(answered))
        .on("error", failed)
        .end(body);
    });
  };
  return {
    post: async (request) => {
      try {
        return await post(request);
      } catch (error) {
        if (error instanceof Refused) return { kind: "refused", address: error.address };
        throw error;
      }
    },
  };
}

/** What an answer says, once its body is over, too long, or broken off: the status counts whatever becomes of it. */
function passed(response: IncomingMessage): Promise<OutboundAnswer> {
  const { statusCode, headers } = response;
  return new Promise((resolve) => {
    let left = BODY_BYTES_MAX;
    response.on("data", (chunk: Uint8Array) => {
      left -= chunk.length;
      if (left < 0) response.destroy();
    });
    const end = () => resolve({ kind: "answer", status: statusCode ?? 0, retryAfter: headers["retry-after"] ?? null });
    response.on("end", end).on("error", end).on("close", end);
  });
}

/** Resolves a name, and refuses it if any of its addresses is not allowed. */
function lookupWithin(resolve: Lookup, allows: (address: string) => boolean): NonNullable<RequestOptions["lookup"]> {
  return (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, found) => {
      const refused = found?.find(({ address }) => !allows(address));
      const [first] = found ?? [];
      if (error !== null || first === undefined) done(error ?? new Error(`${host} has no address`), []);
      else if (refused !== undefined) done(new Refused(refused.address), []);
      else if (options.all === true) done(null, found);
      else done(null, first.address, first.family);
    });
  };
}
