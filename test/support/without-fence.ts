/**
 * Guards taken out of a log, to show that what looks for repeats finds them.
 *
 * Two guards keep a worker from what was taken over by another: it stops when its lease is in doubt, and the fence
 * refuses what it writes all the same. With both gone two workers run one run at a time.
 */
import type { LogStore } from "../../src/log/port.ts";
import type { LogWrite, RunAppend, RunHead } from "../../src/log/port-write.ts";

/** A log whose worker never doubts its lease, which nobody renews: after `leaseMs` others take its runs over. */
export function blindToLeases(store: LogStore, leaseMs: number): LogStore {
  // A worker that alone writes its log needs no lease.
  return { ...store, exclusive: true, openWorker: (worker) => store.openWorker(worker, leaseMs) };
}

/** A log that takes what anybody writes, at the end of the run's history and under whatever epoch there is. */
export function withoutFence(store: LogStore): LogStore {
  const rebased = async (run: RunAppend): Promise<RunAppend> => {
    const row = await store.getRun(run.runId);
    return row === null ? run : { ...run, epoch: row.epoch, firstSeq: row.head + 1 };
  };
  const append: LogStore["append"] = async (write) => {
    let rest: LogWrite = write;
    for (;;) {
      const runs = await Promise.all(rest.runs.map(rebased));
      const verdict = await store.append({ ...rest, runs });
      const late = runs.filter((run) => !isWritten(run, verdict.runs));
      if (late.length === 0) return { ...verdict, runs: new Map(write.runs.map(asWished)) };
      // Another writer came between the look and the write.
      rest = { starts: write.starts, runs: late, messages: [] };
    }
  };
  return { ...store, append };
}

/** A run that does not exist was a start whose idempotency key another run has: there is nothing to write. */
function isWritten({ runId, firstSeq, events }: RunAppend, heads: ReadonlyMap<string, RunHead>): boolean {
  const row = heads.get(runId);
  return row === undefined || row.head === firstSeq + events.length - 1;
}

/** What the writer hopes to hear. */
function asWished({ runId, epoch, firstSeq, events, row }: RunAppend): [string, RunHead] {
  const availableAt = row.kind === "move" ? row.availableAt : null;
  return [runId, { epoch, head: firstSeq + events.length - 1, availableAt }];
}
