/**
 * Many kills: rounds on the three kinds of database, side by side, until so many kills have landed. What was done is written
 * after each round, so that a session that is ended goes on where it was.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describeRound, playRound, type Round, type RoundOptions, type Where } from "./round.ts";

export interface ManyOptions {
  readonly kills: number;
  readonly seed: number;
  /** Where the report is kept. One of the same seed is gone on with. */
  readonly report: string;
  /** No round begins later, milliseconds after the start. @default never */
  readonly forMs?: number;
  readonly log: (line: string) => void;
}

/** What a report file says. */
export interface KillReport {
  readonly seed: number;
  readonly totals: KillTotals;
  readonly byPlace: Readonly<Record<Where, KillTotals>>;
  /** Named by their seeds. */
  readonly findings: readonly string[];
  readonly rounds: readonly Round[];
}

interface KillTotals {
  readonly rounds: number;
  /** Kills that landed with runs enough under way, and those that came too early or too late. */
  readonly kills: number;
  readonly uncounted: number;
  readonly starts: number;
  readonly parts: number;
  readonly bodies: number;
  readonly events: number;
  readonly seconds: number;
}

type Profile = Omit<RoundOptions, "seed">;

const SEVERAL_PROCESSES: Omit<Profile, "where"> = {
  runs: 120,
  startsEach: 40,
  processes: 3,
  kills: { body: 12, flush: 12, commit: 4, replay: 8, anywhere: 4 },
  leaseMs: 3_000,
  concurrency: 16,
};

/** Two runs a kill: with fewer they end before the kills do. */
const PROFILES: readonly Profile[] = [
  {
    where: "an owned file",
    runs: 160,
    startsEach: 60,
    processes: 1,
    kills: { body: 24, flush: 24, commit: 8, replay: 18, anywhere: 6 },
    leaseMs: 15_000,
    concurrency: 12,
  },
  { where: "a shared file", ...SEVERAL_PROCESSES },
  { where: "a libSQL server", ...SEVERAL_PROCESSES },
];

/** Kills until there are enough, and returns the report. */
export async function killMany(options: ManyOptions): Promise<KillReport> {
  const { kills, seed, forMs = Number.POSITIVE_INFINITY, log } = options;
  const rounds: Round[] = readRounds(options);
  const startedAt = performance.now();
  let next = rounds.length;
  const killed = () => rounds.reduce((sum, round) => sum + round.kills, 0);
  const isOver = () => killed() >= kills || performance.now() - startedAt >= forMs;

  const play = async (profile: Profile) => {
    while (!isOver()) {
      const round = await playRound({ ...profile, seed: seed + next++ });
      rounds.push(round);
      writeReport(options, rounds);
      log(`${killed()} of ${kills} kills: ${describeRound(round)}`);
      for (const finding of round.findings) log(`  FOUND ${finding}`);
    }
  };
  await Promise.all(PROFILES.map(play));
  return writeReport(options, rounds);
}

function readRounds({ report, seed }: ManyOptions): Round[] {
  if (!existsSync(report)) return [];
  const kept = JSON.parse(readFileSync(report, "utf8")) as KillReport;
  return kept.seed === seed ? [...kept.rounds] : [];
}

function writeReport({ report, seed }: ManyOptions, rounds: readonly Round[]): KillReport {
  const of = (where: Where) => totals(rounds.filter((round) => round.where === where));
  const kept: KillReport = {
    seed,
    totals: totals(rounds),
    byPlace: {
      "an owned file": of("an owned file"),
      "a shared file": of("a shared file"),
      "a libSQL server": of("a libSQL server"),
    },
    findings: rounds.flatMap((round) => round.findings.map((finding) => `seed ${round.seed}: ${finding}`)),
    rounds,
  };
  mkdirSync(dirname(report), { recursive: true });
  writeFileSync(report, JSON.stringify(kept, null, 2));
  return kept;
}

function totals(rounds: readonly Round[]): KillTotals {
  const sum = (of: (round: Round) => number) => rounds.reduce((total, round) => total + of(round), 0);
  return {
    rounds: rounds.length,
    kills: sum((round) => round.kills),
    uncounted: sum((round) => round.uncounted),
    starts: sum((round) => round.starts),
    parts: sum((round) => round.parts),
    bodies: sum((round) => round.bodies),
    events: sum((round) => round.events),
    seconds: Math.round(sum((round) => round.seconds)),
  };
}
