/**
 * The inbox of the log's reference.
 *
 * Owns: its rows. Called by `memory.ts`, which knows who may be told something, and who wakes.
 */
import type { InboxMessage, InboxRow } from "./port-inbox.ts";

export class MemoryInbox {
  #rows: InboxRow[] = [];
  #lastId = 0;

  of(runId: string): InboxRow[] {
    return this.#rows.filter((row) => row.runId === runId);
  }

  ofAll(runIds: readonly string[]): InboxRow[] {
    return this.#rows.filter((row) => runIds.includes(row.runId));
  }

  has(token: string): boolean {
    return this.#rows.some((row) => row.token === token);
  }

  put(message: InboxMessage): void {
    // A repeat uses up an id, as a conflict does in SQLite: so simulations over both are told the same.
    const id = ++this.#lastId;
    if (!this.has(message.token)) this.#rows.push({ ...message, id });
  }

  /** Takes rows out by their ids. */
  drain(ids: readonly number[]): void {
    this.#rows = this.#rows.filter(({ id }) => !ids.includes(id));
  }

  /** Takes out all that a run has. */
  empty(runId: string): void {
    this.#rows = this.#rows.filter((row) => row.runId !== runId);
  }
}
