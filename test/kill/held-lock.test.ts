import { expect, it } from "vitest";
import { describeHeldLock, holdLock } from "./held-lock.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

const LEASE_MS = 12_000;

/** Far below what is seen, some 50: a thread that waits for the lock has none. */
const TICKS_A_SECOND_MIN = 2;

it("a foreign process that holds a shared file's write lock for up to a third of the lease fails no run, costs no lease and stops no event loop", {
  timeout: 120_000,
}, async () => {
  const holdMs = [10, LEASE_MS / 3] as const;
  const result = await holdLock({ seed: SEED, leaseMs: LEASE_MS, holdMs, pauseMs: [50, 400], totalMs: 14_000 });
  console.log(describeHeldLock(result));
  expect(result.findings).toEqual([]);
  expect(result.holds).toBeGreaterThan(5);
  for (const { ticksWhileHeld } of result.workers) {
    expect(ticksWhileHeld).toBeGreaterThan((result.heldMs / 1_000) * TICKS_A_SECOND_MIN);
  }
});
