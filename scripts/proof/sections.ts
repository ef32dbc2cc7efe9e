/** What each part of the proof has shown, as Markdown. */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FAULT_KINDS } from "../../src/testing/faults.ts";
import { OF_OWN_WORLDS, PREDICATES, type PredicateName } from "../../src/testing/predicates.ts";
import { killMany } from "../../test/kill/many.ts";
import { huntLong } from "../../test/mutants/hunt.ts";
import { MUTANTS } from "../../test/mutants/mutants.ts";
import type { CrashReport } from "../../test/sim/crashes.ts";
import * as lanes from "../../test/sim/exhaustive.ts";
import { RACE_NAMES } from "../../test/sim/races.ts";
import { ADMINISTRATION, coverage, OF_OTHER_WORLDS, quartiles, TRIED_SITES } from "../../test/sim/summary.ts";
import { runSeeds } from "../sim/seeds.ts";

export interface Section {
  readonly text: string;
  /** What must not be. */
  readonly findings: readonly string[];
}

/** Beside this module once both are bundled. */
const SEEDS_WORKER = fileURLToPath(new URL("seeds-worker.mjs", import.meta.url));

const number = (value: number) => value.toLocaleString("en");

/** Random programs, and how often each promise was looked at and each fault happened. */
export async function seeds(count: number): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "varve-proof-"));
  const options = { seeds: count, worker: SEEDS_WORKER, file: join(folder, "seeds.json") };
  const startedAt = performance.now();
  const summary = await runSeeds({ ...options, progress: () => {} });
  rmSync(folder, { recursive: true });
  const seconds = (performance.now() - startedAt) / 1_000;
  const { p25, p50, p75, max } = quartiles(summary.sizes);
  const { share, missed } = coverage(summary, 20);
  const text = [
    `### Random programs: seeds 0 to ${number(count - 1)}`,
    table(
      ["", ""],
      [
        ["seeds, of them with two or more workers", `${number(summary.seeds)}, ${number(summary.shared)}`],
        ["broken promises", number(summary.failed.length)],
        ["runs, events", `${number(summary.runs)}, ${number(summary.events)}`],
        ["commands a program: quartiles, most", `${p25}, ${p50}, ${p75}, ${max}`],
        ["crashes beside those of the fault table, cancels", `${number(summary.crashes)}, ${number(summary.cancels)}`],
        ["runs parked as poison", number(summary.poisoned)],
        ["virtual hours, real seconds", `${number(Math.round(summary.virtualMs / 3_600_000))}, ${Math.round(seconds)}`],
      ],
    ),
    `Call sites by kinds of fault: ${(share * 100).toFixed(1)} % hit 20 times or more${missed.length === 0 ? "" : ` (less: ${missed.join(", ")})`}. ` +
      `Left out, because only people ask for them: ${ADMINISTRATION.join(", ")}; and because too few of these programs go by ` +
      `them, and worlds of their own try them: ${OF_OTHER_WORLDS.join(", ")}.`,
    table(
      ["call", ...FAULT_KINDS],
      TRIED_SITES.map((site) => [site, ...FAULT_KINDS.map((kind) => number(summary.hits[site][kind]))]),
    ),
    "Promises, and how often each was looked at:",
    table(
      ["promise", "what it says", "looks"],
      (Object.entries(PREDICATES) as [PredicateName, string][]).map(([name, rule]) => [
        `\`${name}\``,
        rule,
        number(summary.looks[name]),
      ]),
    ),
    `With 0 looks here, because they have worlds of their own: ${OF_OWN_WORLDS.map((name) => `\`${name}\``).join(", ")}.`,
  ].join("\n\n");
  const unseen = (Object.keys(PREDICATES) as PredicateName[]).filter(
    (name) => summary.looks[name] === 0 && !OF_OWN_WORLDS.includes(name),
  );
  const findings = [
    ...summary.failed.map(({ seed, failures }) => `seed ${seed}: ${failures[0]?.predicate}: ${failures[0]?.what}`),
    ...unseen.map((name) => `nobody looked at ${name}`),
  ];
  return { text, findings };
}

/** Every point at which something can go wrong, one after the other. */
export async function exhaustive(): Promise<Section> {
  const rows: string[][] = [];
  const findings: string[] = [];
  const crash = (name: string, { subjects, appends, resumes, failures }: CrashReport) => {
    rows.push([
      name,
      `${subjects} workflows, ${number(appends)} appends, ${number(resumes)} resumes`,
      number(failures.length),
    ]);
    findings.push(...failures);
  };
  crash("a crash at every append, owned file", await lanes.crashLane("short", true));
  crash("a crash at every append, shared log", await lanes.crashLane("short", false));
  crash("a second crash in each recovery, owned file", await lanes.secondCrashLane(true));
  crash("a second crash in each recovery, shared log", await lanes.secondCrashLane(false));
  const calls = await lanes.failingCallLane("short");
  rows.push([
    "every call fails in turn, in seven ways",
    `${calls.subjects} workflows, ${number(calls.calls)} calls of ${calls.sites.length} sites, ${number(calls.runs)} runs`,
    number(calls.failures.length),
  ]);
  for (const [name, lane] of [
    ["every order of two workers and a run of three steps", lanes.ordersLane],
    ["the same with one worker that stands still once", () => lanes.ordersWithPauseLane("short")],
    ...RACE_NAMES.map((name) => [`every order of ${name}`, () => lanes.raceLane(name, "short")] as const),
  ] as const) {
    const report = await lane();
    const whole = report.isExhaustive ? "" : ", not all";
    rows.push([
      name,
      `${number(report.states)} states, ${number(report.ended)} orders${whole}`,
      number(report.failures.length),
    ]);
    findings.push(...report.failures, ...(report.isExhaustive ? [] : [`${name}: orders were left out`]));
  }
  findings.push(...calls.failures);
  return {
    text: `### Everything, one after the other\n\n${table(["lane", "what was run", "broken"], rows)}`,
    findings,
  };
}

/** The engine with one guard taken out, and what finds it out. */
export async function mutants(seedsMax: number): Promise<Section> {
  const { kills, alive, median } = await huntLong(MUTANTS, {
    seedsMax,
    hunters: availableParallelism(),
    print: () => {},
  });
  const rows = kills.map(({ mutant, predicate, seeds }) => [mutant.guard, `\`${predicate}\``, number(seeds)]);
  const text = [
    "### Guards taken out",
    `${kills.length} of ${MUTANTS.length} are found out within ${number(seedsMax)} seeds; median ${number(median)}.`,
    table(["without this", "this is broken", "seeds"], rows),
  ].join("\n\n");
  return { text, findings: alive.map((name) => `the mutant ${name} is alive`) };
}

/** Real processes, killed for good. */
export async function kills(count: number): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "varve-proof-"));
  const report = join(folder, "kills.json");
  const { byPlace, findings } = await killMany({ kills: count, seed: 1, report, log: () => {} });
  rmSync(folder, { recursive: true });
  const rows = Object.entries(byPlace).map(([place, totals]) => [
    place,
    ...[totals.kills, totals.starts, totals.bodies, totals.events].map(number),
  ]);
  const text = `### SIGKILL of real processes\n\n${table(["on", "kills", "runs", "bodies", "events"], rows)}\n\nLost or doubled: ${findings.length}.`;
  return { text, findings };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
