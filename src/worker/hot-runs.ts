import { ClosedError } from "../kernel/errors.ts";
import type { Execution } from "./execution.ts";

/** Copies of parked runs, so that their next claim needs no replay. The one that was parked longest ago goes first. */
export class HotRuns {
  readonly #max: number;
  readonly #copies = new Map<string, Execution>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#copies.size;
  }

  keep(execution: Execution): void {
    this.#copies.delete(execution.runId);
    this.#copies.set(execution.runId, execution);
    if (this.#copies.size <= this.#max) return;
    const [oldest] = this.#copies.values();
    if (oldest !== undefined) this.#drop(oldest);
  }

  /** The copy of a run, which is no longer kept; null if there is none. */
  take(runId: string): Execution | null {
    const copy = this.#copies.get(runId) ?? null;
    this.#copies.delete(runId);
    return copy;
  }

  clear(): void {
    for (const copy of [...this.#copies.values()]) this.#drop(copy);
  }

  #drop(copy: Execution): void {
    this.#copies.delete(copy.runId);
    copy.drop(new ClosedError("RUN_EVICTED", "the run's copy left memory"));
  }
}
