/**
 * What the Open Cron Pattern Specification asks of an implementation, version by version: facts of its conformance vectors
 * (github.com/open-source-cron/ocps, `data/conformance-tests.json`, and the cases of Croner's Rust tests `tests/ocps.rs`),
 * entered anew. Times are a wall's.
 */
export interface Vector {
  readonly version: "1.0" | "1.1" | "1.2" | "1.3" | "1.4";
  readonly pattern: string;
  readonly fits?: readonly string[];
  readonly fitsNot?: readonly string[];
  /** Whether it can be read at all. @default true */
  readonly isRead?: boolean;
  readonly sameAs?: string;
}

export const OCPS_VECTORS: readonly Vector[] = [
  { version: "1.0", pattern: "15 10 * * *", fits: ["2025-03-10 10:15"], fitsNot: ["2025-03-10 10:14"] },
  { version: "1.0", pattern: "30 8 * jan Mon", fits: ["2025-01-06 08:30"], fitsNot: ["2025-02-03 08:30"] },
  {
    version: "1.0",
    pattern: "5-59/15 9 * * *",
    fits: ["2025-03-10 09:05", "2025-03-10 09:20", "2025-03-10 09:35", "2025-03-10 09:50"],
    fitsNot: ["2025-03-10 09:15"],
  },
  {
    version: "1.0",
    pattern: "0 12 1 * MON",
    fits: ["2025-10-01 12:00", "2025-10-06 12:00", "2025-07-01 12:00", "2025-07-14 12:00"],
    fitsNot: ["2025-10-07 12:00"],
  },
  { version: "1.0", pattern: "0 12 * * MON", fits: ["2025-10-06 12:00"], fitsNot: ["2025-10-07 12:00"] },
  {
    version: "1.0",
    pattern: "0 12 1-31 * MON",
    fits: ["2025-10-06 12:00", "2025-10-07 12:00"],
    fitsNot: ["2025-10-08 11:00"],
  },
  { version: "1.0", pattern: "60 0 * * *", isRead: false },
  { version: "1.0", pattern: "0 0 10-5 * *", isRead: false },
  { version: "1.0", pattern: "0 0 /30 * *", isRead: false },
  { version: "1.0", pattern: "* * 31 2 *" },
  { version: "1.0", pattern: "15 10 1 10 *", fits: ["2025-10-01 10:15"] },
  { version: "1.0", pattern: "*/15 0-4,8-12 * JAN-MAR,DEC MON-FRI", fits: ["2025-12-01 08:45"] },
  { version: "1.0", pattern: "0 0 * * 0", fits: ["2025-07-06 00:00"], sameAs: "0 0 * * 7" },

  { version: "1.1", pattern: "@yearly", fits: ["2026-01-01 00:00"], fitsNot: ["2026-01-02 00:00"] },
  { version: "1.1", pattern: "@monthly", fits: ["2026-02-01 00:00"], fitsNot: ["2026-02-02 00:00"] },
  { version: "1.1", pattern: "@weekly", fits: ["2025-10-05 00:00"], fitsNot: ["2025-10-06 00:00"] },
  { version: "1.1", pattern: "@daily", fits: ["2025-10-07 00:00"], fitsNot: ["2025-10-07 00:01"] },
  { version: "1.1", pattern: "@hourly", fits: ["2025-10-07 10:00"], fitsNot: ["2025-10-07 10:01"] },
  { version: "1.1", pattern: "@daily", sameAs: "0 0 * * *" },
  { version: "1.1", pattern: "@yearly", sameAs: "0 0 1 1 *" },
  { version: "1.1", pattern: "@monthly", sameAs: "0 0 1 * *" },
  { version: "1.1", pattern: "@weekly", sameAs: "0 0 * * 0" },
  { version: "1.1", pattern: "@hourly", sameAs: "0 * * * *" },
  { version: "1.1", pattern: "@Daily", isRead: false },
  { version: "1.1", pattern: "@daily 0 0 * * *", isRead: false },
  // It may be refused where there is no start-up event, by an error that says so; a definition is the earliest place.
  { version: "1.1", pattern: "@reboot", isRead: false },

  { version: "1.2", pattern: "15 10 * * *", fits: ["2025-03-10 10:15:00"], fitsNot: ["2025-03-10 10:15:30"] },
  { version: "1.2", pattern: "30 15 10 * * *", fits: ["2025-03-10 10:15:30"], fitsNot: ["2025-03-10 10:15:29"] },
  { version: "1.2", pattern: "0 15 10 * * * 2025", fits: ["2025-03-10 10:15:00"], fitsNot: ["2026-03-10 10:15:00"] },
  {
    version: "1.2",
    pattern: "0 0 0 1 1 * 1970-2199/2",
    fits: ["2026-01-01 00:00:00"],
    fitsNot: ["2025-01-01 00:00:00"],
  },
  { version: "1.2", pattern: "30 15 10 1 10 *", fits: ["2025-10-01 10:15:30"], fitsNot: ["2025-10-01 10:15:00"] },
  { version: "1.2", pattern: "0 0 12 1 1 * 2025", fits: ["2025-01-01 12:00:00"], fitsNot: ["2026-01-01 12:00:00"] },
  // Our years begin in 1970: nothing before it can be read by most.
  { version: "1.2", pattern: "0 0 0 1 1 * 1969", isRead: false },

  {
    version: "1.3",
    pattern: "0 0 L * *",
    fits: ["2025-02-28 00:00", "2025-07-31 00:00"],
    fitsNot: ["2025-02-27 00:00"],
  },
  { version: "1.3", pattern: "0 0 * * FRI#L", fits: ["2025-02-28 00:00"], fitsNot: ["2025-02-21 00:00"] },
  { version: "1.3", pattern: "0 0 * * 5L", fits: ["2025-07-25 00:00"], fitsNot: ["2025-07-18 00:00"] },
  { version: "1.3", pattern: "0 0 * * TUE#3", fits: ["2025-06-17 00:00"], fitsNot: ["2025-06-10 00:00"] },
  { version: "1.3", pattern: "0 0 * * 2#2", fits: ["2025-07-08 00:00"], fitsNot: ["2025-07-01 00:00"] },
  { version: "1.3", pattern: "0 12 15W * *", fits: ["2025-06-16 12:00"], fitsNot: ["2025-06-15 12:00"] },
  { version: "1.3", pattern: "0 12 1W * *", fits: ["2025-02-03 12:00"], fitsNot: ["2025-02-01 12:00"] },
  { version: "1.3", pattern: "0 0 5W 7 *", fits: ["2025-07-04 00:00"] },
  {
    version: "1.3",
    pattern: "0 0 LW * *",
    fits: [
      ...["2025-01-31 00:00", "2025-02-28 00:00", "2025-03-31 00:00", "2025-04-30 00:00", "2025-05-30 00:00"],
      ...["2025-06-30 00:00", "2025-07-31 00:00", "2025-08-29 00:00", "2025-09-30 00:00", "2025-10-31 00:00"],
      ...["2025-11-28 00:00", "2025-12-31 00:00"],
    ],
    fitsNot: ["2025-08-31 00:00", "2025-11-30 00:00"],
  },
  {
    version: "1.3",
    pattern: "0 0 31W * *",
    fits: ["2025-01-31 00:00", "2025-05-30 00:00", "2025-08-29 00:00"],
    fitsNot: ["2025-02-28 00:00", "2025-04-30 00:00"],
  },
  { version: "1.3", pattern: "0 12 1-15W * *", isRead: false },

  {
    version: "1.4",
    pattern: "0 12 1 * MON",
    fits: ["2025-09-01 12:00", "2025-09-08 12:00", "2025-10-01 12:00"],
    fitsNot: ["2025-10-07 12:00"],
  },
  {
    version: "1.4",
    pattern: "0 12 1 * +MON",
    fits: ["2025-09-01 12:00"],
    fitsNot: ["2025-09-08 12:00", "2025-10-01 12:00", "2025-07-01 12:00"],
  },
  { version: "1.4", pattern: "0 12 +1 * MON", isRead: false },
  { version: "1.4", pattern: "0 0 +1 * *", isRead: false },
  { version: "1.4", pattern: "? 12 * * *", isRead: false },
  { version: "1.4", pattern: "0 0 1 * ?", sameAs: "0 0 1 * *" },
  ...["0/10 * * * *", "30/10 * * * *", "* 5/15 * * *", "* * 15/5 * *", "* * * 6/2 *", "* * * * 1/2"].map(
    (pattern) => ({ version: "1.4", pattern, isRead: false }) as const,
  ),
  ...["/10 * * * *", "* /5 * * *"].map((pattern) => ({ version: "1.4", pattern, isRead: false }) as const),
  { version: "1.4", pattern: "*/10 * * * *", fits: ["2025-10-07 10:50"], fitsNot: ["2025-10-07 10:55"] },
  { version: "1.4", pattern: "0-30/10 * * * *", fits: ["2025-10-07 10:30"], fitsNot: ["2025-10-07 10:40"] },
  { version: "1.4", pattern: "10-50/5 * * * *", fits: ["2025-10-07 10:50"], fitsNot: ["2025-10-07 10:55"] },
];
