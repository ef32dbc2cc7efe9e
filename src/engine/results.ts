/** Waits for the end of runs. */
import * as errors from "../kernel/errors.ts";
import type { Clock } from "../kernel/ports.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { LogStore, RunRow } from "../log/port.ts";
import type { Bus } from "../observe/bus.ts";
import type { Shutdown } from "./shutdown.ts";

/** Between two looks at a run that another process may end, milliseconds: doubled from `first` to `max`. */
const POLL_MS = { first: 20, max: 1_000 } as const;

export interface WaitOptions {
  /** Null: without bound. */
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal | null;
}

/** Tells who waits for a run when it has ended: at once if that happens in this process, else by looking. */
export class Results {
  readonly #store: LogStore;
  readonly #clock: Clock;
  readonly #shutdown: Shutdown;
  /** What wakes those who wait, by run. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(store: LogStore, clock: Clock, bus: Bus, shutdown: Shutdown) {
    this.#store = store;
    this.#clock = clock;
    this.#shutdown = shutdown;
    for (const type of ["run.completed", "run.failed", "run.cancelled"] as const) {
      bus.on(type, ({ runId }) => {
        for (const wake of this.#waiting.get(runId) ?? []) wake();
      });
    }
  }

  /**
   * The row of a run that has ended.
   *
   * @throws NotFoundError, TimeoutError, ClosedError, whatever `signal` was aborted with
   */
  async ended(runId: string, { timeoutMs, signal }: WaitOptions): Promise<RunRow> {
    const giveUpAt = timeoutMs === null ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + timeoutMs;
    let pollMs: number = POLL_MS.first;
    for (;;) {
      // Registered before the look, so that an end between the two is not missed.
      const news = this.#listen(runId, signal);
      try {
        const row = await this.#store.getRun(runId);
        if (row === null) throw notFound(runId);
        if (isTerminalStatus(row.status)) return row;
        signal?.throwIfAborted();
        const leftMs = giveUpAt - this.#clock.monotonic();
        if (leftMs <= 0) throw timedOut(row, timeoutMs ?? 0);
        await this.#within(this.#store.exclusive ? leftMs : Math.min(leftMs, pollMs), news);
        if (this.#shutdown.isOver) throw engineClosed();
        pollMs = Math.min(pollMs * 2, POLL_MS.max);
      } finally {
        news.end();
      }
    }
  }

  async #within(ms: number, news: { wake: () => void; woken: Promise<void> }): Promise<void> {
    const cancel = Number.isFinite(ms) ? this.#clock.timer(ms, news.wake) : () => {};
    await news.woken;
    cancel();
  }

  #listen(runId: string, signal: AbortSignal | null): { wake: () => void; woken: Promise<void>; end: () => void } {
    let wake = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waits = this.#waiting.get(runId) ?? new Set();
    this.#waiting.set(runId, waits.add(wake));
    const forget = this.#shutdown.on(wake);
    signal?.addEventListener("abort", wake);
    const end = () => {
      waits.delete(wake);
      if (waits.size === 0 && this.#waiting.get(runId) === waits) this.#waiting.delete(runId);
      forget();
      signal?.removeEventListener("abort", wake);
    };
    return { wake, woken, end };
  }
}

export function engineClosed(): errors.ClosedError {
  return new errors.ClosedError("ENGINE_CLOSED", "the engine has been closed");
}

export function notFound(runId: string): errors.NotFoundError {
  const message = `expected a run with the id ${JSON.stringify(runId)}, but there is none`;
  return new errors.NotFoundError("RUN_NOT_FOUND", message, { runId });
}

function timedOut(row: RunRow, timeoutMs: number): errors.TimeoutError {
  const message = `expected run ${row.id} to end within ${timeoutMs} ms, but it is ${row.status}; it goes on, and its result can be asked for again`;
  return new errors.TimeoutError("RESULT_TIMEOUT", message, { runId: row.id, status: row.status });
}
