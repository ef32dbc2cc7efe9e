import { describe, expect, it } from "vitest";
import { pools } from "../mutants/worlds-pools.ts";

const SEEDS = 15;

describe("two pools of workers, under random deaths and broken ways", () => {
  it("take their own runs alone, all of which come to their end though others hold their places", async () => {
    for (let seed = 0; seed < SEEDS; seed++) expect(await pools(seed), `seed ${seed}`).toEqual([]);
  }, 300_000);
});
