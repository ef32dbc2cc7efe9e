/** The demo's workflow: steps of 20 to 100 ms, some at the same time, one that fails at first, a sleep. */
import { github, type StepContext, webhook, withEnv } from "varve";
import { z } from "zod";

export interface DemoEnv {
  /** Called by each body when it begins. */
  readonly begun: (runId: string, key: string, attempt: number) => void;
}

/** The demo's senders sign with it. */
export const SECRET = "varve-demo";

const { workflow } = withEnv<DemoEnv>();

const Delivery = z.object({ event: z.string(), action: z.string(), repository: z.string(), id: z.string() });

export const triage = workflow({ name: "triage", input: Delivery }, async (ctx, delivery) => {
  const { event, action, repository } = delivery;
  const subject = await ctx.step("read", async (step) => {
    await act(step, 40);
    return `${event}.${action} of ${repository}`;
  });
  const [labels, owner, links] = await Promise.all([
    ctx.step("label", async (step) => {
      await act(step, 60);
      return [event, action].filter((text) => text !== "");
    }),
    ctx.step("find-owner", async (step) => {
      await act(step, 90);
      return repository.split("/", 1)[0] ?? "nobody";
    }),
    ctx.step("find-links", async (step) => {
      await act(step, 30);
      return [delivery.id];
    }),
  ]);
  await ctx.sleep("settle", "150ms");
  const score = await ctx.step(
    "score",
    async (step) => {
      await act(step, 50);
      if (step.attempt === 1) throw new Error("the scorer is warming up");
      return subject.length + labels.length;
    },
    { retry: { attempts: 10, initial: "50ms", backoff: "fixed" } },
  );
  const receipt = await ctx.step("announce", async (step) => {
    await act(step, 100);
    return `announced to ${owner}`;
  });
  await ctx.step("file", async (step) => {
    await act(step, 20);
    return links;
  });
  return { subject, labels, score, receipt };
});

export const hook = webhook({
  name: "github",
  scheme: github({ secrets: [SECRET] }),
  workflow: triage,
  input: ({ headers, id, json }) => {
    const payload = json() as { action?: string; repository?: { full_name?: string } };
    const { action = "", repository } = payload;
    return { event: headers["x-github-event"] ?? "", action, repository: repository?.full_name ?? "", id };
  },
});

/** What a body does in the demo: it says that it has begun, and takes its time. */
function act({ env, run, key, attempt, signal }: StepContext<DemoEnv>, ms: number): Promise<void> {
  env.begun(run.id, key, attempt);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
