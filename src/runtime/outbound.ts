/** Requests out into the world by the platform's `fetch`, for isolates: they resolve no names, and reach no private network. */
import type { Outbound } from "../kernel/ports.ts";

export const fetchOutbound: Outbound = {
  post: async ({ url, headers, body, signal }) => {
    const answer = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
    // What it says does not matter, but its connection can be used again.
    await answer.body?.cancel();
    return { kind: "answer", status: answer.status, retryAfter: answer.headers.get("retry-after") };
  },
};
