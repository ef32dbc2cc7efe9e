/** Where a run that is retried goes on. Pure. */
import type { RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";

/** Conclusions that say why a call failed. */
const FAILURES: ReadonlySet<string> = new Set([
  "step.failed",
  "child.failed",
  "child.cancelled",
  "start.failed",
  "kv.failed",
  "lock.expired",
  "breaker.refused",
]);

/**
 * The seq of the outcome from which on a run that has ended is done again: that of the call whose failure ended it, or of
 * the cancel. Its last event if neither is known, as when the code itself threw: then all is given to the code again,
 * which may be mended by now. The first event if its compensations have begun: what they undid must be done again.
 *
 * @param history all events of the run, in order, the last of them terminal or late
 */
export function reopenedFrom(history: readonly RunEvent[]): number {
  const last = history.findLastIndex(({ type }) => type === "run.reopened");
  const current = history.slice(last + 1);
  const end = current.findLast(({ type }) => type === "run.failed" || type === "run.cancelled");
  if (hasCompensated(current)) return 1;
  const cause = end?.type === "run.failed" ? failedCall(current, end.data.error) : null;
  const cancel = end?.type === "run.cancelled" ? current.find(({ type }) => type === "cancel.requested") : undefined;
  const from = cause?.seq ?? cancel?.seq ?? end?.seq ?? history.length;
  return beforeLocks(current, from);
}

/** Calls to values that runs share which go on unanswered when the run is done again from `from`: they may have been obeyed. */
export function openOperations(history: readonly RunEvent[], from: number): string[] {
  const open = new Map<string, number>();
  for (const event of history) {
    const { type, key, seq } = event;
    if (type === "run.reopened") forget(open, event.data.from);
    else if (type === "kv.requested") open.set(key as string, seq);
    else if (type === "kv.answered" || type === "kv.failed") open.delete(key as string);
  }
  forget(open, from);
  return [...open.keys()];
}

/** Takes away what is done again from `from` on. */
function forget(open: Map<string, number>, from: number): void {
  for (const [key, seq] of open) if (seq > from) open.delete(key);
}

/**
 * What was done under a lock that the run has lost with its end is done again from there: others may have had the lock
 * since.
 */
function beforeLocks(history: readonly RunEvent[], from: number): number {
  const lost = history.find(
    ({ type, key, seq }) =>
      type === "lock.acquired" &&
      seq < from &&
      !history.some((event) => event.type === "lock.released" && event.key === key && event.seq < from),
  );
  return lost?.seq ?? from;
}

/** Whether something has been undone, or may have been. */
function hasCompensated(events: readonly RunEvent[]): boolean {
  const scopes = new Set<string | null>();
  for (const event of events) {
    if (event.type === "scope.started" && event.data.compensates === true) scopes.add(event.key);
    if (event.type === "attempt.started" && scopes.has(event.scope)) return true;
  }
  return false;
}

/** Whether the call came to this very error. */
function hasFailedBy(event: RunEvent, error: Failure): boolean {
  return event.type === "kv.failed" && JSON.stringify(event.data.error) === JSON.stringify(error);
}

/** The conclusion of the call that an error tells of. */
function failedCall(events: readonly RunEvent[], error: Failure): RunEvent | null {
  for (let each: Failure | undefined = error; each !== undefined; each = each.cause) {
    const facts = each.fields?.facts as { readonly step?: string; readonly child?: string } | undefined;
    const key = facts?.step ?? facts?.child;
    const found = events.findLast(
      (event) => FAILURES.has(event.type) && (event.key === key || hasFailedBy(event, each)),
    );
    if (found !== undefined) return found;
  }
  return null;
}
