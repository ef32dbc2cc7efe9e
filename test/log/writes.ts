/** Writes of a run, as tests of the log send them. */
import type { LogStore } from "../../src/log/port.ts";
import type { AppendedEvent, RunRowMove, RunStart } from "../../src/log/port-write.ts";

export const PROGRAM = { workflow: "ship", version: "1" };

let turns = 0;

/** The number of a claim that is later than all before. */
export const turn = (): number => ++turns;

export const eventOf = (type: string, key: string | null = null, data: object | null = null): AppendedEvent => ({
  type,
  v: 1,
  key,
  scope: null,
  attempt: type.startsWith("attempt") ? 1 : null,
  at: 1_000,
  data: data === null ? null : JSON.stringify(data),
});

export const moved = (more: Partial<RunRowMove> = {}): RunRowMove => ({
  kind: "move",
  unclean: "keep",
  status: "pending",
  availableAt: 0,
  release: false,
  result: null,
  startedAt: null,
  endedAt: null,
  stuck: null,
  ...more,
});

/** A new run with its first event and any others. */
export function newRun(runId: string, more: Partial<RunStart> = {}, events: readonly AppendedEvent[] = []) {
  const created = eventOf("run.created", null, { ...PROGRAM, input: { value: runId } });
  const nothing = {
    idempotencyKey: null,
    tags: {},
    deadlineAt: null,
    owner: null,
    delivery: null,
    parentId: null,
    limits: null,
  };
  return {
    starts: [{ runId, ...PROGRAM, ...nothing, createdAt: 1_000, ...more }],
    runs: [{ runId, epoch: 0, firstSeq: 1, events: [created, ...events], drained: [], row: moved(), beyond: null }],
    messages: [],
  };
}

export const idsOf = async (store: LogStore) =>
  (await store.listRuns({}, { before: null, limit: 10_000 })).map(({ id }) => id).sort();
