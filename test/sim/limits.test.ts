import { describe, expect, it } from "vitest";
import { limits } from "../mutants/worlds-limits.ts";

const SEEDS = 25;

describe("runs with limits, under random deaths and broken ways", () => {
  it("never are more than a limit lets in, leak no place, and all come to their end", async () => {
    for (let seed = 0; seed < SEEDS; seed++) expect(await limits(seed), `seed ${seed}`).toEqual([]);
  }, 300_000);
});
