/**
 * Events of the log as server-sent events: `id` is the position, so that `Last-Event-ID` says where to go on.
 *
 * Owns, for each answer: the reader of the log. Nothing is read before the client reads, and one event at a time: a slow
 * client costs no memory. A reader ends with its client, with the engine, and with the key that let it in.
 */
import type { RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import type { Ports } from "../kernel/ports.ts";

/** Something is sent so often at least, so that a proxy does not take the answer for dead; keys are looked at again. */
export const KEEP_ALIVE_MS = 15_000;

/** How long a client waits before it connects again, milliseconds. */
const RETRY_MS = 1_000;

export interface EventStreamOptions {
  /** Reads the log until the signal is aborted. */
  readonly read: (signal: AbortSignal) => AsyncIterable<RunEvent>;
  /** Whether the answer ends with this event. */
  readonly isLast: (event: RunEvent) => boolean;
  readonly isStillAllowed: () => Promise<boolean>;
  readonly ports: Pick<Ports, "clock" | "logger">;
}

/** The body of an answer. */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const reader = new Reader(options);
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const text = await reader.next();
        if (text === null) controller.close();
        else controller.enqueue(new TextEncoder().encode(text));
      },
      cancel: () => reader.leave(),
    },
    // Nothing ahead of the client: an answer that nobody reads, such as to a HEAD, opens no reader.
    { highWaterMark: 0 },
  );
}

class Reader {
  readonly #options: EventStreamOptions;
  readonly #left = new AbortController();
  #events: AsyncIterator<RunEvent> | null = null;
  /** The next event, awaited across keep-alives. */
  #next: Promise<IteratorResult<RunEvent>> | null = null;
  #isOver = false;
  #allowedAt: number;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#allowedAt = options.ports.clock.monotonic();
  }

  /** What is sent next; null: the answer ends. A fault ends it too: the client connects again and misses nothing. */
  async next(): Promise<string | null> {
    try {
      return await this.#piece();
    } catch (error) {
      this.#options.ports.logger.log("error", "a stream of events broke off", { error: toFailure(error) });
      return this.#end();
    }
  }

  async #piece(): Promise<string | null> {
    if (this.#events === null) {
      this.#events = this.#options.read(this.#left.signal)[Symbol.asyncIterator]();
      return `retry: ${RETRY_MS}\n\n`;
    }
    if (this.#isOver) return this.#end();
    this.#next ??= this.#events.next();
    const news = await this.#within(this.#next);
    if (!(await this.#isAllowed())) return this.#end();
    if (news === "quiet") return ": keep-alive\n\n";
    this.#next = null;
    if (news.done === true) return this.#end();
    this.#isOver = this.#options.isLast(news.value);
    return textOf(news.value);
  }

  leave(): void {
    this.#end();
  }

  #end(): null {
    this.#left.abort();
    // It may stand at an event that nobody takes any more: only this ends it.
    this.#events?.return?.().catch(() => {});
    this.#next?.catch(() => {});
    return null;
  }

  async #within(next: Promise<IteratorResult<RunEvent>>): Promise<IteratorResult<RunEvent> | "quiet"> {
    let cancel = () => {};
    const quiet = new Promise<"quiet">((resolve) => {
      cancel = this.#options.ports.clock.timer(KEEP_ALIVE_MS, () => resolve("quiet"));
    });
    try {
      return await Promise.race([next, quiet]);
    } finally {
      cancel();
    }
  }

  async #isAllowed(): Promise<boolean> {
    const now = this.#options.ports.clock.monotonic();
    if (now - this.#allowedAt < KEEP_ALIVE_MS) return true;
    this.#allowedAt = now;
    return await this.#options.isStillAllowed();
  }
}

/** JSON has no line break of its own, so an event is one line of data. */
function textOf(event: RunEvent): string {
  return `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
