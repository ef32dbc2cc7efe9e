/**
 * The mutants: the engine with one guard taken out, and the predicate of the simulator's checker that fails for it.
 *
 * A guard that is held twice is taken out in both places. What no promise depends on is no mutant:
 * - `Journal` asserts, `HotRuns.clear` when a lease is lost, the phase in `runBody`, `Mail`'s memory of ids: each repeats
 *   what another guard holds in any case.
 * - The verdict of another epoch: a worker that believes in its lease has the epoch; the lease's guards are here.
 * - A poisoned run that is released at a worker's start: its count parks it again at once.
 * - Folding the hidden last event of a history: it can only be a late outcome, which changes nothing.
 * - The refusal of calls after a cancel, and of new beginnings in `goOn`: the run ends as cancelled either way.
 */
import type { PredicateName } from "../../src/testing/predicates.ts";
import { DELIVERY_MUTANTS } from "./delivering.ts";
import { LIMIT_MUTANTS } from "./limits.ts";
import { MESSAGE_MUTANTS } from "./messages.ts";
import { OUTGOING_MUTANTS } from "./outgoing.ts";
import { POOL_MUTANTS } from "./pools.ts";
import { SCHEDULING_MUTANTS } from "./scheduling.ts";
import { SHARING_MUTANTS } from "./sharing.ts";
import { TOGETHER_MUTANTS } from "./together.ts";
import type { WorldName } from "./worlds.ts";

export interface Edit {
  readonly file: string;
  /** Found exactly once. */
  readonly text: string;
  readonly by: string;
}

export interface Mutant {
  readonly name: string;
  /** What is no longer so. */
  readonly guard: string;
  readonly world: WorldName;
  readonly edits: readonly Edit[];
  readonly predicate: PredicateName;
  /** A seed that kills it. */
  readonly seed: number;
}

const MEMORY = "src/log/memory.ts";
const MEMORY_CLAIMS = "src/log/memory-claims.ts";
const MEMORY_EVENTS = "src/log/memory-events.ts";
const MEMORY_INBOX = "src/log/memory-inbox.ts";
const MEMORY_ROWS = "src/log/memory-rows.ts";
const MEMORY_WORKERS = "src/log/memory-workers.ts";
const GATE = "src/worker/gate.ts";
const LEDGER = "src/worker/ledger.ts";
const DEPARTURE = "src/worker/departure.ts";
const MAIL_DRAIN = "src/worker/mail-drain.ts";
const EXECUTION = "src/worker/execution.ts";
const FRESH_RUNS = "src/worker/fresh-runs.ts";
const WORKER = "src/worker/worker.ts";
const WRITER = "src/worker/writer.ts";
const JOURNAL = "src/worker/journal.ts";
const LEASE = "src/worker/lease.ts";
const CLAIM_LOOP = "src/worker/claim-loop.ts";
const STEP = "src/ctx/step.ts";
const MAP = "src/ctx/map.ts";
const STATEMENTS = "src/log/libsql/statements.ts";

