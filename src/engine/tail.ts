/** Reads the log as it grows. */
import { parseEvent, type RunEvent } from "../kernel/events.ts";
import type { Clock } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { Bus } from "../observe/bus.ts";
import type { Shutdown } from "./shutdown.ts";

export interface TailParts {
  readonly store: LogStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly shutdown: Shutdown;
}

export interface TailOptions {
  /** The last position that the reader has. */
  readonly after: number;
  /** Only this run's events. */
  readonly runId: string | null;
  readonly signal: AbortSignal | null;
}

/** The most events of one read. */
const PAGE_MAX = 500;

/** How often a database is looked at that others write too, milliseconds. */
const POLL_MS = 250;

/** Every event after a position, in order, until the signal is aborted or the engine closes. */
export async function* tail(parts: TailParts, options: TailOptions): AsyncGenerator<RunEvent> {
  const { store, clock } = parts;
  const news = new News(parts, options.signal);
  let { after } = options;
  try {
    while (!news.isOver) {
      const rows = await store.readLog({ afterPosition: after, limit: PAGE_MAX });
      for (const row of rows) {
        after = row.position;
        if (options.runId === null || row.runId === options.runId) yield parseEvent(row);
        if (news.isOver) return;
      }
      if (rows.length > 0) continue;
      const cancelPoll = store.exclusive ? () => {} : clock.timer(POLL_MS, () => news.tell());
      await news.wait();
      cancelPoll();
    }
  } finally {
    news.end();
  }
}

/** Whether there may be something new, or the reader should stop. Remembers what is told while nobody waits. */
class News {
  readonly #shutdown: Shutdown;
  readonly #signal: AbortSignal | null;
  readonly #unlisten: readonly (() => void)[];
  #told = false;
  #wake: (() => void) | null = null;

  constructor({ bus, shutdown }: TailParts, signal: AbortSignal | null) {
    const tell = () => this.tell();
    this.#shutdown = shutdown;
    this.#signal = signal;
    signal?.addEventListener("abort", tell);
    this.#unlisten = [bus.on("event", tell), shutdown.on(tell), () => signal?.removeEventListener("abort", tell)];
  }

  get isOver(): boolean {
    return this.#shutdown.isOver || this.#signal?.aborted === true;
  }

  tell(): void {
    this.#told = true;
    this.#wake?.();
  }

  async wait(): Promise<void> {
    if (!this.#told) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#told = false;
    this.#wake = null;
  }

  end(): void {
    for (const unlisten of this.#unlisten) unlisten();
  }
}
