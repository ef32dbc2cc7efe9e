/** Takes guards out of the engine as it is loaded, and looks for a seed in which a checker's predicate fails for it. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import type { PredicateName } from "../../src/testing/predicates.ts";
import type { Edit, Mutant } from "./mutants.ts";
import type { WorldName } from "./worlds.ts";

export type Hunted =
  | { readonly kind: "killed"; readonly seed: number; readonly predicate: PredicateName; readonly what: string }
  /** `crashes`: seeds in which the mutant threw, or went on for too long. That is no kill. */
  | { readonly kind: "alive"; readonly seeds: number; readonly crashes: number };

export interface HuntOptions {
  readonly world: WorldName;
  readonly edits: readonly Edit[];
  readonly seeds: readonly number[];
  /** The only predicate that counts. @default any */
  readonly predicate?: PredicateName;
  readonly msMax: number;
}

/** Where npm runs tests and scripts. This file itself may be a bundle somewhere else. */
const ROOT = process.cwd();

const OUTDIR = join(ROOT, ".tmp/mutants");

let bundles = 0;

/**
 * Runs seeds until one kills the mutant.
 *
 * @throws if an edit does not fit the source, or if the hunt takes longer than `msMax`
 */
export async function hunt({ world, edits, seeds, predicate, msMax }: HuntOptions): Promise<Hunted> {
  mkdirSync(OUTDIR, { recursive: true });
  const outfile = join(OUTDIR, `${process.pid}-${bundles++}.mjs`);
  await build({
    absWorkingDir: ROOT,
    entryPoints: ["./test/mutants/hunt-main.ts"],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    logLevel: "silent",
    plugins: [mutating(edits)],
  });
  const args = [outfile, world, JSON.stringify(seeds), ...(predicate === undefined ? [] : [predicate])];
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { timeout: msMax, killSignal: "SIGKILL" }, (error, out) => {
      if (error === null) resolve(out);
      else reject(error);
    });
  }).finally(() => rmSync(outfile));
  return JSON.parse(stdout) as Hunted;
}

export function seedsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** The source of `file` with the edits that belong to it. */
export function edited(file: string, edits: readonly Edit[]): string {
  let source = readFileSync(join(ROOT, file), "utf8");
  for (const { text, by } of edits.filter((edit) => edit.file === file)) {
    const found = source.split(text).length - 1;
    if (found !== 1)
      throw new Error(`expected the text of a guard once in ${file}, but found it ${found} times: ${text}`);
    source = source.replace(text, () => by);
  }
  return source;
}

function mutating(edits: readonly Edit[]): Plugin {
  const files = new Set(edits.map(({ file }) => file));
  return {
    name: "mutating",
    setup: ({ onLoad }) => {
      for (const file of files) {
        const path = join(ROOT, file);
        onLoad({ filter: new RegExp(`${file.replaceAll(".", "\\.")}$`) }, (args) =>
          args.path === path ? { contents: edited(file, edits), loader: "ts" } : null,
        );
      }
    },
  };
}

// ---- The long hunt ----

export interface LongHuntOptions {
  readonly seedsMax?: number;
  readonly minutesMax?: number;
  /** How many processes hunt at a time. @default 1 */
  readonly hunters?: number;
  readonly print: (line: string) => void;
}

/** A mutant that was found out. */
export interface Kill {
  readonly mutant: Mutant;
  readonly predicate: PredicateName;
  /** How many seeds it took. */
  readonly seeds: number;
}

export interface LongHunt {
  /** In the order of the list. */
  readonly kills: readonly Kill[];
  readonly alive: readonly string[];
  /** Of the killed: how many seeds it took. */
  readonly median: number;
}

/** Hunts each mutant from seed 0 on until any predicate kills it, and prints the table. */
export async function huntLong(mutants: readonly Mutant[], options: LongHuntOptions): Promise<LongHunt> {
  const { seedsMax = 5_000, minutesMax = 15, hunters = 1, print } = options;
  const left = [...mutants];
  const kills: Kill[] = [];
  const alive: string[] = [];
  const hunter = async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const { name, world, edits } = mutant;
      const found = await hunt({ world, edits, seeds: seedsFrom(0, seedsMax), msMax: minutesMax * 60_000 }).catch(
        String,
      );
      if (typeof found === "string" || found.kind === "alive") alive.push(name);
      else kills.push({ mutant, predicate: found.predicate, seeds: found.seed + 1 });
      print(lineOf(mutant, found));
    }
  };
  await Promise.all(Array.from({ length: hunters }, hunter));
  kills.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant));
  const counts = kills.map(({ seeds }) => seeds).sort((a, b) => a - b);
  const median = counts[Math.floor((counts.length - 1) / 2)] ?? Number.NaN;
  print(`${kills.length} of ${mutants.length} killed; seeds to kill: median ${median}, most ${counts.at(-1)}`);
  return { kills, alive, median };
}

/** A line of the kill table. */
export function lineOf({ name, world }: Mutant, found: Hunted | string): string {
  const mutant = `${name.padEnd(32)} ${world.padEnd(22)}`;
  if (typeof found === "string") return `${mutant} ${found.slice(0, 100)}`;
  if (found.kind === "killed") return `${mutant} ${found.predicate.padEnd(26)} ${String(found.seed + 1).padStart(5)}`;
  return `${mutant} ALIVE after ${found.seeds} seeds, ${found.crashes} of them crashed`;
}
