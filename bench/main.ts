/**
 * `npm run bench -- [--json] [--quick]`: how fast the engine is, beside what the database can do at most on the same
 * machine in the same minute. Every commit is durable, also with `--quick`. Writes nothing but its result.
 */
import { rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ChainShape, Figures } from "./figures.ts";
import { medians, ratiosOf, table } from "./report.ts";
import { prepare, runRound } from "./round.ts";
import { SIZES, type SizeName } from "./sizes.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    /** So small that its figures say nothing: for the test of the bench. */
    tiny: { type: "boolean", default: false },
  },
});

const size: SizeName = options.tiny ? "tiny" : options.quick ? "quick" : "full";

// Beside the package, not in the system's folder for temporary files: that is memory on many machines.
const folder = fileURLToPath(new URL(`../data-${process.pid}`, import.meta.url));

const rounds: (Figures & { readonly chain: ChainShape })[] = [];
try {
  const prepared = join(folder, "prepared");
  await prepare(prepared, size);
  for (let round = 0; round < SIZES[size].rounds; round++) {
    rounds.push(await runRound(join(folder, String(round)), prepared, size));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const figures = medians(rounds);
const ratios = ratiosOf(rounds, SIZES[size]);
if (options.json) {
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
  };
  const eventsPerCommit = rounds.map(({ chain }) => chain.eventsPerCommit);
  process.stdout.write(`${JSON.stringify({ ...figures, ratios, machine, size, eventsPerCommit }, null, 2)}\n`);
} else process.stdout.write(table(figures, ratios, SIZES[size]));
