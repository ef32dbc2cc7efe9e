/**
 * A server process that takes webhooks in a storm, and dies by SIGKILL between a commit and its answer: when the answers that
 * it was told to give are given, what comes next is committed and never answered.
 */
import { serve } from "@hono/node-server";
import { github, webhook, workflow } from "varve";
import { createApp } from "varve/http";
import { createEngine } from "varve/node";
import { z } from "zod";

export interface StormSetup {
  readonly db: string;
  readonly secret: string;
  /** How many requests it answers before it dies; null: it lives. */
  readonly answers: number | null;
}

export interface StormTold {
  readonly url: string;
}

const setup = JSON.parse(process.argv[2] ?? "{}") as StormSetup;

const count = workflow({ name: "count", input: z.object({ n: z.number() }) }, async (_ctx, { n }) => n);
const scheme = github({ secrets: [setup.secret] });
const hooks = [
  webhook({ name: "all", scheme, workflow: count }),
  webhook({ name: "even", scheme, workflow: count, filter: (each) => (each.json() as { n: number }).n % 2 === 0 }),
];

const engine = await createEngine({ db: setup.db, workflows: [count], hooks });
const app = createApp(engine);
let left = setup.answers ?? Number.POSITIVE_INFINITY;

const fetch = async (request: Request): Promise<Response> => {
  const response = await app.fetch(request);
  // The engine has answered, so it is committed; whoever sent it is never told.
  if (left-- <= 0) process.kill(process.pid, "SIGKILL");
  return response;
};
const server = serve({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  const told: StormTold = { url: `http://127.0.0.1:${port}/hooks` };
  console.log(JSON.stringify(told));
});
server.once("error", (error) => {
  throw error;
});
