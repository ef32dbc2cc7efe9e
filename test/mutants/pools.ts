/** The mutants of pools: who takes which run, and what becomes of a run that nobody takes. */
import type { Mutant } from "./mutants.ts";

const MEMORY_CLAIMS = "src/log/memory-claims.ts";
const MIGRATIONS = "src/log/libsql/migrations.ts";
const STATEMENTS = "src/log/libsql/statements-pools.ts";
const WORKER = "src/worker/worker.ts";

export const POOL_MUTANTS: readonly Mutant[] = [
  {
    name: "claim-of-any-queue",
    guard: "a worker claims runs of the queues that it serves",
    world: "pools",
    edits: [{ file: MEMORY_CLAIMS, text: "known.filter((run) => canTake({ programs, queues }, run))", by: "known" }],
    predicate: "served-by-pool",
    seed: 0,
  },
  {
    name: "start-of-any-queue",
    guard: "a run is claimed with its start by a worker that serves its queue alone",
    world: "pools",
    edits: [{ file: WORKER, text: "return serves && this", by: "return this" }],
    predicate: "served-by-pool",
    seed: 0,
  },
  {
    name: "line-waits-for-nobody",
    guard: "a line does not wait for a worker that nobody runs",
    world: "pools",
    edits: [{ file: WORKER, text: "    this.#patience?.start();\n", by: "" }],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "sql-claim-of-any-queue",
    guard: "in SQL: the default queue has runs that are in no queue",
    world: "pools-over-owned-file",
    edits: [{ file: STATEMENTS, text: "AND x.queue IS NULL AND", by: "AND" }],
    predicate: "served-by-pool",
    seed: 0,
  },
  {
    name: "sql-takeover-of-any-queue",
    guard: "in SQL: a worker takes over runs of the queues that it serves",
    world: "pools-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "AND ${KNOWN_PROGRAM} AND ${SERVED}\n    UNION ALL",
        by: "AND ${KNOWN_PROGRAM}\n    UNION ALL",
      },
      { file: STATEMENTS, text: "AND ${SERVED})) AS lease_ends_at", by: ")) AS lease_ends_at" },
    ],
    predicate: "served-by-pool",
    seed: 7,
  },
  {
    name: "sql-place-kept-aside",
    guard: "in SQL: a run that is passed over gives its places back",
    world: "pools-over-owned-file",
    edits: [
      {
        file: MIGRATIONS,
        text: "AND (granted_at IS NULL OR hold = 'work' OR",
        by: "AND (granted_at IS NULL OR",
      },
      {
        file: MIGRATIONS,
        text: "(SELECT r.head FROM runs r WHERE r.id = NEW.run_id) = 1);",
        by: "(SELECT r.head FROM runs r WHERE r.id = NEW.run_id) = 0);",
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
];
