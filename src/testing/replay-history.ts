/** `replayHistory`: whether a workflow's code goes the way of a recorded history. */
import { isWorkflow, type Workflow } from "../ctx/workflow.ts";
import { DefinitionError, type ReplayDivergedError, type VarveError } from "../kernel/errors.ts";
import { type EventRow, type EventType, isOutcome, isTerminal, parseEvent, type RunEvent } from "../kernel/events.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";
import type { RunAppend } from "../log/port-write.ts";
import { callText, type Diff, divergedError, waitingText } from "../worker/divergence.ts";
import { UNREPLAYABLE } from "./judgement.ts";
import { type RecordedHistory, recordedRows } from "./recorded.ts";
import { type AskedCall, type Replayed, replay } from "./replay.ts";
import { stuckError } from "./stuck.ts";

/** What a replay that went well has seen. */
export interface ReplayReport {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  /** How many events the history has. */
  readonly events: number;
  /** The calls that the code made, in order, such as `step charge`. */
  readonly calls: readonly string[];
}

type Rows = readonly [EventRow, ...EventRow[]];
type AnyWorkflow = Workflow<never, unknown, never, never>;
type Run = Pick<ReplayReport, "workflow" | "version"> & { readonly id: string };

/** A concluded scope is replayed by itself, and so costs a replay each: the first so many are. */
const SCOPES_MAX = 100;

/** Runs that fail by these fail by what no replay repeats: the time, or a limit of that engine. */
const NOT_BY_CODE = new Set([...UNREPLAYABLE, "RUN_DEADLINE", "HISTORY_LIMIT", "PAYLOAD_TOO_LARGE"]);

/**
 * Runs `workflow` against a history that was recorded earlier, and finds out whether it asks for the same, in the same
 * order, and ends in the same way: the check before a deploy that no open run will be `stuck`. It has no effects: no step
 * body starts, and nothing is written anywhere. Scopes that have concluded are looked at too, the first 100 of them.
 *
 * What a step's body does is not looked at, nor what the run returns: both may change between versions.
 *
 * @param history what `engine.history(runId)` returns, an object that has such a list as `events`, or either as JSON text
 * @throws ReplayDivergedError `REPLAY_DIVERGED` with the first difference (`facts.expected`, `facts.found`, `facts.seq`);
 * ForeignAwaitError for code that awaits what replay cannot repeat; DefinitionError `HISTORY_INVALID` for what is no
 * history from its first event on, or one of another workflow or version; StoreError `EVENT_UNREADABLE`
 * @example
 * const history = readFileSync("test/histories/fulfil-refunded.json", "utf8");
 * await replayHistory(fulfil, history);
 */
export async function replayHistory(workflow: AnyWorkflow, history: RecordedHistory): Promise<ReplayReport> {
  if (!isWorkflow(workflow)) {
    throw new DefinitionError(
      "WORKFLOW_INVALID",
      "expected a workflow that `workflow(...)` or `.implement(...)` returned, but found something else",
    );
  }
  const rows = recordedRows(history);
  return await replayRows(workflow, rows);
}

/** The same of rows that the log has. */
export async function replayRows(workflow: AnyWorkflow, rows: Rows): Promise<ReplayReport> {
  const events = rows.map(parseEvent);
  const run = runOf(workflow, events[0] as RunEvent);
  const stops = [...concludedScopes(events).map((event) => endOfScope(event, events)), endOf(events)];
  const calls = new Set<string>();
  for (const stop of stops) {
    const { asked } = await replayUpTo(workflow, run, rows, stop);
    for (const { kind, key } of asked) calls.add(`${kind} ${key}`);
  }
  return { runId: run.id, workflow: run.workflow, version: run.version, events: rows.length, calls: [...calls] };
}

/** Where a replay stops, and what the code must do there. */
interface Stop {
  /** The event before which it stops; null: behind the last one. */
  readonly seq: number | null;
  readonly what: string;
  /** Whether an event that is written next is the one that was recorded; null: the code may go on as it likes. */
  readonly isEnd: ((next: RunAppend["events"][number]) => boolean) | null;
  /** The code of the error with which the engine has ended the run. */
  readonly failure: string | null;
}

const OPEN: Stop = { seq: null, what: "", isEnd: null, failure: null };

