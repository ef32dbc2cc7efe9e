/**
 * `npm run proof -- [--seeds 2000] [--kills 120] [--write]`: runs the lanes of the proof and prints what they have shown, as
 * the tables of `docs/RELIABILITY.md`; `--write` puts them there.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exhaustive, kills, mutants, type Section, seeds } from "./sections.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    kills: { type: "string", default: "120" },
    write: { type: "boolean", default: false },
  },
});

const PAGE = fileURLToPath(new URL("../../../../docs/RELIABILITY.md", import.meta.url));
const BEGIN = "<!-- figures: npm run proof -- --write -->";
const END = "<!-- end of figures -->";

/** A mutant that lives longer than that is a finding. */
const MUTANT_SEEDS_MAX = 5_000;

const sections: Section[] = [];
const parts = [
  () => seeds(Number(values.seeds)),
  exhaustive,
  () => mutants(MUTANT_SEEDS_MAX),
  () => kills(Number(values.kills)),
];
for (const section of parts) {
  const done = await section();
  sections.push(done);
  process.stdout.write(`${done.text}\n\n`);
}

const findings = sections.flatMap((section) => section.findings);
for (const finding of findings) process.stdout.write(`FOUND ${finding}\n`);
process.exitCode = findings.length === 0 ? 0 : 1;

if (values.write) {
  const page = readFileSync(PAGE, "utf8");
  const [before = "", rest = ""] = page.split(BEGIN);
  const [, after = ""] = rest.split(END);
  const text = sections.map((section) => section.text).join("\n\n");
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${text}\n\n${END}${after}`);
}
