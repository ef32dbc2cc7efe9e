import type { RunEvent } from "../kernel/events.ts";
import type { Claim } from "../log/port-claims.ts";

/** First events of runs that were created in this process and are to be claimed soon: their first claim reads nothing of them. */
export class FreshRuns {
  readonly #max: number;
  readonly #created = new Map<string, RunEvent>();

  constructor(max: number) {
    this.#max = max;
  }

  keep(created: RunEvent): void {
    this.#created.set(created.runId, created);
    if (this.#created.size <= this.#max) return;
    const [oldest] = this.#created.keys();
    if (oldest !== undefined) this.#created.delete(oldest);
  }

  /** All that the log has of a claimed run, which is no longer kept; null: that is not known, or there is more. */
  take({ runId, epoch, head }: Claim): RunEvent | null {
    const created = this.#created.get(runId) ?? null;
    this.#created.delete(runId);
    return epoch === 1 && head === 1 ? created : null;
  }
}
