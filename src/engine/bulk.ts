/** The same done to many runs. */
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import { checkNumbers, invalidOption } from "../kernel/options.ts";
import { isTerminalStatus, RUN_STATUSES, type RunStatus } from "../kernel/state.ts";
import { checkName } from "../kernel/text.ts";
import type { Engine } from "./api.ts";
import type { RunHandle } from "./api-run.ts";
import type { BulkAction, BulkOptions, BulkResult, ListOptions, RunPage } from "./api-run-list.ts";

interface Action {
  /** The runs that can take it. */
  readonly statuses: readonly RunStatus[];
  readonly tell: (run: RunHandle, reason: { readonly reason?: string }) => Promise<void>;
}

const UNDER_WAY = RUN_STATUSES.filter((status) => !isTerminalStatus(status));

const ACTIONS: { readonly [A in BulkAction]: Action } = {
  cancel: { statuses: UNDER_WAY, tell: (run, reason) => run.cancel(reason) },
  terminate: { statuses: UNDER_WAY, tell: (run, reason) => run.terminate(reason) },
  pause: { statuses: UNDER_WAY, tell: (run, reason) => run.pause(reason) },
  // Not only those that are paused: a pause that nobody has taken up yet is not seen in the status.
  resume: { statuses: UNDER_WAY, tell: (run) => run.resume() },
  retry: { statuses: ["failed", "cancelled"], tell: (run) => run.retry() },
};

/** The statuses in which a run can take it. */
export function statusesFor(action: BulkAction): readonly RunStatus[] {
  return ACTIONS[action].statuses;
}

/** What a run may answer that cannot take it. */
const SKIPPED: ReadonlySet<string> = new Set([
  "RUN_OVER",
  "RUN_NOT_OVER",
  "RUN_NOT_FOUND",
  "SINGLETON_BUSY",
  "INBOX_FULL",
]);

/** Runs that are told at the same time: their messages share a write. */
const AT_ONCE = 200;

/** Does `action` to the runs of a filter, page by page. */
export async function bulk(
  engine: Pick<Engine, "list" | "run">,
  action: BulkAction,
  options: BulkOptions,
): Promise<BulkResult> {
  if (!Object.hasOwn(ACTIONS, action)) {
    throw new DefinitionError(
      "OPTION_INVALID",
      `expected an action of ${Object.keys(ACTIONS).join(", ")}, but found ${JSON.stringify(action)}`,
    );
  }
  const { tell } = ACTIONS[action];
  const { ids, reason, limit: asked, ...filter } = options;
  const given = asked === undefined ? {} : { limit: asked };
  const { limit } = checkNumbers("bulk", given, { limit: 10_000 }, { limit: [1, 1_000_000] });
  const because = reason === undefined ? {} : { reason };
  const next =
    ids === undefined
      ? pagesOf(engine, { ...filter, status: filter.status ?? statusesFor(action) })
      : listOf(checkIds(ids, filter));
  let done = 0;
  let skipped = 0;
  for (;;) {
    const page = await next(Math.min(AT_ONCE, limit - done - skipped));
    const told = await Promise.all(page.ids.map((id) => isTold(tell(engine.run(id), because))));
    done += told.filter(Boolean).length;
    skipped += told.filter((each) => !each).length;
    if (!page.more || done + skipped >= limit) return { done, skipped, more: page.more };
  }
}

/** All of them before any is told: a wrong one must not stop it in the middle. */
function checkIds(ids: readonly string[], filter: object): readonly string[] {
  if (!Array.isArray(ids)) throw invalidOption("bulk.ids", "a list of ids", ids);
  const others = Object.entries(filter).filter(([, value]) => value !== undefined);
  if (others.length > 0) {
    throw new DefinitionError(
      "OPTION_INVALID",
      `expected either ids or a filter of runs, but found ids and ${others.map(([name]) => name).join(", ")}`,
    );
  }
  return ids.map((id) => checkName("the id of a run", id));
}

/** Gives the next ids, at most so many, and whether there are more. */
type NextIds = (max: number) => Promise<{ readonly ids: readonly string[]; readonly more: boolean }>;

function listOf(ids: readonly string[]): NextIds {
  let from = 0;
  return async (max) => {
    const page = ids.slice(from, from + max);
    from += page.length;
    return { ids: page, more: from < ids.length };
  };
}

function pagesOf(engine: Pick<Engine, "list">, filter: ListOptions): NextIds {
  let cursor: string | null = null;
  return async (max) => {
    const page: RunPage = await engine.list({ ...filter, limit: max, ...(cursor === null ? {} : { cursor }) });
    cursor = page.cursor;
    return { ids: page.runs.map(({ id }) => id), more: cursor !== null };
  };
}

async function isTold(told: Promise<void>): Promise<boolean> {
  try {
    await told;
    return true;
  } catch (error) {
    if (isVarveError(error) && SKIPPED.has(error.code)) return false;
    throw error;
  }
}
