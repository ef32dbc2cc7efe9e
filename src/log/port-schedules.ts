/** What the storage port says of schedules, and of the firings that decide their instants. */
import type { RunStatus } from "../kernel/state.ts";
import type { InboxMessage } from "./port-inbox.ts";
import type { ChildStart } from "./port-write.ts";

/** A schedule's row. Instants are milliseconds since the epoch. */
export interface ScheduleRow {
  readonly id: string;
  readonly workflow: string;
  /** Null: the latest that is registered where an instant is decided. */
  readonly version: string | null;
  /** JSON text: timetable, policies, input. Equal definitions are equal texts. */
  readonly definition: string;
  /** Who wrote it: `code`, or `api`. */
  readonly source: "code" | "api";
  /** Counts definitions, from 1. */
  readonly generation: number;
  /** Counts changes of this row, from 1: the fence of {@link ScheduleStore.changeSchedule}. */
  readonly revision: number;
  /** Names the last change: sent again, it is the same one. */
  readonly token: string;
  /** Null: it is not paused. */
  readonly pausedAt: number | null;
  /** Why it is paused. */
  readonly note: string | null;
  /** Every instant up to this one is decided. It only grows. */
  readonly cursor: number;
  /** When the next instant is due; null: it is paused, or has none. */
  readonly nextAt: number | null;
  /** Firings that wait for an earlier run to end. */
  readonly waiting: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * What instants belong to: those of the timetable, those that somebody asked for once more, and those at which somebody
 * asked for a run. In each lane an instant has one firing.
 */
export type FiringLane = "schedule" | "backfill" | "manual";

/** What became of an instant. `waiting`: to be decided when an earlier run has ended, or a later instant takes its place. */
export type FiringDecision = "fired" | "skipped" | "waiting";

/** The decision on an instant of a schedule, or on a range of them that were skipped for one reason. */
export interface FiringRow {
  readonly scheduleId: string;
  readonly at: number;
  readonly lane: FiringLane;
  /** The last instant of a range; null: it is one instant. */
  readonly until: number | null;
  /** How many instants it stands for; null: more than anybody counts. */
  readonly instants: number | null;
  readonly decision: FiringDecision;
  /** What made it: the timetable in time, or too late; otherwise as the lane. */
  readonly cause: "schedule" | "catch-up" | "backfill" | "manual";
  /** Why it was skipped, or waits. */
  readonly reason: string | null;
  readonly runId: string | null;
  /** Of the definition that it was decided by. */
  readonly generation: number;
  /** Null: it is not. */
  readonly decidedAt: number | null;
  /** Whether the overlap rule has to look at it: it waits, or its run was not seen to have ended. */
  readonly isOpen: boolean;
}

/** Which firing. */
export type FiringId = Pick<FiringRow, "at" | "lane">;

/** A firing that the overlap rule has to look at. */
export interface OpenFiring extends FiringRow {
  /** Null: it waits, or there is no such run. */
  readonly runStatus: RunStatus | null;
}

/** A schedule and what of it is under way, as of one moment. */
export interface ScheduleView {
  readonly row: ScheduleRow;
  /** In order of their instants. */
  readonly open: readonly OpenFiring[];
  /** The database's clock. */
  readonly now: number;
}

/** What is to be known of a schedule's row to make it. */
export type NewSchedule = Omit<ScheduleRow, "revision" | "generation" | "waiting">;

/** A change of a schedule: all of it is done, or none. */
export interface ScheduleChange {
  readonly scheduleId: string;
  /** The fence: nothing happens unless the row has this revision. */
  readonly revision: number;
  /** Names this change. */
  readonly token: string;
  readonly row: Pick<
    ScheduleRow,
    | "workflow"
    | "version"
    | "definition"
    | "source"
    | "generation"
    | "pausedAt"
    | "note"
    | "cursor"
    | "nextAt"
    | "waiting"
    | "updatedAt"
  >;
  /** New firings, and what becomes of such that wait. One that is decided stays as it is. */
  readonly firings: readonly FiringRow[];
  /** Firings whose runs have ended. */
  readonly closed: readonly FiringId[];
  /** The runs of what fires, by idempotency key: a firing has the run that there is under its key. */
  readonly starts: readonly ChildStart[];
  readonly tells: readonly InboxMessage[];
  /** Decided firings that are older, or of which as many are newer, are deleted: at most {@link FIRINGS_PRUNED_MAX} of each. */
  readonly keep: { readonly decidedAfter: number; readonly count: number };
}

/** The most firings that a change deletes for their age, and for their number. */
export const FIRINGS_PRUNED_MAX = 200;

/** Which schedules need somebody. */
export interface SchedulesAhead {
  /** Ids of those that are due, or have a firing whose turn it is; earliest first. */
  readonly due: readonly string[];
  /** When the next one is due that is not; null: none is in sight. */
  readonly nextAt: number | null;
  /** Whether firings wait for runs to end. */
  readonly waits: boolean;
  /** The database's clock. */
  readonly now: number;
}

/** Which firings a list shows. */
export interface FiringFilter {
  readonly scheduleId: string;
  readonly decision: FiringDecision | null;
}

/** A page of firings, latest first. `before`: only what comes after this one in that order. */
export interface FiringPage {
  readonly before: FiringId | null;
  readonly limit: number;
}

/** The part of the log that holds schedules. */
export interface ScheduleStore {
  /** Makes a schedule, unless its id is taken. Returns the row that there is then: with another token, it is another one. */
  createSchedule(schedule: NewSchedule): Promise<ScheduleRow>;
  getSchedule(id: string): Promise<ScheduleView | null>;
  /** By id. `after`: only greater ones. */
  listSchedules(page: { readonly after: string | null; readonly limit: number }): Promise<ScheduleRow[]>;
  /** False: the row is no longer of this revision. Sent again as the last change, it does nothing and gives the same answer. */
  changeSchedule(change: ScheduleChange): Promise<boolean>;
  /** Deletes a schedule with its firings; its runs stay. */
  deleteSchedule(id: string): Promise<void>;
  /** Of schedules of these workflows that are not paused. */
  schedulesAhead(workflows: readonly string[], limit: number): Promise<SchedulesAhead>;
  listFirings(filter: FiringFilter, page: FiringPage): Promise<FiringRow[]>;
  /** The firing that decides an instant, alone or in a range; null: none does. */
  getFiring(scheduleId: string, lane: FiringLane, at: number): Promise<FiringRow | null>;
}
