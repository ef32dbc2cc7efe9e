/** What is ahead of a simulation to which things come from outside, as its log has it. */
import { isTerminalStatus } from "../kernel/state.ts";
import type { RunRow } from "../log/port.ts";
import type { Simulation } from "./simulation.ts";

export type Ahead =
  /** Something goes on. */
  | { readonly kind: "busy" }
  /** Nothing goes on before this instant; infinite: what is open waits for what no time brings. */
  | { readonly kind: "due"; readonly at: number }
  | { readonly kind: "nothing" };

const BUSY: Ahead = { kind: "busy" };

/** More than a simulation has of anything. */
const LIMIT = 1_000_000;

/** @param schedules how many there are to be */
export async function aheadOf({ checker, truth }: Simulation, schedules: number): Promise<Ahead> {
  const due: number[] = [];
  for (const runId of openRuns(checker)) {
    const at = dueAt(await truth.getRun(runId));
    if (at === null) return BUSY;
    due.push(at);
  }
  if (schedules > 0) {
    const rows = await truth.listSchedules({ after: null, limit: LIMIT });
    // One that waits for a run goes on with the end of that.
    const isToDecide = due.length === 0 && rows.some(({ waiting }) => waiting > 0);
    if (rows.length < schedules || isToDecide) return BUSY;
    due.push(...rows.flatMap(({ nextAt }) => nextAt ?? []));
  }
  const { messages, due: gathered, dueAt: gatheredAt } = await truth.dispatchAhead({ after: 0, limit: 1 });
  const ends = await truth.endsAhead(LIMIT);
  if (messages.length > 0 || gathered.length > 0 || (ends !== null && ends.ends.length > 0)) return BUSY;
  if (gatheredAt !== null) due.push(gatheredAt);
  return due.length === 0 ? { kind: "nothing" } : { kind: "due", at: Math.min(...due) };
}

/** Runs that are to end. */
export function openRuns(checker: Simulation["checker"]): readonly string[] {
  return checker.runIds.filter((runId) => {
    return !checker.isOver(runId) && !checker.poisoned.has(runId) && !checker.waitsForPoisoned(runId);
  });
}

/** When a run goes on by itself; infinite: something else must come; null: somebody works on it, or is to. */
function dueAt(row: RunRow | null): number | null {
  if (row === null || row.owner !== null || isTerminalStatus(row.status)) return null;
  const { status, availableAt, lineAt } = row;
  // It stands in line, or will.
  if (status === "pending" && availableAt === null) return lineAt ?? Number.POSITIVE_INFINITY;
  return status === "waiting" ? (availableAt ?? Number.POSITIVE_INFINITY) : null;
}
