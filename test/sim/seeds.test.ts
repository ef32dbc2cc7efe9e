import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runSeeds } from "../../scripts/sim/seeds.ts";
import { OF_OWN_WORLDS, PREDICATES, type PredicateName } from "../../src/testing/predicates.ts";
import { bundleForNode, ROOT } from "../runtimes/bundle.ts";
import { runSeed } from "./seed.ts";
import { coverage, emptySummary, quartiles, type Summary } from "./summary.ts";

const SEEDS = 2_000;

/** Others that have found something: docs/RELIABILITY.md says what. */
const FOUND = [
  3_839, 6_625, 6_818, 7_267, 9_153, 16_452, 16_511, 17_470, 32_017, 41_953, 56_040, 68_195, 71_314, 75_704, 76_141,
  79_933, 123_317, 125_105, 133_876, 140_092, 170_915, 211_316, 217_436, 219_305, 226_022, 246_703, 256_714, 273_828,
  288_914, 305_314, 324_345, 333_443, 407_670, 529_454, 709_239, 724_518, 853_997, 854_139,
];

/** In the package's folder, so that the bundle finds what it imports. */
const CACHE = join(ROOT, "node_modules/.cache");

describe(`${SEEDS} seeds of random programs, faults and processes`, () => {
  let summary: Summary = emptySummary();

  beforeAll(async () => {
    // In processes of their own: there are several cores, and a bundle is twice as fast as modules that are transformed.
    mkdirSync(CACHE, { recursive: true });
    const folder = mkdtempSync(join(CACHE, "varve-seeds-"));
    const worker = join(folder, "seeds-worker.mjs");
    writeFileSync(worker, (await bundleForNode("scripts/sim/seeds-worker.ts")).code);
    const file = join(folder, "state.json");
    try {
      summary = await runSeeds({ seeds: SEEDS, worker, file, progress: () => {} });
    } finally {
      rmSync(folder, { recursive: true });
    }
    const { seeds, shared, runs, crashes, cancels, poisoned, events, tasks, virtualMs, sizes } = summary;
    const hours = Math.round(virtualMs / 3_600_000);
    process.stdout.write(
      `${seeds} seeds, ${shared} with two or more workers; ${runs} runs, ${events} events, ${tasks} tasks, ${hours} virtual hours; ` +
        `${crashes} crashes, ${cancels} cancels, ${poisoned} runs parked as poison; commands a program ${JSON.stringify(quartiles(sizes))}\n`,
    );
  }, 300_000);

  it("break no promise", () => {
    expect(summary.failed).toEqual([]);
  });

  it("look at every promise", () => {
    const unseen = (Object.keys(PREDICATES) as PredicateName[]).filter(
      (name) => summary.looks[name] === 0 && !OF_OWN_WORLDS.includes(name),
    );
    expect(unseen).toEqual([]);
  });

  it("are as hard as they are said to be", () => {
    expect(quartiles(summary.sizes).p50).toBeGreaterThanOrEqual(12);
    expect(summary.shared).toBeGreaterThanOrEqual(SEEDS / 2);
    expect(summary.poisoned).toBeLessThan(summary.runs / 20);
  });

  it("meet every kind of fault at every call of the log", () => {
    const { share, missed } = coverage(summary, 20);
    process.stdout.write(
      `${(share * 100).toFixed(1)} % of call sites x kinds hit 20 times or more; missed: ${missed}\n`,
    );
    expect(share).toBeGreaterThanOrEqual(0.95);
  });
});

describe("a seed", () => {
  it.each(FOUND)("that has found something breaks no promise: %i", async (seed) => {
    expect((await runSeed(seed)).failures).toEqual([]);
  });

  it("gives the same trace twice", async () => {
    for (let seed = 0; seed < 50; seed++) expect((await runSeed(seed)).hash).toBe((await runSeed(seed)).hash);
  }, 120_000);
});
