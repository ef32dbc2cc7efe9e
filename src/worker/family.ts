/**
 * A run and those that it starts.
 *
 * Owns: nothing; what it does is queued in the run's journal. Called by the run's execution.
 *
 * I1 A child exists if, and only if, the event that starts it is in its parent's log.
 * I2 A child's end and what its parent is told of it are one write.
 * I3 A child whose end nobody waits for any more is cancelled with what ended the wait, unless it was to be abandoned.
 */
import { LimitError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import { scopeOfKey } from "../kernel/keys.ts";
import type { Limits } from "../kernel/limits.ts";
import { isClosed, type RunResult } from "../kernel/state.ts";
import type { Journal } from "./journal.ts";
import type { Message } from "./mail.ts";
import { childStart, encodeInput, type LimitedRun, type NewRunLimits } from "./new-run.ts";
import type { ChildEnd, NewChild } from "./recorder.ts";

/** What a family takes from its surroundings. */
export interface FamilyHost {
  readonly limits: Pick<Limits, "childDepthMax" | "childrenMax" | "payloadBytesMax">;
  now(): number;
  newRunId(): string;
  limitsOf(run: LimitedRun): NewRunLimits | null;
  reached(runIds: readonly string[], dueAt: number | null): void;
}

export class Family {
  readonly #host: FamilyHost;
  readonly #journal: Journal;

  constructor(host: FamilyHost, journal: Journal) {
    this.#host = host;
    this.#journal = journal;
  }

  /** The child whose end the call under `key` waits for. */
  childOf(key: string): string | null {
    return this.#journal.state.children?.get(key)?.runId ?? null;
  }

  /**
   * Starts a run with the event that `record` queues. If it queues none, nothing is started.
   *
   * @throws LimitError `CHILD_DEPTH`, `CHILDREN_LIMIT`; PayloadError; DefinitionError `LIMIT_KEY_INVALID`, `LIMIT_INVALID`
   */
  start(key: string, child: NewChild, record: (runId: string) => void): void {
    const { state } = this.#journal;
    const { workflow, version, tags, deadlineMs, isAwaited } = child;
    const depth = this.#checkRoom();
    const runId = this.#host.newRunId();
    const createdAt = Math.floor(this.#host.now());
    const parent = { runId: state.id, key, depth };
    const input = encodeInput(child.input, this.#host.limits.payloadBytesMax);
    const start = childStart({
      runId,
      workflow,
      version,
      input,
      idempotencyKey: null,
      tags,
      createdAt,
      availableAt: createdAt,
      deadlineAt: deadlineMs === null ? null : createdAt + deadlineMs,
      delivery: null,
      limits: this.#host.limitsOf({ workflow, version, input, availableAt: createdAt }),
      parent: isAwaited ? parent : { ...parent, detached: true },
    });
    const before = state.head;
    record(runId);
    if (state.head === before) return;
    this.#journal.reachBeyond().children.push(start);
    this.#journal.afterDurable(() => this.#host.reached([], createdAt));
  }

  /** How many runs stand above a run that this one starts. */
  #checkRoom(): number {
    const { id, parent, startedRuns } = this.#journal.state;
    const { childDepthMax, childrenMax } = this.#host.limits;
    const depth = (parent?.depth ?? 0) + 1;
    if (depth > childDepthMax)
      throw new LimitError(
        "CHILD_DEPTH",
        `expected at most ${childDepthMax} runs above a run, and run ${id} has as many; does a workflow start itself without end? Else raise limits.childDepthMax`,
        { runId: id, max: childDepthMax },
      );
    if (startedRuns >= childrenMax)
      throw new LimitError(
        "CHILDREN_LIMIT",
        `expected a run to start at most ${childrenMax} others, and run ${id} has started as many; let its children start some of them, or raise limits.childrenMax`,
        { runId: id, max: childrenMax },
      );
    return depth;
  }

  /** A child has ended: the outcome of its call; null if nobody waits for it any more. */
  childEnded({ key, runId, end }: Extract<Message, { kind: "child" }>["data"]): RunEvent | null {
    const { state } = this.#journal;
    if (this.childOf(key) !== runId || isClosed(state, key)) return null;
    const scope = scopeOfKey(key);
    try {
      if (end.status === "completed") return this.#journal.record("child.completed", key, scope, null, end.output);
    } catch (error) {
      // Larger than this process allows.
      return this.#journal.record("child.failed", key, scope, null, { error: toFailure(error) });
    }
    if (end.status === "failed") return this.#journal.record("child.failed", key, scope, null, { error: end.error });
    const data = end.reason === null ? {} : { reason: end.reason };
    return this.#journal.record("child.cancelled", key, scope, null, data);
  }

  /** Nobody waits any more for what these calls come to. */
  leave(keys: Iterable<string>, reason: string): void {
    for (const key of keys) {
      const child = this.#journal.state.children?.get(key);
      if (child !== undefined && !child.isAbandoned) this.#tell(child.runId, "cancel", { reason });
    }
  }

  /** The run's end is queued. */
  runIsOver(): void {
    this.leave(this.#journal.state.children?.keys() ?? [], "its parent has ended");
    const { id: runId, parent, result } = this.#journal.state;
    if (!parent || parent.detached === true || result === null) return;
    this.#tell(parent.runId, "child", { key: parent.key, runId, end: endOf(result) });
  }

  #tell(runId: string, kind: "child" | "cancel", data: object): void {
    const { state } = this.#journal;
    const at = Math.floor(this.#host.now());
    this.#journal
      .reachBeyond()
      .tells.push({ runId, kind, token: `${state.id}/${state.head}/${runId}`, data: JSON.stringify(data), at });
    this.#journal.afterDurable(() => this.#host.reached([runId], null));
  }
}

/** A run's end as its parent is told of it. */
function endOf(result: RunResult): ChildEnd {
  if (result.status !== "completed") return result;
  const { value, meta } = result.output;
  return { status: "completed", output: meta === undefined ? { value } : { value, meta } };
}
