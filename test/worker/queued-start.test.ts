import { workflow } from "varve";
import { expect, it } from "vitest";
import { verify } from "../../src/history/verify.ts";
import { LEASE_MS, openLab } from "../support/lab.ts";

const hello = workflow({ name: "hello" }, (ctx) => ctx.step("greet", () => "hello"));

it("a start that waits to be written when its worker loses the lease is a whole run all the same", async () => {
  const lab = openLab();
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let appends = 0;
  const engine = await lab.engine({
    workflows: [hello],
    onAppend: async () => {
      if (appends++ === 0) await gate;
    },
  });
  const lost = new Promise<void>((resolve) => void engine.on("worker.lost", () => resolve()));
  // The first start's write is under way; the second waits for it.
  const starts = [engine.start("hello"), engine.start("hello")];
  await lab.settle();
  starts.push(engine.start("hello", undefined, { idempotencyKey: "k" }));
  await lab.settle();
  lab.clock.advance(LEASE_MS + 1_000);
  await lost;
  release();
  const runs = await Promise.all(starts);
  expect(runs.map(({ created }) => created)).toEqual([true, true, true]);
  for (const { id } of runs)
    expect((await lab.store.readHistory(id, { afterSeq: 0, limit: 10 })).length).toBeGreaterThan(0);
  await lab.pass(2 * LEASE_MS);
  for (const run of runs) expect(await run.status()).toMatchObject({ status: "completed", output: "hello" });
  expect(await verify(lab.store, { drain: (fn) => void setImmediate(fn) })).toMatchObject({ equal: true, runs: 3 });
});
