/**
 * `npm run sim:long -- [--seeds 1000000] [--from 0] [--kills 5000] [--only seeds,exhaustive,...]`: every lane in its long form. Seeds and
 * kills can be ended at any moment, and go on where they were: `.tmp/scripts/` has what is known of this code.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LANES, type Lane } from "./lanes.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000000" },
    from: { type: "string", default: "0" },
    kills: { type: "string", default: "5000" },
    only: { type: "string", default: Object.keys(LANES).join() },
  },
});
const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
const context = {
  seeds: Number(values.seeds),
  from: Number(values.from),
  kills: Number(values.kills),
  commit,
  folder: fileURLToPath(new URL("../../", import.meta.url)),
};

const findings: string[] = [];
for (const name of values.only.split(",")) {
  const lane: Lane | undefined = LANES[name];
  if (lane === undefined) throw new RangeError(`expected lanes of ${Object.keys(LANES)}, but found ${name}`);
  console.log(`--- ${name}`);
  const found = await lane(context);
  for (const finding of found) console.log(`FOUND ${finding}`);
  findings.push(...found);
}
console.log(`${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
