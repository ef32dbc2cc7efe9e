/** Gathers what says why a run does not go on. */
import { type LineFacts, type LockLine, whyOf } from "../admission/why.ts";
import type { RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { queueLine } from "../kernel/queues.ts";
import type { RunState } from "../kernel/state.ts";
import type { Why } from "../kernel/why.ts";
import type { LogStore, PlaceRow } from "../log/port.ts";
import { notFound } from "./results.ts";

/** How far a line is read from its head. */
const LINE_READ_MAX = 500;

/** The most lines and locks of one run that are read. */
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
  return whyOf({ row, state, events, lines, locks, workers: await store.listWorkers(), now: Math.floor(await now()) });
}

async function lineFacts(store: LogStore, mine: PlaceRow): Promise<LineFacts> {
  const { line, fair } = mine;
  const places = await store.listPlaces({ line, limit: LINE_READ_MAX });
  const ofKey = fair === undefined ? null : await store.listPlaces({ line, fairKey: fair.key, limit: LINE_READ_MAX });
  return { mine, places, ofKey, setting: await store.getLine(line) };
}
