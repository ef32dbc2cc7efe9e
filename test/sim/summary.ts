/** What many seeds have shown, added up. */
import { FAULT_KINDS, type FaultKind } from "../../src/testing/faults.ts";
import { PREDICATES, type PredicateName } from "../../src/testing/predicates.ts";
import { SITES, type Site } from "../../src/testing/store.ts";
import type { SeedReport } from "./seed.ts";

interface Failure {
  readonly predicate: string;
  readonly what: string;
}

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
  /** How many programs have so many commands, by that number. */
  readonly sizes: number[];
  readonly looks: Record<PredicateName, number>;
  /** By call site and kind. */
  readonly hits: Record<Site, Record<FaultKind, number>>;
  readonly failed: { readonly seed: number; readonly failures: readonly Failure[] }[];
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
  for (const size of report.sizes) summary.sizes[size] = (summary.sizes[size] ?? 0) + 1;
  for (const [name, count] of Object.entries(report.looks)) summary.looks[name as PredicateName] += count;
  for (const { id, kind } of report.faults) summary.hits[id.split("/")[1] as Site][kind]++;
  if (report.failures.length > 0) summary.failed.push({ seed: report.seed, failures: report.failures });
}

/** Adds what other seeds have shown. */
export function merge(summary: Summary, other: Summary): void {
  for (const name of [
    "seeds",
    "shared",
    "crashes",
    "cancels",
    "poisoned",
    "runs",
    "events",
    "tasks",
    "virtualMs",
  ] as const)
    summary[name] += other[name];
  other.sizes.forEach((count, size) => {
    summary.sizes[size] = (summary.sizes[size] ?? 0) + count;
  });
  for (const name of Object.keys(other.looks) as PredicateName[]) summary.looks[name] += other.looks[name];
  for (const site of SITES) for (const kind of FAULT_KINDS) summary.hits[site][kind] += other.hits[site][kind];
  summary.failed.push(...other.failed);
}

/** Call sites that people ask for, and no run goes by. */
export const ADMINISTRATION: readonly Site[] = [
  "listWorkers",
  "listLoggedRuns",
  "readLog",
  "getDelivery",
  "lastReplay",
  "pruneDeliveries",
  "listDeliveries",
  "putApiKey",
  "listApiKeys",
  "reopen",
  "listKeyed",
  "listLocks",
  "readOutlook",
  "listEndpoints",
  "listNotices",
  "createSchedule",
  "listSchedules",
  "changeSchedule",
  "deleteSchedule",
  "listFirings",
  "getFiring",
  "countPlaces",
  "getLine",
  "getMessage",
  "listDispatches",
  "listLines",
  "listMessages",
  "listPlaces",
  "setLine",
  "runWindow",
  "strays",
];

/** Call sites by which too few of these programs go, or none: they are tried in worlds of their own. */
export const OF_OTHER_WORLDS: readonly Site[] = [
  "passOver",
  "holdEndpoint",
  "releaseEndpoint",
  "planNotices",
  "pendingNotices",
  "settleNotices",
  "retryNotices",
  "enableEndpoint",
  "publishMessage",
  "dispatchMessage",
  "listWaits",
  "requestWait",
  "openWait",
  "giveMessage",
  "expireWait",
  "lookBack",
  "publishEnds",
  "readCreated",
  "readGathered",
  "fireGathering",
  "sweepMessages",
];

/** Call sites by which every fault is to come. */
export const TRIED_SITES: readonly Site[] = SITES.filter(
  (site) => !ADMINISTRATION.includes(site) && !OF_OTHER_WORLDS.includes(site),
);

/** The share of (call site, kind of fault) that was hit at least `least` times, and those that were not. */
export function coverage({ hits }: Summary, least: number): { share: number; missed: string[] } {
  const cells = TRIED_SITES.flatMap((site) => FAULT_KINDS.map((kind) => ({ site, kind, count: hits[site][kind] })));
  const missed = cells.filter(({ count }) => count < least);
  return {
    share: 1 - missed.length / cells.length,
    missed: missed.map(({ site, kind, count }) => `${site} x ${kind}: ${count}`),
  };
}

/** The quartiles of what is counted by value. */
export function quartiles(counts: readonly number[]): { p25: number; p50: number; p75: number; max: number } {
  const total = counts.reduce((sum, count) => sum + (count ?? 0), 0);
  const at = (share: number) => {
    let left = share * total;
    return counts.findIndex((count) => {
      left -= count ?? 0;
      return left < 0;
    });
  };
  return { p25: at(0.25), p50: at(0.5), p75: at(0.75), max: counts.length - 1 };
}
