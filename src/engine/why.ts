/** Gathers what says why a run does not go on. */
import { outlookRequests, waitingFor } from "../admission/outlook.ts";
import { breakerOf, type LineFacts, type LockLine, whyOf } from "../admission/why.ts";
import { BREAKER_SCOPE, type BreakerState, breakerState } from "../kernel/breaker.ts";
import { isVarveError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { queueLine } from "../kernel/queues.ts";
import type { RunState } from "../kernel/state.ts";
import type { WaitingFor, Why } from "../kernel/why.ts";
import type { LogStore } from "../log/port.ts";
import type { Outlook, OutlookRequest } from "../log/port-outlook.ts";
import type { PlaceRow } from "../log/port-places.ts";
import type { RunRow } from "../log/port-runs.ts";
import { notFound } from "./results.ts";

/** How far a line is read from its head. */
const LINE_READ_MAX = 500;

/** The most lines, locks and breakers of one run that are read. */
const LINES_MAX = 20;

export interface WhyHost {
  readonly store: LogStore;
  now(): Promise<number>;
  history(runId: string): Promise<RunEvent[]>;
}

/** @throws NotFoundError `RUN_NOT_FOUND` */
export async function why({ store, now, history }: WhyHost, runId: string): Promise<Why> {
  const row = await store.getRun(runId);
  if (row === null) throw notFound(runId);
  const events = await history(runId);
  const state = events.reduce<RunState | null>(evolve, null);
  const places = row.limits === null ? [] : await store.listPlaces({ runId, limit: LINES_MAX });
  const lines = new Map<string, LineFacts>();
  for (const mine of places) lines.set(mine.line, await lineFacts(store, mine));
  const locks = new Map<string, LockLine>();
  for (const { name, queue } of await store.listLocks({ name: null, runId, limit: LINES_MAX })) {
    if (locks.has(name)) continue;
    const setting = queue === null ? null : await store.getLine(queueLine(queue));
    locks.set(name, { places: await store.listLocks({ name, limit: LINE_READ_MAX }), setting });
  }
  const breakers = await breakersOf(store, state, events);
  const workers = await store.listWorkers();
  return whyOf({ row, state, events, lines, locks, breakers, workers, now: Math.floor(await now()) });
}

/** Those that have to let the run's steps through, as they stand. */
async function breakersOf(
  store: LogStore,
  state: RunState | null,
  events: readonly RunEvent[],
): Promise<Map<string, BreakerState>> {
  const found = new Map<string, BreakerState>();
  const waiting = [...(state?.calls.values() ?? [])].filter(({ dueAt, kind }) => kind === "step" && dueAt !== null);
  for (const name of new Set(waiting.flatMap(({ key }) => breakerOf(events, key) ?? []))) {
    if (found.size >= LINES_MAX) break;
    found.set(name, breakerState((await store.getKeyed(BREAKER_SCOPE, name)).value));
  }
  return found;
}

/** What each of these runs waits for first, by its id: three reads, however many there are. */
export async function waiting(
  { store, now }: Pick<WhyHost, "store" | "now">,
  rows: readonly RunRow[],
): Promise<Map<string, WaitingFor>> {
  const requests = outlookRequests(rows);
  if (requests.length === 0) return new Map();
  const [outlook, workers, at] = await Promise.all([readable(store, requests), store.listWorkers(), now()]);
  return waitingFor(rows, outlook, workers, Math.floor(at));
}

/** One damaged row fails the read of all: then each run is read alone, and nothing is said of those that cannot be read. */
async function readable(store: WhyHost["store"], requests: readonly OutlookRequest[]): Promise<Outlook> {
  try {
    return await store.readOutlook(requests);
  } catch (error) {
    if (!isVarveError(error, "STORE_CORRUPT")) throw error;
    if (requests.length === 1) return { events: [], places: [], locks: [] };
    const each = await Promise.all(requests.map((request) => readable(store, [request])));
    return {
      events: each.flatMap(({ events }) => events),
      places: each.flatMap(({ places }) => places),
      locks: each.flatMap(({ locks }) => locks),
    };
  }
}

async function lineFacts(store: LogStore, mine: PlaceRow): Promise<LineFacts> {
  const { line, fair } = mine;
  const places = await store.listPlaces({ line, limit: LINE_READ_MAX });
  const ofKey = fair === undefined ? null : await store.listPlaces({ line, fairKey: fair.key, limit: LINE_READ_MAX });
  const held = places.filter(({ grantedAt }) => grantedAt !== null).length;
  return { mine, places, held, ofKey, setting: await store.getLine(line) };
}