export const MUTANTS: readonly Mutant[] = [
  // ---- The log: its reference ----
  {
    name: "epoch-fence",
    guard: "a write of an old epoch is refused",
    world: "leases",
    edits: [
      {
        file: MEMORY,
        text: "row.epoch === epoch && row.head === firstSeq - 1",
        by: "row.head === firstSeq - 1",
      },
    ],
    predicate: "append-under-current-epoch",
    seed: 0,
  },
  {
    name: "head-fence",
    guard: "a write that was done is not done again",
    world: "fleet",
    edits: [{ file: MEMORY, text: "row.epoch === epoch && row.head === firstSeq - 1", by: "row.epoch === epoch" }],
    predicate: "verdict-true",
    seed: 7,
  },
  {
    name: "inbox-fence",
    guard: "only the run's owner takes its mail out",
    world: "mail",
    edits: [
      {
        file: MEMORY,
        text: "for (const run of fenced) this.#deleteMail(run);",
        by: "for (const run of write.runs) this.#deleteMail(run);",
      },
    ],
    predicate: "mail-fenced",
    seed: 5,
  },
  {
    name: "park-condition",
    guard: "a run with mail does not park",
    world: "mail",
    edits: [
      {
        file: MEMORY_ROWS,
        text: "parks && isWoken(patch.status, mail)",
        by: "false",
      },
    ],
    predicate: "no-park-with-mail",
    seed: 1,
  },
  {
    name: "wake-for-mail",
    guard: "a message makes a parked run claimable",
    world: "mail",
    edits: [
      {
        file: MEMORY,
        text: "if (row.owner !== null || !isWoken(row.status, mail)) return;",
        by: "return;",
      },
    ],
    predicate: "no-park-with-mail",
    seed: 0,
  },
  {
    name: "claim-of-owned",
    guard: "a run whose owner lives is not claimed",
    world: "fleet",
    edits: [{ file: MEMORY_CLAIMS, text: "return !this.#host.workers.isAlive(run.owner);", by: "return true;" }],
    predicate: "one-owner",
    seed: 0,
  },
  {
    name: "claim-keeps-epoch",
    guard: "a claim raises the epoch",
    world: "fleet",
    edits: [{ file: MEMORY_ROWS, text: "run.epoch++;\n  run.unclean++;", by: "run.unclean++;" }],
    predicate: "claim-raises-epoch",
    seed: 0,
  },
  {
    name: "disown-keeps-epoch",
    guard: "what is let go of is let go under another epoch",
    world: "fleet",
    edits: [{ file: MEMORY_CLAIMS, text: "run.epoch++;\n      run.unclean = ", by: "run.unclean = " }],
    predicate: "claim-raises-epoch",
    seed: 12,
  },
  {
    name: "claim-after-lease",
    guard: "a worker whose lease has ended is given nothing",
    world: "leases",
    edits: [{ file: MEMORY_CLAIMS, text: "if (!isVoid && workers.isAlive(request.worker)) {", by: "if (!isVoid) {" }],
    predicate: "claim-under-lease",
    seed: 17,
  },
  {
    name: "heartbeat-after-lease",
    guard: "a lease that has ended is not renewed",
    world: "fleet",
    edits: [
      {
        file: MEMORY_WORKERS,
        text: "const alive = this.isAlive(worker);",
        by: "const alive = this.#workers.has(worker);",
      },
    ],
    predicate: "lease-by-log-clock",
    seed: 6,
  },
  {
    name: "start-key",
    guard: "an idempotency key is one run",
    world: "fleet",
    edits: [{ file: MEMORY, text: "if (idempotencyKey !== null) {", by: "if (idempotencyKey === null) {" }],
    predicate: "start-once",
    seed: 1,
  },
  {
    name: "message-token",
    guard: "a message that is sent again is the same one",
    world: "mail",
    edits: [{ file: MEMORY_INBOX, text: "if (!this.has(message.token)) this", by: "this" }],
    predicate: "message-once",
    seed: 0,
  },
  {
    name: "verdict-of-log",
    guard: "the verdict is what the rows say",
    world: "fleet",
    edits: [
      {
        file: MEMORY,
        text: "write.runs.flatMap(({ runId }) => this.#headOf(runId))",
        by: "write.runs.map((run) => [run.runId, { epoch: run.epoch, head: run.firstSeq + run.events.length - 1, availableAt: null }])",
      },
    ],
    predicate: "attempt-before-body",
    seed: 1,
  },
  {
    name: "last-event-not-loaded",
    guard: "the last event is read also if it lies within a completed scope",
    world: "late-outcomes",
    edits: [
      {
        file: MEMORY_EVENTS,
        text: "return history.filter((event) => event === last || isRead(event.scope));",
        by: "void last;\n  return history.filter((event) => isRead(event.scope));",
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "unclean-not-counted",
    guard: "a claim counts as unclean until it gets somewhere",
    world: "poison",
    edits: [{ file: MEMORY_ROWS, text: "run.epoch++;\n  run.unclean++;", by: "run.epoch++;" }],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "poisoned-not-parked",
    guard: "a run that kills its workers is parked",
    world: "poison",
    edits: [
      { file: MEMORY_CLAIMS, text: "run.unclean >= UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX", by: "run.unclean === -1" },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "suspect-not-alone",
    guard: "a suspect is claimed alone",
    world: "poison",
    edits: [
      { file: MEMORY_CLAIMS, text: "&& run.unclean >= UNCLEAN_ALONE_FROM === request.alone", by: "" },
      { file: MEMORY_CLAIMS, text: "run.unclean >= UNCLEAN_ALONE_FROM;", by: "run.unclean < 0;" },
    ],
    predicate: "result-as-expected",
    seed: 0,
  },

  // ---- The log: SQL ----
  {
    name: "sql-epoch-fence-of-blocks",
    guard: "events of an old epoch are not inserted",
    world: "leases-over-owned-file",
    edits: [{ file: "src/log/libsql/event-blocks.ts", text: "AND r.epoch = e.column2 ", by: "" }],
    predicate: "append-under-current-epoch",
    seed: 25,
  },
  {
    name: "sql-epoch-fence",
    guard: "a write of an old epoch is refused",
    world: "leases-over-owned-file",
    edits: [{ file: "src/log/libsql/fragments.ts", text: "AND r.epoch = j.value ->> 1 AND r.head", by: "AND r.head" }],
    predicate: "verdict-true",
    seed: 25,
  },
  {
    name: "sql-verdict",
    guard: "a row that was not moved makes the rows be read",
    world: "leases-over-owned-file",
    edits: [
      {
        file: "src/log/libsql/append.ts",
        text: "batch.moves.every(({ index, rows }) => results[index]?.rowsAffected === rows)",
        by: "true",
      },
    ],
    predicate: "verdict-true",
    seed: 1,
  },
  {
    name: "sql-park-condition",
    guard: "a run with mail does not park",
    world: "mail-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "`CASE WHEN ${HAS_MAIL} THEN 'pending' ELSE j.value ->> 5 END`",
        by: '"j.value ->> 5"',
      },
    ],
    predicate: "no-park-with-mail",
    seed: 0,
  },
  {
    name: "sql-claim-of-owned",
    guard: "a run whose owner lives is not claimed",
    world: "leases-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "WHERE w.expires_at <= NOW AND r.unclean",
        by: "WHERE r.unclean",
      },
    ],
    predicate: "one-owner",
    seed: 1,
  },
  {
    name: "sql-claim-keeps-epoch",
    guard: "a claim raises the epoch",
    world: "leases-over-owned-file",
    edits: [
      {
        file: "src/log/libsql/fragments-claims.ts",
        text: "owner = :worker, epoch = epoch + 1, ",
        by: "owner = :worker, ",
      },
    ],
    predicate: "claim-raises-epoch",
    seed: 0,
  },
  {
    name: "sql-heartbeat-after-lease",
    guard: "a lease that has ended is not renewed",
    world: "leases-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "WHERE id = :worker AND expires_at > NOW RETURNING",
        by: "WHERE id = :worker RETURNING",
      },
    ],
    predicate: "lease-by-log-clock",
    seed: 0,
  },

  // ---- The writer ----
  {
    name: "lost-start-taken-for-written",
    guard: "a run that is not there was another start's",
    world: "fleet",
    edits: [
      {
        file: WRITER,
        text: "if (row === undefined || row.epoch !== append.epoch) source.lost();",
        by: "if (row === undefined) source.written(null);\n    else if (row.epoch !== append.epoch) source.lost();",
      },
    ],
    predicate: "attempt-before-body",
    seed: 1,
  },
  {
    name: "not-retried",
    guard: "a write of unknown outcome is sent again",
    world: "fleet",
    edits: [
      {
        file: WRITER,
        text: "if (!(error instanceof StoreError) || error.facts.retry !== true) return error as Error;",
        by: "if (error instanceof Error) return error;",
      },
    ],
    predicate: "liveness",
    seed: 26,
  },
  {
    name: "retried-with-other-bytes",
    guard: "a write is sent again as it was",
    world: "fleet",
    edits: [
      {
        file: WRITER,
        text: "const verdict = await this.#store.append(write);",
        by: `const late = failingSince === null ? 0 : 1;
        const runs = write.runs.map((run) => ({
          ...run,
          events: run.events.map((event) => ({ ...event, at: event.at + late })),
        }));
        const verdict = await this.#store.append({ ...write, runs });`,
      },
    ],
    predicate: "verdict-true",
    seed: 25,
  },
  {
    name: "two-writes-under-way",
    guard: "one write is under way at a time",
    world: "fleet",
    edits: [
      {
        file: WRITER,
        text: `if (this.#oldestAt === null || this.#writing !== null) return;`,
        by: `if (this.#oldestAt === null) return;`,
      },
      {
        file: WRITER,
        text: `if (this.#writing !== null || this.#closed) return;`,
        by: `if (this.#closed) return;`,
      },
    ],
    predicate: "one-writer",
    seed: 9,
  },
  {
    name: "taken-twice",
    guard: "a run gives nothing while something of it is under way",
    world: "fleet",
    edits: [
      {
        file: DEPARTURE,
        text: 'if (this.#writing !== undefined || phase === "gone") return null;',
        by: 'if (phase === "gone") return null;',
      },
      { file: JOURNAL, text: 'assert(this.#taken === null, "a run has one write in flight");', by: "" },
    ],
    predicate: "verdict-true",
    seed: 11,
  },
  {
    name: "start-without-events",
    guard: "a start is written with its first events or not at all",
    world: "leases",
    edits: [{ file: WRITER, text: "return parts.length > before;", by: "return true;" }],
    predicate: "liveness",
    seed: 0,
  },

  // ---- The journal ----
  {
    name: "effect-before-durable",
    guard: "an effect waits until what was queued before it is durable",
    world: "fleet",
    edits: [
      {
        file: JOURNAL,
        text: "if (this.state.head <= this.#durableHead && this.#effects.length === 0) run();",
        by: "if (this.#effects.length === 0) run();",
      },
    ],
    predicate: "attempt-before-body",
    seed: 0,
  },
  {
    name: "live-form-given",
    guard: "the code is given the stored form, on the first pass too",
    world: "fickle-values",
    edits: [{ file: JOURNAL, text: "data: text !== null && isOutcome(type) ? JSON.parse(text) : data,", by: "data," }],
    predicate: "value-as-recorded",
    seed: 0,
  },
  {
    name: "stored-form-not-decoded",
    guard: "the code is given what the stored form stands for",
    world: "fleet",
    edits: [{ file: "src/ctx/settle.ts", text: "value: decodePayload(payload)", by: "value: payload.value" }],
    predicate: "result-as-expected",
    seed: 0,
  },
  {
    name: "size-not-checked",
    guard: "a value is as large as the limit at most",
    world: "sizes",
    edits: [
      {
        file: JOURNAL,
        text: 'if (text !== null && "value" in data) checkSize(() => what(type, key), text, this.#host.limits.payloadBytesMax);',
        by: "void [checkSize, what];",
      },
    ],
    predicate: "value-within-limit",
    seed: 0,
  },
  {
    name: "instants-fall",
    guard: "an event is no earlier than the one before it",
    world: "fleet",
    edits: [
      {
        file: JOURNAL,
        text: "at: Math.max(state.at, Math.floor(this.#host.now())),",
        by: "at: Math.floor(this.#host.now()),",
      },
    ],
    predicate: "instant-never-falls",
    seed: 0,
  },

  // ---- The lease ----
  {
    name: "body-without-lease",
    guard: "a body begins only under a lease",
    world: "leases",
    edits: [{ file: WORKER, text: "if (this.#hasLease) start();", by: "if (this.#started) start();" }],
    predicate: "body-under-lease",
    seed: 1,
  },
  {
    name: "lease-not-by-clock",
    guard: "a lease is doubted once its time is over, not when a timer says so",
    world: "leases",
    edits: [
      {
        file: LEASE,
        text: "return !this.#ended && this.#ports.clock.monotonic() < this.#aliveUntil;",
        by: "return !this.#ended;",
      },
    ],
    predicate: "body-under-lease",
    seed: 0,
  },
  {
    name: "lease-from-the-answer",
    guard: "a lease counts from when its renewal was sent",
    world: "leases",
    edits: [{ file: LEASE, text: "this.#believe(sentAt);", by: "this.#believe(this.#ports.clock.monotonic());" }],
    predicate: "body-under-lease",
    seed: 1,
  },
  {
    name: "no-margin",
    guard: "a part of the lease is given up, because clocks differ",
    world: "leases-by-slow-clocks",
    edits: [{ file: LEASE, text: "this.#leaseMs * (1 - MARGIN)", by: "this.#leaseMs * (1 - MARGIN * 0)" }],
    predicate: "body-under-lease",
    seed: 7,
  },
  {
    name: "refused-heartbeat-ignored",
    guard: "a refused renewal ends the lease",
    world: "leases",
    edits: [
      { file: LEASE, text: "if (answer.alive) this.#believe(sentAt);", by: "this.#believe(sentAt);" },
      { file: LEASE, text: "if (!answer.alive || !this.isAlive) {", by: "if (!this.isAlive) {" },
    ],
    predicate: "body-under-lease",
    seed: 2,
  },
  {
    name: "lost-runs-not-dropped",
    guard: "with the lease its runs are dropped",
    world: "leases",
    edits: [{ file: WORKER, text: "for (const execution of lost) execution.drop(leaseLost(worker));", by: "" }],
    predicate: "body-under-lease",
    seed: 0,
  },
  {
    name: "dropped-bodies-not-aborted",
    guard: "the bodies of a dropped run are aborted",
    world: "leases",
    edits: [
      {
        file: EXECUTION,
        text: 'this.#standing.phase = "gone";\n    this.#bodies.abandon(reason);',
        by: 'this.#standing.phase = "gone";\n    void reason;',
      },
    ],
    predicate: "superseded-body-aborted",
    seed: 0,
  },
  {
    name: "timed-out-body-not-aborted",
    guard: "a body that takes too long is aborted",
    world: "fleet",
    edits: [
      {
        file: "src/worker/bodies.ts",
        text: "running.abort(new TimeoutError(",
        by: "void (new TimeoutError(",
      },
    ],
    predicate: "superseded-body-aborted",
    seed: 1,
  },
  {
    name: "claims-of-a-dead-worker-begun",
    guard: "what was claimed under a lease that was lost meanwhile is not begun",
    world: "leases",
    edits: [{ file: WORKER, text: "if (worker !== this.#id) return;\n    for (const run", by: "for (const run" }],
    predicate: "body-under-lease",
    seed: 15,
  },

  {
    name: "claims-by-a-dead-worker-begun",
    guard: "what was claimed under a lease that was lost before the answer came is not begun",
    world: "leases",
    edits: [
      {
        file: CLAIM_LOOP,
        text: "if (worker !== this.#claimant.id) return { ...verdict, claims: [] };",
        by: "",
      },
    ],
    predicate: "body-under-lease",
    seed: 9,
  },
  {
    name: "renewed-too-late",
    guard: "a renewal that comes when the renewed lease is over as well ends it",
    world: "leases-at-heartbeats",
    edits: [{ file: LEASE, text: "if (!answer.alive || !this.isAlive) {", by: "if (!answer.alive) {" }],
    predicate: "body-under-lease",
    seed: 0,
  },

  // ---- Claims ----
  {
    name: "doubt-not-settled",
    guard: "what a claim took whose answer was lost is let go",
    world: "mail",
    edits: [{ file: CLAIM_LOOP, text: "if (this.#inDoubt) await this.#settleDoubt();", by: "" }],
    predicate: "liveness",
    seed: 4,
  },
  {
    name: "late-claims-taken",
    guard: "a claim that comes late or twice takes nothing",
    world: "mail",
    edits: [{ file: MEMORY_WORKERS, text: "if (turn <= (this.#turns.get(worker) ?? 0)) return false;", by: "" }],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "claim-not-given-back",
    guard: "a claim that could not be loaded is given back",
    world: "leases",
    edits: [{ file: WORKER, text: "for (const claim of claims) this.#giveBack(claim);", by: "void this.#giveBack;" }],
    predicate: "liveness",
    seed: 73,
  },
  {
    name: "nudge-during-a-look-lost",
    guard: "a nudge during a look is another look after it",
    world: "queue",
    edits: [{ file: CLAIM_LOOP, text: "this.#lookAgain = true;", by: "" }],
    predicate: "result-as-expected",
    seed: 312,
  },
  {
    name: "room-not-told",
    guard: "a run that was left for want of room is taken when there is room",
    world: "queue",
    edits: [{ file: CLAIM_LOOP, text: "if (this.#backlog || this.#emptying", by: "if (this.#emptying" }],
    predicate: "liveness",
    seed: 54,
  },
  {
    name: "alarm-moved-later",
    guard: "an alarm is only ever moved earlier",
    world: "queue",
    edits: [
      {
        file: "src/worker/alarm.ts",
        text: "if (this.#dueAt === null || dueAt < this.#dueAt) this.set(dueAt);",
        by: "this.set(dueAt);",
      },
    ],
    predicate: "liveness",
    seed: 25,
  },
  {
    name: "stale-copy-reused",
    guard: "a copy in memory goes on only if epoch and head are its own",
    world: "fleet",
    edits: [{ file: EXECUTION, text: " && this.epoch === claim.epoch - 1 && this.head === claim.head", by: "" }],
    predicate: "verdict-true",
    seed: 1477,
  },
  {
    name: "fresh-run-of-later-claim",
    guard: "what is kept of a run since its creation is all of it only at its first claim",
    world: "lines",
    edits: [{ file: FRESH_RUNS, text: "epoch === 1 && head === 1 ? created : null", by: "created" }],
    predicate: "verdict-true",
    seed: 13,
  },

  // ---- The gate ----
  {
    name: "outcomes-share-a-turn",
    guard: "live, each outcome has a turn of its own",
    world: "races",
    edits: [
      {
        file: GATE,
        text: "else if (!standing.isStopping && this.#giveNext()) return true;",
        by: `else if (!standing.isStopping && this.#giveNext()) {
      while (this.#giveNext());
      return true;
    }`,
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "recorded-outcomes-share-a-turn",
    guard: "in replay, each outcome has a turn of its own",
    world: "races",
    edits: [
      {
        file: GATE,
        text: "    if (outcome !== null) return this.#giveRecorded(outcome);",
        by: `    if (outcome !== null) {
      const isGiven = this.#giveRecorded(outcome);
      const second = replay.next(() => [...calls.values()]);
      if (second !== null && !(second instanceof errors.ReplayDivergedError)) this.#giveRecorded(second);
      return isGiven;
    }`,
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "turn-without-macrotask",
    guard: "a turn ends at a macrotask, when its microtasks have run",
    world: "fleet",
    edits: [
      {
        file: "src/worker/turns.ts",
        text: "this.#drain(() => this.#round());",
        by: "queueMicrotask(() => this.#round());",
      },
    ],
    predicate: "result-as-expected",
    seed: 0,
  },
  {
    name: "replay-in-the-order-asked",
    guard: "replay gives outcomes in the order of the log",
    world: "races",
    edits: [
      {
        file: "src/worker/replay.ts",
        text: "const outcome = this.#outcomes[this.#next];",
        by: `const left = (this.#outcomes as RunEvent[]).splice(this.#next);
    const first = waiting().map(({ key }) => left.findIndex((event) => event.key === key)).find((at) => at >= 0) ?? 0;
    (this.#outcomes as RunEvent[]).push(...left.splice(first, 1), ...left);
    const outcome = this.#outcomes[this.#next];`,
      },
    ],
    predicate: "liveness",
    seed: 0,
  },
  {
    name: "scope-not-closed",
    guard: "a scope that returns closes the calls within it",
    world: "fleet",
    edits: [
      {
        file: LEDGER,
        text: "const open = calls.takeWithin(key);",
        by: "const open: Call[] = [];",
      },
    ],
    predicate: "attempt-before-body",
    seed: 82,
  },
  {
    name: "inner-scope-not-closed",
    guard: "a scope that returns closes the calls of scopes within it",
    world: "late-outcomes",
    edits: [
      {
        file: "src/worker/open-calls.ts",
        text: 'if (call.request.kind === "scope") scopes.push(call.key);',
        by: "",
      },
      { file: LEDGER, text: "!call.isClosed && !isClosed(state, call.key)", by: "!call.isClosed" },
    ],
    predicate: "closed-scope-silent",
    seed: 0,
  },
  {
    name: "cancel-lets-begin",
    guard: "nothing begins after a cancel",
    world: "lines",
    edits: [
      {
        file: LEDGER,
        text: "if (this.#standing.isCancelled(call) && BEGINNINGS.has(type)) return null;",
        by: "void BEGINNINGS;",
      },
    ],
    predicate: "one-outcome",
    seed: 328,
  },
  {
    name: "cancel-lets-end",
    guard: "a run that was cancelled ends as cancelled, whatever its code makes of it",
    world: "fleet",
    edits: [
      {
        file: DEPARTURE,
        text: "if (this.#standing.state.cancelRequested) this.cancel();\n    else if (finish",
        by: "if (finish",
      },
    ],
    predicate: "cancel-obeyed",
    seed: 2,
  },
  {
    name: "cancel-drained-unrecorded",
    guard: "mail that is taken out is in the history",
    world: "mail",
    edits: [
      {
        file: MAIL_DRAIN,
        text: "if (!state.cancelRequested) this.#requestCancel({ ...message.data, token });",
        by: "if (standing.isCancelGiven) this.#requestCancel({ ...message.data, token });",
      },
    ],
    predicate: "acknowledged-cancel-kept",
    seed: 0,
  },
  {
    name: "outcome-after-the-end",
    guard: "what ends after its run is late",
    world: "fleet",
    edits: [
      { file: "src/worker/bodies.ts", text: "!running.isLate && !this.#runIsOver", by: "!running.isLate" },
      {
        file: LEDGER,
        text: "if (!this.#mayAppend(call) || this.isFull()) return null;",
        by: "if (call.isClosed || this.isFull()) return null;",
      },
    ],
    predicate: "terminal-last",
    seed: 37,
  },

  // ---- Steps and timers ----
  {
    name: "attempt-not-recorded",
    guard: "an attempt is recorded before its body",
    world: "fleet",
    edits: [{ file: STEP, text: 'this.#call.record("attempt.started", attempt, {});', by: "" }],
    predicate: "attempt-before-body",
    seed: 0,
  },
  {
    name: "retry-at-once",
    guard: "an attempt that follows a failed one waits until it is due",
    world: "fleet",
    edits: [{ file: STEP, text: "this.#call.waitUntil(retryAt, () => this.#startNext());", by: "this.#startNext();" }],
    predicate: "retry-not-early",
    seed: 0,
  },
  {
    name: "retry-at-once-after-replay",
    guard: "a wait that the log holds is waited for, whoever goes on",
    world: "fleet",
    edits: [
      { file: STEP, text: "else if (dueAt !== null) this.#call.waitUntil(dueAt, () => this.#startNext());", by: "" },
    ],
    predicate: "retry-not-early",
    seed: 43,
  },
  {
    name: "timer-at-once",
    guard: "a timer fires when it is due",
    world: "fleet",
    edits: [
      {
        file: "src/worker/call.ts",
        text: "this.waitsUntil === null || this.waitsUntil > now",
        by: "this.waitsUntil === null",
      },
    ],
    predicate: "timer-not-early",
    seed: 0,
  },
  {
    name: "timer-by-own-clock",
    guard: "time is the log's, not this process's",
    world: "fleet",
    edits: [{ file: WORKER, text: "if (!this.#parts.store.localClock) this.#logClock.sync(now);", by: "void now;" }],
    predicate: "timer-not-early",
    seed: 1,
  },
  {
    name: "attempts-without-end",
    guard: "a step that has failed as often as its policy allows has failed",
    world: "fleet",
    edits: [
      {
        file: STEP,
        text: "else if (last - Math.min(attemptsForgiven, FORGIVEN_MAX) >= this.#policy.retry.attemptsMax)",
        by: "else if (attemptsForgiven < 0)",
      },
      {
        file: "src/kernel/retry.ts",
        text: 'if (attempt >= policy.attemptsMax) return { kind: "give-up", reason: "exhausted" };',
        by: "",
      },
    ],
    predicate: "attempts-within-policy",
    seed: 1,
  },
  {
    name: "lost-attempts-do-not-count",
    guard: "an attempt that a crash ended counts",
    world: "fleet",
    edits: [
      {
        file: STEP,
        text: "else if (last - Math.min(attemptsForgiven, FORGIVEN_MAX) >= this.#policy.retry.attemptsMax)",
        by: "else if (attemptsForgiven < 0)",
      },
    ],
    predicate: "attempts-within-policy",
    seed: 35,
  },
  {
    name: "once-repeated",
    guard: "a step that is marked once is not repeated after its worker was lost",
    world: "fleet",
    edits: [
      { file: STEP, text: "if (this.#policy.once) {", by: "if (attempt === 0) {" },
      {
        file: STEP,
        text: "if (this.#policy.once && last > 0) this.#fail(last, notRepeated(this.#call, last));\n    else if",
        by: "if",
      },
      {
        file: STEP,
        text: "retry: once ? retryPolicy({ attempts: 1 }) : retryPolicy(options.retry),",
        by: "retry: retryPolicy(options.retry),",
      },
    ],
    predicate: "attempts-within-policy",
    seed: 14,
  },

  // ---- Maps ----
  {
    name: "map-of-all-at-once",
    guard: "a map has no more items under way than it may",
    world: "fleet-of-maps",
    edits: [{ file: MAP, text: "Math.min(plan.concurrency, plan.items.length)", by: "plan.items.length" }],
    predicate: "result-as-expected",
    seed: 1,
  },
  {
    name: "map-goes-on-after-a-failure",
    guard: "once more items have failed than may no other begins",
    world: "fleet-of-maps",
    edits: [
      {
        file: MAP,
        text: "while (next < plan.items.length && tally.mayBegin) {",
        by: "while (next < plan.items.length) {",
      },
    ],
    predicate: "result-as-expected",
    seed: 1062,
  },
  {
    name: "map-leaves-items-behind",
    guard: "a map that fails waits for its items that are under way",
    world: "fleet-of-maps",
    edits: [
      {
        file: MAP,
        text: "tally.count(index, item);\n    }",
        by: "tally.count(index, item);\n      tally.check(0);\n    }",
      },
    ],
    predicate: "result-as-expected",
    seed: 49,
  },
  {
    name: "map-in-the-order-of-ends",
    guard: "a map gives what its items came to in the order of the items",
    world: "fleet-of-maps",
    edits: [
      {
        file: MAP,
        text: "settled[index] = item;",
        by: "settled[settled.findIndex((each) => each === undefined)] = item;",
      },
    ],
    predicate: "result-as-expected",
    seed: 0,
  },
  {
    name: "map-tolerates-one-more",
    guard: "no more items may fail than the map tolerates",
    world: "fleet-of-maps",
    edits: [
      {
        file: MAP,
        text: "this.#failed > (this.#plan.failuresMax ?? 0)",
        by: "this.#failed > (this.#plan.failuresMax ?? 0) + 1",
      },
    ],
    predicate: "result-as-expected",
    seed: 49,
  },
  {
    name: "map-not-counted",
    guard: "a map is a use of its name",
    world: "fleet-of-maps",
    edits: [{ file: MAP, text: 'const occurrence = scope.next("call", name);', by: "const occurrence = 1;" }],
    predicate: "result-as-expected",
    seed: 34,
  },
  {
    name: "mail-during-a-claim-unread",
    guard: "mail that comes while its run is being claimed is read",
    world: "awakening",
    edits: [
      {
        file: WORKER,
        text: "void look.then(() => (this.#owned.has(runId) ? this.#mail.read([runId]) : undefined));",
        by: "void look;",
      },
    ],
    predicate: "liveness",
    seed: 9,
  },

  // ---- What runs share ----
  ...SHARING_MUTANTS,
  ...SCHEDULING_MUTANTS,
  ...MESSAGE_MUTANTS,
  ...LIMIT_MUTANTS,
  ...POOL_MUTANTS,
  ...OUTGOING_MUTANTS,

  // ---- Callers ----
  ...DELIVERY_MUTANTS,

  ...TOGETHER_MUTANTS,
];
