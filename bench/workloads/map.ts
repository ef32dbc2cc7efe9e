/** A map over a long list and over short ones, item for item: whether many items make each of them dearer. */
import { type Engine, workflow } from "varve";
import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import { middle } from "../stats.ts";
import { databaseFile, openEngine } from "./setup.ts";

const map = workflow({ name: "map" }, async (ctx, input: { items: number; concurrency: number }) => {
  const list = Array.from({ length: input.items }, (_, index) => index);
  const values = await ctx.map("item", list, (index, item) => item.step("work", () => ({ run: 0, value: index })), {
    concurrency: input.concurrency,
  });
  return values.reduce((sum, { value }) => sum + value, 0);
});

/** A pair of a long list and of as many items in short ones, so that what slows the machine slows both: the middle pair. */
export async function measureMap(folder: string, sizes: Sizes["map"]): Promise<Figures["map"]> {
  const { few, many, concurrency, pairs, warmUps } = sizes;
  const engine = await openEngine(databaseFile(folder, "map"), [map]);
  for (let run = 0; run < warmUps; run++) await itemMs(engine, few, concurrency);
  const measured: Figures["map"][] = [];
  for (let pair = 0; pair < pairs; pair++) {
    let fewMs = 0;
    const runs = many / few;
    for (let run = 0; run < runs; run++) fewMs += (await itemMs(engine, few, concurrency)) / runs;
    measured.push({ fewMs, manyMs: await itemMs(engine, many, concurrency) });
  }
  await engine.close();
  return middle(measured, ({ fewMs, manyMs }) => manyMs / fewMs);
}

async function itemMs(engine: Engine, items: number, concurrency: number): Promise<number> {
  const startedAt = performance.now();
  const run = await engine.start(map, { items, concurrency });
  await run.result();
  return (performance.now() - startedAt) / items;
}
