/** What many seeds have shown, added up. */
import { FAULT_KINDS, type FaultKind } from "../../src/testing/faults.ts";
import { PREDICATES, type PredicateName } from "../../src/testing/predicates.ts";
import { SITES, type Site } from "../../src/testing/store.ts";
import type { SeedReport } from "./seed.ts";

export interface Summary {
  seeds: number;
  /** Seeds with two or more workers. */
  shared: number;
  crashes: number;
  cancels: number;
  poisoned: number;
  runs: number;
  events: number;
  tasks: number;
  virtualMs: number;
  readonly sizes: number[];
  readonly looks: Record<PredicateName, number>;
  /** By call site and kind. */
  readonly hits: Record<Site, Record<FaultKind, number>>;
  readonly failed: { readonly seed: number; readonly failures: SeedReport["failures"] }[];
}

export function emptySummary(): Summary {
  const zeros = <K extends string>(names: readonly K[]) =>
    Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
  return {
    ...{ seeds: 0, shared: 0, crashes: 0, cancels: 0, poisoned: 0, runs: 0, events: 0, tasks: 0, virtualMs: 0 },
    sizes: [],
    looks: zeros(Object.keys(PREDICATES) as PredicateName[]),
    hits: Object.fromEntries(SITES.map((site) => [site, zeros(FAULT_KINDS)])) as Summary["hits"],
    failed: [],
  };
}

export function add(summary: Summary, report: SeedReport): void {
  summary.seeds++;
  if (report.workers > 1) summary.shared++;
  summary.crashes += report.crashes;
  summary.cancels += report.cancels;
  summary.poisoned += report.poisoned;
  summary.runs += report.sizes.length;
  summary.events += report.events;
  summary.tasks += report.tasks;
  summary.virtualMs += report.lasted;
  summary.sizes.push(...report.sizes);
  for (const [name, count] of Object.entries(report.looks)) summary.looks[name as PredicateName] += count;
  for (const { id, kind } of report.faults) summary.hits[id.split("/")[1] as Site][kind]++;
  if (report.failures.length > 0) summary.failed.push({ seed: report.seed, failures: report.failures });
}

/** Call sites that are no part of the way of a run: people ask them. */
export const ADMINISTRATION: readonly Site[] = [
  "listWorkers",
  "listLoggedRuns",
  "readLog",
  "getDelivery",
  "listDeliveries",
  "putApiKey",
  "listApiKeys",
];

/** The share of (call site, kind of fault) that was hit at least `least` times, and those that were not. */
export function coverage({ hits }: Summary, least: number): { share: number; missed: string[] } {
  const sites = SITES.filter((site) => !ADMINISTRATION.includes(site));
  const cells = sites.flatMap((site) => FAULT_KINDS.map((kind) => ({ site, kind, count: hits[site][kind] })));
  const missed = cells.filter(({ count }) => count < least);
  return {
    share: 1 - missed.length / cells.length,
    missed: missed.map(({ site, kind, count }) => `${site} x ${kind}: ${count}`),
  };
}

/** The quartiles of a list. */
export function quartiles(values: readonly number[]): { p25: number; p50: number; p75: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p25: at(0.25), p50: at(0.5), p75: at(0.75), max: at(1) };
}
