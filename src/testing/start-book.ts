/**
 * What the checker knows of starts: each makes one run, and one that a caller was told of stays.
 *
 * Owns: the runs by their idempotency keys and deliveries, and what callers were told. Called by the checker at every write.
 */
import type { RunStart } from "../log/port-write.ts";
import type { Expect, RunBook } from "./book.ts";

export class StartBook {
  readonly #expect: Expect;
  readonly #books: ReadonlyMap<string, RunBook>;
  readonly #starts = new Map<string, string>();
  readonly #deliveries = new Map<string, string>();
  readonly #acknowledged = new Set<string>();

  constructor(expect: Expect, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#books = books;
  }

  /** A start was written, or was not. `runId`: what the verdict says. */
  started({ workflow, idempotencyKey, delivery }: RunStart, runId: string | undefined): void {
    if (idempotencyKey !== null) this.#startedOnce(`${workflow} ${idempotencyKey}`, runId);
    if (delivery !== null) this.#deliveredOnce(`${delivery.hook} ${delivery.deliveryId} ${delivery.replay}`, runId);
  }

  #startedOnce(key: string, runId: string | undefined): void {
    const known = this.#starts.get(key);
    this.#expect("start-once", known === undefined || known === runId, () => `${key} is ${known} and ${runId}`);
    if (runId !== undefined) this.#starts.set(key, runId);
  }

  #deliveredOnce(delivery: string, runId: string | undefined): void {
    const known = this.#deliveries.get(delivery);
    this.#expect("delivery-once", known === undefined || known === runId, () => `${delivery} is ${known} and ${runId}`);
    if (runId !== undefined) this.#deliveries.set(delivery, runId);
  }

  /** A caller was told that its start is durable. */
  acknowledged(runId: string): void {
    this.#acknowledged.add(runId);
    this.#expect("acknowledged-start-kept", this.#books.has(runId), () => `run ${runId} is not in the log`);
  }

  /** Once nothing is under way any more. */
  finish(): void {
    for (const runId of this.#acknowledged)
      this.#expect("acknowledged-start-kept", this.#books.has(runId), () => `run ${runId} is not in the log`);
  }
}
