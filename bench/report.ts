/** What the figures come to: ratios against the targets, and a table of both. */
import type { Figures } from "./figures.ts";
import type { Sizes } from "./sizes.ts";
import { median, middle } from "./stats.ts";

/** A ratio that has a target, in the terms of the run's own raw ceiling. */
interface Target {
  readonly name: string;
  readonly of: (figures: Figures, sizes: Sizes) => number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The machine for which the target of W7 is stated. */
const MEMOISED = { steps: 25_000, ms: 60 } as const;

const TARGETS: Readonly<Record<string, Target>> = {
  w1OfRaw: {
    name: "2 x steps/s against raw rows/s",
    of: ({ raw, w1 }) => (2 * w1.stepsPerSecond) / raw.rowsPerSecond,
    atLeast: 0.5,
  },
  w2InCommits: { name: "p50 in raw commits of one row", of: ({ raw, w2 }) => w2.p50Ms / raw.commitMs, atMost: 4 },
  w3OfW1: {
    name: "against as many steps in W1",
    of: ({ w1, w3 }, { fanOut }) => w3.ms / ((fanOut.steps / w1.stepsPerSecond) * 1_000),
    atMost: 3,
  },
  w4LastOfFirst: { name: "last window against the first", of: ({ w4 }) => w4.lastMs / w4.firstMs, atMost: 1.2 },
  w5ResumeMs: { name: "resume, ms", of: ({ w5 }) => w5.resumeMs, atMost: 300 },
  w5RepeatedBodies: { name: "repeated bodies", of: ({ w5 }) => w5.repeatedBodies, atMost: 0 },
  w6RssMb: { name: "memory, MB", of: ({ w6 }) => w6.rssMb, atMost: 100 },
  w6CpuPercent: { name: "CPU, % of a core", of: ({ w6 }) => w6.cpuPercent, atMost: 2 },
  w7ScopedOfPlain: { name: "scopes against as many plain steps", of: ({ w7 }) => w7.scopedMs / w7.plainMs, atMost: 2 },
  w7UsPerEvent: {
    name: `us an event where ${round(MEMOISED.steps)} memoised steps take ${MEMOISED.ms} ms`,
    of: ({ w7 }, { replay }) => {
      const memoisedMs = (w7.memoisedMs / replay.memoisedSteps) * MEMOISED.steps;
      return Math.max(...w7.usPerEvent) * (MEMOISED.ms / memoisedMs);
    },
    atMost: 15,
  },
  w8RssMb: { name: "memory, MB", of: ({ w8 }) => w8.rssMb, atMost: 150 },
  w8WakeLagMs: { name: "the latest wake of a run, ms", of: ({ w8 }) => w8.wakeLagMsMax, atMost: 1_000 },
  w9LimitedOfPlain: {
    name: "throughput with limits against without",
    of: ({ w9 }) => w9.limitedPerSecond / w9.plainPerSecond,
    atLeast: 0.7,
  },
  mapManyOfFew: { name: "an item of many against one of few", of: ({ map }) => map.manyMs / map.fewMs, atMost: 1.3 },
};

export type Ratios = Readonly<Record<keyof typeof TARGETS, number>>;

/** The median of each figure over the rounds; W1 and its ceiling are of one round; of repeated bodies all. */
export function medians(rounds: readonly Figures[]): Figures {
  const of = (figure: (round: Figures) => number) => median(rounds.map(figure));
  const { raw, w1 } = middle(rounds, (round) => round.w1.stepsPerSecond / round.raw.rowsPerSecond);
  return {
    raw: { rowsPerSecond: raw.rowsPerSecond, commitMs: of(({ raw }) => raw.commitMs) },
    w1: {
      stepsPerSecond: w1.stepsPerSecond,
      eventsPerStep: of(({ w1 }) => w1.eventsPerStep),
      p50Ms: of(({ w1 }) => w1.p50Ms),
      p99Ms: of(({ w1 }) => w1.p99Ms),
    },
    w2: { p50Ms: of(({ w2 }) => w2.p50Ms), p99Ms: of(({ w2 }) => w2.p99Ms) },
    w3: { ms: of(({ w3 }) => w3.ms) },
    w4: { firstMs: of(({ w4 }) => w4.firstMs), lastMs: of(({ w4 }) => w4.lastMs) },
    w5: {
      resumeMs: of(({ w5 }) => w5.resumeMs),
      repeatedBodies: rounds.reduce((sum, { w5 }) => sum + w5.repeatedBodies, 0),
    },
    w6: {
      rssMb: of(({ w6 }) => w6.rssMb),
      cpuPercent: of(({ w6 }) => w6.cpuPercent),
      wakeLagMs: of(({ w6 }) => w6.wakeLagMs),
    },
    w7: {
      emptyMs: of(({ w7 }) => w7.emptyMs),
      plainMs: of(({ w7 }) => w7.plainMs),
      scopedMs: of(({ w7 }) => w7.scopedMs),
      usPerEvent: (rounds[0]?.w7.usPerEvent ?? []).map((_, length) => of(({ w7 }) => w7.usPerEvent[length] as number)),
      memoisedMs: of(({ w7 }) => w7.memoisedMs),
    },
    w8: {
      diskMb: of(({ w8 }) => w8.diskMb),
      openMs: of(({ w8 }) => w8.openMs),
      rssMb: of(({ w8 }) => w8.rssMb),
      cpuPercent: of(({ w8 }) => w8.cpuPercent),
      wakeLagMs: of(({ w8 }) => w8.wakeLagMs),
      wakeLagMsMax: of(({ w8 }) => w8.wakeLagMsMax),
      burstMs: of(({ w8 }) => w8.burstMs),
    },
    w9: middle(
      rounds.map(({ w9 }) => w9),
      (w9) => w9.limitedPerSecond / w9.plainPerSecond,
    ),
    map: { fewMs: of(({ map }) => map.fewMs), manyMs: of(({ map }) => map.manyMs) },
    startMs: of(({ startMs }) => startMs),
  };
}

/** Each target's ratio: the median of what it was in each round, where both sides ran beside each other. */
export function ratiosOf(rounds: readonly Figures[], sizes: Sizes): Ratios {
  return Object.fromEntries(
    Object.entries(TARGETS).map(([name, { of }]) => [name, median(rounds.map((round) => of(round, sizes)))]),
  );
}

/** Figures, ratios and targets for a person. */
export function table(figures: Figures, ratios: Ratios, sizes: Sizes): string {
  const { raw, w1, w2, w3, w4, w5, w6, w7, w8, w9, map, startMs } = figures;
  const { chain, fanOut, longHistory, latency, resume, idle, replay, sleepers } = sizes;
  const rows: [string, string, string][] = [
    ["raw", "the ceiling: one statement a commit", `${round(raw.rowsPerSecond)} rows/s, ${ms(raw.commitMs)} a row`],
    [
      "W1 chain",
      `${chain.runs} runs of ${chain.steps} steps, ${chain.inFlight} in flight`,
      `${round(w1.stepsPerSecond)} steps/s, p50 ${ms(w1.p50Ms)}, p99 ${ms(w1.p99Ms)}, ${w1.eventsPerStep.toFixed(1)} events a step`,
    ],
    [
      "W2 latency",
      `${latency.parts * latency.runsPerPart} runs of 1 step, one at a time`,
      `p50 ${ms(w2.p50Ms)}, p99 ${ms(w2.p99Ms)}`,
    ],
    ["W3 fan-out", `${fanOut.steps} parallel steps and a join`, ms(w3.ms)],
    [
      "W4 long history",
      `${longHistory.steps} sequential steps`,
      `${longHistory.window} steps: first ${ms(w4.firstMs)}, last ${ms(w4.lastMs)}`,
    ],
    [
      "W5 resume",
      `SIGKILL at step ${resume.killAt}`,
      `${ms(w5.resumeMs)} to the next body, ${w5.repeatedBodies} bodies repeated`,
    ],
    [
      "W6 idle",
      `${idle.runs} runs asleep`,
      `${w6.rssMb.toFixed(0)} MB, ${w6.cpuPercent.toFixed(2)} % CPU, wakes ${ms(w6.wakeLagMs)} late`,
    ],
    [
      "W7 replay",
      `${replay.steps} scopes of ${replay.stepsPerScope} steps; ${replay.steps} plain steps; none`,
      `resumed in ${ms(w7.scopedMs)}; ${ms(w7.plainMs)}; ${ms(w7.emptyMs)}`,
    ],
    [
      "",
      `histories of ${replay.lengths.map((steps) => round(2 * steps)).join("; ")} events`,
      `${w7.usPerEvent.map((us) => us.toFixed(1)).join("; ")} us an event`,
    ],
    ["", `the reference: ${round(replay.memoisedSteps)} memoised steps`, ms(w7.memoisedMs)],
    [
      "W8 sleepers",
      `${round(sleepers.runs)} runs asleep, ${w8.diskMb.toFixed(0)} MB of file`,
      `opened in ${ms(w8.openMs)}, ${w8.rssMb.toFixed(0)} MB, ${w8.cpuPercent.toFixed(2)} % CPU`,
    ],
    ["", `${sleepers.wakes} become due one by one`, `wakes ${ms(w8.wakeLagMs)} late, at most ${ms(w8.wakeLagMsMax)}`],
    ["", `${round(sleepers.burst)} become due at once`, `all awake after ${ms(w8.burstMs)}`],
    [
      "W9 limits",
      `${sizes.limits.runs} runs of ${sizes.limits.steps} steps, ${sizes.limits.inFlight} at once, and with limits as many again in line`,
      `${round(w9.plainPerSecond)} steps/s without limits, ${round(w9.limitedPerSecond)} with a queue, a key and a maximum`,
    ],
    [
      "map",
      `${sizes.map.few} items, and ${sizes.map.many}, of a step each, ${sizes.map.concurrency} at a time`,
      `an item: ${ms(map.fewMs)}, and ${ms(map.manyMs)}`,
    ],
    ["start-up", "a process and an engine on a new file", ms(startMs)],
  ];
  const targets = Object.entries(TARGETS).map(([name, target]): [string, string, string] => {
    const value = ratios[name] as number;
    return [name, `${target.name}: ${value.toFixed(2)}`, verdict(target, value)];
  });
  return `${columns(rows)}\n\n${columns(targets)}\n`;
}

function verdict({ atLeast, atMost }: Target, value: number): string {
  const isMet = atLeast === undefined ? value <= (atMost as number) : value >= atLeast;
  return `${isMet ? "met" : "MISSED"} (${atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`})`;
}

function columns(rows: readonly [string, string, string][]): string {
  const width = (column: 0 | 1) => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width(0), width(1)];
  return rows.map(([a, b, c]) => `${a.padEnd(first)}  ${b.padEnd(second)}  ${c}`).join("\n");
}

function round(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
}
