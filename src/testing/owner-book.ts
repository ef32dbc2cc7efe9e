/**
 * What the checker knows of owners: whose lease lives, and who holds which run under which epoch.
 *
 * Owns: the leases. Called by the checker at every claim, at every beat, and for every body that begins.
 */
import type { ClaimRequest, ClaimVerdict, HeldRun } from "../log/port-claims.ts";
import type { Heartbeat } from "../log/port-workers.ts";
import type { Expect, RunBook } from "./book.ts";

export class OwnerBook {
  /** Runs that the log has parked because their claims kept ending without a result. */
  readonly poisoned = new Set<string>();
  /** The same, and those that somebody has had tried again since, or has ended. */
  readonly everPoisoned = new Set<string>();
  readonly #expect: Expect;
  readonly #clock: { now(): number };
  readonly #books: ReadonlyMap<string, RunBook>;
  /** By worker: when its lease ends. */
  readonly #leases = new Map<string, number>();

  constructor(expect: Expect, clock: { now(): number }, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#clock = clock;
    this.#books = books;
  }

  /** The log's clock counts whole milliseconds. */
  get #now(): number {
    return Math.floor(this.#clock.now());
  }

  isAlive(worker: string): boolean {
    return (this.#leases.get(worker) ?? 0) > this.#now;
  }

  opened(worker: string, leaseMs: number): void {
    this.#leases.set(worker, this.#now + leaseMs);
  }

  closed(worker: string): void {
    this.#leases.set(worker, Math.min(this.#leases.get(worker) ?? 0, this.#now));
  }

  renewed(worker: string, leaseMs: number, { alive }: Heartbeat): void {
    this.#expect("lease-by-log-clock", alive === this.isAlive(worker), () => `the lease of ${worker}`);
    if (alive) this.#leases.set(worker, this.#now + leaseMs);
  }

  claimed({ worker }: ClaimRequest, { claims, poisoned }: ClaimVerdict): void {
    for (const runId of poisoned) {
      const book = this.#books.get(runId);
      if (book === undefined) continue;
      book.owner = null;
      book.epoch++;
      this.poisoned.add(runId);
      this.everPoisoned.add(runId);
    }
    if (claims.length > 0)
      this.#expect("claim-under-lease", this.isAlive(worker), () => `${worker} claimed after its lease`);
    for (const { runId, epoch } of claims) {
      const book = this.#books.get(runId);
      const owner = book?.owner ?? null;
      this.#expect(
        "one-owner",
        owner === null || !this.isAlive(owner),
        () => `run ${runId} was claimed by ${worker} while ${owner} held it`,
      );
      this.#expect(
        "claim-raises-epoch",
        epoch === (book?.epoch ?? 0) + 1,
        () => `a claim of run ${runId} went from epoch ${book?.epoch} to ${epoch}`,
      );
      // Somebody has had it tried again.
      this.poisoned.delete(runId);
      if (book === undefined) continue;
      book.owner = worker;
      book.epoch = epoch;
    }
  }

  disowned(worker: string, known: readonly HeldRun[]): void {
    for (const [runId, book] of this.#books) {
      if (book.owner !== worker || known.some((held) => held.runId === runId && held.epoch === book.epoch)) continue;
      book.owner = null;
      book.epoch++;
    }
  }
}
