/** Gathers what says why a run does not go on. */
import { type LineFacts, whyOf } from "../admission/why.ts";
import type { RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import type { RunState } from "../kernel/state.ts";
import type { Why } from "../kernel/why.ts";
import type { LockRow, LogStore } from "../log/port.ts";
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
  const lines = new Map<string, LineFacts>();
  const places = row.limits === null ? [] : await store.listPlaces({ runId, limit: LINES_MAX });
  for (const { line } of places) {
    const setting = await store.getLine(line);
    const found = await store.listPlaces({ line, limit: LINE_READ_MAX });
    lines.set(line, { places: found, slots: setting?.slots ?? null, paused: setting?.paused ?? false });
  }
  const locks = new Map<string, readonly LockRow[]>();
  for (const { name } of await store.listLocks({ name: null, runId, limit: LINES_MAX })) {
    if (!locks.has(name)) locks.set(name, await store.listLocks({ name, limit: LINE_READ_MAX }));
  }
  return whyOf({ row, state, events, lines, locks, workers: await store.listWorkers(), now: Math.floor(await now()) });
}
