/**
 * The long hunt: every mutant from seed 0 on.
 *
 *   node scripts/run-ts.mjs test/mutants/long.ts -- [seeds [words of names ...]]
 */
import { huntLong } from "./hunt.ts";
import { MUTANTS } from "./mutants.ts";

const [seeds = "5000", ...words] = process.argv.slice(2);
const mutants = MUTANTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const { alive } = await huntLong(mutants, { seedsMax: Number(seeds), hunters: 2, print: console.log });
if (alive.length > 0) {
  console.error(`alive: ${alive.join(", ")}`);
  process.exitCode = 1;
}
