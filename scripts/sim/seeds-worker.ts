/** A process that runs the seeds it is told, and tells what they came to: one line of JSON in, one out. */
import { createInterface } from "node:readline";
import { runSeed } from "../../test/sim/seed.ts";
import { add, emptySummary } from "../../test/sim/summary.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { from, to } = JSON.parse(line) as { from: number; to: number };
  const summary = emptySummary();
  for (let seed = from; seed < to; seed++) add(summary, await runSeed(seed));
  process.stdout.write(`${JSON.stringify(summary)}\n`);
}
