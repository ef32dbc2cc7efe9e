/** The mutants of outgoing webhooks: what makes a notice, who may send it and when, and what its answer comes to. */
import type { Mutant } from "./mutants.ts";

const SENDER = "src/outgoing/sender.ts";
const RULES = "src/triggers/outgoing.ts";
const MEMORY_OUTGOING = "src/log/memory-outgoing.ts";
const STATEMENTS = "src/log/libsql/statements-outgoing.ts";
const OUTGOING = "src/log/libsql/outgoing.ts";

const WORLD = "outgoing";
const OVER_FILE = "outgoing-over-owned-file";

export const OUTGOING_MUTANTS: readonly Mutant[] = [
  // ---- The sender ----
  {
    name: "seen-before-planned",
    guard: "an endpoint's sender goes on from what it has recorded",
    world: WORLD,
    edits: [
      {
        file: SENDER,
        text: "    if (notices.length > 0 || to - hold.position >= MOVE_MIN) {",
        by: "    this.#seen = to;\n    if (notices.length > 0 || to - hold.position >= MOVE_MIN) {",
      },
    ],
    predicate: "notice-for-each-event",
    seed: 5,
  },
  {
    name: "lost-plan-believed",
    guard: "a plan that was not taken is made again",
    world: WORLD,
    edits: [
      {
        file: SENDER,
        text: 'if (!(await store.planNotices(plan))) return "lost";',
        by: "await store.planNotices(plan);",
      },
    ],
    predicate: "notice-for-each-event",
    seed: 249,
  },
  {
    name: "other-workflows",
    guard: "an endpoint is told of the workflows that it names",
    world: WORLD,
    edits: [
      { file: SENDER, text: "(workflows !== null && !workflows.has(program.workflow))", by: "workflows?.size === 0" },
    ],
    predicate: "notice-for-each-event",
    seed: 0,
  },
  {
    name: "sent-when-gone",
    guard: "nothing is sent to an endpoint that said that it is gone",
    world: WORLD,
    edits: [{ file: SENDER, text: "if (hold === null || hold.disabledAt !== null)", by: "if (hold === null)" }],
    predicate: "notice-held-back",
    seed: 0,
  },
  {
    name: "sent-in-a-rest",
    guard: "nothing is sent to an endpoint that asked for a rest",
    world: WORLD,
    edits: [{ file: SENDER, text: "if (restMs > 0) return", by: "if (restMs < 0 && hold.now < 0) return" }],
    predicate: "notice-held-back",
    seed: 2,
  },
  {
    name: "sent-early",
    guard: "a notice is sent when it is due",
    world: WORLD,
    edits: [{ file: SENDER, text: "(dueAt <= hold.now || tries === 0)", by: "(dueAt > 0 || tries === 0)" }],
    predicate: "notice-when-due",
    seed: 0,
  },
  {
    name: "sent-after-the-lease",
    guard: "nothing is sent by one whose lease may be over",
    world: WORLD,
    edits: [{ file: SENDER, text: "if (clock.monotonic() >= until) return null;", by: "if (until < 0) return null;" }],
    predicate: "notice-by-holder",
    seed: 62,
  },
  {
    name: "sent-to-a-private-network",
    guard: "nothing is sent to a host that is on a private network",
    world: WORLD,
    edits: [{ file: SENDER, text: "!isPrivateAddress(address)", by: "address !== null" }],
    predicate: "notice-out-in-the-world",
    seed: 0,
  },
  {
    name: "another-id-at-each-try",
    guard: "a notice has one id",
    world: WORLD,
    edits: [
      {
        file: SENDER,
        text: "const id = noticeId(name, notice.runId, notice.seq);",
        by: "const id = noticeId(name, notice.runId, notice.seq * 100 + notice.tries);",
      },
    ],
    predicate: "notice-one-id",
    seed: 0,
  },
  {
    name: "one-id-for-all-endpoints",
    guard: "no other notice has its id",
    world: WORLD,
    edits: [{ file: RULES, text: '["notice", endpoint, runId, seq]', by: '["notice", runId, seq]' }],
    predicate: "notice-one-id",
    seed: 0,
  },
  {
    name: "any-answer-taken",
    guard: "a receiver takes a notice by an answer of 200 to 299",
    world: WORLD,
    edits: [{ file: RULES, text: "result.status < 300", by: "result.status < 400" }],
    predicate: "notice-as-answered",
    seed: 0,
  },
  {
    name: "never-given-up",
    guard: "a notice is given up in time",
    world: WORLD,
    edits: [{ file: RULES, text: "if (at - notice.firstAt > endpoint.giveUpMs) {", by: "if (at < notice.firstAt) {" }],
    predicate: "notice-as-answered",
    seed: 0,
  },
  {
    name: "given-up-from-the-last-try",
    guard: "the time of a notice runs from its first try on",
    world: WORLD,
    edits: [{ file: SENDER, text: "const firstAt = notice.firstAt ?? now;", by: "const firstAt = now;" }],
    predicate: "notice-as-answered",
    seed: 0,
  },

  // ---- The log: its reference ----
  {
    name: "endpoint-held-by-two",
    guard: "an endpoint has one holder until its lease ends",
    world: WORLD,
    edits: [{ file: MEMORY_OUTGOING, text: "if (row.expiresAt > now && !takeOver) return null;", by: "" }],
    predicate: "notice-by-holder",
    seed: 0,
  },
  {
    name: "endpoint-from-the-beginning",
    guard: "a new endpoint begins at the log's end",
    world: WORLD,
    edits: [{ file: MEMORY_OUTGOING, text: "position: lastPosition, holder: null", by: "position: 0, holder: null" }],
    predicate: "notice-for-each-event",
    seed: 77,
  },
  {
    name: "endpoint-goes-back",
    guard: "an endpoint moves from where its holder believes it to be",
    world: WORLD,
    edits: [{ file: MEMORY_OUTGOING, text: "if (row.position !== from) return row.position === to;", by: "" }],
    predicate: "notice-for-each-event",
    seed: 6,
  },
  {
    name: "try-settled-twice",
    guard: "what came of a try is recorded once, and not after somebody asked for another",
    world: WORLD,
    edits: [{ file: MEMORY_OUTGOING, text: "notice?.dueAt !== wasDueAt", by: "notice === undefined || wasDueAt < 0" }],
    predicate: "notice-as-answered",
    seed: 0,
  },
  {
    name: "gone-again-after-enable",
    guard: "a word of being gone that is older than the last enable counts no more",
    world: WORLD,
    edits: [
      {
        file: MEMORY_OUTGOING,
        text: "restUntil: null, epoch: row.epoch + 1 });",
        by: "restUntil: null });",
      },
    ],
    predicate: "notice-as-answered",
    seed: 24,
  },

  // ---- The log: over a file ----
  {
    name: "sql-endpoint-held-by-two",
    guard: "in SQL: an endpoint has one holder until its lease ends",
    world: OVER_FILE,
    edits: [
      {
        file: STATEMENTS,
        text: "expires_at <= NOW OR :takeOver = 1)",
        by: "expires_at <= NOW + :leaseMs OR :takeOver = 1)",
      },
    ],
    predicate: "notice-by-holder",
    seed: 0,
  },
  {
    name: "sql-endpoint-from-the-beginning",
    guard: "in SQL: a new endpoint begins at the log's end",
    world: OVER_FILE,
    edits: [{ file: STATEMENTS, text: "(SELECT max(l.position) FROM events l)", by: "(SELECT 0)" }],
    predicate: "notice-for-each-event",
    seed: 77,
  },
  {
    name: "sql-endpoint-goes-back",
    guard: "in SQL: an endpoint moves from where its holder believes it to be",
    world: OVER_FILE,
    edits: [
      {
        file: STATEMENTS,
        text: "UPDATE endpoints SET position = :to WHERE name = :endpoint AND epoch = :epoch AND position = :from",
        by: "UPDATE endpoints SET position = :to WHERE name = :endpoint AND epoch = :epoch AND :from >= 0",
      },
    ],
    predicate: "notice-for-each-event",
    seed: 1,
  },
  {
    name: "sql-moved-without-notices",
    guard: "in SQL: notices are made in the write that moves their endpoint",
    world: OVER_FILE,
    edits: [
      {
        file: OUTGOING,
        text: "{ sql: sql.MOVE_ENDPOINT, args: { endpoint, epoch, from, to } },\n    { sql: sql.READ_MOVED",
        by: "{ sql: sql.READ_MOVED",
      },
    ],
    predicate: "notice-for-each-event",
    seed: 0,
  },
  {
    name: "sql-try-settled-twice",
    guard: "in SQL: what came of a try is recorded once, and not after somebody asked for another",
    world: OVER_FILE,
    edits: [{ file: STATEMENTS, text: "AND +due_at = j.value ->> 6 AND", by: "AND" }],
    predicate: "notice-as-answered",
    seed: 0,
  },
  {
    name: "sql-gone-under-any-epoch",
    guard: "in SQL: a word of being gone that is older than the last enable counts no more",
    world: OVER_FILE,
    edits: [
      {
        file: STATEMENTS,
        text: "coalesce(disabled_at, NOW), disabled_at)\nWHERE name = :endpoint AND epoch = :epoch",
        by: "coalesce(disabled_at, NOW), disabled_at)\nWHERE name = :endpoint AND :epoch > 0",
      },
    ],
    predicate: "notice-as-answered",
    seed: 24,
  },
];
