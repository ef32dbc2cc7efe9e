/** Replays a history that a simulation has left, to see what the code asks for. */
import type { Workflow } from "../../src/ctx/workflow.ts";
import { closesScope, type EventRow, type EventType, isOutcome } from "../../src/kernel/events.ts";
import { isWithin } from "../../src/kernel/keys.ts";
import { replay } from "../../src/testing/replay.ts";
import { replayRows } from "../../src/testing/replay-history.ts";

/** The calls that the code makes when it is given these events and nothing more, in order: `kind key`. */
export async function askedBy(
  workflow: Workflow<never, unknown, never, never>,
  rows: readonly EventRow[],
): Promise<string[]> {
  const [first, ...others] = rows;
  const { asked } = await replay(workflow, [first as EventRow, ...others]);
  return asked.map(({ kind, key }) => `${kind} ${key}`);
}

/** What `replayHistory` says of a history, to the end of it and of each scope; null: the code goes along with it. */
export async function divergenceOf(
  workflow: Workflow<never, unknown, never>,
  rows: readonly EventRow[],
): Promise<string | null> {
  const [first, ...others] = rows;
  return await replayRows(workflow, [first as EventRow, ...others]).then(() => null, String);
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

/**
 * Whether a scope begins or ends by what the code is given in the first so many of these events, but something else was
 * recorded before that: the code, given no more, would come to it first. `asked`: what it asks for then.
 */
export function goesOnOutOfTurn(rows: readonly EventRow[], count: number, asked: readonly string[]): boolean {
  const after = rows.slice(count).filter(({ type }) => isOutcome(type as EventType));
  const started = rows.slice(0, count).flatMap(({ type, key }) => (type === "scope.started" ? [key as string] : []));
  const beginning = asked.flatMap((call) => (call.startsWith("scope ") ? [call.slice("scope ".length)] : []));
  const before = (key: string, types: RegExp) => {
    const at = after.findIndex((row) => row.key === key && types.test(row.type));
    return after.slice(0, Math.max(0, at)).filter(({ type }) => !type.startsWith("scope."));
  };
  const beginsLate = (scope: string) => !started.includes(scope) && before(scope, /started$/).length > 0;
  const endsLate = (scope: string) => {
    const others = before(scope, /(completed|failed)$/);
    return others.length > 0 && !others.some(({ key }) => key !== null && isWithin(key, scope));
  };
  return beginning.some(beginsLate) || started.some(endsLate);
}

/**
 * The calls up to the first one that starts a run of which these events say nothing: it concludes by itself, before what
 * else was recorded.
 */
export function upToStart(asked: readonly string[], rows: readonly EventRow[]): readonly string[] {
  const known = new Set(rows.map(({ key }) => key));
  const start = asked.findIndex((call) => call.startsWith("start ") && !known.has(call.slice("start ".length)));
  return start === -1 ? asked : asked.slice(0, start + 1);
}

/** Whether these events leave the run paused: then its code is not asked. */
export function isPaused(rows: readonly EventRow[]): boolean {
  const last = rows.findLast(({ type }) => /^run\.(paused|resumed)$|^cancel\.requested$/.test(type));
  return last?.type === "run.paused";
}

/** Calls within scopes that have concluded among these events: replay does not make them. */
export function withoutConcluded(
  asked: readonly string[],
  events: readonly Pick<EventRow, "type" | "key" | "data">[],
): string[] {
  const scopes = events.filter(closesScope);
  return asked.filter((call) => {
    const key = call.slice(call.indexOf(" ") + 1);
    return !scopes.some((scope) => key !== scope.key && isWithin(key, scope.key as string));
  });
}

/** Events that count: a retry does again what was recorded from some event on, perhaps in another way. */
export function withoutUndone(rows: readonly EventRow[]): EventRow[] {
  const retries = rows.flatMap(({ type, seq, data }) =>
    type === "run.reopened" ? [{ seq, from: (JSON.parse(data ?? "{}") as { readonly from: number }).from }] : [],
  );
  return rows.filter(({ seq }) => !retries.some((retry) => seq >= retry.from && seq < retry.seq));
}
