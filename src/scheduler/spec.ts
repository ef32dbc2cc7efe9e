/**
 * When something is to happen, as a user writes it down. Data only: it may be kept as JSON, and this file imports nothing
 * that computes, so whoever only hands a spec on does not carry the reader of cron patterns.
 */
import type { Duration } from "../kernel/duration.ts";

/**
 * The instants of a schedule: those of `cron`, `every`, `calendar` and `at` together, each once, without those of
 * `except`. At least one of the four is given.
 *
 * @example
 * { cron: "30 2 * * MON-FRI", timezone: "Europe/Berlin" }
 * { every: "15m", offset: "5m" }
 * { calendar: { dayOfMonth: 1, dayOfWeek: "MON", hour: 9 }, except: ["2027-03-01"] }
 * { at: ["2027-01-01T00:00:00Z", "2027-06-01T09:00"], timezone: "Asia/Tokyo" }
 */
export interface ScheduleSpec {
  /**
   * Patterns of 5 fields (minute, hour, day of month, month, day of week), 6 (a field of seconds before them) or 7 (a field
   * of years after them), `@daily` and its like, or `@every 5m`. A pattern may begin with `TZ=Europe/Berlin ` or `CRON_TZ=...`.
   */
  readonly cron?: string | readonly string[];
  /** Evenly in elapsed time, counted from 1970-01-01T00:00Z: no zone and no restart moves it. From 1 second on. */
  readonly every?: Duration;
  /** Moves the instants of `every`; less than it. @default 0 */
  readonly offset?: Duration;
  /** The same as a pattern, by names of fields. */
  readonly calendar?: Calendar | readonly Calendar[];
  /** Single instants in ISO 8601 with `Z` or an offset; without one it is a time on the wall of `timezone`. */
  readonly at?: string | readonly string[];
  /** An IANA zone, such as `Europe/Berlin`. @default "UTC" */
  readonly timezone?: string;
  /** What becomes of wall times that do not exist, or come twice. @default "shift" */
  readonly dst?: DstPolicy;
  /** No instant before it. In the form of `at`. */
  readonly from?: string;
  /** No instant at it or after it. In the form of `at`. */
  readonly until?: string;
  /** Each instant is due up to so much later, and never as late as the next: the same delay every time it is asked for. */
  readonly jitter?: Duration;
  /** Every instant is due later by the same part of this, which the schedule's id determines. */
  readonly spread?: Duration;
  /** Days (`"2026-12-25"`) and calendars whose instants fall out, by what the zone's wall shows at them. */
  readonly except?: Exception | readonly Exception[];
}

/**
 * What to do where wall time jumps. Patterns that repeat through the day (`*` in the hour or the minute) follow elapsed
 * time except under `once`. `docs/SCHEDULES.md` has the table.
 *
 * - `shift`: what does not exist fires when the gap ends; what comes twice fires the first time.
 * - `skip`: what does not exist does not fire; what comes twice fires the first time.
 * - `once`: as `shift`, also for patterns that repeat through the day: no time on the wall fires twice.
 * - `both`: fires whenever the wall shows it: not in a gap, and both times.
 */
export type DstPolicy = "shift" | "skip" | "once" | "both";

/** The policies of `dst`. */
export const DST_POLICIES = ["shift", "skip", "once", "both"] as const satisfies readonly DstPolicy[];

/** A value, a range `"1-5"`, a step `"0-30/10"`, a name, or a list of them: what the field of a pattern may hold. */
export type CalendarField = number | string | readonly (number | string)[];

/**
 * A time on the wall by its fields; all of them must fit, also `dayOfMonth` and `dayOfWeek`. In a schedule, fields of
 * time that are left out are 0, those of the date are any; in `except` all are any.
 */
export interface Calendar {
  readonly second?: CalendarField;
  readonly minute?: CalendarField;
  readonly hour?: CalendarField;
  /** Also `"L"`, the last, `"15W"`, the weekday next to the 15th, and `"LW"`, the last weekday. */
  readonly dayOfMonth?: CalendarField;
  /** 1 to 12 or `"JAN"` to `"DEC"`. */
  readonly month?: CalendarField;
  /** 0 to 7 or `"SUN"` to `"SAT"`; also `"MON#2"`, the second, and `"FRIL"`, the last of the month. */
  readonly dayOfWeek?: CalendarField;
  readonly year?: CalendarField;
}

/** A day such as `"2026-12-25"`, or what a calendar fits. */
export type Exception = string | Calendar;

/** A spec that was read and checked. What makes it, and alone looks into it, is `parseSchedule` and its neighbours. */
export interface Schedule {
  /** As it was given. */
  readonly spec: ScheduleSpec;
  readonly timezone: string;
  readonly dst: DstPolicy;
  readonly sources: readonly Source[];
  readonly exceptions: readonly Excluded[];
  /** Milliseconds since the epoch; the first instant that may be. */
  readonly fromAt: number;
  /** Milliseconds since the epoch; the first that may not be. */
  readonly untilAt: number;
  readonly jitterMs: number;
  readonly spreadMs: number;
}

/** What gives instants. */
export type Source =
  | { readonly kind: "every"; readonly periodMs: number; readonly offsetMs: number }
  | { readonly kind: "at"; readonly instants: readonly number[] }
  | {
      readonly kind: "pattern";
      /** As it was written. */
      readonly text: string;
      /** Seven fields of numbers. */
      readonly pattern: string;
      readonly timezone: string;
      /** Whether it repeats through the day, and so follows elapsed time. */
      readonly isRepeating: boolean;
    };

/** What falls out, by what the wall shows. */
export type Excluded =
  | { readonly kind: "day"; readonly wallFrom: number; readonly wallTo: number }
  | {
      readonly kind: "pattern";
      readonly pattern: string;
      /** The wall shows the same answer for so long: a whole day if only fields of the date are given. */
      readonly grainMs: number;
    };

/**
 * What computes with schedules, as one value: who defines a schedule brings it along, so that an engine without schedules
 * does not import it.
 */
export interface ScheduleTimes {
  parse(spec: ScheduleSpec): Schedule;
  next(schedule: Schedule, after: number): number | null;
  within(schedule: Schedule, from: number, until: number, limit: number): number[];
  due(schedule: Schedule, id: string, instant: number): number;
  describe(schedule: Schedule): string;
}
