/**
 * The log with its fence taken out: whatever a writer believes of a run, its events are appended, and it is told that all
 * is well. So a server that has lost its lease goes on, and bodies run twice. For the demo, which must be able to fail.
 */
import type { LogStore, RunAppend } from "../../src/log/port.ts";

export function withoutFence(store: LogStore): LogStore {
  return {
    ...store,
    append: async (write) => {
      const runs: RunAppend[] = [];
      for (const append of write.runs) {
        const row = await store.getRun(append.runId);
        runs.push(row === null ? append : { ...append, epoch: row.epoch, firstSeq: row.head + 1 });
      }
      const verdict = await store.append({ ...write, runs });
      const believed = write.runs.map(({ runId, epoch, firstSeq, events }) => {
        const { availableAt = null } = verdict.runs.get(runId) ?? {};
        return [runId, { epoch, head: firstSeq + events.length - 1, availableAt }] as const;
      });
      return { ...verdict, runs: new Map(believed) };
    },
  };
}
