import { createEngine } from "varve/node";
import { expect, it } from "vitest";
import { UNCLEAN_ALONE_FROM, UNCLEAN_ALONE_MAX } from "../../src/log/port-claims.ts";
import { type Child, startChild } from "../runtimes/child.ts";
import { Place } from "./place.ts";
import type { Poison, PoisonSetup, PoisonTold } from "./poison-main.ts";

const POISONS: readonly Poison[] = ["exit", "memory", "loop"];

const INNOCENTS = 25;

/** A process that has told nothing for so long hangs, and whoever looks after it ends it. */
const SILENCE_MS = 1_500;

/** A heap that is soon full. */
const FLAGS = ["--max-old-space-size=48"];

const LOOK_MS = 20;

/** Looks after one process until it has nothing left to do, or has ended. Returns whether it has nothing left to do. */
async function lookAfter(child: Child<PoisonTold>): Promise<boolean> {
  let hasEnded = false;
  void child.exited.then(() => {
    hasEnded = true;
  });
  let heard = 0;
  let heardAt = Number.POSITIVE_INFINITY;
  while (!hasEnded) {
    if (child.lines.some(({ told }) => told === "idle")) return true;
    if (child.lines.length > heard) heardAt = performance.now();
    heard = child.lines.length;
    if (performance.now() - heardAt > SILENCE_MS) await child.kill();
    else await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

it("runs that end their process by an exit, a full memory and an endless loop are put aside, and all others complete", {
  timeout: 120_000,
}, async () => {
  const place = Place.open();
  const bundle = await place.bundle("test/kill/poison-main.ts");
  const setup: PoisonSetup = { db: `file:${place.path}`, poisons: POISONS, innocents: INNOCENTS };
  let child: Child<PoisonTold> | null = null;
  let deaths = 0;
  try {
    for (;;) {
      child = startChild<PoisonTold>(process.execPath, [...FLAGS, bundle, JSON.stringify(setup)]);
      if (await lookAfter(child)) break;
      deaths++;
    }
    await child.kill();
    const runs = await place.runs();
    for (const kind of POISONS) expect(runs.get(kind)).toMatchObject({ status: "stuck" });
    const innocent = Array.from({ length: INNOCENTS }, (_, n) => runs.get(`n-${n}`));
    expect(innocent.map((run) => [run?.status, run?.output])).toEqual(innocent.map((_, n) => ["completed", n + 3]));
    const poisoned = await place.store.listRuns({ status: ["stuck"] }, { before: null, limit: 10 });
    expect(poisoned.map(({ stuck }) => JSON.parse(stuck ?? "{}").code)).toEqual(POISONS.map(() => "RUN_POISONED"));
    expect(deaths).toBeLessThanOrEqual(POISONS.length * (UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX));
    expect(await place.verify()).toMatchObject({ equal: true });
    expect(await place.integrity()).toEqual(["ok"]);
    const engine = await createEngine({ db: setup.db, workflows: [], worker: false });
    for (const { id } of poisoned) await engine.run(id).terminate();
    await engine.close();
    child = startChild<PoisonTold>(process.execPath, [...FLAGS, bundle, JSON.stringify(setup)]);
    // Their code does not run any more.
    expect(await lookAfter(child)).toBe(true);
    await child.kill();
    const ended = await place.runs();
    for (const kind of POISONS) expect(ended.get(kind)).toMatchObject({ status: "cancelled" });
    console.log(`${deaths} deaths until three runs were put aside; ${INNOCENTS} others completed`);
  } finally {
    await child?.kill();
    await place.close();
  }
});
