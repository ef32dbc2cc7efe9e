/** Waits for the end of runs. */
import * as errors from "../kernel/errors.ts";
import type { Clock } from "../kernel/ports.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { LogStore } from "../log/port.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { Bus } from "../observe/bus.ts";
import { resultText } from "../worker/row.ts";
import type { Shutdown } from "./shutdown.ts";

/** Between two looks at a run that another process may end, milliseconds: doubled from `first` to `max`. */
const POLL_MS = { first: 20, max: 1_000 } as const;

/** The most runs of which it is remembered that they were created here and have not ended. */
const OPEN_MAX = 10_000;

export interface WaitOptions {
  /** Null: without bound. */
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal | null;
}

/** How a run ended: with the text of its output, as its row holds it, or otherwise, as the row says. */
export type Ended = { readonly output: string } | { readonly row: RunRow };

export interface ResultsParts {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly shutdown: Shutdown;
  /** Whether a worker that tells this bus is at the run: then its end is still to come. */
  readonly isUnderWay: (runId: string) => boolean;
}

/** One wait for one run. */
interface Wait {
  readonly woken: Promise<void>;
  readonly wake: () => void;
  /** The result's text, once the bus has told it. */
  output: string | null;
}

/** Tells who waits for a run when it has ended: at once if that happens in this process, else by looking. */
export class Results {
  readonly #parts: ResultsParts;
  /** Who waits, by run. */
  readonly #waiting = new Map<string, Set<Wait>>();
  /** Runs that were created here and have not ended, oldest first: the last {@link OPEN_MAX}, where nobody else writes. */
  readonly #open = new Set<string>();

  constructor(parts: ResultsParts) {
    this.#parts = parts;
    const { bus } = parts;
    if (parts.store.exclusive) bus.on("run.created", ({ runId }) => this.#opened(runId));
    bus.on("run.completed", ({ runId, data }) =>
      this.#tell(runId, () => resultText({ status: "completed", output: data })),
    );
    for (const type of ["run.failed", "run.cancelled"] as const)
      bus.on(type, ({ runId }) => this.#tell(runId, () => null));
  }

  #opened(runId: string): void {
    this.#open.add(runId);
    if (this.#open.size <= OPEN_MAX) return;
    for (const oldest of this.#open) {
      this.#open.delete(oldest);
      return;
    }
  }

  #tell(runId: string, output: () => string | null): void {
    this.#open.delete(runId);
    const waits = this.#waiting.get(runId);
    if (waits === undefined) return;
    const text = output();
    for (const wait of waits) {
      wait.output = text;
      wait.wake();
    }
  }

  /**
   * A run that has ended.
   *
   * @throws NotFoundError, TimeoutError, ClosedError, whatever `signal` was aborted with
   */
  async ended(runId: string, { timeoutMs, signal }: WaitOptions): Promise<Ended> {
    const { store, clock, shutdown } = this.#parts;
    const giveUpAt = timeoutMs === null ? Number.POSITIVE_INFINITY : clock.monotonic() + timeoutMs;
    // A run that is under way here needs no look: two reads a run were half the time of a short one.
    let isUnderWay = this.#open.has(runId) || this.#parts.isUnderWay(runId);
    let pollMs: number = POLL_MS.first;
    for (;;) {
      // Registered before the look, so that an end between the two is not missed.
      const wait = this.#listen(runId, signal);
      try {
        const row = isUnderWay ? null : await this.#look(runId);
        if (row !== null && isTerminalStatus(row.status)) return { row };
        signal?.throwIfAborted();
        const leftMs = giveUpAt - clock.monotonic();
        if (row !== null && leftMs <= 0) throw timedOut(row, timeoutMs ?? 0);
        await this.#within(store.exclusive ? leftMs : Math.min(leftMs, pollMs), wait);
        if (wait.output !== null) return { output: wait.output };
        if (shutdown.isOver) throw engineClosed();
        isUnderWay = false;
        pollMs = Math.min(pollMs * 2, POLL_MS.max);
      } finally {
        wait.end();
      }
    }
  }

  async #look(runId: string): Promise<RunRow> {
    const row = await this.#parts.store.getRun(runId);
    if (row === null) throw notFound(runId);
    return row;
  }

  async #within(ms: number, { wake, woken }: Wait): Promise<void> {
    const cancel = Number.isFinite(ms) ? this.#parts.clock.timer(ms, wake) : () => {};
    await woken;
    cancel();
  }

  #listen(runId: string, signal: AbortSignal | null): Wait & { end: () => void } {
    let wake = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waits = this.#waiting.get(runId) ?? new Set();
    const forget = this.#parts.shutdown.on(wake);
    signal?.addEventListener("abort", wake);
    const end = () => {
      waits.delete(wait);
      if (waits.size === 0 && this.#waiting.get(runId) === waits) this.#waiting.delete(runId);
      forget();
      signal?.removeEventListener("abort", wake);
    };
    const wait: Wait & { end: () => void } = { wake, woken, output: null, end };
    this.#waiting.set(runId, waits.add(wait));
    return wait;
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
