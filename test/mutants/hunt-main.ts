/** Hunts in one process of its own: a mutant may go round for ever, or leave rejections behind. */

import type { Hunted } from "./hunt.ts";
import { WORLDS, type WorldName } from "./worlds.ts";

const [world, list, wanted] = process.argv.slice(2) as [WorldName, string, string | undefined];
const seeds = JSON.parse(list) as number[];

// What a mutant throws where nobody waits for it is no kill: a checker must find what it did.
let crashes = 0;
process.on("unhandledRejection", () => crashes++);
process.on("uncaughtException", () => crashes++);

async function hunt(): Promise<Hunted> {
  for (const seed of seeds) {
    try {
      const [failure] = await WORLDS[world](seed);
      if (failure !== undefined && (wanted === undefined || failure.predicate === wanted))
        return { kind: "killed", seed, predicate: failure.predicate, what: failure.what };
    } catch {
      crashes++;
    }
  }
  return { kind: "alive", seeds: seeds.length, crashes };
}

const hunted = await hunt();
process.stdout.write(`${JSON.stringify(hunted)}\n`, () => process.exit());
