/** The mutants of schedules: the fence of their changes, and each rule of what fires. */
import type { Mutant } from "./mutants.ts";

const DECIDE = "src/scheduler/decide.ts";
const STATEMENTS = "src/log/libsql/statements-schedules.ts";

export const SCHEDULING_MUTANTS: readonly Mutant[] = [
  {
    name: "schedule-fence",
    guard: "a change holds the revision that its decider has read",
    world: "schedules",
    edits: [
      {
        file: "src/log/memory-schedules.ts",
        text: "if (before?.revision !== revision) return before?.revision === revision + 1 && before.token === token;",
        by: "if (before === undefined) return false;",
      },
    ],
    predicate: "no-instant-lost",
    seed: 1,
  },
  {
    name: "sql-schedule-fence",
    guard: "in SQL too",
    world: "schedules-over-owned-file",
    edits: [
      {
        file: STATEMENTS,
        text: "WHERE s.id = :scheduleId AND s.revision = :revision)",
        by: "WHERE s.id = :scheduleId AND :revision > 0)",
      },
      {
        file: STATEMENTS,
        text: "WHERE s.id = :scheduleId AND s.revision = :revision\n",
        by: "WHERE s.id = :scheduleId AND :revision > 0\n",
      },
      {
        file: STATEMENTS,
        text: "WHERE id = :scheduleId AND revision = :revision`",
        by: "WHERE id = :scheduleId AND :revision > 0`",
      },
      {
        file: STATEMENTS,
        text: "AND s.revision = :revision + 1 AND s.token",
        by: "AND s.revision > :revision AND s.token",
      },
    ],
    predicate: "schedule-decides-once",
    seed: 4,
  },
  {
    name: "schedule-cursor",
    guard: "a cursor moves to what was decided, and not with the clock",
    world: "schedules",
    edits: [
      { file: DECIDE, text: "cursor: instants.at(-1) ?? cursor,", by: "cursor: instants.at(-1) ?? now - 1_000," },
    ],
    predicate: "no-instant-lost",
    seed: 0,
  },
  {
    name: "schedule-pause",
    guard: "what was due in a pause does not fire",
    world: "schedules",
    edits: [
      {
        file: DECIDE,
        text: "const reasons = isPaused ? null : refused(timetable, policy, instants, now);",
        by: "const reasons = refused(timetable, policy, instants, now) as Map<number, string> | null;",
      },
    ],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-moves-up-in-a-pause",
    guard: "what waits does not start in a pause",
    world: "schedules",
    edits: [{ file: DECIDE, text: "if (!isPaused) line.moveUp();", by: "line.moveUp();" }],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-catches-up-by-default",
    guard: "what is late does not fire where nothing is caught up with",
    world: "schedules",
    edits: [
      {
        file: DECIDE,
        text: 'policy.catchUp === "last" && inTime.length === 0 ? 1 : 0;',
        by: "1;",
      },
    ],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-window",
    guard: "what is too old is not caught up with",
    world: "schedules",
    edits: [
      {
        file: DECIDE,
        text: "if (isWithin && i >= late.length - count) return;",
        by: "if (i >= late.length - count) return;",
      },
    ],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-cap",
    guard: "no more is caught up with than may be",
    world: "schedules",
    edits: [{ file: DECIDE, text: "if (isWithin && i >= late.length - count) return;", by: "if (isWithin) return;" }],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-overlap",
    guard: "an instant does not start a run beside an earlier one's",
    world: "schedules",
    edits: [
      {
        file: DECIDE,
        text: 'if (overlap === "allow" || holder === undefined) this.#fire(at, cause);',
        by: 'if (overlap !== "queue-one") this.#fire(at, cause);',
      },
    ],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-queue-turn",
    guard: "what waits starts when nothing runs",
    world: "schedules",
    edits: [{ file: DECIDE, text: "this.#running.length === 0 ? 1 : 0;", by: "1;" }],
    predicate: "schedule-obeys",
    seed: 0,
  },
  {
    name: "schedule-ended",
    guard: "a run counts as ended when it has",
    world: "schedules",
    edits: [
      {
        file: DECIDE,
        text: 'return decision === "fired" && (runStatus === null || isTerminalStatus(runStatus));',
        by: 'return decision === "fired" && (runStatus === null || runStatus === "waiting" || isTerminalStatus(runStatus));',
      },
    ],
    predicate: "schedule-obeys",
    seed: 0,
  },
];
