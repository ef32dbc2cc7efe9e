/**
 * The mutants of what runs share: keyed values, locks, breakers, and the operations that change them.
 *
 * What no promise depends on is no mutant:
 * - That a request for a lock is pursued, and its place given up, though its call has left: the log refuses a request that comes
 *   after the end of its place, whoever has asked for it.
 * - The look at whether an attempt is due once its breaker has let it through: it is for clocks that are set back, which no world
 *   has.
 */
import type { Mutant } from "./mutants.ts";

const MEMORY = "src/log/memory.ts";
const MEMORY_KEYED = "src/log/memory-keyed.ts";
const MEMORY_LOCKS = "src/log/memory-locks.ts";
const OPERATIONS = "src/worker/operations.ts";
const PLACES = "src/worker/places.ts";
const LEDGER = "src/worker/ledger.ts";
const BREAKER = "src/ctx/breaker.ts";
const KV = "src/ctx/kv.ts";
const STATEMENTS_KEYED = "src/log/libsql/statements-keyed.ts";
const STATEMENTS_LOCKS = "src/log/libsql/statements-locks.ts";

const WORLD = "fleet-of-sharers";

export const SHARING_MUTANTS: readonly Mutant[] = [
  // ---- The log: its reference ----
  {
    name: "keyed-ledger",
    guard: "a change that was done is not done again",
    world: WORLD,
    edits: [
      { file: MEMORY_KEYED, text: "if (noted !== null) return noted;", by: "if (noted?.version === 0) return noted;" },
    ],
    predicate: "change-once",
    seed: 10,
  },
  {
    name: "keyed-version",
    guard: "a change is done to the version that it was made for",
    world: WORLD,
    edits: [{ file: MEMORY_KEYED, text: "if (ifVersion !== null && ifVersion !== before)", by: "if (before < 0)" }],
    predicate: "update-loses-nothing",
    seed: 0,
  },
  {
    name: "operation-fence",
    guard: "what runs share is changed by whoever has the run",
    world: WORLD,
    edits: [
      {
        file: MEMORY,
        text: "return run !== undefined && run.epoch === epoch && !isTerminalStatus(run.status);",
        by: "return run !== undefined && epoch > 0;",
      },
    ],
    predicate: "shared-under-epoch",
    seed: 0,
  },
  {
    name: "lock-slots",
    guard: "a lock is granted to so many as it has slots",
    world: WORLD,
    edits: [{ file: MEMORY_LOCKS, text: "indexOf(place) < this", by: "indexOf(place) <= this" }],
    predicate: "lock-by-turn",
    seed: 0,
  },
  {
    name: "lock-out-of-turn",
    guard: "a lock that is free goes to the first in line",
    world: "lines",
    edits: [{ file: MEMORY_LOCKS, text: "before < this.#slotsOf(place)", by: "before >= 0" }],
    predicate: "lock-by-turn",
    seed: 0,
  },
  {
    name: "lock-after-its-end",
    guard: "a request that comes again takes no other place",
    world: "lines",
    edits: [
      {
        file: MEMORY_LOCKS,
        text: 'if (place.hasEnded) return "lost";',
        by: "if (place.hasEnded) { place.hasEnded = false; this.#lines.set(name, [...this.#line(name), place]); }",
      },
    ],
    predicate: "liveness",
    seed: 4,
  },
  {
    name: "places-outlive-their-run",
    guard: "the end of a run is the end of its places in line",
    world: WORLD,
    edits: [
      { file: MEMORY, text: "keys: endsSharing(run) ? null : run.beyond.unlocks", by: "keys: run.beyond.unlocks" },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },

  // ---- Operations ----
  {
    name: "operation-in-nobodys-name",
    guard: "a change is done in the name of its call",
    world: WORLD,
    edits: [{ file: OPERATIONS, text: "operation: this.#operation(this.id) }", by: "operation: null }" }],
    predicate: "update-loses-nothing",
    seed: 0,
  },
  {
    name: "operation-before-durable",
    guard: "what runs share is changed once the log has what was queued before",
    world: WORLD,
    edits: [
      {
        file: LEDGER,
        text: '    standing.journal.afterDurable(() => {\n      if (standing.phase === "live") standing.host.startBody(start);',
        by: '    (task.attempt === null ? (fn: () => void) => fn() : standing.journal.afterDurable.bind(standing.journal))(() => {\n      if (standing.phase === "live") standing.host.startBody(start);',
      },
    ],
    predicate: "change-after-record",
    seed: 0,
  },
  {
    name: "change-unannounced",
    guard: "a change is announced in the log",
    world: WORLD,
    edits: [
      {
        file: KV,
        text: 'if (!call.isBegun) call.record("kv.requested"',
        by: 'if (call.isBegun) call.record("kv.requested"',
      },
    ],
    predicate: "change-after-record",
    seed: 0,
  },
  {
    name: "settled-unrecorded",
    guard: "an answer is kept until what it came to is in the log",
    world: WORLD,
    edits: [
      {
        file: OPERATIONS,
        text: "if (shared.mayBeForgotten && state.head > before) this.#journal.reachBeyond().settled.push(shared.id);",
        by: "void before;",
      },
      {
        file: OPERATIONS,
        text: 'this.mayBeForgotten = verdict.kind === "put";',
        by: "this.#journal.reachBeyond().settled.push(this.id);",
      },
    ],
    predicate: "liveness",
    seed: 1385,
  },
  {
    name: "settled-for-an-earlier-try",
    guard: "an answer for an earlier try is kept until the run ends",
    world: "lines",
    edits: [
      {
        file: OPERATIONS,
        text: 'this.mayBeForgotten = verdict.kind === "put";',
        by: 'this.mayBeForgotten = verdict.kind !== "conflict";',
      },
    ],
    predicate: "change-once",
    seed: 53,
  },
  {
    name: "update-of-another-version",
    guard: "an update is put in the place of what it was made of",
    world: WORLD,
    edits: [
      {
        file: KV,
        text: "const verdict = await shared.put({ scope, key, value, ttlMs, ifVersion: version, note: value });",
        by: "const verdict = await shared.put({ scope, key, value, ttlMs, ifVersion: (await shared.get(scope, key)).version, note: value });",
      },
    ],
    predicate: "update-loses-nothing",
    seed: 0,
  },
  {
    name: "answer-of-the-last-try",
    guard: "a change that was done comes to what it came to then",
    world: WORLD,
    edits: [
      {
        file: KV,
        text: 'if (verdict.kind === "done") return { kind: "changed", value: verdict.note };',
        by: 'if (verdict.kind === "done") return { kind: "changed", value };',
      },
    ],
    predicate: "change-as-answered",
    seed: 0,
  },

  // ---- Locks ----
  {
    name: "lock-outlives-its-scope",
    guard: "a lock is given back with the end of its scope",
    world: WORLD,
    edits: [
      { file: PLACES, text: "this.#journal.reachBeyond().unlocks.push(key);", by: "this.#journal.reachBeyond();" },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "lock-outlives-outer-scope",
    guard: "a place in line ends with the scope around it",
    world: "lines",
    edits: [
      {
        file: PLACES,
        text: "if (scope === ending || isWithin(scopeOfKey(key), ending)) this.#release(key);",
        by: "if (scope === ending) this.#release(key);",
      },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "cancelled-in-line",
    guard: "a cancel takes a run out of the line",
    world: "lines",
    edits: [
      {
        file: PLACES,
        text: "if (scope === null && !isShielded(scopeOfKey(key))) this.#release(key);",
        by: "if (scope === undefined && !isShielded(scopeOfKey(key))) this.#release(key);",
      },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "cancelled-in-a-shield",
    guard: "a cancel leaves what is shielded in its line",
    world: "lines",
    edits: [
      {
        file: PLACES,
        text: "if (scope === null && !isShielded(scopeOfKey(key))) this.#release(key);",
        by: "void isShielded; if (scope === null) this.#release(key);",
      },
    ],
    predicate: "one-outcome",
    seed: 1,
  },
  {
    name: "run-ends-without-looking",
    guard: "the end of a run that may share ends what it has beyond itself",
    world: "fleet-of-sharers",
    edits: [
      {
        file: PLACES,
        text: "if (mayShare || this.#journal.state.scoped) this.#journal.reachBeyond().shares = true;",
        by: "",
      },
    ],
    predicate: "no-place-left-behind",
    seed: 17,
  },

  // ---- Breakers ----
  {
    name: "breaker-not-recalled",
    guard: "what a lost attempt has told the breaker is recorded",
    world: "fleet-behind-breakers",
    edits: [
      {
        file: "src/ctx/step.ts",
        text: "if (attemptOpen && this.#breaker !== null) this.#breaker.recall(attempt, () => this.#interrupted(attempt));\n    else if",
        by: "if",
      },
    ],
    predicate: "breaker-change-recorded",
    seed: 114,
  },
  {
    name: "breaker-not-asked-again",
    guard: "what an earlier try has told the breaker is found again",
    world: "fleet-behind-breakers",
    edits: [{ file: BREAKER, text: "(this.#mayHavePut && value !== null)", by: "(false && value !== null)" }],
    predicate: "breaker-change-recorded",
    seed: 509,
  },
  {
    name: "breaker-change-untold",
    guard: "a change of a breaker is recorded",
    world: "fleet-behind-breakers",
    edits: [
      {
        file: BREAKER,
        text: "if (change !== null) this.#call.record",
        by: "if (change === undefined) this.#call.record",
      },
    ],
    predicate: "breaker-change-recorded",
    seed: 0,
  },
  {
    name: "admission-told-too-soon",
    guard: "what a breaker has let through is recorded when it begins",
    world: "breakers",
    edits: [
      { file: BREAKER, text: "if (!isReady()) return;", by: "" },
      {
        file: "src/ctx/step.ts",
        text: 'if (admission.kind !== "refuse") {\n        this.#start(attempt);',
        by: 'if (admission.kind !== "refuse") {\n        if (this.#isReady()) this.#start(attempt);',
      },
    ],
    predicate: "change-once",
    seed: 5,
  },

  // ---- The log: over a file ----
  {
    name: "sql-keyed-version",
    guard: "a change is done to the version that it was made for",
    world: "fleet-of-sharers-over-owned-file",
    edits: [
      {
        file: STATEMENTS_KEYED,
        text: "WHERE ${HELD} AND ${VERSION} = :ifVersion",
        by: "WHERE ${HELD}",
      },
      {
        file: STATEMENTS_KEYED,
        text: "o.version = :ifVersion + 1 AND ${VERSION} = :ifVersion",
        by: "o.version = :ifVersion + 1",
      },
    ],
    predicate: "update-loses-nothing",
    seed: 5,
  },
  {
    name: "sql-lock-slots",
    guard: "a lock is granted if fewer than its slots are before in line",
    world: "fleet-of-sharers-over-owned-file",
    edits: [{ file: STATEMENTS_LOCKS, text: '":slots")} - 1)', by: '":slots")})' }],
    predicate: "lock-by-turn",
    seed: 3,
  },
  {
    name: "sql-places-outlive-their-run",
    guard: "in SQL: the end of a run is the end of its places in line",
    world: "fleet-of-sharers-over-owned-file",
    edits: [{ file: "src/log/libsql/beyond.ts", text: "return isEnd(run) && run.beyond.shares;", by: "return false;" }],
    predicate: "row-follows-history",
    seed: 0,
  },
];
