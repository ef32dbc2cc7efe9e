import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ShrinkChoice, shrink, type Tried } from "../../src/testing/shrink.ts";

type Case = Tried<ShrinkChoice>;

/** A world in which all of `faults` happen unless they are left out, and `fails` decides. */
function search(
  faults: readonly string[],
  workers: number,
  fails: (only: readonly string[], workers: number) => boolean,
) {
  const tried: ShrinkChoice[] = [];
  const live = (choice: ShrinkChoice): Case => {
    const happened = faults.filter((id) => choice.only?.includes(id) !== false);
    return { report: { ...choice, only: happened }, happened, fails: fails(happened, choice.workers) };
  };
  const first = { ...live({ workers, only: null }), workers };
  const shrunk = shrink(first, async (choice) => {
    tried.push(choice);
    return live(choice);
  });
  return { shrunk, tried };
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `f${i}`);

describe("a failing case", () => {
  it("is left with exactly the faults that it takes, whichever they are", async () => {
    const scene = fc
      .integer({ min: 1, max: 30 })
      .chain((count) =>
        fc.record({ count: fc.constant(count), needed: fc.subarray(names(count), { maxLength: Math.min(4, count) }) }),
      );
    await fc.assert(
      fc.asyncProperty(scene, async ({ count, needed }) => {
        const { shrunk } = search(names(count), 1, (only) => needed.every((id) => only.includes(id)));
        const { report, isMinimal } = await shrunk;
        expect([...(report.only ?? [])].sort()).toEqual([...needed].sort());
        expect(isMinimal).toBe(true);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("is left with faults of which none can be left out, if there are several ways to fail", async () => {
    const fails = (only: readonly string[]) => only.filter((id) => Number(id.slice(1)) % 2 === 0).length >= 3;
    const { report } = await search(names(20), 1, fails).shrunk;
    expect(report.only).toHaveLength(3);
    expect(fails(report.only as string[])).toBe(true);
  });

  it("is left with the fewest workers", async () => {
    for (const needed of [1, 2, 3]) {
      const { report } = await search(names(3), 4, (_, workers) => workers >= needed).shrunk;
      expect(report).toEqual({ workers: needed, only: [] });
    }
  });

  it("is left with fewer workers, once it has fewer faults", async () => {
    const { report } = await search(names(6), 2, (only, workers) => workers === 2 || only.length === 1).shrunk;
    expect(report).toEqual({ workers: 2, only: [] });
    const other = search(names(6), 2, (only, workers) => (workers === 2 ? only.includes("f3") : only.join() === "f3"));
    expect((await other.shrunk).report).toEqual({ workers: 1, only: ["f3"] });
  });

  it("is tried no more than 300 times, and then told as not minimal", async () => {
    const { shrunk, tried } = search(names(400), 1, (only) => only.length > 200);
    const { isMinimal, tries } = await shrunk;
    expect({ isMinimal, tries, tried: tried.length }).toEqual({ isMinimal: false, tries: 300, tried: 300 });
  });
});
