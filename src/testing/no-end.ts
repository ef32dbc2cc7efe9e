/** Why a simulated life comes to no end, in words. */
import { DefinitionError } from "../kernel/errors.ts";
import { openRuns } from "./ahead.ts";
import type { Simulation } from "./simulation.ts";
import type { Story } from "./story.ts";
import type { WatchedBody } from "./watched.ts";

export interface Unfinished {
  readonly simulation: Simulation;
  readonly story: Story;
  /** Bodies that run, in words. */
  readonly running: readonly string[];
  readonly beganAt: number;
  /** One run is all that there is. */
  readonly isAlone: boolean;
}

/** Nothing will move what is open. */
export async function unfinishedText({ simulation, story, running, beganAt, isAlone }: Unfinished): Promise<string> {
  const { agenda, checker, truth } = simulation;
  const open: string[] = [];
  for (const runId of openRuns(checker)) {
    const { status } = (await truth.getRun(runId)) ?? { status: "not there" };
    open.push(`${isAlone ? "it" : story.nameOf(runId)} is ${status}`);
  }
  const waits = running.length > 0 ? `; the body of ${running.join(", ")} has not ended` : "";
  const seconds = Math.round((agenda.now - beganAt) / 1_000);
  if (isAlone) {
    const what = open[0] ?? "it is not started";
    return `the run has not ended ${seconds} s after its start, and nothing will move it: ${what}${waits}`;
  }
  const what = open.length > 0 ? open.join(", ") : "what schedules and messages bring has not all come";
  return `not everything has ended ${seconds} s after the beginning, and nothing will move it: ${what}${waits}`;
}

/** A body waits for something that never comes in virtual time. */
export function realTimeError({ key, attempt }: WatchedBody, seed: number): DefinitionError {
  return new DefinitionError(
    "SIMULATION_REAL_TIME",
    `expected the body of step "${key}" to wait for the simulated world only, but found it waiting for something else, ` +
      "such as a timer, a socket or a file: time is virtual here, so that never comes; " +
      "give the step a fake by env, which waits by sim.wait(ms), or by sim.hang() if it is to hang",
    { step: key, attempt, seed },
  );
}
