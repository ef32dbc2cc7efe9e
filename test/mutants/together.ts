/**
 * The mutants of what others do to runs, of what runs do to each other, and of what they shield, undo and do again.
 *
 * What no promise depends on is no mutant:
 * - The look at a pause where a claimed run begins: its code would be replayed, which has no effects, and then leave.
 * - The first look at whether a call has concluded, where it is concluded: the second one is made in any case.
 */
import type { Mutant } from "./mutants.ts";

const MEMORY = "src/log/memory.ts";
const MEMORY_CLAIMS = "src/log/memory-claims.ts";
const MEMORY_ROWS = "src/log/memory-rows.ts";
const GATE = "src/worker/gate.ts";
const LEDGER = "src/worker/ledger.ts";
const MAIL_DRAIN = "src/worker/mail-drain.ts";
const DUE_TIMES = "src/worker/due-times.ts";
const STANDING = "src/worker/standing.ts";
const FAMILY = "src/worker/family.ts";
const COMPENSATIONS = "src/worker/compensations.ts";
const EVENTS = "src/kernel/events.ts";
const STATEMENTS = "src/log/libsql/statements.ts";
const STATEMENTS_BEYOND = "src/log/libsql/statements-beyond.ts";

export const TOGETHER_MUTANTS: readonly Mutant[] = [
  // ---- Signals ----
  {
    name: "message-recorded-again",
    guard: "a message that comes again when it is recorded is not recorded again",
    world: "signals",
    edits: [{ file: MAIL_DRAIN, text: "if (state.tokens?.has(token)) return;", by: "" }],
    predicate: "message-once",
    seed: 0,
  },
  {
    name: "signal-offered-again",
    guard: "a signal that a call has taken is offered to no other",
    world: "signals",
    edits: [{ file: LEDGER, text: "signal.name === name && !signal.isTaken", by: "signal.name === name" }],
    predicate: "signal-once",
    seed: 0,
  },
  {
    name: "signal-taken-out-of-sight",
    guard: "that a signal is taken is read also when the scope that took it is not",
    world: "signals",
    edits: [
      { file: EVENTS, text: 'role: "outcome", keyed: true, runWide: true,', by: 'role: "outcome", keyed: true,' },
    ],
    predicate: "signal-once",
    seed: 0,
  },
  {
    name: "outcome-of-a-hidden-scope-given",
    guard: "nothing is given that a call within a completed scope came to",
    world: "signals",
    edits: [
      {
        file: "src/worker/replay.ts",
        text: "if (call === undefined || isHiddenScope(state, scopeOfKey(event.key))) return false;",
        by: "if (call === undefined) return false;",
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "early-signal-unheard",
    guard: "a wait hears what was sent before it began",
    world: "signals",
    edits: [
      { file: "src/ctx/wait-for.ts", text: "if (call.signals(signal).some(offer)) return;", by: "void call.signals;" },
    ],
    predicate: "liveness",
    seed: 0,
  },

  // ---- Calls that have concluded ----
  {
    name: "concluded-twice",
    guard: "a call that has concluded is not concluded again",
    world: "signals",
    edits: [
      { file: LEDGER, text: "if (!endsScope && isConcluded(call.state)) return;", by: "" },
      {
        file: LEDGER,
        text: "has come to the end that the log has.\n      if (isConcluded",
        by: "has come to the end that the log has.\n      if (endsScope && isConcluded",
      },
    ],
    predicate: "one-outcome",
    seed: 1,
  },
  {
    name: "kept-scope-concluded-twice",
    guard: "a scope that runs again on resume comes to the end that the log has",
    world: "sagas",
    edits: [
      {
        file: LEDGER,
        text: "has come to the end that the log has.\n      if (isConcluded(call.state)) return;",
        by: "has come to the end that the log has.",
      },
    ],
    predicate: "one-outcome",
    seed: 0,
  },
  {
    name: "concluded-made-again",
    guard: "a call that mail has concluded is not made again",
    world: "families",
    edits: [
      {
        file: LEDGER,
        text: "which is about to be given.\n    if (isConcluded(call.state)) return;",
        by: "which is about to be given.",
      },
    ],
    predicate: "one-outcome",
    seed: 0,
  },

  // ---- Pauses ----
  {
    name: "timer-rings-in-a-pause",
    guard: "nothing becomes due in a pause",
    world: "control",
    edits: [
      {
        file: DUE_TIMES,
        text: "isLive && !isStopping && !state.paused",
        by: "isLive && !isStopping",
      },
    ],
    predicate: "pause-obeyed",
    seed: 49,
  },
  {
    name: "outcomes-given-in-a-pause",
    guard: "nothing is given to the code in a pause",
    world: "control",
    edits: [
      {
        file: GATE,
        text: "if (standing.state.paused) this.#restPaused();",
        by: "if (standing.state.paused && standing.fresh.length === 0) this.#restPaused();",
      },
    ],
    predicate: "pause-obeyed",
    seed: 0,
  },
  {
    name: "replay-goes-on-in-a-pause",
    guard: "a run that is paused when its log is exhausted goes no further",
    world: "control",
    edits: [
      {
        file: GATE,
        text: "if (standing.state.paused || standing.isOver) return false;",
        by: "if (standing.isOver) return false;",
      },
    ],
    predicate: "pause-obeyed",
    seed: 22,
  },
  {
    name: "pause-disturbed",
    guard: "a paused run is woken only by what ends the pause",
    world: "control",
    edits: [
      {
        file: MEMORY_ROWS,
        text: 'if (status === "paused") return mail.some(({ kind }) => WAKES_PAUSED.includes(kind));',
        by: 'if (status === "paused") return mail.length > WAKES_PAUSED.length * 0;',
      },
    ],
    predicate: "pause-undisturbed",
    seed: 0,
  },
  {
    name: "sql-pause-disturbed",
    guard: "a paused run is woken only by what ends the pause",
    world: "control-over-owned-file",
    edits: [
      { file: "src/log/libsql/fragments.ts", text: "(runs.status <> 'paused' OR i.kind IN", by: "(true OR i.kind IN" },
    ],
    predicate: "pause-undisturbed",
    seed: 0,
  },
  {
    name: "pause-without-end",
    guard: "a paused run is woken when it is resumed",
    world: "control",
    edits: [
      { file: "src/log/port-inbox.ts", text: '["cancel", "terminate", "resume"]', by: '["cancel", "terminate"]' },
    ],
    predicate: "liveness",
    seed: 0,
  },

  // ---- Families ----
  {
    name: "child-without-its-event",
    guard: "a child is started with its event or not at all",
    world: "long-families",
    edits: [{ file: FAMILY, text: "if (state.head === before) return;", by: "void before;" }],
    predicate: "child-and-parent-agree",
    seed: 1,
  },
  {
    name: "children-unfenced",
    guard: "a write that is refused starts no child",
    world: "families",
    edits: [
      {
        file: MEMORY,
        text: "for (const run of fenced) for (const child of run.beyond?.children ?? [])",
        by: "for (const run of write.runs) for (const child of run.beyond?.children ?? [])",
      },
    ],
    predicate: "child-and-parent-agree",
    seed: 3,
  },
  {
    name: "tells-unfenced",
    guard: "a write that is refused tells nobody anything",
    world: "families",
    edits: [
      {
        file: MEMORY,
        text: "for (const run of fenced) this.#insertTells(run);",
        by: "for (const run of write.runs) this.#insertTells(run);",
      },
    ],
    predicate: "child-and-parent-agree",
    seed: 4,
  },
  {
    name: "sql-children-unfenced",
    guard: "a write that is refused starts no child",
    world: "families-over-owned-file",
    edits: [
      {
        file: STATEMENTS_BEYOND,
        text: "childRuns(\n  `json_each(:children) j CROSS JOIN runs r ON ${FENCE}",
        by: "childRuns(\n  `json_each(:children) j CROSS JOIN runs r ON r.id = j.value ->> 0",
      },
      {
        file: STATEMENTS_BEYOND,
        text: "childEvents(\n  `json_each(:children) j CROSS JOIN runs r ON ${FENCE}",
        by: "childEvents(\n  `json_each(:children) j CROSS JOIN runs r ON r.id = j.value ->> 0",
      },
    ],
    predicate: "child-and-parent-agree",
    seed: 15,
  },
  {
    name: "sql-tells-unfenced",
    guard: "a write that is refused tells nobody anything",
    world: "families-over-owned-file",
    edits: [
      {
        file: STATEMENTS_BEYOND,
        text: "tellsOf(\n  `json_each(:tells) j CROSS JOIN runs r ON ${FENCE}",
        by: "tellsOf(\n  `json_each(:tells) j CROSS JOIN runs r ON r.id = j.value ->> 0",
      },
    ],
    predicate: "child-and-parent-agree",
    seed: 39,
  },
  {
    name: "tells-lost",
    guard: "what a run tells others is written with what it records",
    world: "families",
    edits: [
      { file: MEMORY, text: "const tells = beyond?.tells ?? [];", by: "const tells = beyond?.tells.slice(1) ?? [];" },
    ],
    predicate: "message-kept",
    seed: 0,
  },
  {
    name: "end-not-told",
    guard: "a child's end is told to its parent",
    world: "families",
    edits: [{ file: FAMILY, text: 'this.#tell(parent.runId, "child", {', by: "void ({" }],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "end-unheard",
    guard: "a child's end is recorded though nobody listens yet",
    world: "families",
    edits: [
      {
        file: MAIL_DRAIN,
        text: "this.#tell(family.childEnded(message.data));",
        by: "if (standing.calls.get(message.data.key)?.canBeMoved === true) this.#tell(family.childEnded(message.data));",
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "scope-leaves-its-children",
    guard: "a child whose scope has ended is cancelled",
    world: "families",
    edits: [{ file: LEDGER, text: "family.leave(children,", by: "void (children," }],
    predicate: "left-child-told",
    seed: 0,
  },
  {
    name: "cancelled-scope-leaves-its-children",
    guard: "a child is cancelled with the scope whose wait for it a cancel has ended",
    world: "families",
    edits: [{ file: GATE, text: "standing.calls.get(call.request.scope.path)?.leave(call);", by: "" }],
    predicate: "left-child-told",
    seed: 31,
  },
  {
    name: "run-leaves-its-children",
    guard: "a child whose parent has ended is cancelled",
    world: "families",
    edits: [
      { file: FAMILY, text: 'this.leave(this.#journal.state.children?.keys() ?? [], "its parent has ended");', by: "" },
    ],
    predicate: "left-child-told",
    seed: 0,
  },
  {
    name: "abandoned-child-cancelled",
    guard: "a child that is to go on is not cancelled",
    world: "families",
    edits: [{ file: FAMILY, text: "child !== undefined && !child.isAbandoned", by: "child !== undefined" }],
    predicate: "left-child-told",
    seed: 0,
  },

  // ---- Claims ----
  {
    name: "held-in-the-past",
    guard: "what a worker has left, and has claimed again without knowing it, is let go",
    world: "mail",
    edits: [
      { file: MEMORY_CLAIMS, text: "runId === run.id && epoch === run.epoch", by: "runId === run.id && epoch >= 0" },
    ],
    predicate: "claim-raises-epoch",
    seed: 7,
  },

  // ---- Cancels and shields ----
  {
    name: "shielded-calls-cancelled",
    guard: "a cancel spares the calls that are shielded",
    world: "control",
    edits: [
      {
        file: GATE,
        text: 'const isReached = (call: Call) => !call.isShielded && !(call.request.kind === "scope"',
        by: 'const isReached = (call: Call) => !(call.request.kind === "scope"',
      },
    ],
    predicate: "shield-holds",
    seed: 1,
  },
  {
    name: "unshielded-calls-spared",
    guard: "a cancel is told to the calls that are not shielded",
    world: "control",
    edits: [
      {
        file: GATE,
        text: "const calls = [...standing.calls.values()].filter(isReached);",
        by: "const calls = [...standing.calls.values()].filter((call) => call.isShielded && isReached(call));",
      },
    ],
    predicate: "shield-holds",
    seed: 0,
  },
  {
    name: "shielded-bodies-aborted",
    guard: "a cancel spares the bodies that are shielded",
    world: "control",
    edits: [{ file: "src/worker/bodies.ts", text: "!owner.isShielded", by: "owner.key !== null" }],
    predicate: "shield-holds",
    seed: 122,
  },
  {
    name: "shield-refused",
    guard: "a shield can be asked for after a cancel",
    world: "control",
    edits: [
      {
        file: GATE,
        text: "if (standing.isCancelGiven && !call.isShielded) this.#refused.push(call);",
        by: "if (standing.isCancelGiven) this.#refused.push(call);",
      },
    ],
    predicate: "shield-holds",
    seed: 0,
  },
  {
    name: "shield-begins-nothing",
    guard: "what is shielded begins after a cancel",
    world: "control",
    edits: [
      {
        file: STANDING,
        text: "return this.state.cancelRequested && !call.isShielded;",
        by: "return this.state.cancelRequested && call.key !== null;",
      },
    ],
    predicate: "shield-holds",
    seed: 0,
  },
  {
    name: "shield-cut-off-at-rest",
    guard: "a cancelled run ends after what it shields",
    world: "control",
    edits: [{ file: GATE, text: "if (isCancelGiven && !this.#mustTidy()) {", by: "if (isCancelGiven) {" }],
    predicate: "shield-holds",
    seed: 0,
  },
  {
    name: "shield-cut-off-by-the-code",
    guard: "a cancelled run whose code has ended ends after what it shields",
    world: "control",
    edits: [
      {
        file: GATE,
        text: "if (this.#finish !== null && !this.#mustTidy() && !this.#owesCancel) return",
        by: "if (this.#finish !== null && !this.#owesCancel) return",
      },
    ],
    predicate: "shield-holds",
    seed: 3,
  },

  // ---- Compensations ----
  {
    name: "kept-scope-not-read",
    guard: "of a scope that runs again on resume the events are read",
    world: "sagas",
    edits: [
      {
        file: EVENTS,
        text: 'return type === "scope.completed" && !isKept(data);',
        by: 'void isKept, data;\n  return type === "scope.completed";',
      },
    ],
    predicate: "no-body-after-outcome",
    seed: 0,
  },
  {
    name: "scope-not-kept",
    guard: "a scope that holds compensations runs again on resume",
    world: "sagas",
    edits: [
      {
        file: "src/ctx/scope.ts",
        text: "compensations.mustRunAgain(inner.path) ? ({ kept: true } as const) : {}",
        by: "compensations.mustRunAgain(inner.path) ? {} : {}",
      },
    ],
    predicate: "undone-unless-completed",
    seed: 0,
  },
  {
    name: "undone-in-order",
    guard: "the last completed step is undone first",
    world: "sagas",
    edits: [{ file: COMPENSATIONS, text: "this.#registered.reverse()", by: "this.#registered" }],
    predicate: "compensations-in-reverse",
    seed: 0,
  },
  {
    name: "undone-by-name",
    guard: "steps are undone by when they have completed, not by when they were asked for",
    world: "sagas",
    edits: [
      {
        file: COMPENSATIONS,
        text: "this.#registered.push(compensation);",
        by: "this.#registered.push(compensation);\n    this.#registered.sort((a, b) => (a.key < b.key ? -1 : 1));",
      },
    ],
    predicate: "compensations-in-reverse",
    seed: 0,
  },
  {
    name: "undone-twice",
    guard: "what has been undone is not undone again",
    world: "sagas",
    edits: [{ file: COMPENSATIONS, text: "this.#registered = [];\n    return", by: "return" }],
    predicate: "compensations-in-reverse",
    seed: 0,
  },
  {
    name: "completion-beside-a-failure-not-undone",
    guard: "what completes as another one fails is undone as well",
    world: "sagas",
    edits: [
      {
        file: "src/ctx/saga.ts",
        text: "isDue = compensations.hasWithin(ROOT_SCOPE);\n  }",
        by: "isDue = false;\n  }",
      },
    ],
    predicate: "undone-unless-completed",
    seed: 0,
  },

  // ---- Retries ----
  {
    name: "retry-keeps-epoch",
    guard: "a retry raises the epoch",
    world: "retries",
    edits: [{ file: MEMORY, text: "run.epoch++;\n      this.#events.append(", by: "this.#events.append(" }],
    predicate: "claim-raises-epoch",
    seed: 0,
  },
  {
    name: "sql-retry-keeps-epoch",
    guard: "a retry raises the epoch",
    world: "retries-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "epoch = epoch + 1, head = :seq",
        by: "head = :seq",
      },
    ],
    predicate: "claim-raises-epoch",
    seed: 0,
  },
  {
    name: "retry-of-another-head",
    guard: "a run is retried from where it has ended, and only if it has",
    world: "retries",
    edits: [{ file: MEMORY, text: "if (isOver && run.head === seq - 1 &&", by: "if (run.head === seq - 1 &&" }],
    predicate: "terminal-last",
    seed: 0,
  },
  {
    name: "retry-waits-for-lost-children",
    guard: "a retried run starts children again that had not ended",
    world: "retries",
    edits: [
      {
        file: "src/kernel/evolve.ts",
        text: '(call.kind === "child" || call.kind === "lock")',
        by: 'call.kind === "lock"',
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "retry-keeps-its-place",
    guard: "a retried run that still waited for a lock asks for it anew",
    world: "lines-again",
    edits: [
      {
        file: "src/kernel/evolve.ts",
        text: '(call.kind === "child" || call.kind === "lock")',
        by: 'call.kind === "child"',
      },
    ],
    predicate: "change-after-record",
    seed: 0,
  },
  {
    name: "retry-does-not-look-within",
    guard: "what a retry undoes within a completed scope is read: attempts keep their numbers",
    world: "sagas-beside",
    edits: [
      {
        file: "src/kernel/open-scopes.ts",
        text: "return reopenings.some((reopening) => reopening.seq > seq && reopening.from < startedAt);",
        by: "void [reopenings, startedAt, seq];\n    return false;",
      },
    ],
    predicate: "attempts-count-up",
    seed: 2,
  },
  {
    name: "undone-elsewhere-not-known",
    guard: "a scope runs again on resume whose compensations were taken outside of it, or the other way round",
    world: "sagas-beside",
    edits: [
      {
        file: COMPENSATIONS,
        text: "return this.hasWithin(scope) || this.#taken.some((each) => isCrossing(each.scope, each.by));",
        by: "void isCrossing;\n    return this.hasWithin(scope);",
      },
    ],
    predicate: "liveness",
    seed: 1,
  },
];
