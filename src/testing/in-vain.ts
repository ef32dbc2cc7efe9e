/** Why time does not bring the end of a run: what a test is told that waits for one. */
import type { Workflow } from "../ctx/workflow.ts";
import { TimeoutError } from "../kernel/errors.ts";
import { parseEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { type CallState, isTerminalStatus, type RunState } from "../kernel/state.ts";
import type { LogStore } from "../log/port.ts";
import type { RunRow } from "../log/port-runs.ts";
import { callText } from "../worker/divergence.ts";
import { type InVain, MOVES_MAX } from "./pace.ts";
import { stuckError } from "./stuck.ts";

export interface InVainParts {
  readonly log: LogStore;
  readonly workflows: readonly Workflow<never, unknown, never, never>[];
}

/** The most runs that are named to who waits for something that no run brings. */
const RUNS_NAMED_MAX = 10;

/** The error of a wait for the end of a run. */
export async function inVain(parts: InVainParts, runId: string, why: InVain | Error): Promise<Error> {
  if (why instanceof Error) return why;
  const row = (await parts.log.getRun(runId)) as RunRow;
  if (row.status === "stuck") return stuckError(row.stuck);
  const what = `expected run ${runId} of ${row.workflow} to end, but ${await waitsText(parts, row)}`;
  const { status } = row;
  if (why === "endless") return endless(what, { runId, status });
  return new TimeoutError(
    "TEST_NOTHING_DUE",
    `${what}, and time does not bring it: nothing is due any more; do what it waits for before you ask for its result`,
    { runId, status },
  );
}

/** The error of a wait for a condition of the test's. */
export async function conditionInVain(parts: InVainParts, why: InVain | Error): Promise<Error> {
  if (why instanceof Error) return why;
  const rows = await parts.log.listRuns({}, { before: null, limit: Number.MAX_SAFE_INTEGER });
  const open = rows.filter(({ status }) => !isTerminalStatus(status)).slice(0, RUNS_NAMED_MAX);
  const texts = await Promise.all(
    open.map(async (row) => `run ${row.id} of ${row.workflow}: ${await waitsText(parts, row)}`),
  );
  const what = `expected the condition to become true, but it has not (${texts.join("; ") || "every run has ended"})`;
  if (why === "endless") return endless(what, {});
  return new TimeoutError("TEST_NOTHING_DUE", `${what}, and time changes nothing: nothing is due any more`);
}

function endless(what: string, facts: { readonly runId?: string; readonly status?: string }): TimeoutError {
  const advice = "let a stated time pass by advance(duration), or wait for no longer than result({ timeout })";
  return new TimeoutError(
    "TEST_ENDLESS",
    `${what}, after ${MOVES_MAX} instants at which something was due; ${advice}`,
    facts,
  );
}

async function waitsText({ log, workflows }: InVainParts, row: RunRow): Promise<string> {
  const { id, workflow, version, status, head } = row;
  if (!workflows.some((known) => known.name === workflow && known.version === version)) {
    return `no code of ${workflow}@${version} is among the test engine's workflows`;
  }
  const rows = await log.readHistory(id, { afterSeq: 0, limit: head });
  const state = rows.map(parseEvent).reduce<RunState | null>(evolve, null);
  const calls = [...(state?.calls.values() ?? [])].filter((call) => call.status === "open" && call.kind !== "scope");
  if (status !== "waiting" && status !== "running") return `it is ${status}`;
  return calls.length === 0 ? `it is ${status}` : `it waits for ${calls.map(openText).join(", ")}`;
}

function openText({ kind, key, attemptOpen }: CallState): string {
  return `${callText(kind, key)}${attemptOpen ? ", whose body does not end" : ""}`;
}
