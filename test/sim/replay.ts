/** Replays a history that a simulation has left, to see what the code asks for. */
import type { Workflow } from "../../src/ctx/workflow.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { closesScope, type EventRow } from "../../src/kernel/events.ts";
import { isWithin } from "../../src/kernel/keys.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { Claim, LogStore } from "../../src/log/port.ts";
import { Prng } from "../../src/testing/prng.ts";

/** Long enough for a replay: each outcome takes a macrotask. */
const MACROTASKS_PER_EVENT = 2;
const MACROTASKS_MIN = 20;

/** The calls that the code makes when it is given these events and nothing more, in order: `kind key`. */
export async function askedBy(
  workflow: Workflow<never, unknown, never, never>,
  rows: readonly EventRow[],
): Promise<string[]> {
  const asked: string[] = [];
  // Before all of it, so that nothing becomes due by itself.
  const clock = { now: () => (rows[0] as EventRow).at - 1, monotonic: () => 0, timer: () => () => {} };
  const drain = (fn: () => void) => void setImmediate(fn);
  const ports = { clock, drain, random: new Prng("replay"), logger: { log: () => {} } };
  const engine = await createEngineOf({
    store: storeOf(rows, workflow, clock),
    ports,
    workflows: [workflow],
    asked: (_runId: string, key: string, kind: string) => asked.push(`${kind} ${key}`),
  });
  await engine.work({});
  for (let i = 0; i < MACROTASKS_MIN + MACROTASKS_PER_EVENT * rows.length; i++)
    await new Promise<void>((resolve) => setImmediate(resolve));
  return asked;
}

/** A log that has one run to claim, and from which no write ever comes back. */
function storeOf(
  rows: readonly EventRow[],
  { name, version }: { name: string; version: string },
  clock: { now(): number },
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
  const store = memoryStore(clock);
  return Object.assign(Object.create(store) as LogStore, {
    exclusive: true,
    localClock: true,
    openWorker: async () => clock.now(),
    heartbeat: async () => ({ alive: true, mail: [] }),
    releaseStuck: async () => 0,
    workAhead: async () => ({ dueAt: isClaimed ? null : clock.now(), suspectDue: false, now: clock.now() }),
    claim: async () => {
      const claims = isClaimed ? [] : [claim];
      isClaimed = true;
      return { isVoid: false, claims, poisoned: [] };
    },
    load: async () => new Map([[last.runId, withoutConcludedScopes(rows)]]),
    readInbox: async () => [],
    append: () => new Promise<never>(() => {}),
  } satisfies Partial<LogStore>);
}

function concluded(rows: readonly EventRow[]): string[] {
  return rows.filter(closesScope).map(({ key }) => key as string);
}

/** As whoever goes on with a run is given its events. */
function withoutConcludedScopes(rows: readonly EventRow[]): EventRow[] {
  const scopes = concluded(rows);
  return rows.filter((row) => row === rows.at(-1) || !scopes.some((scope) => isWithin(row.scope ?? "", scope)));
}

/**
 * Whether the code goes on from these events by itself, although nothing happens any more: an attempt without an end is
 * interrupted, and for a step that has no other left that is its outcome.
 */
export function goesOn(rows: readonly EventRow[], isLast: (key: string) => boolean): boolean {
  const open = new Set<string>();
  for (const { type, key } of rows) {
    if (key === null) continue;
    if (type === "attempt.started") open.add(key);
    else open.delete(key);
  }
  return [...open].some(isLast);
}

/** Whether these events leave the run paused: then its code is not asked. */
export function isPaused(rows: readonly EventRow[]): boolean {
  const last = rows.findLast(({ type }) => /^run\.(paused|resumed)$|^cancel\.requested$/.test(type));
  return last?.type === "run.paused";
}

/** Calls within scopes that have concluded among these events: replay does not make them. */
export function withoutConcluded(asked: readonly string[], rows: readonly EventRow[]): string[] {
  const scopes = concluded(rows);
  return asked.filter((call) => {
    const key = call.slice(call.indexOf(" ") + 1);
    return !scopes.some((scope) => key !== scope && isWithin(key, scope));
  });
}
