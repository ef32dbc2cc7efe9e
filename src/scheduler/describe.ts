/** Schedules in words: for lists, where nobody wants to read a pattern. */
import { assertNever } from "../kernel/assert.ts";
import { formatDuration } from "../kernel/duration.ts";
import { readCron } from "./cron.ts";
import { CRON_FIELDS, type CronField, type CronItem } from "./cron-fields.ts";
import type { Schedule, Source } from "./spec.ts";

/** The most times of a day that are listed one by one. */
const TIMES_MAX = 4;

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS = [
  ...["", "January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];
const ORDINALS = ["", "first", "second", "third", "fourth", "fifth"];

/**
 * What the schedule says, in English.
 *
 * @example describe(parseSchedule({ cron: "30 2 * * MON-FRI", timezone: "Europe/Berlin" }))
 * // "at 02:30 on Monday to Friday (Europe/Berlin)"
 */
export function describe(schedule: Schedule): string {
  const { spec, exceptions, fromAt, untilAt } = schedule;
  const parts = [schedule.sources.map((source) => describeSource(source)).join("; and ")];
  if (schedule.sources.length === 0) parts[0] = "never";
  if (exceptions.length > 0) parts.push(`with ${exceptions.length} exception${exceptions.length === 1 ? "" : "s"}`);
  if (Number.isFinite(fromAt)) parts.push(`from ${isoOf(fromAt)}`);
  if (Number.isFinite(untilAt)) parts.push(`until ${isoOf(untilAt)}`);
  if (schedule.jitterMs > 0) parts.push(`up to ${formatDuration(schedule.jitterMs)} later`);
  if (schedule.spreadMs > 0) parts.push(`spread over ${formatDuration(schedule.spreadMs)}`);
  if (spec.dst !== undefined && spec.dst !== "shift") parts.push(`DST policy ${spec.dst}`);
  return parts.join(", ");
}

function describeSource(source: Source): string {
  switch (source.kind) {
    case "every": {
      const offset = source.offsetMs === 0 ? "" : `, ${formatDuration(source.offsetMs)} after the full period`;
      return `every ${formatDuration(source.periodMs)}${offset}`;
    }
    case "at": {
      const [first = 0] = source.instants;
      return source.instants.length === 1
        ? `once, at ${isoOf(first)}`
        : `at ${source.instants.length} instants, the first ${isoOf(first)}`;
    }
    case "pattern":
      return `${describePattern(source.pattern)} (${source.timezone})`;
    default:
      return assertNever(source, "source of a schedule");
  }
}

function describePattern(pattern: string): string {
  const cron = readCron("pattern", pattern);
  if (cron.kind === "every") return "";
  const [second = [], minute = [], hour = [], dayOfMonth = [], month = [], dayOfWeek = [], year = []] =
    cron.fields.items;
  const days = describeDays(dayOfMonth, dayOfWeek, cron.fields.bothDays);
  const months = isAny(month) ? "" : `in ${listOf(month, 4, (value) => MONTHS[value] ?? "")}`;
  const years = isAny(year) ? "" : `in ${listOf(year, 6, String)}`;
  return [describeTime(second, minute, hour), days, months, years].filter((part) => part !== "").join(" ");
}

type Items = readonly CronItem[];

function describeTime(second: Items, minute: Items, hour: Items): string {
  const [seconds, minutes, hours] = [valuesOf(second), valuesOf(minute), valuesOf(hour)];
  const isPlain = seconds !== null && minutes !== null && hours !== null;
  if (isPlain && seconds.length * minutes.length * hours.length <= TIMES_MAX) {
    const times = hours.flatMap((h) => minutes.flatMap((m) => seconds.map((s) => clock(h, m, s))));
    return `at ${joined(times)}`;
  }
  const parts: string[] = [];
  if (!isZero(second)) parts.push(unit(second, 0, "second"));
  if (!(isAny(minute) && parts.length > 0)) parts.push(unit(minute, 1, "minute"));
  if (!isAny(hour)) parts.push(unit(hour, 2, "hour"));
  else if (stepOf(minute, CRON_FIELDS[1] as CronField) === null) parts.push("every hour");
  return parts.join(" of ");
}

function unit(items: Items, index: number, name: string): string {
  const step = stepOf(items, CRON_FIELDS[index] as CronField);
  if (step === null) return `${name} ${listOf(items, index, String)}`;
  return step === 1 ? `every ${name}` : `every ${step} ${name}s`;
}

/** The step with which the items run through the whole field from its begin; null if they are something else. */
function stepOf(items: Items, { min, max }: CronField): number | null {
  const [item] = items;
  if (items.length !== 1 || item === undefined) return null;
  if (item.kind === "any") return item.step;
  return item.kind === "range" && item.from === min && item.to === max ? item.step : null;
}

function describeDays(dayOfMonth: Items, dayOfWeek: Items, both: boolean): string {
  const month = isAny(dayOfMonth) ? "" : `on ${dayOfMonthText(dayOfMonth)} of the month`;
  const week = isAny(dayOfWeek) ? "" : `on ${listOf(dayOfWeek, 5, (value) => DAYS[value] ?? "")}`;
  if (month === "" || week === "") return month + week;
  return both ? `${month} that is also ${week.slice("on ".length)}` : `${month} or ${week}`;
}

function dayOfMonthText(items: Items): string {
  const isNumbers = items.every((item) => item.kind === "range" || item.kind === "any");
  return `${isNumbers ? "day " : ""}${listOf(items, 3, String)}`;
}

function listOf(items: Items, index: number, show: (value: number) => string): string {
  const { min } = CRON_FIELDS[index] as CronField;
  return joined(
    items.map((item) => {
      switch (item.kind) {
        case "any":
          return item.step === 1 ? "any" : `every ${item.step} from ${show(min)}`;
        case "range": {
          if (item.from === item.to) return show(item.from);
          const step = item.step === 1 ? "" : ` by ${item.step}`;
          return `${show(item.from)} to ${show(item.to)}${step}`;
        }
        case "lastDay":
          return "the last day";
        case "lastWeekday":
          return "the last weekday";
        case "nearestWeekday":
          return `the weekday nearest to day ${item.day}`;
        case "nth":
          return `the ${item.n === "L" ? "last" : ORDINALS[item.n]} ${show(item.day)} of the month`;
        default:
          return assertNever(item, "part of a pattern");
      }
    }),
  );
}

function isAny(items: Items): boolean {
  return items.length === 1 && items[0]?.kind === "any" && items[0].step === 1;
}

/** Whether the seconds are just 0, which goes without saying. */
function isZero(items: Items): boolean {
  const values = valuesOf(items);
  return values?.length === 1 && values[0] === 0;
}

/** The single values that the items name; null if one is more than a value. */
function valuesOf(items: Items): number[] | null {
  const values = items.map((item) => (item.kind === "range" && item.from === item.to ? item.from : null));
  return values.every((value) => value !== null) ? values : null;
}

function clock(hour: number, minute: number, second: number): string {
  const text = [hour, minute, ...(second === 0 ? [] : [second])];
  return text.map((part) => String(part).padStart(2, "0")).join(":");
}

function joined(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function isoOf(instant: number): string {
  return new Date(instant).toISOString().replace(/\.000Z$/, "Z");
}
