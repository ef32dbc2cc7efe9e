/**
 * Runs a workflow's code against recorded events, on the engine's own replay, to see what it asks for and what it would
 * write next. It has no effects: the log is one run that can be claimed once, and no write to it ever comes back, so no
 * body starts.
 */
import { type Workflow, wrapWorkflow } from "../ctx/workflow.ts";
import { createEngineOf } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { EventRow } from "../kernel/events.ts";
import type { CallKind } from "../kernel/state.ts";
import { memoryStore } from "../log/memory.ts";
import { withoutCompletedScopes } from "../log/memory-events.ts";
import type { LogStore } from "../log/port.ts";
import type { Claim } from "../log/port-claims.ts";
import type { LogWrite, RunAppend } from "../log/port-write.ts";
import { macrotask } from "./agenda.ts";
import { Prng } from "./prng.ts";
import { over } from "./watched.ts";

/** A call that the code has made. */
export interface AskedCall {
  readonly kind: CallKind;
  readonly key: string;
  /** Whether the code had been given all of the events before, and has gone on by itself. */
  readonly isNew: boolean;
}

export interface Replayed {
  /** In order. Those within scopes that have concluded among the events are not made. */
  readonly asked: readonly AskedCall[];
  /** What the run would write as it goes on, or as it is found stuck; null: it only asks for what runs share. */
  readonly next: RunAppend | null;
}

type AnyWorkflow = Workflow<never, unknown, never, never>;
type Rows = readonly [EventRow, ...EventRow[]];

/** What bounds a run live is no matter of its replay. */
const LIMITS = { payloadBytesMax: 128 * 1_048_576, historyEventsMax: 1_000_000_000, historyEventsWarn: 1_000_000_000 };

const ONE_SLOT = { concurrency: 1 };

const MACROTASKS_MIN = 1_000;
const MACROTASKS_PER_EVENT = 10;

/** What the run writes beside it comes in the same round. */
const MACROTASKS_AFTER_SHARING = 20;

export async function replay(workflow: AnyWorkflow, rows: Rows): Promise<Replayed> {
  const asked: AskedCall[] = [];
  const { queue } = workflow.rules ?? {};
  // Before all of it, so that nothing becomes due by itself.
  const clock = { now: () => rows[0].at - 1, monotonic: () => 0, timer: () => () => {} };
  const drain = (fn: () => void) => void setImmediate(fn);
  const ports = { clock, drain, random: new Prng("replay"), logger: { log: () => {} } };
  let next: RunAppend | undefined;
  let sharingLeft: number | null = null;
  const store = logOf(rows, workflow, clock, (write) => {
    if (write === null) sharingLeft ??= MACROTASKS_AFTER_SHARING;
    else next ??= write.runs[0];
  });
  const engine = await createEngineOf({
    sweeps: false,
    store,
    ports,
    workflows: [inAnyQueue(workflow)],
    queues: queue === undefined ? {} : { [queue]: ONE_SLOT },
    limits: LIMITS,
    knowsAll: true,
    asked: (_runId, key, kind, isNew) => asked.push({ kind, key, isNew }),
  });
  await engine.work({ parkAfterMs: 0 });
  // Each outcome takes a macrotask, and whatever its code does, the run is written then: as parked, as ended or as stuck,
  // unless it asks for what runs share.
  for (let left = MACROTASKS_MIN + MACROTASKS_PER_EVENT * rows.length; next === undefined && left > 0; left--) {
    await macrotask();
    if (sharingLeft !== null && sharingLeft-- === 0) break;
  }
  assert(next !== undefined || sharingLeft !== null, "a replay ends at the log");
  return { asked: [...asked], next: next ?? null };
}

/** A history does not say which queues its engine had. */
function inAnyQueue(workflow: AnyWorkflow): AnyWorkflow {
  return wrapWorkflow(
    workflow,
    (run) => (recorder, input) => run(over(recorder, { queueSlots: () => ONE_SLOT.concurrency }), input),
  );
}

/** A log that has one run to claim, and from which no write ever comes back. */
function logOf(
  rows: Rows,
  { name, version }: { readonly name: string; readonly version: string },
  clock: { now(): number },
  reached: (write: LogWrite | null) => void,
): LogStore {
  const last = rows.at(-1) as EventRow;
  const claim: Claim = {
    runId: last.runId,
    workflow: name,
    version,
    epoch: last.epoch + 1,
    head: last.seq,
    uncleanBefore: 0,
    wasStuck: false,
    hasMail: false,
  };
  let isClaimed = false;
  const end = (write: LogWrite | null) => {
    reached(write);
    return new Promise<never>(() => {});
  };
  return over(memoryStore(clock), {
    exclusive: true,
    workAhead: async () => ({
      dueAt: isClaimed ? null : clock.now(),
      suspectDue: false,
      linesDue: false,
      now: clock.now(),
    }),
    claim: async () => {
      const claims = isClaimed ? [] : [claim];
      isClaimed = true;
      return { isVoid: false, claims, poisoned: [] };
    },
    load: async () => new Map([[last.runId, withoutCompletedScopes(rows)]]),
    append: end,
    getKeyed: () => end(null),
    getOperation: () => end(null),
    listKeyed: () => end(null),
    putKeyed: () => end(null),
    requestLock: () => end(null),
    requestWait: () => end(null),
    expireWait: () => end(null),
  });
}
