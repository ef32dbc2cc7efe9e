/**
 * The workers of the log's reference.
 *
 * Owns: their leases, and the number of each one's last claim. Called by `memory.ts` and `memory-claims.ts`, which know what
 * they hold.
 */
import type { Mutable } from "./memory-rows.ts";
import type { WorkerRow } from "./port-workers.ts";

export class MemoryWorkers {
  readonly #now: () => number;
  readonly #workers = new Map<string, Mutable<WorkerRow>>();
  /** By worker: the last of its claims. */
  readonly #turns = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins a lease, or makes it last longer. Returns when that was. */
  open({ id, programs, queues }: Pick<WorkerRow, "id" | "programs" | "queues">, leaseMs: number): number {
    const now = this.#now();
    const row = this.#workers.get(id);
    if (row !== undefined) row.expiresAt = now + leaseMs;
    else this.#workers.set(id, { id, startedAt: now, expiresAt: now + leaseMs, programs, queues });
    return now;
  }

  /** Whether the lease had not ended; it is renewed then. */
  renew(worker: string, leaseMs: number): boolean {
    const alive = this.isAlive(worker);
    if (alive) (this.#workers.get(worker) as Mutable<WorkerRow>).expiresAt = this.#now() + leaseMs;
    return alive;
  }

  isAlive(worker: string): boolean {
    const row = this.#workers.get(worker);
    return row !== undefined && row.expiresAt > this.#now();
  }

  /** Null: there is no such worker. */
  expiresAt(worker: string): number | null {
    return this.#workers.get(worker)?.expiresAt ?? null;
  }

  /** Whether a worker's claim is its latest, which it then is. */
  takeTurn(worker: string, turn: number): boolean {
    if (turn <= (this.#turns.get(worker) ?? 0)) return false;
    this.#turns.set(worker, turn);
    return true;
  }

  end(worker: string): void {
    const row = this.#workers.get(worker);
    if (row !== undefined) row.expiresAt = Math.min(row.expiresAt, this.#now());
  }

  forget(worker: string): void {
    this.#workers.delete(worker);
  }

  list(): WorkerRow[] {
    return [...this.#workers.values()].map((row) => ({ ...row }));
  }

  living(): WorkerRow[] {
    return [...this.#workers.values()].filter(({ id }) => this.isAlive(id));
  }
}
