/** Reads the log as it grows: all of it by position, or one run's part of it by seq. */
import { type EventRow, parseEvent, type RunEvent } from "../kernel/events.ts";
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
  /** Only this run's events; null: everything. */
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
  const news = new News(parts, options);
  const next = options.runId === null ? pagesOfLog(store, options.after) : pagesOfRun(store, options.runId);
  try {
    while (!news.isOver) {
      const rows = await next();
      for (const row of rows) {
        if (row.position > options.after) yield parseEvent(row);
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

type NextPage = () => Promise<readonly EventRow[]>;

function pagesOfLog(store: LogStore, after: number): NextPage {
  let afterPosition = after;
  return async () => {
    const rows = await store.readLog({ afterPosition, limit: PAGE_MAX });
    afterPosition = rows.at(-1)?.position ?? afterPosition;
    return rows;
  };
}

/** By seq: one run is found by its index, however long the log is. */
function pagesOfRun(store: LogStore, runId: string): NextPage {
  let afterSeq = 0;
  return async () => {
    const rows = await store.readHistory(runId, { afterSeq, limit: PAGE_MAX });
    afterSeq = rows.at(-1)?.seq ?? afterSeq;
    return rows;
  };
}

/** Whether there may be something new, or the reader should stop. Remembers what is told while nobody waits. */
class News {
  readonly #shutdown: Shutdown;
  readonly #signal: AbortSignal | null;
  readonly #unlisten: readonly (() => void)[];
  #told = false;
  #wake: (() => void) | null = null;

  constructor({ bus, shutdown }: TailParts, { signal, runId }: TailOptions) {
    const tell = () => this.tell();
    this.#shutdown = shutdown;
    this.#signal = signal;
    signal?.addEventListener("abort", tell);
    const unlisten = bus.on("event", (event) => {
      if (runId === null || event.runId === runId) this.tell();
    });
    this.#unlisten = [unlisten, shutdown.on(tell), () => signal?.removeEventListener("abort", tell)];
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
