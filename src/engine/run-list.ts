/** A page of a list of runs: looked through window by window, so that no read holds the thread, however few runs fit. */
import type { Drain } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import { isInOrder, type RunFilter } from "../log/port-lists.ts";
import type { RunRow } from "../log/port-runs.ts";

/** How many runs one read looks through: some 10 ms. */
const WINDOW_ROWS = 5_000;

/** How many windows a page may take: then it is returned as it is, with a cursor. */
const WINDOWS_MAX = 20;

export async function listRuns(
  { store, drain }: { readonly store: Pick<LogStore, "listRuns" | "runWindow">; readonly drain: Drain },
  filter: RunFilter,
  page: { readonly before: string | null; readonly limit: number },
): Promise<{ readonly rows: readonly RunRow[]; readonly cursor: string | null }> {
  const rows: RunRow[] = [];
  let { before } = page;
  for (let windows = 0; windows < WINDOWS_MAX; windows++) {
    const left = page.limit + 1 - rows.length;
    const window = isInOrder(filter) ? null : await store.runWindow(filter, { before, rows: WINDOW_ROWS });
    rows.push(...(await store.listRuns(filter, { before, limit: left, ...(window === null ? {} : { window }) })));
    if (rows.length > page.limit) {
      const shown = rows.slice(0, page.limit);
      return { rows: shown, cursor: shown.at(-1)?.id ?? null };
    }
    before = window?.from ?? null;
    if (before === null) break;
    await new Promise<void>((resolve) => drain(resolve));
  }
  return { rows, cursor: before };
}
