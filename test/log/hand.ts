/** A hand at a log: writes of runs as the contract's tests send them. */
import { expect } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import type { InboxMessage } from "../../src/log/port-inbox.ts";
import type { Beyond, LogWrite, RunAppend, RunStart } from "../../src/log/port-write.ts";
import { eventOf, moved, newRun, PROGRAM, turn } from "./writes.ts";

export interface OpenedLog {
  readonly store: LogStore;
  /** Lets `ms` pass on the clock that judges leases: a manual clock goes forward, a server's is waited for. */
  readonly pass: (ms: number) => Promise<void>;
}

export const LEASE_MS = 800;

let numbers = 0;

/** A number that no test has had. */
const nextNumber = (): number => ++numbers;

export const runId = (): string => `run_${String(nextNumber()).padStart(6, "0")}`;

export const start = (id: string, more: Partial<RunStart> = {}): RunStart => newRun(id, more).starts[0] as RunStart;

export const created = (id: string, more: Partial<RunAppend> = {}): RunAppend => ({
  ...(newRun(id).runs[0] as RunAppend),
  ...more,
});

export const append = (id: string, epoch: number, firstSeq: number, more: Partial<RunAppend> = {}): RunAppend => ({
  runId: id,
  epoch,
  firstSeq,
  events: [eventOf("attempt.started", `step-${firstSeq}`)],
  drained: [],
  row: { kind: "advance", unclean: "keep", startedAt: null },
  beyond: null,
  ...more,
});

export const beyond = (part: Partial<Beyond>): Beyond => ({
  shares: true,
  children: [],
  tells: [],
  unlocks: [],
  settled: [],
  places: null,
  ...part,
});

export const message = (id: string, kind: InboxMessage["kind"] = "cancel"): InboxMessage => ({
  runId: id,
  kind,
  token: `t-${nextNumber()}`,
  data: '{"reason":"r"}',
  at: 7,
});

/** The row of a run that lets go of its worker. */
export const left = (status: "waiting" | "paused" | "pending" | "stuck") =>
  moved({ status, availableAt: null, release: true, unclean: "undo", stuck: status === "stuck" ? "{}" : null });

/** The row of a run that is over. */
export const ended = (status: "completed" | "failed" | "cancelled") =>
  moved({ status, availableAt: null, release: true, unclean: "reset", result: "{}", endedAt: 2_000 });

/** A run under a claim, and where its next event goes. */
export interface Held {
  readonly id: string;
  readonly epoch: number;
  head: number;
}

export function handAt(store: () => LogStore) {
  const write = (part: Partial<LogWrite>) => store().append({ starts: [], runs: [], messages: [], ...part });

  /** A pending run. */
  async function pending(more: Partial<RunStart> = {}): Promise<string> {
    const id = runId();
    await write({ starts: [start(id, more)], runs: [created(id)] });
    return id;
  }

  /** What a worker gets that has a lease. */
  async function claim(worker = "w1", limit = 1) {
    await store().openWorker(worker, LEASE_MS);
    return await store().claim({ turn: turn(), worker, programs: [PROGRAM], limit, alone: false });
  }

  async function claimed(worker = "w1"): Promise<Held> {
    const id = await pending();
    const { claims } = await claim(worker);
    expect(claims.map((each) => each.runId)).toEqual([id]);
    return { id, epoch: claims[0]?.epoch ?? 0, head: 1 };
  }

  /** The part of a write with the run's next event. */
  const next = (run: Held, more: Partial<RunAppend> = {}): RunAppend => append(run.id, run.epoch, run.head + 1, more);

  /** Writes that part, and takes it for granted that it is taken. */
  async function goOn(run: Held, more: Partial<RunAppend> = {}): Promise<RunAppend> {
    const part = next(run, more);
    const verdict = await write({ runs: [part] });
    run.head += part.events.length;
    expect(verdict.runs.get(run.id)).toMatchObject({ epoch: run.epoch, head: run.head });
    return part;
  }

  /** A run that has let go of its worker. */
  async function parked(status: Parameters<typeof left>[0] = "waiting"): Promise<Held> {
    const run = await claimed();
    await goOn(run, { row: left(status) });
    return run;
  }

  const mailOf = async (...ids: string[]) =>
    (await store().readInbox(ids)).map(({ runId: id, kind, token, data }) => ({ id, kind, token, data }));

  const statusOf = async (id: string) => (await store().getRun(id))?.status;

  const seqs = async (id: string) =>
    (await store().readHistory(id, { afterSeq: 0, limit: 1_000 })).map(({ seq, epoch }) => [seq, epoch]);

  return { write, pending, claim, claimed, next, goOn, parked, mailOf, statusOf, seqs };
}
