/** What others do to a run while it is under way. */

import type { RunHandle } from "../../src/engine/api-run.ts";
import { signalToken } from "../../src/engine/handle.ts";
import type { Checker } from "../../src/testing/checker.ts";

export type Deed =
  | { readonly do: "cancel" | "terminate" | "pause" | "resume" | "retry" }
  /** Its payload is its name. */
  | { readonly do: "signal"; readonly name: string; readonly dedupeKey: string };

/** A deed so long after the caller of a run was told that its start is durable, milliseconds. */
export type TimedDeed = Deed & { readonly afterMs: number };

const REASON = { reason: "a whim" };

/** Does it. False: it came too late, the run is over. */
export async function doTo(run: RunHandle<unknown>, deed: Deed): Promise<boolean> {
  try {
    await attempt(run, deed);
    return true;
  } catch (error) {
    if ((error as { readonly code?: string }).code !== "RUN_OVER") throw error;
    return false;
  }
}

function attempt(run: RunHandle<unknown>, deed: Deed): Promise<void> {
  switch (deed.do) {
    case "signal":
      return run.signal(deed.name, deed.name, { dedupeKey: deed.dedupeKey });
    case "cancel":
    case "terminate":
    case "pause":
      return run[deed.do](REASON);
    case "resume":
    case "retry":
      return run[deed.do]();
  }
}

/** Whoever did it was told that it is durable. */
export function acknowledge(checker: Checker, runId: string, deed: Deed): void {
  if (deed.do === "cancel") void checker.cancelAcknowledged(runId);
  if (deed.do === "signal") void checker.signalAcknowledged(runId, signalToken(runId, deed.dedupeKey));
}
