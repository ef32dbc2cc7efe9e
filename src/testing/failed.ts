/** What `simulate` throws when a seed fails, and how it tells its reader. */
import { VarveError } from "../kernel/errors.ts";
import type { LifeFailure } from "./judgement.ts";
import type { LifeChoice, LifeReport } from "./life.ts";
import { storyText } from "./story.ts";
import type { HappenedFault } from "./trouble.ts";

/** The smallest case that was found, and how. */
export interface FailedSimulation {
  readonly workflow: string;
  readonly choice: LifeChoice;
  readonly failure: LifeFailure;
  readonly faults: readonly HappenedFault[];
  readonly story: LifeReport["story"];
  /** How many seeds passed before. */
  readonly passed: number;
  /** How many faults happened before the case was made smaller. */
  readonly faultsBefore: number;
  /** The same seed passed when it was run again; then nothing was made smaller. */
  readonly isUnsteady: boolean;
  readonly isMinimal: boolean;
}

/** What a {@link SimulationFailedError} tells beside its message. */
export interface SimulationFailure {
  /** The seed: `seeds: { only: seed }` runs it again. */
  readonly seed: number;
  readonly workers: number;
  /** The faults without which it passes. */
  readonly faults: readonly HappenedFault[];
  /** What happened, a line each. */
  readonly timeline: readonly string[];
}

/**
 * `simulate`: a seed failed. The message tells what was wrong, the faults that matter and what happened; `cause` is what
 * `check` threw.
 */
export class SimulationFailedError extends VarveError {
  override readonly name = "SimulationFailedError";
  readonly seed: SimulationFailure["seed"];
  readonly workers: SimulationFailure["workers"];
  readonly faults: SimulationFailure["faults"];
  readonly timeline: SimulationFailure["timeline"];

  constructor(message: string, { seed, workers, faults, timeline }: SimulationFailure, options?: { cause?: unknown }) {
    super("SIMULATION_FAILED", message, { seed, workers, faults: faults.map(({ id }) => id) }, options);
    this.seed = seed;
    this.workers = workers;
    this.faults = faults;
    this.timeline = timeline;
  }
}

/** The error of a case. */
export function simulationFailed(failed: FailedSimulation): SimulationFailedError {
  const { choice, failure, faults, story } = failed;
  const timeline = storyText(story);
  return new SimulationFailedError(
    messageOf(failed, timeline),
    { seed: choice.seed, workers: choice.workers, faults, timeline },
    failure.cause === undefined ? {} : { cause: failure.cause },
  );
}

function messageOf(failed: FailedSimulation, timeline: readonly string[]): string {
  const { workflow, choice, failure, passed } = failed;
  const { seed, workers } = choice;
  const before = passed === 0 ? "" : `, after ${counted(passed, "seed")} that passed`;
  return [
    `workflow "${workflow}" failed in simulation, seed ${seed}${before}: ${failure.what}`,
    "",
    ...faultsText(failed),
    "",
    `What happened, with ${counted(workers, "worker")}:`,
    ...indented(timeline),
    "",
    ...againText(failed),
  ].join("\n");
}

function faultsText({ faults, faultsBefore, isUnsteady, isMinimal }: FailedSimulation): string[] {
  const names = indented(faults.map(({ what }) => what));
  if (isUnsteady) {
    return [
      "The same seed passed when it was run again. So the workflow, its fakes or check use something that the seed does not",
      "decide: the real time, Math.random(), or state outside of setup. What went wrong in the run that failed:",
      ...names,
    ];
  }
  if (faults.length === 0) return ["It fails without any fault."];
  if (!isMinimal) return ["What went wrong, as far as it was made smaller:", ...names];
  const of = faultsBefore > faults.length ? `, of ${faultsBefore} that happened` : "";
  return [`It takes ${counted(faults.length, "fault")}${of}:`, ...names];
}

function againText({ choice, faults }: FailedSimulation): string[] {
  const { seed, workers } = choice;
  const ids = faults.map(({ id }) => JSON.stringify(id)).join(", ");
  return [
    `Run this seed again:       simulate(..., { seeds: { only: ${seed} }, ... })`,
    `Run exactly what is above: simulate(..., { seeds: { only: ${seed}, faults: [${ids}] }, workers: ${workers}, ... })`,
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
