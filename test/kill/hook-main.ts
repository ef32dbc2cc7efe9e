/** A server process that takes webhooks: it tells its address on stdout and works until it is killed. */
import { serve } from "@hono/node-server";
import { github, webhook, workflow } from "varve";
import { createApp } from "varve/http";
import { createEngine } from "varve/node";
import { z } from "zod";

export interface HookSetup {
  readonly db: string;
  readonly file: "owned" | "shared";
  readonly secret: string;
}

export interface HookTold {
  readonly url: string;
}

const setup = JSON.parse(process.argv[2] ?? "{}") as HookSetup;

const keep = workflow({ name: "keep", input: z.object({ event: z.string() }) }, (ctx, { event }) =>
  ctx.step("note", () => event),
);

const hook = webhook({
  name: "github",
  scheme: github({ secrets: [setup.secret] }),
  workflow: keep,
  input: ({ headers }) => ({ event: headers["x-github-event"] ?? "" }),
});

const { db, file } = setup;
const engine = await createEngine({ db, file, workflows: [keep], hooks: [hook], worker: { leaseMs: 1_000 } });
const server = serve({ fetch: createApp(engine).fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  const told: HookTold = { url: `http://127.0.0.1:${port}/hooks/github` };
  console.log(JSON.stringify(told));
});
server.once("error", (error) => {
  throw error;
});
