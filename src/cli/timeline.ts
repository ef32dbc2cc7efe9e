/** What happened in a run, call by call, from its events. Pure. */
import type { RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";

/** One try of a step. */
export interface AttemptLine {
  readonly attempt: number;
  /** The worker that ran it, as far as the log says. */
  readonly worker: string | null;
  readonly startedAt: number;
  endedAt: number | null;
  status: "open" | "completed" | "failed" | "interrupted";
  error: Failure | null;
  /** Why it was interrupted. */
  reason: string | null;
}

/** A step, a timer or a scope. */
export interface CallLine {
  readonly key: string;
  readonly kind: "step" | "timer" | "scope";
  status: "open" | "completed" | "failed";
  readonly startedAt: number;
  endedAt: number | null;
  error: Failure | null;
  /** For a timer: when it is due. */
  readonly dueAt: number | null;
  readonly attempts: AttemptLine[];
}

/** Folds events into calls, in the order in which they began. */
export class Timeline {
  readonly #calls = new Map<string, CallLine>();
  #worker: string | null = null;

  get calls(): readonly CallLine[] {
    return [...this.#calls.values()];
  }

  call(key: string): CallLine | undefined {
    return this.#calls.get(key);
  }

  add(event: RunEvent): void {
    const { type, key, at } = event;
    if (type === "run.created") this.#worker = event.data.worker ?? null;
    if (type === "run.claimed") this.#worker = event.data.worker;
    if (key === null) return;
    if (type === "attempt.started") this.#begin(key, at).attempts.push(this.#attempt(event.attempt ?? 1, at));
    else if (type === "timer.armed") this.#calls.set(key, newCall(key, "timer", at, event.data.dueAt));
    else if (type === "scope.started") this.#calls.set(key, newCall(key, "scope", at, null));
    else this.#conclude(event, key);
  }

  #begin(key: string, at: number): CallLine {
    const call = this.#calls.get(key) ?? newCall(key, "step", at, null);
    this.#calls.set(key, call);
    return call;
  }

  #attempt(attempt: number, startedAt: number): AttemptLine {
    const worker = this.#worker;
    return { attempt, worker, startedAt, endedAt: null, status: "open", error: null, reason: null };
  }

  #conclude(event: RunEvent, key: string): void {
    const call = this.#begin(key, event.at);
    const last = call.attempts.at(-1);
    const attempt = last?.status === "open" ? last : undefined;
    switch (event.type) {
      case "step.completed":
      case "timer.fired":
      case "scope.completed":
        end([call, attempt], event.at, "completed", null);
        break;
      case "step.failed":
      case "scope.failed":
        end([call, attempt], event.at, "failed", event.data.error);
        break;
      case "attempt.failed":
        end([attempt], event.at, "failed", event.data.error);
        break;
      case "attempt.interrupted":
        end([attempt], event.at, "interrupted", null);
        if (attempt !== undefined) attempt.reason = event.data.reason;
        break;
    }
  }
}

function newCall(key: string, kind: CallLine["kind"], startedAt: number, dueAt: number | null): CallLine {
  return { key, kind, status: "open", startedAt, endedAt: null, error: null, dueAt, attempts: [] };
}

function end(
  lines: readonly (CallLine | AttemptLine | undefined)[],
  endedAt: number,
  status: AttemptLine["status"],
  error: Failure | null,
): void {
  for (const line of lines) if (line !== undefined) Object.assign(line, { status, endedAt, error });
}
