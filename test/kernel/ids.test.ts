import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { idSource, idTime } from "../../src/kernel/ids.ts";
import { manualClock, seededRandom } from "../support/ports.ts";

const NOW = 1_763_720_000_000;
const FORM = /^run_[0-9a-hjkmnp-tv-z]{22}$/;

function sourceAt(start = NOW, seed = 1) {
  const clock = manualClock(start);
  return { clock, next: idSource("run", { clock, random: seededRandom(seed) }) };
}

describe("an id", () => {
  it("has its prefix, 22 characters and its instant", () => {
    const id = sourceAt().next();
    expect(id).toMatch(FORM);
    expect(idTime(id)).toBe(NOW);
  });

  it("sorts by its time", () => {
    const { clock, next } = sourceAt();
    const ids = Array.from({ length: 200 }, (_, i) => {
      clock.advance(i % 7);
      return next();
    });
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("is greater than the one before it also within a millisecond", () => {
    const { next } = sourceAt();
    const ids = Array.from({ length: 10_000 }, next);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => idTime(id) === NOW)).toBe(true);
  });

  it("is greater than the one before it also when the clock goes back", () => {
    const { clock, next } = sourceAt();
    const before = next();
    clock.jump(-86_400_000);
    const after = [next(), next()];
    expect([before, ...after].sort()).toEqual([before, ...after]);
    expect(idTime(after[1] as string)).toBe(NOW);
  });

  it("follows the clock again once that has caught up", () => {
    const { clock, next } = sourceAt();
    next();
    clock.jump(-1_000);
    next();
    clock.jump(5_000);
    expect(idTime(next())).toBe(NOW + 4_000);
  });

  it("counts up without running over, from the highest random part", () => {
    const next = idSource("run", {
      clock: manualClock(NOW),
      random: { float: () => 0, bytes: (count) => new Uint8Array(count).fill(255) },
    });
    const ids = Array.from({ length: 2_000 }, next);
    expect([...ids].sort()).toEqual(ids);
    expect(ids[0]).toMatch(/fzzzzzzzzzzz$/);
    expect(ids[1]).toMatch(/g00000000000$/);
  });

  it("is decided by its ports", () => {
    const [a, b, c] = [sourceAt(NOW, 7), sourceAt(NOW, 7), sourceAt(NOW, 8)];
    expect([a.next(), a.next()]).toEqual([b.next(), b.next()]);
    expect(c.next()).not.toBe(sourceAt(NOW, 7).next());
  });

  it("of a clock with parts of milliseconds has the whole ones", () => {
    const next = idSource("w", { clock: { now: () => 1_234.9 }, random: seededRandom(1) });
    expect(idTime(next())).toBe(1_234);
  });

  it("keeps any instant of the next 8,000 years", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (ms) => idTime(sourceAt(ms).next()) === ms),
      { examples: [[0], [1], [253_402_300_799_999]] },
    );
  });
});

describe("the time of what is no id", () => {
  it.each([
    "",
    "run_",
    "run_01kak3zj5z9w2m4q0c7h8",
    "01kak3zj5z9w2m4q0c7h8e",
    "RUN_01KAK3ZJ5Z9W2M4Q0C7H8E",
    "run_01kak3zj5z9w2m4q0c7h8u",
    "run_01kak3zj5z9w2m4q0c7h8ee",
    " run_01kak3zj5z9w2m4q0c7h8e",
  ])("%j is null", (text) => {
    expect(idTime(text)).toBeNull();
  });
});
