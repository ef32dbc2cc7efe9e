/** Replays a history that a simulation has left, to see what the code asks for. */
import type { Workflow } from "../../src/ctx/workflow.ts";
import { closesScope, type EventRow } from "../../src/kernel/events.ts";
import { isWithin } from "../../src/kernel/keys.ts";
import { replay } from "../../src/testing/replay.ts";
import { replayRows } from "../../src/testing/replay-history.ts";

/**
 * The calls that the code makes until it has been given all of these events, in order: `kind key`. What it does then by itself
 * is its next owner's affair: something else may have been recorded before that.
 */
export async function askedBy(
  workflow: Workflow<never, unknown, never, never>,
  rows: readonly EventRow[],
): Promise<string[]> {
  const [first, ...others] = rows;
  const { asked } = await replay(workflow, [first as EventRow, ...others]);
  return asked.flatMap(({ kind, key, isNew }) => (isNew ? [] : [`${kind} ${key}`]));
}

/** What `replayHistory` says of a history, to the end of it and of each scope; null: the code goes along with it. */
export async function divergenceOf(
  workflow: Workflow<never, unknown, never>,
  rows: readonly EventRow[],
): Promise<string | null> {
  const [first, ...others] = rows;
  return await replayRows(workflow, [first as EventRow, ...others]).then(() => null, String);
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
