/** What runs inside workerd: the example behind HTTP, as an app on the edge has it. */
import { env, waitUntil } from "cloudflare:workers";
import { standardWebhooks, webhook } from "varve";
import { createEngine } from "varve/edge";
import { drainInIsolate } from "../../src/runtime/drain.ts";
import { drainTimes, microtasksBeforeDrain } from "./drain-probe.ts";
import type { Begun, Ticked } from "./evidence.ts";
import { type ExampleEnv, parcels } from "./example.ts";

const { DB_URL = "", EVIDENCE_URL = "", SECRET = "", ISOLATE = "", WAITS = "yes" } = env;

const tell = async (fact: Begun | Ticked): Promise<void> => {
  const answer = await fetch(EVIDENCE_URL, { method: "POST", body: JSON.stringify(fact) });
  await answer.text();
};

/** Whoever collects the evidence is told of each body, and lets it go on when they like. */
const begun: ExampleEnv["begun"] = ({ key, attempt }) => tell({ told: "begun", key, attempt, isolate: ISOLATE });

const scheme = standardWebhooks({ secrets: [SECRET] });

// One engine for all requests, made outside of any.
const engine = await createEngine({
  db: DB_URL,
  workflows: [parcels],
  hooks: [webhook({ name: "orders", scheme, workflow: parcels })],
  env: { begun },
  ...(WAITS === "yes" ? { waitUntil } : {}),
});

/** The budget of a cron event. */
const SCHEDULED_MS = 3_000;

type Route = (request: Request, query: URLSearchParams) => Promise<unknown>;

/** What one request waits for, for another to wait for it too: what must never happen. */
let shared: Promise<unknown> = Promise.resolve();

const ROUTES: Readonly<Record<string, Route>> = {
  start: async (request, query) => {
    const input = (await request.json()) as { weights: number[] };
    const run = await engine.start(parcels, input, { idempotencyKey: query.get("key") ?? "" });
    return { id: run.id, created: run.created };
  },
  deliver: async (request) => {
    const body = new Uint8Array(await request.arrayBuffer());
    const outcome = await engine.deliver("orders", { headers: [...request.headers], body });
    return outcome.kind === "accepted" ? { id: outcome.run?.id, created: outcome.run?.created } : outcome;
  },
  tick: (_, query) => engine.tick({ budgetMs: Number(query.get("budgetMs")) }),
  result: (_, query) => engine.run(parcels, query.get("id") ?? "").result({ timeout: "25s" }),
  status: (_, query) => engine.run(query.get("id") ?? "").status(),
  cancel: (_, query) => engine.run(query.get("id") ?? "").cancel(),
  list: () => engine.list(),
  drain: async (_, query) => {
    await drainTimes(drainInIsolate, Number(query.get("times")));
    return await microtasksBeforeDrain(drainInIsolate);
  },
  share: async () => {
    shared = begun({ key: "shared", attempt: 1 });
    await shared;
  },
  sharing: () => shared,
};

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    try {
      return Response.json((await ROUTES[pathname.slice(1)]?.(request, searchParams)) ?? null);
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
  async scheduled(): Promise<void> {
    await tell({ told: "ticked", ...(await engine.tick({ budgetMs: SCHEDULED_MS })) });
  },
};
