/**
 * What the storage port says of lists of runs. They are looked through by one of what the filter names, a window of so many
 * runs at a time: a filter may fit few of a million runs, and a read of a file holds the thread until it is over.
 */
import type { Tags } from "../kernel/events.ts";
import type { RunStatus } from "../kernel/state.ts";

/** Which runs a list shows. All given fields must hold. */
export interface RunFilter {
  readonly workflow?: string;
  readonly status?: readonly RunStatus[];
  /** Every tag given here must be on the run with this value. */
  readonly tags?: Tags;
  readonly idempotencyKey?: string;
  readonly parentId?: string;
  /** Created at or after, before: milliseconds since the epoch. */
  readonly createdFrom?: number;
  readonly createdBefore?: number;
}

/** What a window goes by: runs that have one of the filter's fields in common, or all. */
export type WindowBy = "parent" | "status" | "workflow" | "all";

/** The part of the runs that one read looks through. */
export interface RunWindow {
  readonly by: WindowBy;
  /** The smallest id that it reaches; null: it reaches to the end. */
  readonly from: string | null;
}

/** What a window of this filter can go by, in the order in which they are preferred. */
export function waysThrough(filter: RunFilter): readonly WindowBy[] {
  const ways: WindowBy[] = [];
  if (filter.parentId !== undefined) ways.push("parent");
  if (filter.status !== undefined) ways.push("status");
  if (filter.workflow !== undefined) ways.push("workflow");
  return ways.length === 0 ? ["all"] : ways;
}

/** Whether each run that one index gives fits, in the order of the list: then a read ends with its page, and needs no window. */
export function isInOrder(filter: RunFilter): boolean {
  const fields = Object.entries(filter).filter(([, value]) => value !== undefined);
  const [name, value] = fields[0] ?? [];
  if (filter.workflow !== undefined && filter.idempotencyKey !== undefined) return true;
  if (fields.length > 1) return false;
  return name === undefined || name === "workflow" || name === "parentId" || (name === "status" && value.length === 1);
}

/** The window that reaches furthest. */
export function furthest(windows: readonly RunWindow[]): RunWindow {
  return windows.reduce((best, each) => ((each.from ?? "") < (best.from ?? "") ? each : best));
}
