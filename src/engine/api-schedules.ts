/** Schedules as users of the engine, the HTTP layer and the client see them. */
import type { Tags } from "../kernel/events.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import type { ScheduleInput, ScheduleRules } from "../scheduler/definition.ts";
import type { CatchUpPolicy, Overlap } from "../scheduler/policy.ts";
import type { ScheduleSpec } from "../scheduler/spec.ts";

/** A schedule as it stands. Instants are milliseconds since the epoch. */
export interface ScheduleInfo {
  readonly id: string;
  readonly workflow: string;
  /** Null: the latest that is registered where an instant is decided. */
  readonly version: string | null;
  readonly spec: ScheduleSpec;
  /** The spec in words. */
  readonly description: string;
  readonly overlap: Overlap;
  readonly catchUp: {
    readonly policy: CatchUpPolicy;
    readonly windowMs: number;
    readonly max: number;
    readonly graceMs: number;
  };
  /** What its runs are given. */
  readonly input: unknown;
  readonly tags: Tags;
  readonly deadlineMs: number | null;
  /** Whether it is defined in code, or was made at run time. */
  readonly source: "code" | "api";
  /** Counts its definitions, from 1. */
  readonly generation: number;
  /** Null: it is not paused. */
  readonly paused: { readonly at: number; readonly note: string | null } | null;
  /** When the next instant is due; null: it is paused, or has none. */
  readonly nextAt: number | null;
  /** Every instant up to this one is decided. */
  readonly decidedUntil: number;
  /** How many firings wait for an earlier run to end. */
  readonly waiting: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What became of an instant, or of a range of instants that were skipped for one reason. */
export interface FiringInfo {
  readonly at: number;
  /** The timetable's, one that was asked for once more, or one at which somebody asked for a run. */
  readonly lane: "schedule" | "backfill" | "manual";
  /** The last instant of a range; null: it is one instant. */
  readonly until: number | null;
  /** How many instants it stands for; null: they were too many to count. */
  readonly instants: number | null;
  /** `waiting`: it is decided when an earlier run has ended, or a later instant takes its place. */
  readonly decision: "fired" | "skipped" | "waiting";
  readonly cause: "schedule" | "catch-up" | "backfill" | "manual";
  /**
   * Why it was skipped, or waits: `missed`, `cap`, `paused`, `overlap with <instant>`, `replaced by <instant>`, `queue full`,
   * `behind <instant>`. Null: it fired.
   */
  readonly reason: string | null;
  readonly runId: string | null;
  readonly decidedAt: number | null;
}

/** Why an instant of a schedule did fire, or did not, or what will become of it. */
export interface InstantInfo {
  readonly at: number;
  /** `ahead`: it is not due. `due`: nobody has decided it so far. `none`: the timetable does not have it, or not any more. */
  readonly decision: FiringInfo["decision"] | "ahead" | "due" | "none";
  readonly reason: string | null;
  readonly runId: string | null;
}

/** A schedule that is made at run time. */
export type NewScheduleOptions<Input = unknown> = ScheduleSpec &
  ScheduleRules &
  ScheduleInput<Input> & {
    readonly id: string;
    readonly workflow: WorkflowRef<Input, unknown, never> | string;
    /** @default the latest that is registered where an instant is decided */
    readonly version?: string;
  };

/** What changes of a schedule; null takes a field away. What is left out stays. */
export type ScheduleChanges = {
  readonly [F in keyof (ScheduleSpec & ScheduleRules)]?: (ScheduleSpec & ScheduleRules)[F] | null;
} & { readonly version?: string | null; readonly input?: unknown };

export interface BackfillOptions {
  /** The first instant: a Date, or milliseconds since the epoch. */
  readonly from: Date | number;
  /** Instants before this one. */
  readonly until: Date | number;
  /** `queue-all`: one after the other. `allow`: all at once. @default "queue-all" */
  readonly overlap?: "queue-all" | "allow";
}

export interface BackfillResult {
  /** Instants of the timetable in the range. */
  readonly instants: number;
  /** Those that had been asked for before, and so were left as they are. */
  readonly known: number;
}

/** The run that was asked for. */
export interface TriggerResult {
  readonly runId: string;
  /** The instant in its firing and in `ctx.run.trigger`. */
  readonly at: number;
}

export interface SchedulesPage {
  /** By id. */
  readonly schedules: readonly ScheduleInfo[];
  /** Gives the next page; null: this is the last. */
  readonly cursor: string | null;
}

export interface FiringsPage {
  /** Latest instant first. */
  readonly firings: readonly FiringInfo[];
  readonly cursor: string | null;
}

/** The schedules in the log: those defined in code and those made at run time. */
export interface Schedules {
  /**
   * Makes a schedule. Its instants begin after now. Made again with the same definition, it is the same one.
   *
   * @throws DefinitionError for a bad definition, with the field, the position and a hint; ConflictError `SCHEDULE_EXISTS`;
   *   NotFoundError `WORKFLOW_UNKNOWN`; ValidationError `INPUT_INVALID`
   * @example await engine.schedules.create({ id: "tidy", workflow: "tidy", every: "15m" });
   */
  create<Input>(options: NewScheduleOptions<Input>): Promise<ScheduleInfo>;
  /** Null: there is none. */
  get(id: string): Promise<ScheduleInfo | null>;
  list(options?: { readonly limit?: number; readonly cursor?: string }): Promise<SchedulesPage>;
  /**
   * Changes a definition. What was due before is decided by the old one; with another timetable the instants begin after
   * now. A schedule that is defined in code is changed back when its process starts again.
   *
   * @throws as `create`; NotFoundError `SCHEDULE_NOT_FOUND`
   */
  update(id: string, changes: ScheduleChanges): Promise<ScheduleInfo>;
  /** Holds a schedule: its instants are skipped with the reason `paused`. Does not move them. */
  pause(id: string, options?: { readonly note?: string }): Promise<ScheduleInfo>;
  resume(id: string): Promise<ScheduleInfo>;
  /** Starts a run now, whatever else runs, also of a schedule that is paused. */
  trigger(id: string): Promise<TriggerResult>;
  /**
   * Has the instants of a range fire, also if they did before. Asked for again, it fires those that it did not.
   *
   * @throws LimitError `BACKFILL_LIMIT` for more than 1,000 instants
   * @example await engine.schedules.backfill("nightly", { from: new Date("2026-11-01"), until: new Date("2026-11-08") });
   */
  backfill(id: string, options: BackfillOptions): Promise<BackfillResult>;
  /** Deletes a schedule with its firings. Its runs go on. */
  delete(id: string): Promise<void>;
  /** The next instants, whether or not it is paused. `count`: from 1 to 1,000. @default 10 */
  next(id: string, options?: { readonly count?: number; readonly after?: Date | number }): Promise<number[]>;
  /** What became of its instants. Kept for 90 days, and the last 1,000 of each schedule. */
  firings(
    id: string,
    options?: { readonly decision?: FiringInfo["decision"]; readonly limit?: number; readonly cursor?: string },
  ): Promise<FiringsPage>;
  /** Why an instant did fire, or did not. */
  why(id: string, instant: Date | number): Promise<InstantInfo>;
}
