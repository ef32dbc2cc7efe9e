/** How far a window over the runs reaches: covering reads of an index, whose length is the window's. */
import type { WindowBy } from "../port-lists.ts";
import type { HotStatement } from "./fragments.ts";

/** What a list of runs goes by, by its window: without it SQLite would choose by statistics that nobody keeps. */
export const WINDOW_INDEX = {
  parent: "runs_parent",
  status: "runs_status",
  workflow: "runs_workflow",
  all: "sqlite_autoindex_runs_1",
} as const satisfies Record<WindowBy, string>;

const lastOf = (by: WindowBy, which: string): HotStatement => `
SELECT x.id FROM runs x INDEXED BY ${WINDOW_INDEX[by]}
WHERE ${which} x.id < coalesce(:before, char(1114111)) ORDER BY x.id DESC LIMIT 1 OFFSET :rows - 1`;

/** The last run of a window; no row, or null: there are fewer. Several statuses share the window. `:rows`, `:before` */
export const READ_WINDOW_ENDS: Readonly<Record<WindowBy, HotStatement>> = {
  parent: lastOf("parent", "x.parent_id = :parentId AND"),
  status: `SELECT max((${lastOf("status", "x.status = s.value AND")})) AS id FROM json_each(:statuses) s`,
  workflow: lastOf("workflow", "x.workflow = :workflow AND"),
  all: lastOf("all", ""),
};
