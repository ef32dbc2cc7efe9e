import { cpus } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { edited, hunt, lineOf, seedsFrom } from "./hunt.ts";
import { MUTANTS } from "./mutants.ts";

/** The seed that is known to kill comes first; a change of the engine or of its worlds can move it. */
const SEEDS_MAX = 100;

const MS_MAX = 60_000;

/** Every sixth one: the long lane and the proof hunt them all. */
const SHORT = MUTANTS.filter((_, index) => index % 6 === 0);

describe("an engine with one guard taken out", () => {
  const table: string[] = [];
  afterAll(() => console.log(table.sort().join("\n")));

  test.concurrent.each(SHORT)("is found out: $name", { timeout: 2 * MS_MAX }, async (mutant) => {
    const { world, edits, predicate, seed } = mutant;
    const seeds = seedsFrom(seed, SEEDS_MAX);
    const found = await inTurn(() => hunt({ world, edits, seeds, predicate, msMax: MS_MAX }));
    table.push(lineOf(mutant, found));
    expect(found).toMatchObject({ kind: "killed", predicate });
  });

  test("has its guards where the list says, each under a name of its own", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const { edits } of MUTANTS) for (const { file } of edits) expect(() => edited(file, edits)).not.toThrow();
  });
});

describe("the engine with all its guards", () => {
  const worlds = [...new Set(SHORT.map(({ world }) => world))];

  test.concurrent.each(worlds)("breaks no promise in the world %s", { timeout: 2 * MS_MAX }, async (world) => {
    const seeds = new Set(SHORT.filter((mutant) => mutant.world === world).map(({ seed }) => seed));
    const found = await inTurn(() => hunt({ world, edits: [], seeds: [...seeds], msMax: MS_MAX }));
    expect(found).toEqual({ kind: "alive", seeds: seeds.size, crashes: 0 });
  });
});

/** As many hunts at a time as there are processors: each is a process of its own. */
let free = cpus().length;
const waiting: (() => void)[] = [];

async function inTurn<T>(task: () => Promise<T>): Promise<T> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await task();
  } finally {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }
}
