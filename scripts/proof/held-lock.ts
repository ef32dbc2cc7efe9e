/**
 * A foreign process holds a shared file's write lock, again and again, for up to a third of the lease.
 *
 *   node scripts/run-ts.mjs scripts/proof/held-lock.ts -- [minutes] [--seed n]
 *
 * It ends with 1 if a run failed, a lease was lost, or the 99th percentile of an event loop's delays is above 100 ms.
 */
import { parseArgs } from "node:util";
import { describeHeldLock, holdLock } from "../../test/kill/held-lock.ts";

const LEASE_MS = 30_000;
const HOLD_MS = [10, LEASE_MS / 3] as const;
const DELAY_MS_MAX = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" } },
});

const totalMs = Number(positionals[0] ?? 30) * 60_000;
const seed = Number(values.seed);
const result = await holdLock({ seed, leaseMs: LEASE_MS, holdMs: HOLD_MS, pauseMs: [50, 2_000], totalMs });
console.log(describeHeldLock(result));
for (const finding of result.findings) console.log(`FOUND ${finding}`);
const isSlow = result.workers.some(({ delay }) => delay.p99 > DELAY_MS_MAX);
process.exitCode = result.findings.length > 0 || isSlow ? 1 : 0;
