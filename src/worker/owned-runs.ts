/**
 * The runs that a worker has claimed and that have not left it.
 *
 * Owns: who they are, which of them is alone, and who waits until none is left. Called by the worker.
 *
 * I1 A suspect is alone until it records an outcome, or leaves.
 */
import { isOutcome, type RunEvent } from "../kernel/events.ts";
import type { Clock } from "../kernel/ports.ts";
import type { Execution } from "./execution.ts";

export class OwnedRuns {
  readonly #clock: Clock;
  readonly #runs = new Map<string, Execution>();
  #alone: Execution | null = null;
  #emptied: (() => void) | null = null;
  /** Ends the wait that is under way. */
  #hurry: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** Whether one has the worker for itself. */
  get hasOneAlone(): boolean {
    return this.#alone !== null;
  }

  has(runId: string): boolean {
    return this.#runs.has(runId);
  }

  get(runId: string): Execution | undefined {
    return this.#runs.get(runId);
  }

  keys(): MapIterator<string> {
    return this.#runs.keys();
  }

  values(): MapIterator<Execution> {
    return this.#runs.values();
  }

  add(execution: Execution, { isSuspect }: { readonly isSuspect: boolean }): void {
    this.#runs.set(execution.runId, execution);
    if (isSuspect) this.#alone = execution;
  }

  /** It has left. Of another execution of the same run nothing is forgotten. */
  remove(execution: Execution): void {
    if (this.#runs.get(execution.runId) === execution) this.#runs.delete(execution.runId);
    if (this.#alone === execution) this.#alone = null;
    this.#checkEmpty();
  }

  clear(): void {
    this.#runs.clear();
    this.#alone = null;
    this.#checkEmpty();
  }

  /** Events have become durable. Returns whether one that was alone has got somewhere, so that it is a run like any other. */
  gotSomewhere(events: readonly RunEvent[]): boolean {
    const runId = this.#alone?.runId;
    if (runId === undefined || !events.some((event) => event.runId === runId && isOutcome(event.type))) return false;
    this.#alone = null;
    return true;
  }

  /** Waits until no run is left, or so much time has passed. */
  async isEmptyWithin(ms: number): Promise<boolean> {
    if (this.#runs.size === 0) return true;
    const isEmpty = await new Promise<boolean>((resolve) => {
      const cancel = this.#clock.timer(ms, () => resolve(false));
      const end = (result: boolean) => () => {
        cancel();
        resolve(result);
      };
      this.#hurry = end(false);
      this.#emptied = end(true);
    });
    this.#hurry = null;
    this.#emptied = null;
    return isEmpty;
  }

  /** Whoever waits until none is left waits no longer. */
  hurry(): void {
    this.#hurry?.();
  }

  #checkEmpty(): void {
    if (this.#runs.size === 0) this.#emptied?.();
  }
}
