/** The mutants of webhook deliveries: each has one decision, which is done in the write that records it. */
import type { Mutant } from "./mutants.ts";

const MEMORY = "src/log/memory.ts";
const MEMORY_DELIVERIES = "src/log/memory-deliveries.ts";
const STATEMENTS = "src/log/libsql/statements-deliveries.ts";

const WORLD = "deliveries";
const OVER_FILE = "deliveries-over-owned-file";

export const DELIVERY_MUTANTS: readonly Mutant[] = [
  {
    name: "delivery-key",
    guard: "a delivery that is repeated is the same run, also when what was decided has been pruned",
    world: WORLD,
    edits: [
      {
        file: "src/engine/delivery-info.ts",
        text: "`hook/${hook}/${deliveryId}`",
        by: "`hook/${hook}/${deliveryId}/${crypto.randomUUID()}`",
      },
    ],
    predicate: "delivery-once",
    seed: 0,
  },
  {
    name: "delivery-started-after-its-decision",
    guard: "a delivery that was decided about starts nothing more",
    world: WORLD,
    edits: [
      {
        file: MEMORY,
        text: "if (start.delivery !== null && this.#deliveries.has(start.delivery)) return false;",
        by: "",
      },
    ],
    predicate: "delivery-one-decision",
    seed: 17,
  },
  {
    name: "delivery-decided-again",
    guard: "a delivery that was decided about keeps its decision",
    world: WORLD,
    edits: [
      {
        file: MEMORY_DELIVERIES,
        text: "if (this.has(row)) return;",
        by: "this.#rows = this.#rows.filter((old) => old.hook !== row.hook || old.deliveryId !== row.deliveryId);",
      },
      { file: MEMORY_DELIVERIES, text: "if (!this.has(row)) {", by: "{" },
    ],
    predicate: "delivery-one-decision",
    seed: 0,
  },
  {
    name: "delivery-untold",
    guard: "a delivery that signals is recorded with its signal",
    world: WORLD,
    edits: [
      {
        file: MEMORY,
        text: "      this.#insertMessage(signal, INBOX_ROWS_MAX);\n      return this.#inbox",
        by: "      if (this.#now > 0) return null;\n      return this.#inbox",
      },
    ],
    predicate: "delivery-one-decision",
    seed: 0,
  },
  {
    name: "sql-delivery-started-after-its-decision",
    guard: "in SQL: a delivery that was decided about starts nothing more",
    world: OVER_FILE,
    edits: [
      {
        file: "src/log/libsql/statements.ts",
        text: "insertRuns(UNDECIDED)",
        by: 'insertRuns(UNDECIDED.replace("NOT EXISTS", "1 OR EXISTS"))',
      },
    ],
    predicate: "delivery-one-decision",
    seed: 0,
  },
  {
    name: "sql-delivery-untold",
    guard: "in SQL: a delivery that signals is recorded with its signal",
    world: OVER_FILE,
    edits: [
      {
        file: STATEMENTS,
        text: "OR EXISTS (SELECT 1 FROM inbox i WHERE i.token = :token)",
        by: "OR r.id IS NOT NULL",
      },
      {
        file: STATEMENTS,
        text: "WHERE r.id = :runId AND r.status NOT IN",
        by: "WHERE r.id IS NULL AND r.status NOT IN",
      },
    ],
    predicate: "delivery-one-decision",
    seed: 0,
  },
  {
    name: "sql-delivery-decided-again",
    guard: "in SQL: a delivery that was decided about keeps its decision",
    world: OVER_FILE,
    edits: [
      {
        file: STATEMENTS,
        text: "VALUES (:hook, :deliveryId, :replay, :receivedAt, :decision, :reason, :headers, :body)\nON CONFLICT (hook, delivery_id, replay) DO NOTHING",
        by: "VALUES (:hook, :deliveryId, :replay, :receivedAt, :decision, :reason, :headers, :body)\nON CONFLICT (hook, delivery_id, replay) DO UPDATE SET decision = excluded.decision, run_id = NULL",
      },
    ],
    predicate: "delivery-one-decision",
    seed: 0,
  },
];
