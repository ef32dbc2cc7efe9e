/**
 * A new version of a service, rolled out in stages: shift a share of the traffic to it, let it bake, measure, go on or
 * roll back.
 *
 * Shows: a workflow that is declared apart from its code (so that others can start it without having the code), input and
 * output schemas, a helper function that takes a Ctx, scopes, and waits that take days as cheaply as seconds.
 *
 *     varve run staged-rollout -i service=checkout -i version=1.4.2 --wait
 *     varve run staged-rollout -i service=checkout -i version=1.4.2 -i bake=1h -i health=https://example.com/health
 *
 * ROUTER_URL  is told each share by PUT; without it the run's result says what it would have been told
 */
import { type Ctx, declareWorkflow, workflow } from "varve";
import { z } from "zod";

const Percent = z.number().min(0).max(100);
const Health = z.object({ requests: z.number().min(0), errors: z.number().min(0) });

const Rollout = z.object({
  service: z.string().min(1),
  version: z.string().min(1),
  stages: z.array(Percent).min(1).max(20).default([1, 10, 50, 100]),
  /** How long each stage is watched. */
  bake: z.string().default("2s"),
  /** Gives `{ requests, errors }` of the new version. */
  health: z.url().default(`data:application/json,${encodeURIComponent('{"requests":12000,"errors":7}')}`),
  errorsPercentMax: Percent.default(1),
});
const Outcome = z.object({
  status: z.enum(["released", "rolled-back"]),
  service: z.string(),
  version: z.string(),
  stages: z.array(z.object({ percent: Percent, errorsPercent: z.number(), told: z.boolean() })),
});

/** What other services import: enough to start a roll-out and to know what it comes to. */
export const rollout = declareWorkflow({ name: "staged-rollout", input: Rollout, output: Outcome });

export const stagedRollout = rollout.implement(async (ctx, input) => {
  const { service, version } = input;
  const stages: Stage[] = [];
  for (const percent of input.stages) {
    const stage = await runStage(ctx, percent, input);
    stages.push(stage);
    if (stage.errorsPercent > input.errorsPercentMax) {
      ctx.log("warn", "rolling back", { service, version, ...stage });
      await shift(ctx, "roll-back", { service, version, percent: 0 });
      return { status: "rolled-back", service, version, stages };
    }
  }
  return { status: "released", service, version, stages };
});

/** The old version takes everything again, whatever a roll-out has come to. */
export const rollBack = workflow(
  { name: "roll-back", input: Rollout.pick({ service: true, version: true }) },
  async (ctx, { service, version }) => ({ told: await shift(ctx, "roll-back", { service, version, percent: 0 }) }),
);

interface Stage {
  readonly percent: number;
  readonly errorsPercent: number;
  readonly told: boolean;
}

/** One stage, in a scope of its own: after a restart the stages that are through cost nothing. */
async function runStage(ctx: Ctx, percent: number, input: z.infer<typeof Rollout>): Promise<Stage> {
  return ctx.scope(`stage ${percent}`, async (scope) => {
    const told = await shift(scope, "shift", { service: input.service, version: input.version, percent });
    await scope.sleep("bake", input.bake);
    const health = await scope.step("measure", ({ signal }) => measure(input.health, signal), {
      retry: { attempts: 5, initial: "1s" },
      timeout: "10s",
    });
    return { percent, errorsPercent: errorsPercent(health), told };
  });
}

interface Share {
  readonly service: string;
  readonly version: string;
  readonly percent: number;
}

/** Tells the router the new version's share; false: there is none to tell. Setting a share twice does no harm. */
async function shift(ctx: Ctx, name: string, share: Share): Promise<boolean> {
  return ctx.step(
    name,
    async ({ signal, idempotencyKey }) => {
      const url = process.env["ROUTER_URL"];
      if (url === undefined || url === "") return false;
      const response = await fetch(`${url}/${encodeURIComponent(share.service)}`, {
        method: "PUT",
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify(share),
        signal,
      });
      if (!response.ok) throw new Error(`the router answered ${response.status}`);
      return true;
    },
    { timeout: "5s", deadline: "10m", retry: { attempts: "unlimited" } },
  );
}

async function measure(url: string, signal: AbortSignal): Promise<z.infer<typeof Health>> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Health.parse(await response.json());
}

/** No requests are no proof of health. */
function errorsPercent({ requests, errors }: z.infer<typeof Health>): number {
  return requests === 0 ? 100 : Math.round((errors / requests) * 10_000) / 100;
}
