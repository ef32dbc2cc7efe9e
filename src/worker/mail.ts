import type { InboxRow } from "../log/port.ts";

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

  get hasCancel(): boolean {
    return this.#waiting.some((row) => row.kind === "cancel");
  }

  /** What waits, in order of arrival; from now on nothing does. */
  drain(): InboxRow[] {
    const rows = this.#waiting;
    this.#waiting = [];
    return rows;
  }
}
