/** Lists of runs in the log's reference. */
import { furthest, type RunFilter, type RunWindow, type WindowBy, waysThrough } from "./port-lists.ts";
import type { RunRow } from "./port-runs.ts";

/** As the port's `listRuns`. */
export function pageOf(
  runs: readonly RunRow[],
  filter: RunFilter,
  page: { readonly before: string | null; readonly limit: number; readonly window?: RunWindow },
): RunRow[] {
  const from = page.window?.from ?? "";
  return runs
    .filter((run) => matches(run, filter) && run.id >= from && (page.before === null || run.id < page.before))
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, page.limit)
    .map((run) => ({ ...run }));
}

/** As the port's `runWindow`. */
export function windowOver(
  runs: readonly RunRow[],
  filter: RunFilter,
  { before, rows }: { readonly before: string | null; readonly rows: number },
): RunWindow {
  const { parentId, workflow, status = [] } = filter;
  const lastOf = (part: RunFilter, count: number) => {
    const fitting = runs.filter((run) => matches(run, part) && (before === null || run.id < before));
    const ids = fitting.map(({ id }) => id).sort();
    return ids.at(-count) ?? null;
  };
  const share = Math.ceil(rows / Math.max(1, status.length));
  const ends: Readonly<Record<WindowBy, () => string | null>> = {
    parent: () => lastOf({ parentId: parentId as string }, rows),
    status: () => greatest(status.map((each) => lastOf({ status: [each] }, share))),
    workflow: () => lastOf({ workflow: workflow as string }, rows),
    all: () => lastOf({}, rows),
  };
  const ways = waysThrough(filter);
  return furthest(ways.map((by) => ({ by, from: ends[by]() })));
}

function matches(run: RunRow, filter: RunFilter): boolean {
  return (
    (filter.workflow === undefined || run.workflow === filter.workflow) &&
    (filter.status === undefined || filter.status.includes(run.status)) &&
    (filter.idempotencyKey === undefined || run.idempotencyKey === filter.idempotencyKey) &&
    (filter.parentId === undefined || run.parentId === filter.parentId) &&
    (filter.createdFrom === undefined || run.createdAt >= filter.createdFrom) &&
    (filter.createdBefore === undefined || run.createdAt < filter.createdBefore) &&
    Object.entries(filter.tags ?? {}).every(([name, value]) => run.tags[name] === value)
  );
}

function greatest(ids: readonly (string | null)[]): string | null {
  return ids.reduce((best, id) => (best === null || (id !== null && id > best) ? id : best), null);
}
