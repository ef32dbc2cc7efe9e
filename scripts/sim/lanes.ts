/** The long forms of the lanes. Each prints what it has done, and returns what must not be. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SEED } from "../../test/bad-input/lane.ts";
import { lanes as badInput } from "../../test/bad-input/lanes.ts";
import { killMany } from "../../test/kill/many.ts";
import { huntLong } from "../../test/mutants/hunt.ts";
import { MUTANTS } from "../../test/mutants/mutants.ts";
import * as exhaustive from "../../test/sim/exhaustive.ts";
import { RACE_NAMES } from "../../test/sim/races.ts";
import { SHARED_RACE_NAMES } from "../../test/sim/shared-races.ts";
import { coverage, quartiles } from "../../test/sim/summary.ts";
import { runSeeds } from "./seeds.ts";

export interface LaneContext {
  readonly seeds: number;
  /** The first of them. */
  readonly from: number;
  readonly kills: number;
  /** The code that is tried. */
  readonly commit: string;
  /** Where lanes keep what they know. */
  readonly folder: string;
}

export type Lane = (context: LaneContext) => Promise<readonly string[]>;

/** Beside this module once both are bundled. */
const SEEDS_WORKER = fileURLToPath(new URL("seeds-worker.mjs", import.meta.url));

/** Of what `npm test` gives. */
const BAD_INPUT_FACTOR = 100;

const MUTANT_SEEDS_MAX = 5_000;

const print = (line: string) => console.log(line);

async function seeds({ seeds: count, from, folder }: LaneContext): Promise<string[]> {
  const summary = await runSeeds({
    seeds: count,
    from,
    worker: SEEDS_WORKER,
    file: join(folder, `seeds-${from}.json`),
    progress: (done, { failed }) => print(`to ${done}: ${failed.length} failed ${failed.map(({ seed }) => seed)}`),
  });
  const { runs, events, crashes, virtualMs, shared, sizes } = summary;
  print(
    `${summary.seeds} seeds, ${shared} with two or more workers, ${runs} runs, ${events} events, ${crashes} crashes, ` +
      `${Math.round(virtualMs / 3_600_000)} virtual hours; commands a program ${JSON.stringify(quartiles(sizes))}; ` +
      `${(coverage(summary, 20).share * 100).toFixed(1)} % of call sites x faults hit`,
  );
  return summary.failed.map(({ seed, failures }) => `seed ${seed}: ${JSON.stringify(failures[0])}`);
}

async function everything(): Promise<string[]> {
  const lanes = {
    "a crash at every append, owned file": () => exhaustive.crashLane("long", true),
    "a crash at every append, shared log": () => exhaustive.crashLane("long", false),
    "two crashes, owned file": () => exhaustive.sampledSecondCrashLane("long", true),
    "two crashes, shared log": () => exhaustive.sampledSecondCrashLane("long", false),
    "every call fails": () => exhaustive.failingCallLane("long"),
    "the answer to a claim is lost, and then a call fails": () => exhaustive.failingDoubtLane("long"),
    "every order": () => exhaustive.ordersWithPauseLane("long"),
    ...Object.fromEntries(
      RACE_NAMES.map((name) => [`every order of ${name}`, () => exhaustive.raceLane(name, "long")]),
    ),
    ...Object.fromEntries(
      SHARED_RACE_NAMES.map((name) => [`every order of ${name}`, () => exhaustive.sharedRaceLane(name, "long", true)]),
    ),
  };
  const findings: string[] = [];
  for (const [name, lane] of Object.entries(lanes)) {
    const { failures, ...counts } = await lane();
    print(`${name}: ${JSON.stringify(counts)}`);
    findings.push(...failures.map((failure) => `${name}: ${failure}`));
  }
  return findings;
}

async function input(): Promise<string[]> {
  const findings: string[] = [];
  for (const [name, properties] of Object.entries(badInput(BAD_INPUT_FACTOR))) {
    for (const { title, runs, holds } of properties) {
      print(`${name}: ${title}: ${runs} inputs`);
      await holds({ seed: SEED, numRuns: runs }).catch((error: unknown) => findings.push(`${title}: ${error}`));
    }
  }
  return findings;
}

async function mutants(): Promise<string[]> {
  const { alive } = await huntLong(MUTANTS, { seedsMax: MUTANT_SEEDS_MAX, hunters: 2, print });
  return alive.map((name) => `the mutant ${name} is alive`);
}

async function kills({ kills: count, commit, folder }: LaneContext): Promise<readonly string[]> {
  const report = join(folder, `kills-${commit}.json`);
  const { findings } = await killMany({ kills: count, seed: 1, report, log: print });
  return findings;
}

export const LANES: Readonly<Record<string, Lane>> = {
  seeds,
  exhaustive: everything,
  "bad-input": input,
  mutants,
  kills,
};
