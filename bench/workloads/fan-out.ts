/** W3: one run with many parallel steps and a join. */
import { workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../stats.ts";
import { databaseFile, openEngine } from "./setup.ts";

const fan = workflow({ name: "fan" }, async (ctx, input: { steps: number }) => {
  const parts = Array.from({ length: input.steps }, (_, index) =>
    ctx.step(`part-${index}`, () => ({ run: index, value: index })),
  );
  const values = await Promise.all(parts);
  return values.reduce((sum, { value }) => sum + value, 0);
});

export async function measureFanOut(folder: string, sizes: Sizes["fanOut"]): Promise<Figures["w3"]> {
  const engine = await openEngine(databaseFile(folder, "fan-out"), [fan]);
  const times: number[] = [];
  for (let index = 0; index < sizes.warmUps + sizes.runs; index++) {
    const startedAt = performance.now();
    const run = await engine.start(fan, { steps: sizes.steps });
    await run.result();
    if (index >= sizes.warmUps) times.push(performance.now() - startedAt);
  }
  await engine.close();
  return { ms: median(times) };
}
