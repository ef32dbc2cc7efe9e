/** The workflow of the kill lanes: ten steps in a chain, in parallel and in a scope, a retry, a long and a short sleep. */
import { withEnv } from "varve";
import { z } from "zod";

/** What the bodies are given. */
export interface WorkEnv {
  /** Called by each body when it begins. What it returns may keep the body from ending. */
  readonly begun: (step: BodyInfo) => Promise<void>;
}

export interface BodyInfo {
  readonly key: string;
  readonly attempt: number;
  readonly run: { readonly id: string };
  readonly signal: AbortSignal;
}

/** A step that its worker's death interrupts has used up an attempt, and here workers die often. */
const RETRY = { attempts: 200, backoff: "fixed", initial: "5ms" } as const;

const { workflow } = withEnv<WorkEnv>();

export const work = workflow({ name: "work", input: z.object({ n: z.number() }) }, async (ctx, { n }) => {
  const loaded = await ctx.step("load", (step) => body(step, n, 40), { retry: RETRY });
  const flaky = await ctx.step(
    "flaky",
    async (step) => {
      await body(step, n, 20);
      if (step.attempt === 1) throw new Error("the first attempt fails");
      return n;
    },
    { retry: RETRY },
  );
  const parts = await Promise.all(
    [20, 60, 100].map((ms) => ctx.step(`part-${ms}`, (step) => body(step, n, ms), { retry: RETRY })),
  );
  await ctx.sleep("nap", "300ms");
  const packed = await ctx.scope("pack", async (scope) => {
    const box = await scope.step("box", (step) => body(step, n, 30), { retry: RETRY });
    return box + (await scope.step("label", (step) => body(step, n, 50), { retry: RETRY }));
  });
  await ctx.sleep("breath", "30ms");
  let polled = 0;
  for (let i = 0; i < 2; i++) polled += await ctx.step("poll", (step) => body(step, n, 25), { retry: RETRY });
  const last = await ctx.step("close", (step) => body(step, n, 35), { retry: RETRY });
  return loaded + flaky + parts.reduce((sum, part) => sum + part, 0) + packed + polled + last;
});

/** What a run of `work` comes to. */
export function outputOf(n: number): number {
  return 10 * n;
}

async function body(step: BodyInfo & { readonly env: WorkEnv }, n: number, ms: number): Promise<number> {
  await step.env.begun(step);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return n;
}
