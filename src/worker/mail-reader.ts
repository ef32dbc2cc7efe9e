/**
 * Reads the mail of a worker's runs: one read at a time, and all that is asked for meanwhile shares the next one. A
 * hundred signals that one commit brings cost two reads, not a hundred of all that lies in the inbox.
 *
 * Owns: which runs are to be looked at next. Called by the worker.
 */
import { toFailure } from "../kernel/failure.ts";
import type { Logger } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { InboxRow } from "../log/port-inbox.ts";

export interface MailReaderParts {
  readonly store: Pick<LogStore, "readInbox">;
  readonly logger: Logger;
  /** Gives a run all of its mail, if it is here. */
  readonly give: (runId: string, mail: readonly InboxRow[]) => void;
}

export class MailReader {
  readonly #parts: MailReaderParts;
  #wanted = new Set<string>();
  #reading: Promise<void> | null = null;
  /** The read after the one that is under way. */
  #next: Promise<void> | null = null;

  constructor(parts: MailReaderParts) {
    this.#parts = parts;
  }

  /** Resolves when these runs have been given what was there when this was called. */
  read(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) this.#wanted.add(runId);
    if (this.#next !== null) return this.#next;
    if (this.#reading === null) return this.#begin();
    this.#next = this.#reading.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<void> {
    const runIds = [...this.#wanted];
    this.#wanted.clear();
    this.#reading = this.#read(runIds).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(runIds: readonly string[]): Promise<void> {
    try {
      const byRun = new Map<string, InboxRow[]>(runIds.map((runId) => [runId, []]));
      for (const row of await this.#parts.store.readInbox(runIds)) byRun.get(row.runId)?.push(row);
      for (const [runId, mail] of byRun) this.#parts.give(runId, mail);
    } catch (error) {
      this.#parts.logger.log("warn", "the mail of runs could not be read; the next heartbeat tries again", {
        error: toFailure(error),
      });
    }
  }
}
