/**
 * Kills worker processes by the thousand and says what was lost: nothing, or it ends with 1.
 *
 *   node scripts/run-ts.mjs scripts/proof/kills.ts -- [kills] [--seed n] [--minutes m] [--report file]
 *
 * Ended in between and started again with the same seed, it goes on with the kills that are missing.
 */
import { parseArgs } from "node:util";
import { killMany } from "../../test/kill/many.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string" },
    report: { type: "string", default: ".tmp/proof/kills.json" },
  },
});

const { totals, findings } = await killMany({
  kills: Number(positionals[0] ?? 5_000),
  seed: Number(values.seed),
  report: values.report,
  log: (line) => console.log(line),
  ...(values.minutes === undefined ? {} : { forMs: Number(values.minutes) * 60_000 }),
});
const { kills, uncounted, rounds, starts, parts, events } = totals;
console.log(
  `${kills} kills (and ${uncounted} with few runs under way) in ${rounds} rounds; ${starts} starts and ${parts} parts of writes acknowledged, ${events} events: ${findings.length} findings; see ${values.report}`,
);
process.exitCode = findings.length === 0 ? 0 : 1;
