/** A process that runs the seeds it is told, and tells what they came to: one line of JSON in, one out. */
import { createInterface } from "node:readline";
import { runSeed } from "../../test/sim/seed.ts";
import { add, emptySummary } from "../../test/sim/summary.ts";

/** What nobody has handled: it would have ended the process of an engine. */
let unhandled: unknown[] = [];
process.on("unhandledRejection", (error) => unhandled.push(error));
process.on("uncaughtException", (error) => unhandled.push(error));

for await (const line of createInterface({ input: process.stdin })) {
  const { from, to } = JSON.parse(line) as { from: number; to: number };
  const summary = emptySummary();
  for (let seed = from; seed < to; seed++) {
    unhandled = [];
    add(summary, await runSeed(seed));
    const failures = unhandled.map((error) => ({ predicate: "process-stays-up", what: String(error) }));
    if (failures.length > 0) summary.failed.push({ seed, failures });
  }
  process.stdout.write(`${JSON.stringify(summary)}\n`);
}
