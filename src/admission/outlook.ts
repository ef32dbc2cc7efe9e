/** What a run waits for, in short: the rules of `why.ts`, asked about the end of its history. Pure. */
import type { EventRow, RunEvent } from "../kernel/events.ts";
import { evolve } from "../kernel/evolve.ts";
import { isTerminalStatus, type RunState } from "../kernel/state.ts";
import type { WaitingFor, WaitReason } from "../kernel/why.ts";
import {
  OUTLOOK_EVENTS_MAX,
  type Outlook,
  type OutlookLock,
  type OutlookPlace,
  type OutlookRequest,
} from "../log/port-outlook.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { WorkerRow } from "../log/port-workers.ts";
import { type LineFacts, type LockLine, type WhyFacts, whyOf } from "./why.ts";

/** What has to be read to say it of these runs: nothing of one that is over. */
export function outlookRequests(rows: readonly RunRow[]): OutlookRequest[] {
  return rows
    .filter(({ status }) => !isTerminalStatus(status))
    .map(({ id, head }) => ({ runId: id, afterSeq: Math.max(0, head - OUTLOOK_EVENTS_MAX) }));
}

/** What each of these runs waits for first, by its id. A run that waits for nothing is not among them. */
export function waitingFor(
  rows: readonly RunRow[],
  { events, places, locks }: Outlook,
  workers: readonly WorkerRow[],
  now: number,
): Map<string, WaitingFor> {
  const eventsOf = grouped(events, ({ runId }) => runId);
  const placesOf = grouped(places, ({ runId }) => runId);
  const locksOf = grouped(locks, ({ runId }) => runId);
  const found = new Map<string, WaitingFor>();
  for (const row of rows) {
    const lines = linesOf(placesOf.get(row.id) ?? []);
    const locks = locksBy(locksOf.get(row.id) ?? []);
    const first = firstReason(eventsOf.get(row.id) ?? [], { row, workers, now, lines, locks, breakers: new Map() });
    if (first !== null)
      found.set(row.id, { kind: first.kind, name: first.name ?? first.key ?? null, since: first.since });
  }
  return found;
}

function firstReason(rows: readonly EventRow[], facts: Omit<WhyFacts, "state" | "events">): WaitReason | null {
  try {
    const events = rows.map(inShort);
    return whyOf({ ...facts, events, state: stateOf(facts.row, events) }).waitsFor[0] ?? null;
  } catch {
    // Its events are damaged. Whoever works on it finds that; a list goes on.
    return null;
  }
}

/** What a wait was given lies before the end of the history, and is not asked for. */
function inShort(row: EventRow): RunEvent {
  const type = row.type === "wait.completed" ? "wait.expired" : row.type;
  return { ...row, type, data: JSON.parse(row.data ?? "{}") } as RunEvent;
}

/** The calls that were made in this part of the history. */
function stateOf(row: RunRow, events: readonly RunEvent[]): RunState | null {
  const { id: runId, workflow, version, createdAt: at } = row;
  const [first, ...rest] = events;
  if (first === undefined) return null;
  const { availableAt = null } = first.data as { readonly availableAt?: number | null };
  const data = { workflow, version, input: { value: null }, ...(availableAt === null ? {} : { availableAt }) };
  const created = { ...first, runId, seq: 0, type: "run.created", at, data } as RunEvent;
  const known = first.type === "run.created" ? rest : events;
  // What comes as mail is long, and nobody waits for it any more.
  return known.filter(({ type }) => type !== "signal.received").reduce<RunState | null>(evolve, evolve(null, created));
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function locksBy(locks: readonly OutlookLock[]): Map<string, LockLine> {
  const lines = grouped(locks, ({ name }) => name);
  return new Map([...lines].map(([name, places]) => [name, { places, setting: null }]));
}

function linesOf(places: readonly OutlookPlace[]): Map<string, LineFacts> {
  return new Map(
    places.map((place) => [
      place.line,
      {
        mine: place,
        places: [place],
        held: place.held,
        ofKey: null,
        setting: { line: place.line, slots: place.slotsSet, paused: place.paused },
      },
    ]),
  );
}
