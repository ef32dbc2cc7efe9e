/** One round of kills: a lane over a database of its own, and what must hold after it. */
import { lostParts, readAcknowledged } from "../support/acknowledged.ts";
import { Lane, type LaneOptions, type LaneResult } from "./lane.ts";
import { Place } from "./place.ts";
import { startServer } from "./server.ts";
import { outputOf } from "./workload.ts";

export type Where = "an owned file" | "a shared file" | "a libSQL server";

export interface RoundOptions extends Omit<LaneOptions, "place" | "bundle" | "setup"> {
  readonly where: Where;
  readonly leaseMs: number;
  readonly concurrency: number;
}

export interface Round extends Pick<LaneResult, "landed" | "underWayMin" | "uncounted" | "poisoned"> {
  readonly where: Where;
  readonly seed: number;
  /** Kills that landed with runs enough under way. */
  readonly kills: number;
  /** Starts and parts of writes that were acknowledged. */
  readonly starts: number;
  readonly parts: number;
  readonly bodies: number;
  readonly events: number;
  readonly seconds: number;
  /** What does not hold. */
  readonly findings: readonly string[];
}

/** Kills as many processes as asked, until all runs have ended, and judges what is there. */
export async function playRound(options: RoundOptions): Promise<Round> {
  const { where, leaseMs, concurrency, seed } = options;
  const place = Place.open();
  const server = where === "a libSQL server" ? await startServer(place.path) : null;
  const db = server?.url ?? `file:${place.path}`;
  const setup = { db, file: where === "a shared file" ? "shared" : "owned", leaseMs, concurrency } as const;
  const bundle = await place.bundle("test/kill/child-main.ts");
  const lane = new Lane({ ...options, place, bundle, setup });
  const startedAt = performance.now();
  try {
    const { result, failure } = await ended(lane);
    const { landed, underWayMin, uncounted, poisoned, acknowledged } = result;
    return {
      where,
      seed,
      kills: Object.values(landed).reduce((sum, n) => sum + n, 0),
      landed,
      underWayMin,
      uncounted,
      poisoned,
      starts: acknowledged.size,
      parts: readAcknowledged(place.acknowledged).length,
      bodies: place.bodies().length,
      events: await place.store.lastPosition(),
      seconds: (performance.now() - startedAt) / 1_000,
      findings: failure === null ? await findings(place, result) : [failure],
    };
  } finally {
    await lane.killAll();
    await server?.stop();
    await place.close();
  }
}

/** What a lane came to, also one that did not get to its end. */
async function ended(lane: Lane): Promise<{ result: LaneResult; failure: string | null }> {
  try {
    return { result: await lane.run(), failure: null };
  } catch (error) {
    return { result: lane.soFar(), failure: `the lane did not end: ${(error as Error).message}` };
  }
}

async function findings(place: Place, result: LaneResult): Promise<string[]> {
  const found = await place.runs();
  const log = await place.rows();
  const { equal, differences, violations, unsettled } = await place.verify();
  return [
    ...result.damage,
    ...startsAtFault(found, result),
    ...lostParts(readAcknowledged(place.acknowledged), log).map((part) => `lost: ${JSON.stringify(part)}`),
    ...(await place.repeats()).map(({ start, reason }) => `a body began again: ${JSON.stringify(start)}: ${reason}`),
    ...(equal ? [] : [`the projections differ: ${JSON.stringify({ differences, violations, unsettled })}`]),
    ...result.exits.filter((exit) => exit !== 0).map((exit) => `a process that was asked to stop ended with ${exit}`),
    ...result.stderr.split("\n").filter((line) => line.includes('"level":"error"') && !tellsOf(line, result.poisoned)),
  ];
}

/** Whether a line says that one of these runs was parked as poison. */
function tellsOf(line: string, poisoned: readonly string[]): boolean {
  return poisoned.some((runId) => line.includes(runId));
}

/** Every start was acknowledged, is there once, and came to its result. */
function startsAtFault(found: Awaited<ReturnType<Place["runs"]>>, { runs, acknowledged }: LaneResult): string[] {
  const faults = found.size === runs ? [] : [`${found.size} runs of ${runs} starts`];
  for (let n = 0; n < runs; n++) {
    const run = found.get(`n-${n}`);
    const isRight = run?.id === acknowledged.get(n) && run?.status === "completed" && run.output === outputOf(n);
    if (!isRight) faults.push(`start ${n}, acknowledged as ${acknowledged.get(n)}, is ${JSON.stringify(run)}`);
  }
  return faults;
}

/** One line for people. */
export function describeRound(round: Round): string {
  const { where, seed, kills, landed, underWayMin, uncounted, poisoned, starts, parts, bodies, events, seconds } =
    round;
  const phases = Object.entries(landed)
    .map(([phase, n]) => `${phase} ${n}`)
    .join(", ");
  return (
    `${where}, seed ${seed}: ${kills} kills with at least ${underWayMin} runs under way (${phases}), ${uncounted} more uncounted, ` +
    `${poisoned.length} runs parked as poison and resumed; ` +
    `${starts} starts and ${parts} parts acknowledged, ${bodies} bodies, ${events} events, ${seconds.toFixed(1)} s`
  );
}
