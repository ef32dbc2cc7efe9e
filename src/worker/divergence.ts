/**
 * What the engine says when code and history do not fit (rule R7), or when code awaits what replay cannot repeat. Pure.
 * The reader is whoever wrote the workflow: the message names the step, what the log expects and what the code did.
 */
import { ForeignAwaitError, ReplayDivergedError } from "../kernel/errors.ts";
import type { EventType, RunEvent } from "../kernel/events.ts";
import { isItemKey, isWithin } from "../kernel/keys.ts";
import type { CallKind, CallState } from "../kernel/state.ts";
import type { CallRequest, RunFacts } from "./recorder.ts";

/** What a call is called in messages. */
const CALL_NAMES: Record<CallKind, string> = {
  step: "ctx.step",
  timer: "ctx.sleep",
  scope: "ctx.scope",
  wait: "ctx.waitFor",
  child: "ctx.child",
  start: "ctx.start",
  kv: "ctx.kv",
  lock: "ctx.lock",
  message: "ctx.waitForMessage",
  breaker: "ctx.breaker",
};

/** The kind of call that events of a family belong to. */
const KINDS: Readonly<Record<string, CallKind>> = {
  attempt: "step",
  step: "step",
  timer: "timer",
  scope: "scope",
  wait: "wait",
  child: "child",
  start: "start",
  kv: "kv",
  lock: "lock",
  message: "message",
  breaker: "breaker",
};

const ADVICE =
  "the workflow's code is not the one that wrote this history, or it decides by something that is not recorded; " +
  "restore the code, or register the change as a new version";

/** A call in words: `ctx.step "charge"`, `ctx.map "ship[3]"`. */
export function callText(kind: CallKind, key: string): string {
  return textOf(kind, key, isItemKey(key));
}

/** The same for a call that has no key, because it was made where none may be. */
export function requestText({ kind, name, item }: Pick<CallRequest, "kind" | "name" | "item">): string {
  return textOf(kind, name, item !== undefined);
}

function textOf(kind: CallKind, name: string, isItem: boolean): string {
  return `${isItem ? "ctx.map" : CALL_NAMES[kind]} "${name}"`;
}

function kindOf(type: EventType): CallKind {
  return KINDS[type.slice(0, type.indexOf("."))] as CallKind;
}

interface Asked {
  readonly key: string;
  readonly kind: CallKind;
}

/** The log's next outcome belongs to a call that the code has not made. */
export function outcomeNotAsked(run: RunFacts, outcome: RunEvent, waiting: readonly Asked[]): ReplayDivergedError {
  const expected = callText(kindOf(outcome.type), outcome.key as string);
  return diverged(run, { expected, found: waitingText(waiting), seq: outcome.seq });
}

/** The log holds the beginning of a call that the code has not made. */
export function callNotAsked(run: RunFacts, call: CallState, waiting: readonly Asked[]): ReplayDivergedError {
  return diverged(run, { expected: callText(call.kind, call.key), found: waitingText(waiting), seq: null });
}

/** The code makes another kind of call under a recorded key. */
export function otherKind(run: RunFacts, key: string, recorded: CallKind, found: CallKind): ReplayDivergedError {
  return diverged(run, { expected: callText(recorded, key), found: callText(found, key), seq: null });
}

const WAITING_SHOWN_MAX = 5;

export function waitingText(waiting: readonly Asked[]): string {
  if (waiting.length === 0) return "the code waiting for nothing";
  const shown = waiting.slice(0, WAITING_SHOWN_MAX).map(({ kind, key }) => callText(kind, key));
  const more = waiting.length - shown.length;
  return `the code waiting for ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** What the log has and what the code did in its place. */
export interface Diff {
  readonly expected: string;
  readonly found: string;
  /** The event of the log; null: it is no single one. */
  readonly seq: number | null;
}

function diverged(run: RunFacts, diff: Diff): ReplayDivergedError {
  return divergedError(run, diff, "cannot be replayed, so it is stuck and nothing was appended");
}

/** @param what of the run, in words that follow its name */
export function divergedError(
  { id, workflow, version }: Pick<RunFacts, "id" | "workflow" | "version">,
  diff: Diff,
  what: string,
): ReplayDivergedError {
  const place = diff.seq === null ? "the history" : `event ${diff.seq}`;
  const message = [
    `run ${id} of ${workflow}@${version} ${what}`,
    `  - expected (${place}): ${diff.expected}`,
    `  + found:    ${diff.found}`,
    ADVICE,
  ].join("\n");
  return new ReplayDivergedError("REPLAY_DIVERGED", message, { runId: id, workflow, version, ...diff });
}

/** Code went on, or stopped, without an outcome of `ctx`. */
export function foreignAwait(run: RunFacts, what: string, lastCall: string): ForeignAwaitError {
  return new ForeignAwaitError(
    "FOREIGN_AWAIT",
    `expected the workflow to await only calls of ctx, but found ${what} after ${lastCall}: ` +
      "something else was awaited (a timer, a fetch, a stream), which replay cannot repeat; do it in the body of a step",
    { runId: run.id, lastCall },
  );
}

/** A call was made at a scope that does not own the open turn. Null: it was made where it may be. */
export function misplacedCall(
  run: RunFacts,
  call: { readonly what: string; readonly scope: string; readonly scopeEnded: boolean },
  turn: string | null,
  lastCall: string,
): ForeignAwaitError | null {
  const { what } = call;
  if (call.scopeEnded) {
    return new ForeignAwaitError(
      "SCOPE_ENDED",
      `expected calls in the scope "${call.scope}" before its function returns, but found ${what} after it; await the call within the function`,
      { runId: run.id, scope: call.scope, call: what },
    );
  }
  if (turn === null) return foreignAwait(run, what, lastCall);
  if (isWithin(call.scope, turn)) return null;
  if (!isWithin(turn, call.scope)) return otherScope(run, call, turn);
  return new ForeignAwaitError(
    "OUTER_CONTEXT",
    `expected code in the scope "${turn}" to use the context that its function is given, but found ${what} on an outer one`,
    { runId: run.id, scope: turn, call: what },
  );
}

/** Two scopes that are beside each other, such as items of a map, have met. */
function otherScope(
  run: RunFacts,
  { what, scope }: { readonly what: string; readonly scope: string },
  turn: string,
): ForeignAwaitError {
  return new ForeignAwaitError(
    "OTHER_SCOPE",
    `expected an outcome in the scope "${turn}" to lead to calls in it, but found ${what} in the scope "${scope}": ` +
      "the code of one used the context of the other, or awaited what is no call of its own; " +
      "use the context that the function is given, and hand data out by its return value",
    { runId: run.id, scope: turn, other: scope, call: what },
  );
}
