/** The same done to many runs. */
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import { checkNumbers } from "../kernel/options.ts";
import type { BulkAction, BulkOptions, BulkResult, Engine, RunHandle, RunPage } from "./api.ts";

const ACTIONS: { readonly [A in BulkAction]: (run: RunHandle, reason: BulkOptions) => Promise<void> } = {
  cancel: (run, { reason }) => run.cancel(reason === undefined ? {} : { reason }),
  terminate: (run, { reason }) => run.terminate(reason === undefined ? {} : { reason }),
  pause: (run, { reason }) => run.pause(reason === undefined ? {} : { reason }),
  resume: (run) => run.resume(),
  retry: (run) => run.retry(),
};

/** What a run may answer that cannot take it. */
const SKIPPED: ReadonlySet<string> = new Set(["RUN_OVER", "RUN_NOT_OVER", "RUN_NOT_FOUND"]);

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
  const { limit } = checkNumbers("bulk", pick(options), { limit: 10_000 }, { limit: [1, 1_000_000] });
  const next = options.ids === undefined ? pagesOf(engine, options) : listOf(options.ids);
  let done = 0;
  let skipped = 0;
  for (;;) {
    const page = await next(Math.min(AT_ONCE, limit - done - skipped));
    const told = await Promise.all(page.ids.map((id) => tell(engine.run(id), action, options)));
    done += told.filter(Boolean).length;
    skipped += told.filter((isTold) => !isTold).length;
    if (!page.more || done + skipped >= limit) return { done, skipped, more: page.more };
  }
}

function pick({ limit }: BulkOptions): { limit?: number } {
  return limit === undefined ? {} : { limit };
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

function pagesOf(engine: Pick<Engine, "list">, options: BulkOptions): NextIds {
  const { ids: _, reason: __, limit: ___, ...filter } = options;
  let cursor: string | null = null;
  return async (max) => {
    const page: RunPage = await engine.list({ ...filter, limit: max, ...(cursor === null ? {} : { cursor }) });
    cursor = page.cursor;
    return { ids: page.runs.map(({ id }) => id), more: cursor !== null };
  };
}

async function tell(run: RunHandle, action: BulkAction, options: BulkOptions): Promise<boolean> {
  try {
    await ACTIONS[action](run, options);
    return true;
  } catch (error) {
    if (isVarveError(error) && SKIPPED.has(error.code)) return false;
    throw error;
  }
}
