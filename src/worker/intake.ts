/** What claimed runs go on with: copies that stayed in memory, or what the log has of them, and their mail. */
import { ClosedError } from "../kernel/errors.ts";
import type { EventRow, RunEvent } from "../kernel/events.ts";
import type { LogStore } from "../log/port.ts";
import type { Claim } from "../log/port-claims.ts";
import type { InboxRow } from "../log/port-inbox.ts";
import type { Execution } from "./execution.ts";
import type { FreshRuns } from "./fresh-runs.ts";
import type { HotRuns } from "./hot-runs.ts";

/** What a worker has in memory of runs that it does not own. */
export interface Kept {
  readonly hot: HotRuns;
  readonly fresh: FreshRuns;
}

export interface ClaimedRun {
  readonly claim: Claim;
  /** Null: it is to be replayed. */
  readonly copy: Execution | null;
  /** With no copy: its only event, as it was created; null: see `history`. */
  readonly created: RunEvent | null;
  /** With neither. */
  readonly history: readonly EventRow[];
  readonly mail: readonly InboxRow[];
}

/** Reads all that is needed, in one read a kind. */
export async function collect(store: LogStore, kept: Kept, claims: readonly Claim[]): Promise<ClaimedRun[]> {
  const copies = copiesOf(kept.hot, claims);
  const created = new Map(claims.map((claim) => [claim.runId, kept.fresh.take(claim)]));
  const cold = claims.filter(({ runId }) => !copies.has(runId) && created.get(runId) === null);
  const mailed = claims.filter(({ hasMail }) => hasMail).map(({ runId }) => runId);
  try {
    const histories = cold.length === 0 ? null : await store.load(cold);
    const mail = mailed.length === 0 ? [] : await store.readInbox(mailed);
    return claims.map((claim) => ({
      claim,
      copy: copies.get(claim.runId) ?? null,
      created: created.get(claim.runId) ?? null,
      history: histories?.get(claim.runId) ?? [],
      mail: mail.filter(({ runId }) => runId === claim.runId),
    }));
  } catch (error) {
    for (const copy of copies.values()) copy.drop(evicted());
    throw error;
  }
}

/** A copy is good only if nobody else had the run since it parked. */
function copiesOf(hot: HotRuns, claims: readonly Claim[]): Map<string, Execution> {
  const copies = new Map<string, Execution>();
  for (const claim of claims) {
    const copy = hot.take(claim.runId);
    if (copy?.isCopyOf(claim)) copies.set(claim.runId, copy);
    else copy?.drop(evicted());
  }
  return copies;
}

function evicted(): ClosedError {
  return new ClosedError("RUN_EVICTED", "the run went on elsewhere");
}
