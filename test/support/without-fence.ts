/**
 * A log whose fence is taken out, to show that what looks for repeats finds them: every writer is believed to hold its
 * runs, for ever, and whatever it writes is put at the end of the run's history, under whatever epoch there is.
 */
import type { LogStore, LogWrite, RunAppend, RunHead } from "../../src/log/port.ts";

/** @param leaseMs after this time others take the runs over, which their worker does not learn */
export function withoutFence(store: LogStore, leaseMs: number): LogStore {
  const rebased = async (run: RunAppend): Promise<RunAppend> => {
    const row = await store.getRun(run.runId);
    return row === null ? run : { ...run, epoch: row.epoch, firstSeq: row.head + 1 };
  };
  const isWritten = ({ runId, firstSeq, events }: RunAppend, heads: ReadonlyMap<string, RunHead>) =>
    heads.get(runId)?.head === firstSeq + events.length - 1;
  return {
    ...store,
    // A worker of a log that it alone writes does not ask whether its lease is good.
    exclusive: true,
    openWorker: (worker) => store.openWorker(worker, leaseMs),
    append: async (write) => {
      let rest: LogWrite = write;
      for (;;) {
        const runs = await Promise.all(rest.runs.map(rebased));
        const verdict = await store.append({ ...rest, runs });
        const late = runs.filter((run) => !isWritten(run, verdict.runs));
        if (late.length === 0) return { ...verdict, runs: new Map(write.runs.map(asWished)) };
        rest = { starts: write.starts, runs: late, messages: [] };
      }
    },
  };
}

/** What the writer hopes to hear. */
function asWished({ runId, epoch, firstSeq, events, row }: RunAppend): [string, RunHead] {
  const availableAt = row.kind === "move" ? row.availableAt : null;
  return [runId, { epoch, head: firstSeq + events.length - 1, availableAt }];
}
