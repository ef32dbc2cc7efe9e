/**
 * `npm run sim:long -- [--seeds 1000000]`: as many seeds as there is time for. It can be ended at any moment, and goes on
 * where it was. What it knows is in `.tmp/scripts/<commit>.json`.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { coverage, quartiles, type Summary } from "../../test/sim/summary.ts";
import { runSeeds } from "./seeds.ts";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "1000000" } } });
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
const file = fileURLToPath(new URL(`../../${commit}.json`, import.meta.url));

/** Beside this module once both are bundled. */
const worker = fileURLToPath(new URL("seeds-worker.mjs", import.meta.url));

const summary = await runSeeds({
  seeds: Number(values.seeds),
  worker,
  commit,
  file,
  progress: (done, { failed }) => {
    console.log(`${done} seeds, ${failed.length} failed`);
  },
});
console.log(text(summary));
for (const { seed, failures } of summary.failed) console.log(`seed ${seed}: ${JSON.stringify(failures[0])}`);
process.exitCode = summary.failed.length === 0 ? 0 : 1;

function text({ seeds, shared, runs, events, virtualMs, crashes, sizes, ...rest }: Summary): string {
  const { share } = coverage({ seeds, shared, runs, events, virtualMs, crashes, sizes, ...rest }, 20);
  const hours = Math.round(virtualMs / 3_600_000);
  return (
    `${seeds} seeds, ${shared} with two or more workers, ${runs} runs, ${events} events, ${crashes} crashes, ${hours} virtual hours; ` +
    `commands a program ${JSON.stringify(quartiles(sizes))}; ${(share * 100).toFixed(1)} % of call sites x faults hit`
  );
}
