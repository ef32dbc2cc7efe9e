/** Whether a simulated run that has ended is right: by the engine's promises, by what can be replayed, and by the user. */
import { runInfo } from "../engine/run-info.ts";
import { parseEvent } from "../kernel/events.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { Failure } from "./checker.ts";
import type { SimulatedCase, SimulatedRun } from "./simulate-options.ts";
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
  /** How the run ended; null: nobody can say. */
  readonly status: SimulatedRun["status"] | null;
}

/** Codes that say that the workflow's function itself cannot be replayed: wrong whatever `check` says. */
export const UNREPLAYABLE = new Set(["FOREIGN_AWAIT", "OUTER_CONTEXT", "OTHER_SCOPE", "SCOPE_ENDED"]);

/** Call it when nothing is under way any more. */
export async function judge(
  { checker, truth }: Simulation,
  runId: string | null,
  { check }: SimulatedCase<never>,
): Promise<Judgement> {
  await checker.finish();
  const [broken] = checker.failures;
  if (broken !== undefined) {
    return { failure: { kind: `promise ${broken.predicate}`, what: brokenText(broken) }, status: null };
  }
  const row = runId === null ? null : await truth.getRun(runId);
  // Parked because its processes kept dying: that is what the engine promises, and says nothing of the workflow.
  if (row === null || !isTerminalStatus(row.status)) return { failure: null, status: null };
  const { status } = row;
  const { output, error } = runInfo(row, null);
  const history = checker.history(row.id).map(parseEvent);
  return { failure: await failureOf({ id: row.id, status, output, error, history }, check), status };
}

/** What a user is told of a promise that was broken. */
export function brokenText({ predicate, what }: Failure): string {
  return `Varve broke a promise of its own, which is a bug of Varve: please report it (${predicate}: ${what})`;
}

async function failureOf(run: SimulatedRun, check: SimulatedCase<never>["check"]): Promise<LifeFailure | null> {
  const { status, error } = run;
  const code = (error as { code?: string } | undefined)?.code;
  if (code !== undefined && UNREPLAYABLE.has(code)) {
    return { kind: code, what: `the run failed with ${code}: ${error?.message}`, cause: error };
  }
  if (check === undefined) {
    if (status === "completed") return null;
    return { kind: "incomplete", what: `the run is ${status}: ${String(error)}`, cause: error };
  }
  try {
    await check(run as SimulatedRun<never>);
    return null;
  } catch (thrown) {
    return { kind: "check", what: `check threw ${String(thrown)}`, cause: thrown };
  }
}
