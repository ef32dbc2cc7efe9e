/** W4: one run of many sequential steps: whether a long history makes the next step dearer. */
import { workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { databaseFile, openEngine } from "./setup.ts";

/** @param onStep called as each body starts */
export function sequence(onStep: (index: number) => void) {
  return workflow({ name: "sequence" }, async (ctx, input: { steps: number }) => {
    let sum = 0;
    for (let index = 0; index < input.steps; index++) {
      const { value } = await ctx.step(`step-${index}`, () => {
        onStep(index);
        return { run: 0, value: index };
      });
      sum += value;
    }
    return sum;
  });
}

export async function measureLongHistory(folder: string, sizes: Sizes["longHistory"]): Promise<Figures["w4"]> {
  const { steps, window, warmUpSteps } = sizes;
  const startedAt: number[] = [];
  const long = sequence((index) => {
    startedAt[index] = performance.now();
  });
  const engine = await openEngine(databaseFile(folder, "long-history"), [long]);
  await (await engine.start(long, { steps: warmUpSteps })).result();
  await (await engine.start(long, { steps })).result();
  await engine.close();
  const between = (from: number, to: number) => (startedAt[to] as number) - (startedAt[from] as number);
  return { firstMs: between(window, 2 * window), lastMs: between(steps - 1 - window, steps - 1) };
}