async function replayUpTo(workflow: AnyWorkflow, run: Run, rows: Rows, stop: Stop): Promise<Replayed> {
  const { seq, what, isEnd, failure } = stop;
  const [created, ...others] = rows;
  const prefix: Rows = seq === null ? rows : [created, ...others.slice(0, seq - 2)];
  const replayed = await replay(workflow, prefix);
  const { next, asked } = replayed;
  const error = errorOf(next);
  // The facts of this code are a diff: `divergedError` makes it of one.
  if (error?.code === "REPLAY_DIVERGED") throw diverged(run, error.facts as unknown as Diff);
  if (error !== null && error.code !== failure) throw error;
  if (isEnd === null || next?.events.some(isEnd) === true) return replayed;
  throw diverged(run, { expected: what, found: foundText(next, waiting(asked, prefix)), seq });
}

function runOf({ name, version }: AnyWorkflow, created: RunEvent): Run {
  const data = created.data as { readonly workflow: string; readonly version: string };
  if (data.workflow === name && data.version === version) return { id: created.runId, workflow: name, version };
  throw new DefinitionError(
    "HISTORY_INVALID",
    `expected a history of ${name}@${version}, but found one of ${data.workflow}@${data.version}; ` +
      "a run keeps the version that it was started with: replay it with the code that is registered under that",
    { workflow: name, version, found: `${data.workflow}@${data.version}` },
  );
}

/** How the run ended, if it has. */
function endOf(events: readonly RunEvent[]): Stop {
  const last = events.findLast(({ type }) => type !== "attempt.late") as RunEvent;
  const { type, seq } = last;
  if (!isTerminal(type)) return OPEN;
  const failure = (type === "run.failed" && last.data.error.code) || null;
  // Who cancels a run decides its end, not its code.
  if (type === "run.cancelled" || NOT_BY_CODE.has(failure ?? "")) return { ...OPEN, seq, failure };
  return { ...OPEN, seq, what: ENDS[type] ?? type, isEnd: (next) => next.type === type };
}

const ENDS: Readonly<Partial<Record<EventType, string>>> = {
  "run.completed": "the end of the function, which returned",
  "run.failed": "the end of the function, which threw",
};

const ENDS_WITH_SCOPES: ReadonlySet<EventType> = new Set(["scope.completed", "scope.failed", "lock.released"]);

function endOfScope({ seq, key }: RunEvent, events: readonly RunEvent[]): Stop {
  const next = events.slice(seq).find(({ type }) => !ENDS_WITH_SCOPES.has(type));
  // A function that does not wait for the scope may have returned in the same round: replayed, it returns first.
  const last = next !== undefined && isTerminal(next.type) ? next.type : null;
  const isEnd: Stop["isEnd"] = (written) => written.key === key || written.type === last;
  return { ...OPEN, seq, what: `the end of ${callText("scope", key as string)}`, isEnd };
}

/** Once a cancel was asked for, scopes end as it has it. */
function concludedScopes(events: readonly RunEvent[]): RunEvent[] {
  const cancel = events.findIndex(({ type }) => type === "cancel.requested");
  const before = cancel < 0 ? events : events.slice(0, cancel);
  return before.filter(({ type }) => type === "scope.completed" || type === "scope.failed").slice(0, SCOPES_MAX);
}

/** Why the run cannot go on, or would be ended by the engine. */
function errorOf(next: RunAppend | null): VarveError | null {
  if (next === null) return null;
  const { row, events } = next;
  if (row.kind === "move" && row.status === "stuck") return stuckError(row.stuck);
  const failed = events.find(({ type }) => type === "run.failed");
  const { error } = JSON.parse(failed?.data ?? "{}") as { error?: Failure };
  return error?.code !== undefined && UNREPLAYABLE.has(error.code) ? (fromFailure(error) as VarveError) : null;
}

const waiting = (asked: readonly AskedCall[], rows: readonly EventRow[]) => {
  const given = new Set(
    rows.filter(({ type }) => isOutcome(type as EventType) && type !== "scope.started").map(({ key }) => key),
  );
  return asked.filter(({ key }) => !given.has(key));
};

function foundText(next: RunAppend | null, calls: readonly AskedCall[]): string {
  const end = next?.events.find(({ type }) => isTerminal(type as EventType));
  if (end?.type === "run.completed") return ENDS["run.completed"] as string;
  if (end === undefined) return waitingText(calls);
  const { error } = JSON.parse(end.data ?? "{}") as { error?: Failure };
  return `${ENDS["run.failed"]} ${error?.name}: ${error?.message}`;
}

function diverged(run: Run, diff: Diff): ReplayDivergedError {
  return divergedError(run, diff, "does not go the way of its history");
}
