/** Zones with a gap and a fold each, all in the past, so that no government moves them any more. */

export interface ZoneRow {
  readonly zone: string;
  /** The first instant after the wall jumped forward. */
  readonly gap: string;
  /** The first instant after the wall jumped back. */
  readonly fold: string;
}

const row = (zone: string, gap: string, fold: string): ZoneRow => ({ zone, gap, fold });

export const ZONE_ROWS: readonly ZoneRow[] = [
  row("Europe/Berlin", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
  row("Europe/London", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
  // Its winter is the deviation, as IANA has it.
  row("Europe/Dublin", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
  // At midnight, and back into the day before.
  row("Atlantic/Azores", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
  row("America/Nuuk", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
  row("America/New_York", "2025-03-09T07:00Z", "2025-11-02T06:00Z"),
  row("America/Los_Angeles", "2025-03-09T10:00Z", "2025-11-02T09:00Z"),
  // Offsets with half hours.
  row("America/St_Johns", "2025-03-09T05:30Z", "2025-11-02T04:30Z"),
  row("America/Havana", "2025-03-09T05:00Z", "2025-11-02T05:00Z"),
  row("America/Santiago", "2025-09-07T04:00Z", "2025-04-06T03:00Z"),
  row("Pacific/Easter", "2025-09-07T04:00Z", "2025-04-06T03:00Z"),
  // Midnight did not exist on the day of the gap.
  row("America/Sao_Paulo", "2018-11-04T03:00Z", "2018-02-18T02:00Z"),
  row("America/Asuncion", "2023-10-01T04:00Z", "2024-03-24T03:00Z"),
  // A change for good, by half an hour.
  row("America/Caracas", "2016-05-01T07:00Z", "2007-12-09T07:00Z"),
  // Half an hour of summer.
  row("Australia/Lord_Howe", "2025-10-04T15:30Z", "2025-04-05T15:00Z"),
  row("Australia/Adelaide", "2025-10-04T16:30Z", "2025-04-05T16:30Z"),
  row("Australia/Sydney", "2025-10-04T16:00Z", "2025-04-05T16:00Z"),
  row("Pacific/Norfolk", "2025-10-04T15:00Z", "2025-04-05T15:00Z"),
  row("Pacific/Auckland", "2025-09-27T14:00Z", "2025-04-05T14:00Z"),
  // Offsets with 45 minutes.
  row("Pacific/Chatham", "2025-09-27T14:00Z", "2025-04-05T14:00Z"),
  // The whole 30 December 2011 was left out.
  row("Pacific/Apia", "2011-12-30T10:00Z", "2012-03-31T14:00Z"),
  // Back for Ramadan, and forward after it.
  row("Africa/Casablanca", "2025-04-06T02:00Z", "2025-02-23T02:00Z"),
  row("Africa/Cairo", "2025-04-24T22:00Z", "2025-10-30T21:00Z"),
  row("Asia/Gaza", "2025-04-12T00:00Z", "2025-10-24T23:00Z"),
  row("Asia/Beirut", "2025-03-29T22:00Z", "2025-10-25T21:00Z"),
  row("Asia/Jerusalem", "2025-03-28T00:00Z", "2025-10-25T23:00Z"),
  row("Asia/Tehran", "2022-03-21T20:30Z", "2022-09-21T19:30Z"),
  row("Asia/Amman", "2021-03-25T22:00Z", "2021-10-28T22:00Z"),
  row("Asia/Pyongyang", "2018-05-04T15:00Z", "2015-08-14T15:00Z"),
  // Two hours at once.
  row("Antarctica/Troll", "2025-03-30T01:00Z", "2025-10-26T01:00Z"),
];

/** What the wall shows, by its fields. */
export interface Shown {
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

export interface PatternRow {
  readonly cron: string;
  /** The same once more, for the oracle, which reads no patterns. */
  readonly fits: (shown: Shown) => boolean;
  /** Whether it has a `*` in its minutes or hours. */
  readonly repeats: boolean;
}

const fixed = (cron: string, fits: (shown: Shown) => boolean): PatternRow => ({ cron, fits, repeats: false });
const repeating = (cron: string, fits: (shown: Shown) => boolean): PatternRow => ({ cron, fits, repeats: true });

export const PATTERN_ROWS: readonly PatternRow[] = [
  fixed("30 2 * * *", ({ hour, minute }) => hour === 2 && minute === 30),
  fixed("0 3 * * *", ({ hour, minute }) => hour === 3 && minute === 0),
  fixed("0 0 * * *", ({ hour, minute }) => hour === 0 && minute === 0),
  fixed("15 1 * * *", ({ hour, minute }) => hour === 1 && minute === 15),
  fixed("50 23 * * *", ({ hour, minute }) => hour === 23 && minute === 50),
  fixed("0,30 0-3 * * *", ({ hour, minute }) => hour <= 3 && minute % 30 === 0),
  fixed("45 2 * * SAT,SUN", ({ hour, minute, weekday }) => hour === 2 && minute === 45 && weekday % 6 === 0),
  fixed("20 0,2 1-31 * +MON-SUN", ({ hour, minute }) => (hour === 0 || hour === 2) && minute === 20),
  repeating("0 * * * *", ({ minute }) => minute === 0),
  repeating("*/15 * * * *", ({ minute }) => minute % 15 === 0),
  repeating("*/20 2 * * *", ({ hour, minute }) => hour === 2 && minute % 20 === 0),
  repeating("40 */2 * * *", ({ hour, minute }) => hour % 2 === 0 && minute === 40),
];
