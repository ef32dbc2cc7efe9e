/**
 * What the checker holds pools of workers to. It goes by what each worker said when it opened its lease, and by what each run was
 * created with, never by the log's column.
 *
 * Owns: the queues of each worker. Called by the checker when a worker comes, and at every claim.
 */
import type { PlaceLimit } from "../kernel/place-limit.ts";
import type { PredicateName } from "./predicates.ts";

type Expect = (predicate: PredicateName, holds: boolean, what: () => string) => void;

export class PoolBook {
  readonly #expect: Expect;
  /** By worker; one that serves all has none. */
  readonly #queues = new Map<string, readonly string[]>();

  constructor(expect: Expect) {
    this.#expect = expect;
  }

  opened(worker: string, queues: readonly string[] | null): void {
    if (queues !== null) this.#queues.set(worker, queues);
  }

  claimed(worker: string, runId: string, limits: readonly PlaceLimit[]): void {
    const queues = this.#queues.get(worker);
    if (queues === undefined) return;
    const lines = limits.flatMap(({ line }) => (line.startsWith("queue/") ? [line.slice("queue/".length)] : []));
    const [queue = "default"] = lines;
    this.#expect(
      "served-by-pool",
      queues.includes(queue),
      () => `run ${runId} of queue ${queue} was taken by ${worker}, which serves ${queues.join(", ")}`,
    );
  }
}
