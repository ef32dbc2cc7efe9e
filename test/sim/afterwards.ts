/** What is looked at once runs have ended: what their events tell only to whoever knows their code. */
import { callKey } from "../../src/kernel/keys.ts";
import type { Checker } from "../../src/testing/checker.ts";

/** What an end says. */
interface EndData {
  readonly terminated?: true;
  readonly error?: { readonly code?: string };
}

interface CreatedData {
  readonly deadlineAt?: number;
}

/** Ends of runs whose code is not asked. */
const WITHOUT_CODE: ReadonlySet<string | undefined> = new Set(["RUN_DEADLINE", "HISTORY_LIMIT"]);

const COMPENSATE = /(^|\/)compensate(#\d+)?$/;

/** Whether the run's code has had its say in how it ended. */
function isByCode(checker: Checker, runId: string): boolean {
  const end = checker.endOf(runId);
  const { terminated, error } = JSON.parse(end?.data ?? "{}") as EndData;
  if (end === undefined || terminated !== undefined || WITHOUT_CODE.has(error?.code)) return false;
  // A cancelled run that meets its deadline ends at once, as cancelled.
  const { deadlineAt } = JSON.parse(checker.history(runId)[0]?.data ?? "{}") as CreatedData;
  return deadlineAt === undefined || end.at < deadlineAt;
}

/** The run was cancelled: what shielded it from that has come to its end all the same. */
export function expectShieldsHeld(checker: Checker, runId: string): void {
  if (!isByCode(checker, runId) || checker.endOf(runId)?.type !== "run.cancelled") return;
  const calls = checker.calls(runId);
  const shields = checker
    .history(runId)
    .filter(({ type, data }) => type === "scope.started" && data?.includes('"shielded":true') === true);
  for (const { key, seq } of shields) {
    const { outcome = null, endSeq = 0, firstSeq = 0 } = calls.get(key as string) ?? {};
    // One that was made before a retry counts no more.
    if (firstSeq !== seq) continue;
    const end = checker.history(runId)[endSeq - 1]?.data ?? "";
    const holds = outcome !== null && !end.includes('"code":"RUN_CANCELLED"');
    checker.expect("shield-holds", holds, () => `shield ${key} of run ${runId} came to ${outcome} ${end}`);
  }
}

/**
 * The run has failed or was cancelled: what can be undone has been, but for what was under way when the cancel came, and what
 * completed when nothing was undone any more.
 *
 * @param isUndoable which steps have a compensation, by their keys
 */
export function expectUndone(checker: Checker, runId: string, isUndoable: (key: string) => boolean): void {
  if (!isByCode(checker, runId) || checker.endOf(runId)?.type === "run.completed") return;
  const calls = checker.calls(runId);
  const scopes = [...calls].filter(([key, { outcome }]) => COMPENSATE.test(key) && outcome !== null);
  const undoneUntil =
    scopes.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...scopes.map(([, { endSeq }]) => endSeq));
  const cancelSeq = checker.history(runId).findLast(({ type }) => type === "cancel.requested")?.seq;
  const until = Math.min(undoneUntil, cancelSeq ?? Number.POSITIVE_INFINITY);
  for (const [key, { outcome, endSeq }] of calls) {
    if (outcome !== "step.completed" || !isUndoable(key) || endSeq > until) continue;
    const isUndone = scopes.some(([scope]) => (calls.get(callKey(scope, key, 1))?.outcome ?? null) !== null);
    checker.expect("undone-unless-completed", isUndone, () => `step ${key} of run ${runId} has not been undone`);
  }
}
