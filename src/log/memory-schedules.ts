/**
 * The schedules of the log's reference, with their firings.
 *
 * Owns: both. Called by `memory.ts`, which knows the runs.
 *
 * I1 A change is done if the row is of its revision, and then as a whole.
 * I2 A firing that is decided never changes its decision.
 */
import { isTerminalStatus, type RunStatus } from "../kernel/state.ts";
import type { GuardedWrites } from "./memory-guarded.ts";
import { byText } from "./memory-order.ts";
import {
  FIRINGS_PRUNED_MAX,
  type FiringFilter,
  type FiringLane,
  type FiringPage,
  type FiringRow,
  type NewSchedule,
  type ScheduleChange,
  type ScheduleRow,
  type SchedulesAhead,
  type ScheduleView,
} from "./port-schedules.ts";

/** What of the runs a schedule has to know. */
type StatusOf = (runId: string) => RunStatus | null;

export class MemorySchedules {
  readonly #rows = new Map<string, ScheduleRow>();
  /** By schedule. */
  readonly #firings = new Map<string, FiringRow[]>();
  readonly #log: GuardedWrites;
  readonly #statusOf: StatusOf;

  constructor(log: GuardedWrites, statusOf: StatusOf) {
    this.#log = log;
    this.#statusOf = statusOf;
  }

  create(schedule: NewSchedule): ScheduleRow {
    const found = this.#rows.get(schedule.id);
    if (found !== undefined) return found;
    const row = { ...schedule, generation: 1, revision: 1, waiting: 0 };
    this.#rows.set(row.id, row);
    return row;
  }

  get(id: string, now: number): ScheduleView | null {
    const row = this.#rows.get(id);
    if (row === undefined) return null;
    const open = this.#open(id).sort((a, b) => -byInstant(a, b));
    return { row, open: open.map((firing) => ({ ...firing, runStatus: this.#runStatus(firing) })), now };
  }

  #open(id: string): FiringRow[] {
    return (this.#firings.get(id) ?? []).filter(({ isOpen }) => isOpen);
  }

  #runStatus({ runId }: FiringRow): RunStatus | null {
    return runId === null ? null : this.#statusOf(runId);
  }

  list({ after, limit }: { readonly after: string | null; readonly limit: number }): ScheduleRow[] {
    return [...this.#rows.values()]
      .filter(({ id }) => after === null || byText(id, after) > 0)
      .sort((a, b) => byText(a.id, b.id))
      .slice(0, limit);
  }

  change({ scheduleId, revision, token, row, firings, closed, starts, tells, keep }: ScheduleChange): boolean {
    const before = this.#rows.get(scheduleId);
    if (before?.revision !== revision) return before?.revision === revision + 1 && before.token === token;
    const runs = new Map(starts.map((start) => [start.start.runId, this.#log.start(start)]));
    for (const message of tells) this.#log.tell(message);
    for (const firing of firings) this.#put({ ...firing, runId: runs.get(firing.runId ?? "") ?? firing.runId });
    for (const { at, lane } of closed) this.#replace(scheduleId, at, lane, (firing) => ({ ...firing, isOpen: false }));
    if (firings.length > 0) this.#prune(scheduleId, keep);
    this.#rows.set(scheduleId, { ...before, ...row, revision: revision + 1, token });
    return true;
  }

  #put(firing: FiringRow): void {
    const { scheduleId, at, lane } = firing;
    const isThere = this.#replace(scheduleId, at, lane, (found) => {
      const { until, instants } = found;
      return found.decision === "waiting" ? { ...firing, until, instants } : found;
    });
    if (!isThere) this.#firings.set(scheduleId, [...(this.#firings.get(scheduleId) ?? []), firing]);
  }

  #replace(scheduleId: string, at: number, lane: FiringLane, change: (firing: FiringRow) => FiringRow): boolean {
    const list = this.#firings.get(scheduleId) ?? [];
    const index = list.findIndex((firing) => firing.at === at && firing.lane === lane);
    const found = list[index];
    if (found !== undefined) list[index] = change(found);
    return found !== undefined;
  }

  #prune(scheduleId: string, { decidedAfter, count }: ScheduleChange["keep"]): void {
    const decidedAt = (firing: FiringRow) => firing.decidedAt ?? 0;
    const closed = (this.#firings.get(scheduleId) ?? [])
      .filter(({ isOpen }) => !isOpen)
      .sort((a, b) => decidedAt(b) - decidedAt(a) || b.at - a.at);
    const old = closed.filter((firing) => decidedAt(firing) <= decidedAfter).slice(-FIRINGS_PRUNED_MAX);
    const left = closed.filter((firing) => !old.includes(firing));
    const gone = new Set([...old, ...left.slice(count).slice(-FIRINGS_PRUNED_MAX)]);
    const kept = (this.#firings.get(scheduleId) ?? []).filter((firing) => !gone.has(firing));
    this.#firings.set(scheduleId, kept);
  }

  delete(id: string): void {
    this.#rows.delete(id);
    this.#firings.delete(id);
  }

  ahead(workflows: readonly string[], limit: number, now: number): SchedulesAhead {
    const known = [...this.#rows.values()].filter(({ workflow }) => workflows.includes(workflow));
    const dueAt = (row: ScheduleRow) =>
      this.#hasTurn(row) ? 0 : row.nextAt !== null && row.nextAt <= now ? row.nextAt : null;
    const due = known.flatMap((row) => ({ id: row.id, at: dueAt(row) })).filter(({ at }) => at !== null);
    due.sort((a, b) => Number(a.at) - Number(b.at) || byText(a.id, b.id));
    const later = known.flatMap(({ nextAt }) => (nextAt !== null && nextAt > now ? [nextAt] : []));
    return {
      due: due.slice(0, limit).map(({ id }) => id),
      nextAt: later.length === 0 ? null : Math.min(...later),
      waits: known.some(({ waiting, pausedAt }) => waiting > 0 && pausedAt === null),
      now,
    };
  }

  /** Whether a firing waits and nothing of its lane runs. */
  #hasTurn({ id, waiting, pausedAt }: ScheduleRow): boolean {
    if (waiting === 0 || pausedAt !== null) return false;
    const open = this.#open(id);
    return [true, false].some((isBackfill) => {
      const lane = open.filter((firing) => (firing.lane === "backfill") === isBackfill);
      return lane.some(({ decision }) => decision === "waiting") && !lane.some((firing) => this.#isUnderWay(firing));
    });
  }

  #isUnderWay(firing: FiringRow): boolean {
    const status = this.#runStatus(firing);
    return status !== null && !isTerminalStatus(status);
  }

  firings({ scheduleId, decision }: FiringFilter, { before, limit }: FiringPage): FiringRow[] {
    return [...(this.#firings.get(scheduleId) ?? [])]
      .filter((firing) => decision === null || firing.decision === decision)
      .sort(byInstant)
      .filter((firing) => before === null || byInstant(firing, before) > 0)
      .slice(0, limit);
  }

  firing(scheduleId: string, lane: FiringLane, at: number): FiringRow | null {
    const [last] = (this.#firings.get(scheduleId) ?? [])
      .filter((firing) => firing.lane === lane && firing.at <= at)
      .sort(byInstant);
    return last !== undefined && at <= (last.until ?? last.at) ? last : null;
  }
}

/** Latest first. */
function byInstant(a: Pick<FiringRow, "at" | "lane">, b: Pick<FiringRow, "at" | "lane">): number {
  return b.at - a.at || byText(b.lane, a.lane);
}
