/** The workflow that every runtime runs: steps, a retry, parallel steps, a sleep, a scope. */
import { withEnv } from "varve";
import { z } from "zod";

/** What the steps are given. */
export interface ExampleEnv {
  /** Called by each body when it begins. What it returns may keep the body from ending. */
  readonly begun: (step: { readonly key: string; readonly attempt: number }) => Promise<void>;
}

const { workflow } = withEnv<ExampleEnv>();

export const parcels = workflow(
  { name: "parcels", input: z.object({ weights: z.array(z.number().positive()) }) },
  async (ctx, { weights }) => {
    const order = await ctx.step("load", async (step) => {
      await step.env.begun(step);
      return { weights, loadedAt: new Date(0), lines: new Map(weights.map((weight) => [`w${weight}`, weight])) };
    });
    const receipt = await ctx.step(
      "charge",
      async (step) => {
        await step.env.begun(step);
        if (step.attempt === 1) throw new Error("the bank is busy");
        return { attempt: step.attempt };
      },
      { retry: { attempts: 3, backoff: "fixed", initial: "10ms" } },
    );
    const labels = await Promise.all(
      weights.map((weight) =>
        ctx.step(`label-${weight}`, async (step) => {
          await step.env.begun(step);
          return `${weight} kg`;
        }),
      ),
    );
    await ctx.sleep("cool-off", "300ms");
    const price = await ctx.scope("price", async (scope) => {
      const net = await scope.step("net", async (step) => {
        await step.env.begun(step);
        return weights.reduce((sum, weight) => sum + weight, 0) * 10;
      });
      const tax = await scope.step("tax", async (step) => {
        await step.env.begun(step);
        return net / 5;
      });
      return net + tax;
    });
    return { lines: order.lines.size, loadedAt: order.loadedAt.toISOString(), receipt, labels, price };
  },
);

export const INPUT = { weights: [1, 2, 3] };

export const OUTPUT = {
  lines: 3,
  loadedAt: "1970-01-01T00:00:00.000Z",
  receipt: { attempt: 2 },
  labels: ["1 kg", "2 kg", "3 kg"],
  price: 72,
};
