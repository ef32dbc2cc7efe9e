/** GitHub, as far as a server can tell: real payloads, really signed. */
import { createRequire } from "node:module";
import { sign } from "@octokit/webhooks-methods";
import { SECRET } from "./triage.ts";

/** One request, ready to be sent as often as you like. */
export interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly body: string;
  readonly signature: string;
}

interface Example {
  readonly name: string;
  readonly examples: readonly object[];
}

/** So many deliveries, each of another kind of event as long as there are kinds. */
export async function deliveries(count: number, prefix: string): Promise<Delivery[]> {
  // Its main file is JSON, which not every supported Node imports without a flag.
  const kinds = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
  return await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { name, examples } = kinds[i % kinds.length] as Example;
      const body = JSON.stringify(examples[Math.floor(i / kinds.length) % examples.length]);
      return { id: `${prefix}-${i}`, event: name, body, signature: await sign(SECRET, body) };
    }),
  );
}

/** The id of the run that took the delivery; null: the server did not say that it did. */
export async function send(address: string, delivery: Delivery): Promise<string | null> {
  try {
    const response = await fetch(`${address}/hooks/github`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Delivery": delivery.id,
        "X-Hub-Signature-256": delivery.signature,
      },
      body: delivery.body,
    });
    const answer = (await response.json()) as { runId?: string };
    return response.status === 202 ? (answer.runId ?? null) : null;
  } catch {
    // The server was killed: nobody knows what became of it, so a real sender sends it again.
    return null;
  }
}
