/**
 * `npm run demo -- [--json] [--without-fence]`: real deliveries, real kills, and what the files say afterwards.
 *
 * `--without-fence` takes the log's fence out: then the demo must find repeated bodies, or it could not find any.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { deaf, killed } from "./acts.ts";
import { findingsOf } from "./findings.ts";
import { timelines } from "./timeline.ts";

const { values: options } = parseArgs({
  options: { json: { type: "boolean", default: false }, "without-fence": { type: "boolean", default: false } },
});
const fence = !options["without-fence"];
const folder = mkdtempSync(join(tmpdir(), "varve-demo-"));

const findings = [];
for (const play of [killed, deaf]) {
  const found = await findingsOf(await play(folder, fence));
  findings.push(found);
  if (!options.json) console.log(timelines(found));
}

const runs = findings.flatMap((found) => found.runs);
const repeats = findings.flatMap((found) => found.repeats);
const summary = {
  runs: runs.length,
  completed: runs.filter(({ status }) => status === "completed").length,
  killed: findings.reduce((sum, { act }) => sum + act.killed, 0),
  repeatedBodies: repeats.length,
  lostStarts: findings.reduce((sum, { lostStarts }) => sum + lostStarts.length, 0),
};
if (options.json) {
  const files = findings.map(({ act: { db, evidence } }) => ({ db, evidence }));
  console.log(JSON.stringify({ ...summary, fence, files }, null, 2));
} else {
  for (const { start, reason } of repeats.slice(0, 10)) {
    console.log(`repeated: ${start.key} #${start.attempt} of ${start.runId} in process ${start.pid}: ${reason}`);
  }
  console.log(`✓ completed   ✗ failed, to be tried again   ☠ its process died or lost the run   … not over`);
  console.log(
    Object.entries(summary)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
}

const isWhole = summary.completed === summary.runs && summary.lostStarts === 0 && summary.repeatedBodies === 0;
process.exitCode = isWhole === fence ? 0 : 1;
