/** Follows one run, event by event, until it ends or can do no more. */

import type { RunInfo } from "../engine/api-run.ts";
import { isTerminal, type RunEvent } from "../kernel/events.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { Reader } from "../runtime/read-only.ts";

export interface FollowOptions {
  /** Given each event, in order, from the first. */
  readonly onEvent: (event: RunEvent) => void;
  /** Ends the wait; what is known then is returned. */
  readonly signal: AbortSignal;
}

/** A run that is stuck says so in no event, so it is looked at now and then, milliseconds. */
const LOOK_MS = 500;

/**
 * The run as it stands at the end.
 *
 * @throws NotFoundError `RUN_NOT_FOUND`
 */
export async function follow(engine: Reader, runId: string, options: FollowOptions): Promise<RunInfo> {
  const run = engine.run(runId);
  const first = await run.status();
  const seen = await engine.history(runId);
  for (const event of seen) options.onEvent(event);
  if (isTerminalStatus(first.status)) return first;
  if (!seen.some(({ type }) => isTerminal(type))) await untilOver(engine, runId, seen.at(-1)?.position ?? 0, options);
  return await run.status();
}

async function untilOver(
  engine: Reader,
  runId: string,
  after: number,
  { onEvent, signal }: FollowOptions,
): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  const looking = lookForStuck(engine, runId, over);
  try {
    for await (const event of engine.tail({ after, runId, signal: over.signal })) {
      onEvent(event);
      if (isTerminal(event.type)) return;
    }
  } finally {
    end();
    signal.removeEventListener("abort", end);
    await looking;
  }
}

/** Aborts `over` when the run is stuck. A look that fails is no news: the tail says what is wrong. */
async function lookForStuck(engine: Reader, runId: string, over: AbortController): Promise<void> {
  while (!over.signal.aborted) {
    await sleep(LOOK_MS, over.signal);
    const info = over.signal.aborted
      ? null
      : await engine
          .run(runId)
          .status()
          .catch(() => null);
    if (info?.status === "stuck") over.abort();
  }
}

/** Resolves after `ms`, or when the signal is aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
