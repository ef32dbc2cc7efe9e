/** Prints the trace hash of each seed from the first to the last argument: for runtimes to be compared. */
import { runSeed } from "./seed.ts";

async function hashes(from: number, to: number): Promise<string[]> {
  const found: string[] = [];
  for (let seed = from; seed < to; seed++) found.push((await runSeed(seed)).hash);
  return found;
}

const [from, to] = process.argv.slice(2).map(Number) as [number, number];
process.stdout.write(`${(await hashes(from, to)).join("\n")}\n`);
