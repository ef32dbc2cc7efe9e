import { describe, expect, it } from "vitest";
import { describeRound, playRound, type Round, type RoundOptions } from "./round.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

/** Plays a round, prints what it did, and holds everything that must hold after it. */
async function survives(options: Omit<RoundOptions, "seed">): Promise<Round> {
  const round = await playRound({ ...options, seed: SEED });
  console.log(describeRound(round));
  expect(round.findings).toEqual([]);
  return round;
}

describe("runs survive SIGKILL of their process, and no recorded step runs again", () => {
  it("on an owned file", { timeout: 180_000 }, async () => {
    const kills = { body: 12, flush: 12, commit: 4, replay: 12, anywhere: 6 };
    const options = { runs: 200, startsEach: 60, processes: 1, kills, leaseMs: 15_000, concurrency: 12 };
    const round = await survives({ ...options, where: "an owned file" });
    expect(round.kills).toBeGreaterThanOrEqual(40);
    for (const phase of ["body", "flush", "replay"] as const) expect(round.landed[phase]).toBeGreaterThanOrEqual(10);
  });

  it.each(["a shared file", "a libSQL server"] as const)(
    "on %s, where leases decide",
    { timeout: 180_000 },
    async (where) => {
      const kills = { body: 3, flush: 3, commit: 1, replay: 2, anywhere: 1 };
      const options = { runs: 80, startsEach: 40, processes: 2, kills, leaseMs: 1_000, concurrency: 16 };
      const { landed } = await survives({ ...options, where });
      expect(landed).toEqual(kills);
    },
  );
});
