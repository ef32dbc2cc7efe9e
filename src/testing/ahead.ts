/** What is ahead of a simulation to which things come from outside. */
import { isTerminalStatus } from "../kernel/state.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { Outside } from "./outside.ts";
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

export interface AheadParts {
  readonly outside: Outside;
  /** How many schedules there are to be. */
  readonly schedules: number;
  /** Until when late requests may come in. */
  readonly lateUntil: number;
}

/** What is ahead of the log, and of those who are outside of it. */
export async function aheadOf(simulation: Simulation, parts: AheadParts): Promise<Ahead> {
  const { outside, schedules, lateUntil } = parts;
  if (outside.isAsking) return BUSY;
  const inside = await aheadInside(simulation, schedules);
  if (inside.kind === "busy") return BUSY;
  const { now } = simulation.agenda;
  const due = [...(inside.kind === "due" ? [inside.at] : []), ...(lateUntil > now ? [lateUntil] : [])];
  const at = Math.min(outside.nextAt, ...due);
  return inside.kind === "nothing" && at === Number.POSITIVE_INFINITY ? inside : { kind: "due", at };
}

async function aheadInside({ checker, truth }: Simulation, schedules: number): Promise<Ahead> {
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
