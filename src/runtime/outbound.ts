/** Requests out into the world, by the platform's `fetch`. */
import type { Outbound } from "../kernel/ports.ts";

/** @param resolve the addresses of a host, if the runtime can tell */
export function outboundOf(resolve: Outbound["resolve"]): Outbound {
  return {
    resolve,
    post: async ({ url, headers, body, signal }) => {
      const answer = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
      // What it says does not matter, but its connection can be used again.
      await answer.body?.cancel();
      return { status: answer.status, retryAfter: answer.headers.get("retry-after") };
    },
  };
}
