/** Whether a simulated run that has ended is right: by the engine's promises, by what can be replayed, and by the user. */
import { runInfo } from "../engine/run-info.ts";
import { parseEvent } from "../kernel/events.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { Failure } from "./checker.ts";
import type { CheckedCase, SimulatedRun } from "./simulate-options.ts";
import type { Simulation } from "./simulation.ts";

/** Why a life failed. */
export interface LifeFailure {
  /** Failures of one kind have one cause, as far as anybody can tell: a smaller case must fail in the same kind. */
  readonly kind: string;
  readonly what: string;
  readonly cause?: unknown;
}

export interface Judgement {
  readonly failure: LifeFailure | null;
  /** How the runs ended of which anybody can say. */
  readonly statuses: readonly SimulatedRun["status"][];
}

/** What is judged beside the engine's promises. */
export interface Judged extends Pick<CheckedCase, "check" | "checkAll"> {
  /** The name of the workflow whose runs `check` looks at. */
  readonly workflow: string;
}

/** Codes that say that the workflow's function itself cannot be replayed: wrong whatever `check` says. */
export const UNREPLAYABLE = new Set(["FOREIGN_AWAIT", "OUTER_CONTEXT", "OTHER_SCOPE", "SCOPE_ENDED"]);

/** Call it when nothing is under way any more. */
export async function judge(simulation: Simulation, judged: Judged): Promise<Judgement> {
  const { checker } = simulation;
  await checker.finish();
  const [broken] = checker.failures;
  if (broken !== undefined) {
    return { failure: { kind: `promise ${broken.predicate}`, what: brokenText(broken) }, statuses: [] };
  }
  const runs = await endedRuns(simulation);
  return { failure: await failureOf(runs, judged), statuses: runs.map(({ status }) => status) };
}

/** In the order of their starts. One that is parked because its processes kept dying says nothing of its workflow. */
async function endedRuns({ checker, truth }: Simulation): Promise<readonly SimulatedRun[]> {
  const runs: SimulatedRun[] = [];
  for (const runId of checker.runIds) {
    const row = await truth.getRun(runId);
    if (row === null || !isTerminalStatus(row.status)) continue;
    const { output, error } = runInfo(row, null);
    const history = checker.history(runId).map(parseEvent);
    runs.push({ id: runId, workflow: row.workflow, status: row.status, output, error, history });
  }
  return runs;
}

/** What a user is told of a promise that was broken. */
export function brokenText({ predicate, what }: Failure): string {
  return `Varve broke a promise of its own, which is a bug of Varve: please report it (${predicate}: ${what})`;
}

async function failureOf(
  runs: readonly SimulatedRun[],
  { workflow, check, checkAll }: Judged,
): Promise<LifeFailure | null> {
  for (const { error } of runs) {
    const code = (error as { code?: string } | undefined)?.code;
    if (code === undefined || !UNREPLAYABLE.has(code)) continue;
    return { kind: code, what: `the run failed with ${code}: ${error?.message}`, cause: error };
  }
  if (check === undefined && checkAll === undefined) {
    const run = runs.find(({ status }) => status !== "completed");
    if (run === undefined) return null;
    return { kind: "incomplete", what: `the run is ${run.status}: ${String(run.error)}`, cause: run.error };
  }
  for (const run of runs) {
    const failure = run.workflow === workflow ? await thrownBy("check", () => check?.(run as never)) : null;
    if (failure !== null) return failure;
  }
  return await thrownBy("checkAll", () => checkAll?.(runs));
}

async function thrownBy(name: string, look: () => unknown): Promise<LifeFailure | null> {
  try {
    await look();
    return null;
  } catch (thrown) {
    return { kind: name, what: `${name} threw ${String(thrown)}`, cause: thrown };
  }
}
