import { describe, expect, it } from "vitest";
import { Lane, type LaneOptions, type LaneResult } from "./lane.ts";
import { Place } from "./place.ts";
import { startServer } from "./server.ts";
import { outputOf } from "./workload.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

type Where = "an owned file" | "a shared file" | "a libSQL server";

/** Runs a lane, prints what it did, and holds everything that must hold after it. */
async function survives(
  where: Where,
  options: Omit<LaneOptions, "place" | "bundle" | "seed" | "setup">,
  worker: { readonly leaseMs: number; readonly concurrency: number },
): Promise<LaneResult> {
  const place = Place.open();
  const server = where === "a libSQL server" ? await startServer(place.path) : null;
  const db = server?.url ?? `file:${place.path}`;
  const setup = { db, file: where === "a shared file" ? ("shared" as const) : ("owned" as const), ...worker };
  const bundle = await place.bundle("test/kill/child-main.ts");
  const lane = new Lane({ ...options, place, bundle, setup, seed: SEED });
  const startedAt = performance.now();
  try {
    const result = await lane.run();
    const seconds = (performance.now() - startedAt) / 1_000;
    await report(where, place, result, seconds);
    await holds(place, options.runs, result);
    return result;
  } finally {
    await lane.killAll();
    await server?.stop();
    await place.close();
  }
}

async function report(where: Where, place: Place, result: LaneResult, seconds: number): Promise<void> {
  const { landed, underWayMin, uncounted } = result;
  const kills = Object.values(landed).reduce((sum, n) => sum + n, 0);
  const phases = Object.entries(landed)
    .map(([phase, n]) => `${phase} ${n}`)
    .join(", ");
  console.log(
    `${where}, seed ${SEED}: ${kills} kills with at least ${underWayMin} runs under way (${phases}), ${uncounted} more uncounted; ` +
      `${result.acknowledged.size} starts, ${place.bodies().length} bodies, ${await place.store.lastPosition()} events, ${seconds.toFixed(1)} s`,
  );
}

async function holds(place: Place, runs: number, { acknowledged, exits, stderr }: LaneResult): Promise<void> {
  const found = await place.runs();
  const expected = Array.from({ length: runs }, (_, n) => [
    `n-${n}`,
    { id: acknowledged.get(n), status: "completed", output: outputOf(n) },
  ]);
  // Every start was acknowledged, is there, and is there once.
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  expect(await place.repeats()).toEqual([]);
  expect(await place.integrity()).toEqual(["ok"]);
  expect(await place.verify()).toMatchObject({ equal: true, runs, differences: [], violations: [], unsettled: 0 });
  expect(exits.every((exit) => exit === 0)).toBe(true);
  expect(stderr).not.toContain('"level":"error"');
}

describe("runs survive SIGKILL of their process, and no recorded step runs again", () => {
  it("on an owned file", { timeout: 180_000 }, async () => {
    const kills = { body: 12, flush: 12, commit: 4, replay: 12, anywhere: 6 };
    const options = { runs: 200, startsEach: 60, processes: 1, kills };
    const { landed } = await survives("an owned file", options, { leaseMs: 15_000, concurrency: 12 });
    expect(Object.values(landed).reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(40);
    for (const phase of ["body", "flush", "replay"] as const) expect(landed[phase]).toBeGreaterThanOrEqual(10);
  });

  it.each(["a shared file", "a libSQL server"] as const)(
    "on %s, where leases decide",
    { timeout: 180_000 },
    async (where) => {
      const kills = { body: 3, flush: 3, commit: 1, replay: 2, anywhere: 1 };
      const options = { runs: 80, startsEach: 40, processes: 2, kills };
      const { landed } = await survives(where, options, { leaseMs: 1_000, concurrency: 16 });
      expect(landed).toEqual(kills);
    },
  );
});
