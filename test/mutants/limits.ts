/** The mutants of limits: who gets in line, who is admitted, and what ends a place. */
import type { Mutant } from "./mutants.ts";

const MEMORY_PLACES = "src/log/memory-places.ts";
const MEMORY_TURNS = "src/log/memory-turns.ts";
const MEMORY_LOCKS = "src/log/memory-locks.ts";
const LOCKS = "src/log/libsql/statements-locks.ts";
const MEMORY_ROWS = "src/log/memory-rows.ts";
const MIGRATIONS = "src/log/libsql/migrations.ts";
const STATEMENTS = "src/log/libsql/statements-places.ts";
const DEPARTURE = "src/worker/departure.ts";
const CALL = "src/worker/call.ts";
const MAIL_DRAIN = "src/worker/mail-drain.ts";
const STEP = "src/ctx/step.ts";

export const LIMIT_MUTANTS: readonly Mutant[] = [
  {
    name: "line-room",
    guard: "a line lets in no more than it has slots",
    world: "limits",
    edits: [{ file: MEMORY_PLACES, text: "this.#heldIn(line) < room", by: "this.#heldIn(line) <= room" }],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "all-or-none",
    guard: "a run is admitted when there is room in all of its lines",
    world: "limits",
    edits: [
      {
        file: MEMORY_PLACES,
        text: "waiting.every((place) => this.#hasRoom(place))",
        by: "waiting.some((place) => this.#hasRoom(place))",
      },
    ],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "due-past-the-line",
    guard: "a run whose time has come gets in line for the place that it has given back",
    world: "limits",
    edits: [{ file: MEMORY_ROWS, text: "row.availableAt = isLimited ? null : dueAt;", by: "row.availableAt = dueAt;" }],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "start-past-the-line",
    guard: "a start with limits gets in line, and is not due before it is admitted",
    world: "limits",
    edits: [
      {
        file: "src/engine/start.ts",
        text: "this.#availableAt = start.limits === null ? start.availableAt : null;",
        by: "this.#availableAt = start.availableAt;",
      },
    ],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "place-ends-with-run",
    guard: "the places of a run end with it",
    world: "limits",
    edits: [{ file: DEPARTURE, text: 'leave.kind === "end" ? "end" : "yield"', by: '"yield"' }],
    predicate: "no-slot-leaks",
    seed: 0,
  },
  {
    name: "line-room-in-sql",
    guard: "a line lets in no more than it has slots",
    world: "limits-over-owned-file",
    edits: [
      {
        file: MIGRATIONS,
        text: "FROM lines l WHERE l.line = p.line), p.slots) <= 0",
        by: "FROM lines l WHERE l.line = p.line), p.slots) < 0",
      },
    ],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "place-ends-with-run-in-sql",
    guard: "the places of a run end with it",
    world: "limits-over-owned-file",
    edits: [{ file: STATEMENTS, text: "AND j.value ->> 3 = 1", by: "AND j.value ->> 3 = 2" }],
    predicate: "no-slot-leaks",
    seed: 0,
  },
  {
    name: "turn-is-put-off",
    guard: "a key that has had its turn has the next one after the others",
    world: "fairness",
    edits: [
      { file: MEMORY_TURNS, text: "turns.byKey.set(key, turns.last + cost);", by: "turns.byKey.set(key, turns.last);" },
    ],
    predicate: "turns-taken",
    seed: 0,
  },
  {
    name: "turn-is-put-off-in-sql",
    guard: "a key that has had its turn has the next one after the others",
    world: "fairness-over-owned-file",
    edits: [{ file: MIGRATIONS, text: "WHERE l.line = NEW.line) + NEW.cost", by: "WHERE l.line = NEW.line) + 0" }],
    predicate: "turns-taken",
    seed: 0,
  },
  {
    name: "slot-before-those-that-wait",
    guard: "who has a slot is before all that wait, whatever their priority",
    world: "step-slots",
    edits: [{ file: MEMORY_LOCKS, text: "place.rank = Number.MIN_SAFE_INTEGER;", by: "" }],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "slot-before-those-that-wait-in-sql",
    guard: "who has a slot is before all that wait, whatever their priority",
    world: "step-slots-over-owned-file",
    edits: [
      {
        file: LOCKS,
        text: ".queue IS NULL, ${place}.rank, ${RANK_OF_GRANTED})",
        by: ".queue IS NULL, ${place}.rank, ${place}.rank)",
      },
    ],
    predicate: "limits-hold",
    seed: 0,
  },
  {
    name: "slot-kept-by-a-failed-attempt",
    guard: "a step that waits for its next attempt has no slot",
    world: "step-slots",
    edits: [
      {
        file: STEP,
        text: "this.#leave(attempt);\n    this.#call.waitUntil(retryAt, () => this.#startNext());",
        by: "this.#call.waitUntil(retryAt, () => this.#startNext());",
      },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "slot-kept-by-a-completed-step",
    guard: "a slot ends with its attempt",
    world: "step-slots",
    edits: [
      {
        file: STEP,
        text: 'this.#conclude("step.completed", attempt, payload);',
        by: 'this.#call.conclude("step.completed", attempt, payload);',
      },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "slot-kept-for-an-attempt-that-never-begins",
    guard: "a step that has concluded gives up also the slot of the attempt that would have been next",
    world: "step-slots",
    edits: [
      { file: STEP, text: "this.#leave(attemptOpen ? last : last + 1);", by: "if (attemptOpen) this.#leave(last);" },
    ],
    predicate: "no-place-left-behind",
    seed: 1,
  },
  {
    name: "slot-kept-by-a-lost-attempt",
    guard: "a slot ends with the attempt that its worker's death has interrupted",
    world: "step-slots",
    edits: [
      {
        file: STEP,
        text: "if (this.#call.state.attemptOpen) return;\n    this.#leave(attempt);",
        by: "if (this.#call.state.attemptOpen) return;",
      },
    ],
    predicate: "no-place-left-behind",
    seed: 0,
  },
  {
    name: "stalled-by-a-pause",
    guard: "what a pause has kept from beginning begins when the pause ends before the run has left",
    world: "step-slots",
    edits: [{ file: MAIL_DRAIN, text: "if (!this.#standing.state.paused) this.#parts.ledger.resumed();", by: "" }],
    predicate: "liveness",
    seed: 3,
  },
  {
    name: "in-line-after-its-turn",
    guard: "a step whose attempt has begun stands in line no more: a worker that stops hands its run on",
    world: "step-slots",
    edits: [{ file: CALL, text: "this.#waitsForMail = false;\n    this.#host.runBody", by: "this.#host.runBody" }],
    predicate: "liveness",
    seed: 4,
  },
];
