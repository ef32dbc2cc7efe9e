import type { EventData } from "../kernel/events.ts";
import type { InboxRow, MessageKind } from "../log/port-inbox.ts";
import type { ChildEnd, GivenMessage } from "./recorder.ts";

/** What each kind of message says. */
interface MessageData {
  cancel: { readonly reason?: string };
  terminate: { readonly reason?: string };
  pause: { readonly reason?: string };
  resume: Record<string, never>;
  signal: Omit<EventData["signal.received"], "token">;
  /** By its call's key. */
  child: { readonly key: string; readonly runId: string; readonly end: ChildEnd };
  lock: { readonly key: string };
  /** By its call's key. */
  message: { readonly key: string; readonly message: GivenMessage };
}

/** A message, read. */
export type Message = { [K in MessageKind]: { readonly kind: K; readonly data: MessageData[K] } }[MessageKind];

/** The message in a row of the inbox. */
export function readMessage({ kind, data }: InboxRow): Message {
  return { kind, data: JSON.parse(data ?? "{}") } as Message;
}

/** A run's mail in its owner's memory. A row is given once, however often it is read from the inbox. */
export class Mail {
  readonly #seen = new Set<number>();
  #waiting: InboxRow[] = [];

  add(rows: readonly InboxRow[]): void {
    for (const row of rows) {
      if (this.#seen.has(row.id)) continue;
      this.#seen.add(row.id);
      this.#waiting.push(row);
    }
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether a message of one of these kinds waits. */
  has(...kinds: readonly MessageKind[]): boolean {
    return this.#waiting.some((row) => kinds.includes(row.kind));
  }

  /** What waits, in order of arrival; from now on nothing does. */
  drain(): InboxRow[] {
    const rows = this.#waiting;
    this.#waiting = [];
    return rows;
  }
}
